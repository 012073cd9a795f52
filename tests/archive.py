"""A PACS that follows Imaging Object Change Management: what a rejection note names is hidden, and never taken again.

The rule is IHE's (Radiology, IOCM, Image Manager): on a Key Object Selection Document whose title is one of the
rejection codes, the objects that it names are no longer given out, nor is the note; one that comes again is refused.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import KeyObjectSelectionDocumentStorage  # type: ignore[attr-defined]

TITLES = {"113001", "113037", "113038", "113039"}
CLASSES = (
    "1.2.840.10008.5.1.4.1.1.88.34", "1.2.840.10008.5.1.4.1.1.88.33", "1.2.840.10008.5.1.4.1.1.7",
    str(KeyObjectSelectionDocumentStorage),
)  # fmt: skip
REFUSED = 0xA900


@dataclass
class Archive:
    """What was stored, by SOP Instance UID; the titles of what was rejected; UIDs that came though they were."""

    port: int = 0
    stored: dict[str, Dataset] = field(default_factory=dict)
    rejected: dict[str, str] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    notes: list[Dataset] = field(default_factory=list)
    arrivals: list[str] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    """What is answered next instead of success; nothing is kept then."""

    def store(self, event: evt.Event) -> int:
        """Take an object, or a note."""
        dataset: Dataset = event.dataset
        uid = str(dataset.SOPInstanceUID)
        self.arrivals.append(uid)
        if self.statuses and (status := self.statuses.pop(0)):
            return status
        if uid in self.rejected:
            self.refused.append(uid)
            return REFUSED
        title = dataset.ConceptNameCodeSequence[0].CodeValue if "ConceptNameCodeSequence" in dataset else ""
        if dataset.SOPClassUID == KeyObjectSelectionDocumentStorage and title in TITLES:
            if uid not in {note.SOPInstanceUID for note in self.notes}:
                self.notes.append(dataset)
            self.rejected |= dict.fromkeys(named_by(dataset), title)
        else:
            self.stored[uid] = dataset
        return 0

    def shown(self, modality: str = "") -> list[Dataset]:
        """Return what a viewer is given, in the order of arrival."""
        return [
            dataset for uid, dataset in self.stored.items()
            if uid not in self.rejected and modality in {"", dataset.Modality}
        ]  # fmt: skip


def named_by(note: Dataset) -> list[str]:
    """Return the UIDs that a note's evidence names."""
    return [
        str(entry.ReferencedSOPInstanceUID)
        for study in note.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for entry in series.ReferencedSOPSequence
    ]


@contextmanager
def open_archive(archive: Archive | None = None, *, takes_notes: bool = True) -> Iterator[Archive]:
    """Serve an archive on the loopback interface; without ``takes_notes`` it accepts no such document."""
    archive = archive or Archive()
    ae = AE("ORTHANC")
    for uid in CLASSES if takes_notes else CLASSES[:-1]:
        ae.add_supported_context(uid)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, archive.store)])
    archive.port = server.socket.getsockname()[1]
    try:
        yield archive
    finally:
        server.shutdown()
