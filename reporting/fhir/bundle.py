"""The transaction Bundle of an analysis for one FHIR server: all of it is taken, or nothing.

Device, Patient, ImagingStudy and Provenance are created where the server has none; Observations and DiagnosticReport
are updated where they stand. What an earlier Bundle said and this one does not becomes an error in the same transaction
(:mod:`reporting.fhir.superseded`), so that the server has one truth at every moment.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fhir.resources.R4B.bundle import Bundle, BundleEntry
from fhir.resources.R4B.reference import Reference

from config.destinations import FhirDestination
from reporting.account import Account
from reporting.fhir.bundle_uid import bundle_uid
from reporting.fhir.device import build_device, device_url
from reporting.fhir.diagnostic_report import build_diagnostic_report, report_url
from reporting.fhir.entries import created, is_update, updated
from reporting.fhir.identifiers import by_identifier, by_tag, dicom_identifier, document_tag, full_url, own_identifier
from reporting.fhir.imaging_study import build_imaging_study, study_url
from reporting.fhir.observation import build_missing_observation, build_observation, missing_url, observed_findings
from reporting.fhir.patient import build_patient, is_created, patient_identifier, patient_url, subject
from reporting.fhir.provenance import Activity, Origin, build_provenance
from reporting.fhir.superseded import identifier_of, superseded_entries
from reporting.fhir.text import clean


@dataclass(frozen=True, slots=True)
class BuiltBundle:
    """One Bundle as JSON in UTF-8; ``uid`` is that of the document."""

    uid: str
    content: bytes


def build_bundle(account: Account, destination: FhirDestination, earlier: Sequence[bytes] = ()) -> BuiltBundle:
    """Return the Bundle for one destination.

    Parameters
    ----------
    account
        What to say; patient and study are those of its first image.
    destination
        How the patient is named, and whether findings that are scored only are sent.
    earlier
        The Bundles of this study that the destination has, or may have, the oldest first.
    """
    uid = bundle_uid(account, destination.name)
    context = list(_context_entries(account, destination))
    said = list(_result_entries(account, destination))
    gone = superseded_entries(earlier, [*context, *said])
    entries = [*context, *gone, *said]
    targets = [str(entry.fullUrl) for entry in (*gone, *said) if is_update(entry)]
    origin = Origin(
        document_uid=uid,
        activity=Activity.UPDATE if account.corrects else Activity.CREATE,
        recorded=account.local_time(),
        agent=Reference(reference=device_url(account.model)),
        institution=clean(account.institution),
        images=[dicom_identifier(source.sop_instance_uid) for source in account.sources],
        former=[identifier_of(content) for content in earlier[-1:]],
    )
    entries.append(provenance_entry(origin, targets))
    return BuiltBundle(uid, transaction(uid, entries))


def transaction(uid: str, entries: Sequence[BundleEntry]) -> bytes:
    """Return a transaction Bundle as JSON."""
    bundle = Bundle(identifier=own_identifier(uid), type="transaction", entry=list(entries))
    return bundle.model_dump_json().encode("utf-8")


def provenance_entry(origin: Origin, targets: Sequence[str]) -> BundleEntry:
    """Return the entry of a document's Provenance."""
    provenance = build_provenance(origin, targets)
    return created(full_url("Provenance", origin.document_uid), provenance, by_tag(document_tag(origin.document_uid)))


def _context_entries(account: Account, destination: FhirDestination) -> Iterator[BundleEntry]:
    """Yield what the result refers to."""
    device = build_device(account.model)
    yield created(device_url(account.model), device, _criteria(device))
    identifier = patient_identifier(account.lead, destination)
    if identifier is not None and is_created(identifier, destination):
        yield created(patient_url(identifier), build_patient(account.lead, identifier), by_identifier(identifier))
    study = build_imaging_study(account, subject(account.lead, destination))
    yield created(study_url(account.lead.study_uid), study, _criteria(study))


def _result_entries(account: Account, destination: FhirDestination) -> Iterator[BundleEntry]:
    """Yield what is said: the findings, and the report that names them."""
    patient = subject(account.lead, destination)
    observed = observed_findings(account, scored_only=destination.scored_only)
    for entry in observed:
        observation = build_observation(account, entry, patient, destination)
        yield updated(entry.url, observation, _criteria(observation))
    missing = () if account.analysed else account.skipped
    for skipped in missing:
        absent = build_missing_observation(account, skipped, patient)
        yield updated(missing_url(account, skipped), absent, _criteria(absent))
    results = [entry.url for entry in observed] + [missing_url(account, skipped) for skipped in missing]
    report = build_diagnostic_report(account, results, patient, destination)
    yield updated(report_url(account.lead.study_uid), report, _criteria(report))


def _criteria(resource: Any) -> str:
    return by_identifier(resource.identifier[0])
