"""Radiographs on a study's page: the image itself, what is claimed of it as layers, and who looked."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from config.settings import Settings
from console import radiographs
from cxrnode.phantom import View, phantom_dataset
from inference.findings import Finding, finding_to_json
from inference.pixels import display_size, read_picture, to_display
from tests.accounts import finding, hot_map, mapped_findings
from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine.database import Database
from tracking.results.analyses import FindingRecord

Record = Callable[..., None]
IMAGE = "/study/1.9/images/1.1.png"
LAYER = "/study/1.9/images/1.1/maps/lung_opacity.png"


def views(database: Database) -> list[str]:
    with database.reading() as read:
        return [str(line.detail["what"]) for line in audit.lines(read) if line.type == AuditEventType.STUDY_VIEWED]


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


def record_of(made: Finding) -> FindingRecord:
    code = made.code
    return FindingRecord(made.label, code.value, code.scheme, code.meaning, made.score, made.level.value,
                         made.abnormal, finding_to_json(made))  # fmt: skip


@pytest.fixture
def image(settings: Settings) -> None:
    """The image of every record, where the instance store has it."""
    path = settings.instance_dir / "ab" / "cd"
    path.parent.mkdir(parents=True)
    phantom_dataset(1, size=256).save_as(path, enforce_file_format=True)


@pytest.fixture
def study(receive: Record, analyse: Record, image: None) -> None:
    receive("1.1")
    analyse("1.9", 1, "1.1", findings=mapped_findings())


def test_the_image_is_shown_as_a_reader_is_meant_to_see_it(
    browser: TestClient, study: None, settings: Settings, database: Database
) -> None:
    answer = browser.get(IMAGE)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    picture = read_picture(settings.instance_dir / "ab" / "cd", settings.inference.max_pixels)
    assert np.array_equal(pixels(answer.content), to_display(picture, *display_size(picture, radiographs.LONGEST_SIDE)))
    assert views(database) == ["image"]


def test_the_page_holds_what_is_claimed_as_layers(browser: TestClient, study: None) -> None:
    answer = browser.get("/study/1.9")
    assert f'data-image="{IMAGE}"' in answer.text
    assert f'data-layer="lung_opacity" data-map="{LAYER}"' in answer.text
    assert f'data-left="{180 / 256}"' in answer.text
    assert "Lung opacity: present 91\N{NO-BREAK SPACE}%" in answer.text
    assert 'data-layer="normal"' not in answer.text
    assert answer.text.count("<script src=") == 4, "what follows changes, the library, the viewer and the answers"
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]


def test_a_header_of_nested_sequences_has_no_size(tmp_path: Path) -> None:
    path = tmp_path / "nested.dcm"
    phantom = phantom_dataset(1, view=View.PA, size=64)
    del phantom.PixelData
    phantom.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2"
    phantom.save_as(path, implicit_vr=True, little_endian=True, enforce_file_format=True)
    sequence, item, endless = b"\x40\x00\x30\xa7", b"\xfe\xff\x00\xe0", b"\xff\xff\xff\xff"
    path.write_bytes(path.read_bytes() + (sequence + endless + item + endless) * 3000)
    assert radiographs.stored_size(path) is None


def test_regions_lie_where_the_model_found_them_and_are_numbered_where_there_are_several() -> None:
    several = finding("lung_opacity", 0.91, (0, 0, 50, 100, 0.91), (100, 150, 200, 200, 0.5), map=hot_map())
    (layer,) = radiographs.layers_of([record_of(several)], (200, 400), "/study/1.9/images/1.1")
    assert [(one.left, one.top, one.width, one.height) for one in layer.regions] == [
        (0, 0, 0.125, 0.5), (0.25, 0.75, 0.25, 0.25),
    ]  # fmt: skip
    assert [one.title.replace("\N{NO-BREAK SPACE}", " ") for one in layer.regions] == [
        "Lung opacity, region 1: present 91 %", "Lung opacity, region 2: undetermined 50 %",
    ]  # fmt: skip
    assert [one.claim for one in layer.regions] == ["present", "undetermined"]


@pytest.mark.parametrize("score", [0.01, 0.91])
def test_what_is_not_claimed_is_no_layer(score: float) -> None:
    absent = finding("lung_opacity", score, (0, 0, 50, 100, score), stated=False, map=hot_map())
    assert radiographs.layers_of([record_of(absent)], (200, 400), "/x") == ()


def test_a_finding_that_was_not_kept_whole_is_no_layer() -> None:
    old = FindingRecord("lung_opacity", "112001", "DCM", "Opacity", 0.9, "present", True, {"boxes": [{"x0": 1}]})
    assert radiographs.layers_of([old], (200, 400), "/x") == ()


def test_a_map_alone_lets_the_radiograph_through(browser: TestClient, study: None, database: Database) -> None:
    layer = pixels(browser.get(LAYER).content)
    assert layer.shape == (32 * 16, 26 * 16, 4)
    assert layer[20 * 16 + 8, 6 * 16 + 8, 3] > 140
    assert layer[0, 0, 3] == 0
    assert views(database) == ["score map"]


@pytest.mark.parametrize(
    "place",
    [
        "/study/1.9/images/1.2.png", "/study/1.8/images/1.1.png", "/study/1.9/images/..%2F1.1.png",
        "/study/1.9/images/1.1%00.png", "/study/1.9/images/1.1/maps/normal.png", "/study/1.9/images/1.2/maps/x.png",
    ],
)  # fmt: skip
def test_no_other_image_is_shown(browser: TestClient, study: None, database: Database, place: str) -> None:
    assert browser.get(place).status_code == 404
    assert views(database) == []


def test_an_image_that_is_gone_or_broken_is_not_shown(
    browser: TestClient, study: None, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    path = settings.instance_dir / "ab" / "cd"
    path.write_bytes(b"no DICOM")
    assert browser.get(IMAGE).status_code == 410
    assert "data-image" not in browser.get("/study/1.9").text
    assert "its header cannot be read" in "".join(capsys.readouterr())
    path.unlink()
    assert browser.get(IMAGE).status_code == 410


def test_in_a_conflict_no_image_is_shown(browser: TestClient, study: None, receive: Record) -> None:
    receive("1.2", patient_name="Roe^Mary", patient_id="OTHER")
    assert "data-image" not in browser.get("/study/1.9").text
    assert browser.get(IMAGE).status_code == 404


def test_the_scripts_are_served_and_nothing_else_of_their_folder(browser: TestClient) -> None:
    for name in ("viewer.js", "openseadragon.js"):
        assert browser.get(f"/static/{name}").headers["content-type"].startswith("text/javascript")
    for name in ("openseadragon.min.js", "openseadragon.LICENSE.txt", "vendor%2Fopenseadragon.min.js"):
        assert browser.get(f"/static/{name}").status_code == 404
