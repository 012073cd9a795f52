"""Rejection notes: what must not be shown any more, as a Key Object Selection Document (PS3.3 A.35.4, TID 2010).

The profile is IHE Radiology, Imaging Object Change Management: title, evidence and content references name the rejected
objects; an archive that follows it hides them and takes none of them again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import highdicom as hd
from highdicom import sr
from pydicom import Dataset
from pydicom.sr.coding import Code

from config.language.translation import gettext as _
from config.language.translation import marked
from reporting.account import MANUFACTURER
from reporting.charset import quiet
from reporting.dicom_object import BuiltObject
from reporting.part10 import encode
from reporting.source import SourceImage
from tracking.outbox.document_kinds import KINDS
from tracking.outbox.reasons import Reason
from tracking.outbox.rejections import KEY_OBJECT_SELECTION, Note

_TITLES = {
    Reason.QUALITY: Code("113001", "DCM", "Rejected for Quality Reasons"),
    Reason.SAFETY: Code("113037", "DCM", "Rejected for Patient Safety Reasons"),
}
"""CID 7011."""
_DESCRIPTION = marked("These results of AI must not be used any more: they were withdrawn, or later ones replace them.")


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends a note: the institution, and the Series Number (0020,0011) of notes."""

    institution: str
    series_number: int


def build_rejection_note(note: Note, filed: SourceImage, sender: Sender) -> BuiltObject:
    """Return the note about some documents of one study.

    Parameters
    ----------
    note
        What to say. Its documents are named in the order in which they were built.
    filed
        The header of one of them: the note repeats its patient and study to the byte, so that it is filed beside it.
    sender
        Who says it.
    """
    when = datetime.fromtimestamp(note.since_ms / 1000, UTC).astimezone(filed.timezone())
    evidence = [_evidence(document.kind, document.uid, document.sop_class_uid, document.series_uid, filed)
                for document in note.rejected]  # fmt: skip
    fit = filed.character_set.fit
    with quiet():
        document = hd.ko.KeyObjectSelectionDocument(
            evidence=evidence,
            content=hd.ko.KeyObjectSelection(
                document_title=sr.CodedConcept.from_code(_TITLES[note.reason]),
                referenced_objects=evidence,
                description=fit(_(_DESCRIPTION), 1024),
            ),
            series_instance_uid=note.series_uid or "",
            series_number=sender.series_number,
            sop_instance_uid=note.uid,
            instance_number=1,
            manufacturer=MANUFACTURER,
            institution_name=fit(sender.institution, 64) or None,
        )
        document.SeriesDescription = fit(_("AI results withdrawn or replaced"), 64)
        document.ManufacturerModelName = MANUFACTURER
        _date(document, when)
        content = encode(document, filed.identity(), filed.character_set)
    return BuiltObject(note.uid, note.series_uid or "", KEY_OBJECT_SELECTION, content)


def _evidence(kind: str, uid: str, sop_class_uid: str, series_uid: str, filed: SourceImage) -> Dataset:
    """Return a stand-in for a rejected document, as highdicom takes it; only its size says that it is an image."""
    stand_in = filed.evidence()
    stand_in.SOPInstanceUID = uid
    stand_in.SOPClassUID = sop_class_uid
    stand_in.SeriesInstanceUID = series_uid
    if KINDS[kind].is_image:
        stand_in.Rows = stand_in.Columns = 1
    return stand_in


def _date(document: Dataset, when: datetime) -> None:
    """Set what highdicom takes from the clock (PS3.3 C.17.6.2, C.12.1): a note built again is the same to the byte."""
    day, time = when.strftime("%Y%m%d"), when.strftime("%H%M%S.%f")
    document.ContentDate = document.SeriesDate = document.InstanceCreationDate = day
    document.ContentTime = document.SeriesTime = document.InstanceCreationTime = time


def referenced_uids(document: Dataset) -> Sequence[str]:
    """Return the SOP Instance UIDs that a Key Object Selection Document names, in the order of its content."""
    return [
        str(item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
        for item in document.ContentSequence
        if "ReferencedSOPSequence" in item
    ]
