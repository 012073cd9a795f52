"""A node whose store and database hold acknowledged images, without a network."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from config.settings import Settings
from cxrnode.cli import main
from dicom_node.format.file_meta import file_meta
from dicom_node.format.header import parse_header
from dicom_node.instance_store.store import InstanceStore
from tracking.engine import schema
from tracking.engine.database import Database
from tracking.studies.instances import IncomingInstance, register_instance

CR, EXPLICIT = "1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.1.2.1"


@dataclass(frozen=True)
class Result:
    """What a command came to."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Result]


def command_line(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs ``cxrnode`` in a folder, with the settings file there."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "200")

    def command(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["cxrnode", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return Result(int(ended.value.code or 0), printed.out, printed.err)

    return command


def encoded(number: int, patient: str = "P1") -> bytes:
    """Return the data set of a small image, ``1.2.NUMBER`` of study ``1.9.NUMBER``."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = CR, f"1.2.{number}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"1.9.{number}", f"1.8.{number}"
    dataset.Modality, dataset.PatientID, dataset.PatientName = "CR", patient, "Doe^Jane"
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_dataset(buffer, dataset)
    return buffer.getvalue()


@dataclass
class StoredNode:
    """The settings of a node; images are put into its store, and into its database unless that shall not know."""

    settings: Settings

    def open(self) -> Database:
        """Open the database."""
        database = Database.open(self.settings.database_url())
        schema.ensure(database)
        return database

    def put(self, number: int, *, on_record: bool = True, patient: str = "P1") -> Path:
        """Acknowledge an image; return its file."""
        store = InstanceStore(self.settings.instance_dir, min_free_bytes=0)
        store.open()
        uid, content = f"1.2.{number}", encoded(number, patient)
        partial = store.start(file_meta(CR, uid, EXPLICIT))
        partial.write(memoryview(content))
        sha256, size = partial.sha256, partial.size
        path = store.place(partial, uid, EXPLICIT)
        header = parse_header(content, EXPLICIT)
        assert header is not None
        if on_record:
            incoming = IncomingInstance(
                uid, CR, header.series_uid, EXPLICIT, "CR", sha256, size, path, "MODALITY", "CXRNODE", "127.0.0.1",
                header.study,
            )  # fmt: skip
            database = self.open()
            with database.transaction() as tx:
                register_instance(tx, incoming, settle_seconds=0)
            database.close()
        return self.settings.instance_dir / path
