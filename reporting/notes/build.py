"""Building a note from what is on disk: the documents that it takes back say of whom and of what they are."""

from io import BytesIO
from pathlib import Path

import pydicom

from config.errors import DocumentRejected, UnreadableInstance
from config.settings import Settings
from reporting.charset import quiet
from reporting.dicom_object import BuiltObject
from reporting.document_store import StoredFile, read_document, write_document
from reporting.drafts import Room
from reporting.hl7.er7 import FIELD, SEGMENT_END
from reporting.hl7.message import CODECS, BuiltMessage
from reporting.hl7.validation import require_valid
from reporting.notes.correction import build_correction
from reporting.notes.rejection import Sender, build_rejection_note, referenced_uids
from reporting.source import SourceImage, read_source
from tracking.outbox.document_kinds import CORRECTION, REJECTION_NOTE
from tracking.outbox.rejections import Note


def build_message_correction(note: Note, settings: Settings) -> StoredFile:
    """Build the correction of messages, check it, and put it into the document store.

    Built again it is the same to the byte. Raises DocumentRejected where the files of what it takes back are missing or
    altered, or where it fails its own check.
    """
    message = build_correction(note, _last_message(note, settings.document_dir))
    check_correction(message)
    return write_document(settings.document_dir, note.uid, CORRECTION.suffix, message.content)


def build_archive_note(note: Note, settings: Settings) -> StoredFile:
    """Build a rejection note, check it, and put it into the document store; see :func:`build_message_correction`."""
    filed = _filed(note, settings.document_dir)
    sender = Sender(settings.node.institution, settings.report.note_series_number)
    built = build_rejection_note(note, filed, sender)
    check_rejection_note(built, note, filed)
    return write_document(settings.document_dir, note.uid, REJECTION_NOTE.suffix, built.content)


@quiet()
def check_rejection_note(built: BuiltObject, note: Note, filed: SourceImage) -> None:
    """Check that a note is filed with what it rejects and names it all. Raises DocumentRejected."""
    document = pydicom.dcmread(BytesIO(built.content))
    rejected = [entry.uid for entry in note.rejected]
    (study,) = document.CurrentRequestedProcedureEvidenceSequence
    evidence = {
        str(entry.ReferencedSOPInstanceUID)
        for series in study.ReferencedSeriesSequence
        for entry in series.ReferencedSOPSequence
    }
    if referenced_uids(document) != rejected or evidence != set(rejected):
        msg = "the rejection note does not name what it rejects"
        raise DocumentRejected(msg)
    if {document.StudyInstanceUID, study.StudyInstanceUID} != {filed.study_uid}:
        msg = "the rejection note is of another study than what it rejects"
        raise DocumentRejected(msg)


def check_correction(message: BuiltMessage) -> None:
    """Check a correction strictly, as every message. Raises DocumentRejected."""
    character_set = message.content.split(SEGMENT_END.encode())[0].split(FIELD.encode())[17].decode("ascii")
    require_valid(message.content.decode(CODECS[character_set]), "correction")


def _last_message(note: Note, store: Path) -> bytes:
    """Return the message that a receiver took last: it replaced those before it."""
    last = note.rejected[-1]
    return read_document(store, last.path, last.sha256)


def _filed(note: Note, store: Path) -> SourceImage:
    """Return the header of the first rejected document that can be read."""
    for document in note.rejected:
        try:
            read_document(store, document.path, document.sha256)
            return read_source(store / document.path)
        except (DocumentRejected, UnreadableInstance):
            continue
    msg = "the files of the documents to take back are missing from the document store; restore them from a backup"
    raise DocumentRejected(msg)


NOTES = Room(notes={REJECTION_NOTE: build_archive_note, CORRECTION: build_message_correction})
