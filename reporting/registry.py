"""The registry of document rooms: a new kind of document is a folder with a ``Room``, and one line here.

Destinations are registered in :mod:`reporting.delivery.destinations`, kinds in :mod:`tracking.outbox.document_kinds`.
"""

from pathlib import Path

from config.errors import DocumentRejected
from config.language.translation import speaking
from config.settings import Settings
from reporting.capture.capture_drafts import CAPTURES
from reporting.document_store import StoredFile
from reporting.drafts import Room
from reporting.fhir.bundle_drafts import BUNDLES
from reporting.hl7.message_drafts import MESSAGES
from reporting.notes.build import NOTES
from reporting.pr.presentation_drafts import PRESENTATION_STATES
from reporting.sr.report_drafts import REPORTS
from tracking.outbox.document_kinds import KINDS
from tracking.outbox.rejections import Note

ROOMS: tuple[Room, ...] = (REPORTS, CAPTURES, PRESENTATION_STATES, MESSAGES, BUNDLES, NOTES)
"""In the order in which documents are built: what refers to another document stands behind it."""
_GATES = {kind: gate for room in ROOMS for kind, gate in room.gates.items()}
_NOTES = {kind: build for room in ROOMS for kind, build in room.notes.items()}


def check_file(path: Path, kind: str) -> str | None:
    """Check a document on disk without its analysis: what is wrong with it, or None.

    A note is checked against what it takes back when it is built; of it only whether its file is there.
    """
    try:
        content = path.read_bytes()
        if KINDS[kind] in _GATES:
            _GATES[KINDS[kind]](content)
    except DocumentRejected as error:
        return str(error)
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    return None


def build_note(kind: str, note: Note, settings: Settings) -> StoredFile:
    """Build a note of one kind, check it, and put it into the document store. Raises DocumentRejected."""
    with speaking(settings.node.language):
        return _NOTES[KINDS[kind]](note, settings)
