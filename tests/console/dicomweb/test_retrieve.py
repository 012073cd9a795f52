"""WADO-RS: the bytes as they are stored, metadata, frames in the form that was asked for, and rendered images."""

import io
from collections.abc import Callable
from email import message_from_bytes
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydicom.dataset import Dataset
from starlette.testclient import TestClient

from config.settings import Settings
from console.dicomweb.accept import accepted, choose
from tests.console.dicomweb.conftest import IMAGE, SERIES, STUDY
from tests.logins import noted
from tracking.audit_log.audit import AuditEventType
from tracking.engine.database import Database

Hold = Callable[..., Dataset]
Record = Callable[..., None]
PLACE = f"/dicom-web/studies/{STUDY}/series/{SERIES}/instances/{IMAGE}"


def parts(answer: Any) -> list[tuple[str, bytes]]:
    """Return type and bytes of each part, as the standard library reads them."""
    assert answer.status_code == 200, answer.text
    kind = answer.headers["content-type"]
    assert kind.startswith("multipart/related")
    boundary = kind.split("boundary=")[1].encode()
    bodies = answer.content.split(b"--" + boundary)[1:-1]
    read = [body.lstrip(b"\r\n").split(b"\r\n\r\n", 1) for body in bodies]
    return [(str(message_from_bytes(head)["Content-Type"]), body.removesuffix(b"\r\n")) for head, body in read]


def compress(image: Any) -> None:
    image.compress("1.2.840.10008.1.2.5", generate_instance_uid=False)


def ask(browser: TestClient, place: str, accept: str) -> Any:
    return browser.get(place, headers={"Accept": accept})


def test_instances_are_answered_as_they_are_stored(
    browser: TestClient, hold: Hold, settings: Settings, database: Database
) -> None:
    hold()
    stored = (settings.instance_dir / "0" / f"{IMAGE}.dcm").read_bytes()
    for place in (f"/dicom-web/studies/{STUDY}", f"/dicom-web/studies/{STUDY}/series/{SERIES}", PLACE):
        ((kind, content),) = parts(ask(browser, place, 'multipart/related; type="application/dicom"'))
        assert content == stored
        assert kind == "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"
    assert ask(browser, PLACE, "application/dicom").content == stored
    other = 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.90'
    assert ask(browser, PLACE, other).status_code == 406
    assert ask(browser, PLACE, "text/html").status_code == 406
    looks = noted(database, AuditEventType.STUDY_VIEWED)
    assert {(line["what"], line["how"], line["user"]) for line in looks} == {
        ("instances", "dicomweb", "dr.administrator")
    }
    assert looks[2]["instance_uid"] == IMAGE


def test_each_answer_has_a_boundary_of_its_own(browser: TestClient, hold: Hold) -> None:
    hold()
    kinds = [
        ask(browser, PLACE, 'multipart/related; type="application/dicom"').headers["content-type"] for _ in range(3)
    ]
    boundaries = {kind.split("boundary=")[1].strip('"') for kind in kinds}
    assert len(boundaries) == 3
    assert all(len(boundary) >= 22 for boundary in boundaries), "128 random bits"


def test_metadata_name_where_long_values_are(browser: TestClient, hold: Hold) -> None:
    def alter(image: Any) -> None:
        image.add_new(0x00420011, "OB", bytes(range(256)) * 8)
        image.PatientComments = "Größe"
        image.SpecificCharacterSet = "ISO_IR 192"

    hold(alter=alter)
    (said,) = ask(browser, f"{PLACE}/metadata", "application/dicom+json").json()
    assert said["00280010"] == {"vr": "US", "Value": [64]}
    assert said["00104000"]["Value"] == ["Größe"]
    assert said["7FE00010"] == {"vr": "OW", "BulkDataURI": f"{PLACE}/bulkdata/7FE00010"}
    assert browser.get(said["00420011"]["BulkDataURI"]).content == bytes(range(256)) * 8
    assert browser.get(f"{PLACE}/bulkdata/00100010").status_code == 404
    assert browser.get(f"{PLACE}/bulkdata/x").status_code == 404


@pytest.mark.parametrize("alter", [None, compress])
def test_frames_are_decoded_for_who_wants_octets(browser: TestClient, hold: Hold, alter: Any) -> None:
    truth = hold(instance="1.2.3.2", alter=None).PixelData
    hold(alter=alter)
    ((kind, content),) = parts(ask(browser, f"{PLACE}/frames/1", 'multipart/related; type="application/octet-stream"'))
    assert kind == "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1"
    assert content == truth


def test_a_codestream_is_answered_to_who_takes_any_transfer_syntax(browser: TestClient, hold: Hold) -> None:
    image = hold(alter=compress)
    for accept in (
        "multipart/related; type=application/octet-stream; transfer-syntax=*",
        "multipart/related; type=image/dicom-rle; transfer-syntax=1.2.840.10008.1.2.5",
        "multipart/related; type=image/dicom-rle",
    ):
        ((kind, content),) = parts(ask(browser, f"{PLACE}/frames/1", accept))
        assert kind == "image/dicom-rle; transfer-syntax=1.2.840.10008.1.2.5"
        assert content in image.PixelData
    assert ask(browser, f"{PLACE}/frames/1", "multipart/related; type=image/jpeg").status_code == 406


@pytest.mark.parametrize(
    ("frames", "status"), [("2", 404), ("0", 404), ("x", 400), ("1,", 400), (",".join("1" * 65), 400)]
)
def test_frames_that_are_not_there(browser: TestClient, hold: Hold, frames: str, status: int) -> None:
    hold()
    assert browser.get(f"{PLACE}/frames/{frames}").status_code == status


def test_an_image_is_rendered_as_a_reader_is_meant_to_see_it(browser: TestClient, hold: Hold) -> None:
    hold()
    png, jpeg = (ask(browser, f"{PLACE}/rendered", f"image/{kind}").content for kind in ("png", "jpeg"))
    shown = [np.asarray(Image.open(io.BytesIO(content)).convert("L"), float) for content in (png, jpeg)]
    assert shown[0].shape == (64, 64)
    assert np.abs(shown[0] - shown[1]).mean() < 4
    assert ask(browser, f"{PLACE}/rendered", "*/*").headers["content-type"] == "image/jpeg"
    assert ask(browser, f"{PLACE}/rendered", "image/gif").status_code == 406


def test_documents_are_retrieved_like_images(
    browser: TestClient, hold: Hold, analyse: Record, capture: Record, settings: Settings
) -> None:
    hold()
    analyse(STUDY, 1, IMAGE)
    path = capture(1, "2.25.77")
    place = f"/dicom-web/studies/{STUDY}/series/2.25.1/instances/2.25.77"
    assert ask(browser, place, "application/dicom").content == path.read_bytes()
    ((_, pixels),) = parts(browser.get(f"{place}/frames/1"))
    assert len(pixels) == 1500 * 3000 * 3
    assert Image.open(io.BytesIO(ask(browser, f"{place}/rendered", "image/png").content)).size == (2500, 1250)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert ask(browser, place, "application/dicom").status_code == 410


def test_a_file_that_is_gone_or_broken_is_said_so(browser: TestClient, hold: Hold, settings: Settings) -> None:
    hold()
    path = settings.instance_dir / "0" / f"{IMAGE}.dcm"
    path.write_bytes(b"no DICOM")
    assert browser.get(f"{PLACE}/frames/1").status_code == 410
    assert browser.get(f"{PLACE}/metadata").json() == []
    assert browser.get(f"{PLACE}/rendered").status_code == 406
    path.unlink()
    for place in ("", "/metadata", "/frames/1", "/bulkdata/7FE00010"):
        assert browser.get(f"{PLACE}{place}").status_code == 410


@pytest.mark.parametrize(
    "place",
    ["/dicom-web/studies/1.2.99", f"/dicom-web/studies/{STUDY}/series/1.2.99", f"{PLACE}9", f"{PLACE}9/metadata",
     f"/dicom-web/studies/{STUDY}/series/2.25.1/instances/{IMAGE}"],
)  # fmt: skip
def test_what_is_not_held_is_not_found(browser: TestClient, hold: Hold, place: str) -> None:
    hold()
    assert browser.get(place).status_code == 404


@pytest.mark.parametrize("uid", ["..%2F..%2Fetc", "%2e%2e", "a%20b", "1" * 65, "1.2%00"])
def test_a_uid_that_is_none_opens_nothing(browser: TestClient, hold: Hold, uid: str) -> None:
    hold()
    assert browser.get(f"/dicom-web/studies/{STUDY}/series/{SERIES}/instances/{uid}").status_code in {404, 422}


def test_the_preferred_type_comes_first() -> None:
    header = 'image/png;q=0.5, multipart/related; type="image/jls"; transfer-syntax=1.2, text/html;q=0'
    first, second = accepted(header)
    assert (first.content, first.transfer_syntax, second.name) == ("image/jls", "1.2", "image/png")
    assert choose("image/*", ("image/jpeg", "image/png")) == "image/jpeg"
    assert choose("", ("image/jpeg",)) == "image/jpeg"
    assert choose("text/html", ("image/jpeg",)) is None


@given(st.text(max_size=200))
def test_no_accept_header_is_too_strange(header: str) -> None:
    assert all(entry.quality > 0 for entry in accepted(header))
