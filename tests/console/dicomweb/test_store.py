"""STOW-RS: taken as a C-STORE is, refused in the Standard's words, bounded, and noted."""

import contextlib
import io
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from pydicom import dcmread
from sqlalchemy import func, select
from starlette.testclient import TestClient

from config.settings import Settings
from console.app import make_app
from console.dicomweb.parts import BrokenParts, PartReader, boundary_of
from tests.logins import noted
from tests.phantoms import phantom_dataset
from tracking.audit_log import refusals
from tracking.audit_log.audit import AuditEventType
from tracking.engine.database import Database
from tracking.people.roles import Role
from tracking.tables.models import Instance, Job

STUDY = "1.2.3.9"
HERE = {"Origin": "http://127.0.0.1:8480"}
TYPE = 'multipart/related; type="application/dicom"; boundary=xyz'
MISMATCH, UNPARSABLE, CLASS, SYNTAX = 0xA900, 0xC000, 0x0122, 0xC122


def encoded(instance: str, study: str = STUDY, **changes: Any) -> bytes:
    image = phantom_dataset(1, size=64)
    image.StudyInstanceUID, image.SeriesInstanceUID, image.SOPInstanceUID = study, "1.2.3.8", instance
    image.file_meta.MediaStorageSOPInstanceUID = instance
    for name, value in changes.items():
        setattr(image.file_meta if name.startswith(("Media", "Transfer")) else image, name, value)
    file = io.BytesIO()
    image.save_as(file, enforce_file_format=True, implicit_vr=False, little_endian=True)
    return file.getvalue()


def body(*files: bytes, end: bytes = b"--xyz--\r\n") -> bytes:
    parts = (b"--xyz\r\nContent-Type: application/dicom\r\n\r\n" + file + b"\r\n" for file in files)
    return b"".join(parts) + end


def store(browser: TestClient, *files: bytes, place: str = "", **more: Any) -> Any:
    content = more.pop("content", None)
    headers = HERE | {"Content-Type": TYPE} | more.pop("headers", {})
    return browser.post(f"/dicom-web/studies{place}", content=content or body(*files), headers=headers)


def failures(answer: Any) -> dict[str, int]:
    items = answer.json().get("00081198", {}).get("Value", [])
    return {item["00081155"]["Value"][0]: item["00081197"]["Value"][0] for item in items}


def counted(database: Database, table: Any) -> int:
    with database.reading() as read:
        return read.scalar(select(func.count()).select_from(table)) or 0


def beside(browser: TestClient, settings: Settings, database: Database) -> TestClient:
    """Return a console with other settings, with the login of this one."""
    client = TestClient(make_app(settings, database), base_url="http://127.0.0.1:8480", headers=browser.headers)
    client.cookies.update(browser.cookies)
    return client


def test_an_instance_is_stored_as_a_c_store_stores_it(
    browser: TestClient, settings: Settings, database: Database
) -> None:
    sent = encoded("1.2.3.1")
    answer = store(browser, sent, encoded("1.2.3.2"))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/dicom+json")
    (first, _) = answer.json()["00081199"]["Value"]
    assert answer.json()["00081190"]["Value"] == [f"/dicom-web/studies/{STUDY}"]
    with database.reading() as read:
        row = read.get_one(Instance, "1.2.3.1")
        assert (row.calling_ae, row.address, row.study_uid) == ("STOW-RS", "192.0.2.55", STUDY)
    assert counted(database, Job) == 3, "two examinations and the study's analysis"
    stored = (settings.instance_dir / row.path).read_bytes()
    data_set = sent[sent.index(b"\x08\x00\x05\x00") :]
    assert stored.endswith(data_set), "the bytes of the data set are untouched"
    assert dcmread(io.BytesIO(stored)).SOPInstanceUID == "1.2.3.1"
    assert browser.get(first["00081190"]["Value"][0], headers={"Accept": "application/dicom"}).content == stored
    (line,) = noted(database, AuditEventType.INSTANCES_STORED)
    assert (line["user"], line["instances"]) == ("dr.administrator", 2)
    assert store(browser, sent).status_code == 200
    assert counted(database, Instance) == 2, "the same again changes nothing"


def test_each_failure_is_named_with_its_reason(browser: TestClient, database: Database) -> None:
    mri, mpeg = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.1.2.4.100"
    answer = store(
        browser,
        encoded("1.2.3.1"),
        encoded("1.2.3.2", "1.2.99"),
        encoded("1.2.3.3", SOPClassUID=mri),
        encoded("1.2.3.4").replace(b"1.2.840.10008.1.2.1\0", f"{mpeg[:19]}\0".encode(), 1),
        encoded("1.2.3.5")[:-100],
        b"1.2.3.7".join(encoded("1.2.3.6").rsplit(b"1.2.3.6", 1)),
        b"no DICOM",
        place=f"/{STUDY}",
    )
    assert answer.status_code == 202
    assert failures(answer) == {
        "1.2.3.2": MISMATCH, "1.2.3.3": CLASS, "1.2.3.4": SYNTAX, "1.2.3.5": UNPARSABLE, "1.2.3.6": MISMATCH,
    }  # fmt: skip
    (other,) = answer.json()["0008119A"]["Value"]
    assert other["00081197"]["Value"] == [UNPARSABLE]
    assert counted(database, Instance) == 1
    assert len(noted(database, AuditEventType.INSTANCE_REFUSED)) == 5
    with database.reading() as read:
        assert sum(entry.count for entry in refusals.latest(read)) == 6
    assert {line.get("refused") for line in noted(database, AuditEventType.INSTANCES_STORED)} == {None, 6}


def test_nothing_stored_is_a_conflict_or_a_full_disk(
    browse: Callable[..., TestClient], settings: Settings, database: Database
) -> None:
    assert store(browse(), b"no DICOM").status_code == 409
    full = settings.receive.model_copy(update={"min_free_disk_bytes": 1 << 60})
    with beside(browse(), settings.model_copy(update={"receive": full}), database) as client:
        answer = store(client, encoded("1.2.3.1"))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert failures(answer) == {"1.2.3.1": 0xA700}


def test_number_and_size_are_limited(browse: Callable[..., TestClient], settings: Settings, database: Database) -> None:
    browser = browse(store_instances=1)
    answer = store(browser, encoded("1.2.3.1"), encoded("1.2.3.2"))
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")
    assert "1 of its instances were stored" in answer.json()["detail"]
    long = encoded("1.2.3.3", PixelData=bytes(1 << 20))
    browser = browse()
    limited = settings.receive.model_copy(update={"max_dataset_bytes": 1 << 20})
    with beside(browser, settings.model_copy(update={"receive": limited}), database) as client:
        assert failures(store(client, long)) == {"1.2.3.3": 0x0110}
    assert counted(database, Instance) == 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "application/dicom"}, 415),
        ({"Content-Type": "multipart/related; boundary=xyz; type=application/dicom+json"}, 415),
        ({"Content-Type": "multipart/related; type=application/dicom"}, 415),
        ({"Content-Type": 'multipart/related; type="application/dicom"; boundary=abc'}, 400),
        ({"Origin": "http://elsewhere.example"}, 403),
        ({"X-CSRF-Token": "0" * 64}, 403),
    ],
)
def test_what_is_no_request_of_this_kind_is_refused(browser: TestClient, headers: dict[str, str], status: int) -> None:
    answer = store(browser, encoded("1.2.3.1"), headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


def test_a_body_that_breaks_off_leaves_what_was_whole(
    browser: TestClient, settings: Settings, database: Database
) -> None:
    answer = store(browser, content=body(encoded("1.2.3.1"), encoded("1.2.3.2"), end=b"")[:-3000])
    assert answer.status_code == 400
    assert "1 of its instances were stored" in answer.json()["detail"]
    assert counted(database, Instance) == 1
    assert list((settings.instance_dir / "incoming").iterdir()) == []


def test_a_viewer_stores_nothing(browse: Callable[..., TestClient]) -> None:
    assert store(browse(role=Role.VIEWER), encoded("1.2.3.1")).status_code == 403


class Collected:
    """Keeps the parts of a body."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def begin(self, content_type: str) -> None:
        self.parts.append(b"")

    def write(self, data: memoryview) -> None:
        self.parts[-1] += bytes(data)

    def end(self) -> None:
        self.parts[-1] += b"|"


@hypothesis(suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(st.lists(st.binary(max_size=60).filter(lambda part: b"--xyz" not in part), min_size=1, max_size=4), st.data())
def test_parts_are_read_in_pieces_of_any_size(parts: list[bytes], data: st.DataObject) -> None:
    content, collected = body(*parts), Collected()
    reader = PartReader("xyz", collected)
    while content:
        length = data.draw(st.integers(1, 40))
        reader.feed(content[:length])
        content = content[length:]
    reader.close()
    assert collected.parts == [part + b"|" for part in parts]


@hypothesis(max_examples=40)
@given(st.binary(max_size=200), st.text(max_size=80))
def test_no_body_and_no_type_is_too_strange(content: bytes, content_type: str) -> None:
    with contextlib.suppress(BrokenParts):
        PartReader("xyz", Collected()).feed(content)
    assert boundary_of(content_type, "application/dicom") in {None, ""} or "boundary" in content_type
