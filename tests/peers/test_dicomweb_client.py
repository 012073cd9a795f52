"""dicomweb-client, which nobody here wrote, stores, finds and retrieves over the node's DICOMweb."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import requests
from pydicom.dataset import Dataset

from config.settings import Settings
from console.server import Console
from tests.console.visitors import begin_session
from tests.phantoms import phantom_dataset
from tracking.engine.database import Database
from tracking.people import api_tokens
from tracking.people.roles import Role, Scope
from tracking.people.users import Actor

api = pytest.importorskip("dicomweb_client.api", reason="dicomweb-client is not installed")
pytestmark = [
    pytest.mark.peers,
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::ResourceWarning"),
]


@pytest.fixture
def client(settings: Settings, database: Database, free_port: Callable[[], int]) -> Iterator[Any]:
    """The client of a program that may query, retrieve and store."""
    begin_session(database, Role.RADIOLOGIST)
    with database.transaction() as tx:
        token = api_tokens.add(tx, "dr.radiologist", {Scope.DICOMWEB, Scope.STORE}, by=Actor("root"))
    port = free_port()
    console = Console(
        settings.model_copy(update={"console": settings.console.model_copy(update={"port": port})}), database
    )
    console.start()
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {token}"
        yield api.DICOMwebClient(f"http://127.0.0.1:{port}/dicom-web", session=session)
    console.stop()


def phantom(number: int, *, compressed: bool = False) -> Dataset:
    image = phantom_dataset(number, size=128)
    if compressed:
        image.compress("1.2.840.10008.1.2.5", generate_instance_uid=False)
    return image


def test_what_is_stored_is_found_and_retrieved(client: Any) -> None:
    native, compressed = phantom(1), phantom(2, compressed=True)
    pixels = phantom(2).pixel_array
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        answer = client.store_instances([native, compressed])
    assert len(answer.ReferencedSOPSequence) == 2
    assert "FailedSOPSequence" not in answer
    (found,) = client.search_for_studies(search_filters={"PatientID": str(native.PatientID)}, limit=5)
    study = found["0020000D"]["Value"][0]
    assert study == native.StudyInstanceUID
    (series,) = client.search_for_series(study)
    (instance,) = client.search_for_instances(study, series["0020000E"]["Value"][0])
    uids = (study, series["0020000E"]["Value"][0], instance["00080018"]["Value"][0])
    retrieved = client.retrieve_instance(*uids)
    assert np.array_equal(retrieved.pixel_array, native.pixel_array)
    (metadata,) = client.retrieve_study_metadata(study)
    assert Dataset.from_json(metadata, lambda *_: None).Rows == 128
    of_compressed = (compressed.StudyInstanceUID, compressed.SeriesInstanceUID, compressed.SOPInstanceUID)
    (frame,) = client.retrieve_instance_frames(
        *of_compressed, [1], media_types=(("application/octet-stream", "1.2.840.10008.1.2.1"),)
    )
    assert np.array_equal(np.frombuffer(frame, "<u2").reshape(128, 128), pixels)
    (stored,) = client.retrieve_instance_frames(
        *of_compressed, [1], media_types=(("image/dicom-rle", "1.2.840.10008.1.2.5"),)
    )
    assert stored in compressed.PixelData
    png = client.retrieve_instance_rendered(*uids, media_types=("image/png",))
    assert png.startswith(b"\x89PNG")
