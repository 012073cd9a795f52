"""A study as the node holds it: a radiograph as it came, compressed or not, its report and its capture."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from config.settings import Settings
from tests.phantoms import phantom_dataset
from tracking.engine.database import Database
from tracking.studies.instances import IncomingInstance, StudyHeader, register_instance

SERIES, IMAGE = "1.2.3.8", "1.2.3.1"
STUDY = "1.2.3.9"


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    """One database: what is asked of both is tested in ``tests/tracking/lists/test_holdings.py``."""
    shutil.copyfile(sqlite_template, tmp_path / "cxrnode.db")
    return f"sqlite:///{tmp_path / 'cxrnode.db'}"


@pytest.fixture
def hold(settings: Settings, database: Database) -> Callable[..., Dataset]:
    """Return a function that puts a radiograph into the store and on record; it may be altered before."""

    def put(
        study: str = STUDY, instance: str = IMAGE, *, series: str = SERIES, alter: Callable[[Any], None] | None = None,
        **header: str,
    ) -> Dataset:  # fmt: skip
        image = phantom_dataset(1, size=64)
        image.StudyInstanceUID, image.SeriesInstanceUID, image.SOPInstanceUID = study, series, instance
        image.file_meta.MediaStorageSOPInstanceUID = instance
        said = {"patient_id": "PAT", "patient_name": "Doe^Jane", "study_date": "20200131", "accession_number": "ACC"}
        said |= header
        image.PatientID, image.PatientName = said["patient_id"], said["patient_name"]
        if alter is not None:
            alter(image)
        path = settings.instance_dir / "0" / f"{instance}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save_as(path, enforce_file_format=True)
        incoming = IncomingInstance(
            instance_uid=instance, sop_class_uid=str(image.SOPClassUID), series_uid=series,
            transfer_syntax_uid=str(image.file_meta.TransferSyntaxUID), modality="DX", sha256="a" * 64,
            size=path.stat().st_size, path=f"0/{path.name}", calling_ae="MODALITY", called_ae="CXRNODE",
            address="192.0.2.7", study=StudyHeader(study, **said),
        )  # fmt: skip
        with database.transaction() as tx:
            register_instance(tx, incoming, settle_seconds=0)
        return image

    return put
