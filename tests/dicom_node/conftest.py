"""A running receiver, and small radiograph-like data sets to send to it."""

import io
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid
from sqlalchemy import select

from config.settings import Settings
from dicom_node.storage_scp.receive import Receiver
from dicom_node.storage_scu.target import Target
from tracking.audit_log import refusals
from tracking.audit_log.audit import Line, lines
from tracking.audit_log.refusals import RefusalCount
from tracking.engine.database import Database
from tracking.tables.models import Instance

MakeDataset = Callable[..., Dataset]
SaveFile = Callable[..., Path]


@dataclass
class Node:
    """A receiver under test, its database and what it has on disk."""

    settings: Settings
    database: Database
    receiver: Receiver

    @property
    def target(self) -> Target:
        return Target("127.0.0.1", self.receiver.port, "CXRNODE", "MODALITY", response_seconds=20)

    def instances(self) -> dict[str, Instance]:
        with self.database.reading() as read:
            return {row.instance_uid: row for row in read.scalars(select(Instance))}

    def audit(self) -> list[Line]:
        with self.database.reading() as read:
            return list(lines(read))

    def audit_soon(self, number: int = 1) -> list[Line]:
        """Return the audit log once it has so many lines: some are written when the peer is gone."""
        deadline = time.monotonic() + 20
        while len(found := self.audit()) < number and time.monotonic() < deadline:
            time.sleep(0.02)
        return found

    def refusals(self, number: int = 1) -> list[RefusalCount]:
        """Return what was refused, once there are so many different refusals."""
        deadline = time.monotonic() + 20
        while len(found := self._refusals()) < number and time.monotonic() < deadline:
            time.sleep(0.02)
        return found

    def _refusals(self) -> list[RefusalCount]:
        with self.database.reading() as read:
            return refusals.latest(read)

    def events(self) -> list[str]:
        return [line.type for line in self.audit()]

    def files(self) -> list[Path]:
        return sorted(path for path in self.settings.instance_dir.rglob("*") if path.is_file())


@pytest.fixture
def start_node(tmp_path: Path, sqlite_template: Path) -> Iterator[Callable[..., Node]]:
    """Start receivers with the given ``receive`` and ``node.tls`` settings; all are stopped at the end."""
    running: list[Node] = []

    def start(
        *, folder: str = "node", database: Database | None = None, peers: Any = (), tls: Any = None, **receive: Any
    ) -> Node:
        settings = Settings(
            node={"data_dir": tmp_path / folder, "tls": tls or {}},
            receive={"port": 0, "min_free_disk_bytes": 0, **receive},
            peers=peers,
        )
        if database is None:
            settings.node.data_dir.mkdir(mode=0o700, exist_ok=True)
            if not (file := settings.node.data_dir / "cxrnode.db").exists():
                shutil.copyfile(sqlite_template, file)
            database = Database.open(settings.database_url(), service="receive")
        receiver = Receiver(settings, database)
        receiver.start()
        running.append(Node(settings, database, receiver))
        return running[-1]

    yield start
    for node in running:
        node.receiver.stop(drain_seconds=0.2)
        node.database.close()


@pytest.fixture
def node(start_node: Callable[..., Node]) -> Node:
    return start_node()


@pytest.fixture
def make_dataset() -> MakeDataset:
    """Make a CR data set of noise; keywords replace or add attributes."""

    def make(**attributes: Any) -> Dataset:
        ds = Dataset()
        ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
        ds.SOPInstanceUID = generate_uid()
        ds.StudyInstanceUID = generate_uid()
        ds.SeriesInstanceUID = generate_uid()
        ds.Modality = "CR"
        ds.PatientName, ds.PatientID, ds.PatientSex, ds.PatientBirthDate = "Test^Pat", "P1", "O", "19500101"
        ds.AccessionNumber, ds.StudyDate, ds.StudyTime = "A1", "20260102", "030405"
        ds.Rows, ds.Columns, ds.SamplesPerPixel = 64, 48, 1
        ds.PhotometricInterpretation, ds.PixelRepresentation = "MONOCHROME2", 0
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 12, 11
        ds.PixelData = np.random.default_rng(7).integers(0, 4096, (64, 48), dtype=np.uint16).tobytes()
        for keyword, value in attributes.items():
            setattr(ds, keyword, value)
        return ds

    return make


@pytest.fixture
def save_file(tmp_path: Path) -> SaveFile:
    """Write a data set as a DICOM file in the given transfer syntax and return its path."""

    def save(ds: Dataset, syntax: str = ExplicitVRLittleEndian, name: str | None = None) -> Path:
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = UID(syntax)
        ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        path = tmp_path / (name or f"{ds.SOPInstanceUID}.dcm")
        buffer = io.BytesIO()
        ds.save_as(buffer, enforce_file_format=True)
        path.write_bytes(buffer.getvalue())
        return path

    return save
