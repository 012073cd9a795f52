"""The Bundles of an analysis: one for each FHIR destination. Nodes without one do not load FHIR's models."""

from collections.abc import Iterator

from config.destinations import FhirDestination
from config.settings import Settings
from reporting.document_store import StoredFile, read_document, write_document
from reporting.drafts import Batch, Composition, Draft, Room
from reporting.fhir.bundle_uid import bundle_uid
from tracking.outbox.document_kinds import BUNDLE, BUNDLE_WITHDRAWAL
from tracking.outbox.documents import earlier_documents
from tracking.outbox.rejections import Note


def bundle_drafts(composition: Composition) -> Iterator[Batch]:
    """Yield the Bundles."""
    destinations = composition.destinations(FhirDestination)
    if destinations:
        yield [_draft(composition, destination) for destination in destinations]


def _draft(composition: Composition, destination: FhirDestination) -> Draft:
    account = composition.account_for(destination.name, BUNDLE)
    uid = bundle_uid(account, destination.name)

    def build() -> bytes:
        from reporting.fhir.bundle import build_bundle
        from reporting.fhir.bundle_gate import check_bundle

        built = build_bundle(account, destination, _earlier(composition, destination))
        check_bundle(built, account, destination)
        return built.content

    return Draft(BUNDLE, uid, build, (destination.name,))


def _earlier(composition: Composition, destination: FhirDestination) -> list[bytes]:
    """Return the Bundles of earlier analyses that the destination has, or may have."""
    with composition.database.reading() as read:
        found = earlier_documents(read, composition.subject.analysis.id, BUNDLE.name, destination.name)
    return [read_document(composition.settings.document_dir, path, sha256) for path, sha256 in found]


def check_stored_bundle(content: bytes) -> None:
    """Check a Bundle without its analysis. Raises DocumentRejected."""
    from reporting.fhir.bundle_gate import check_bundle_alone

    check_bundle_alone(content)


def build_bundle_withdrawal(note: Note, settings: Settings) -> StoredFile:
    """Build the Bundle that takes others back, check it, and put it into the document store.

    Built again it is the same to the byte. Raises DocumentRejected where the files of what it takes back are missing or
    altered, or where it fails its own check.
    """
    from reporting.fhir.bundle_gate import check_bundle_alone
    from reporting.fhir.withdrawal import build_withdrawal

    bundles = [read_document(settings.document_dir, rejected.path, rejected.sha256) for rejected in note.rejected]
    built = build_withdrawal(note, bundles, settings.node.institution)
    check_bundle_alone(built.content)
    return write_document(settings.document_dir, note.uid, BUNDLE_WITHDRAWAL.suffix, built.content)


BUNDLES = Room(
    bundle_drafts,
    {BUNDLE: check_stored_bundle, BUNDLE_WITHDRAWAL: check_stored_bundle},
    {BUNDLE_WITHDRAWAL: build_bundle_withdrawal},
)
