"""A presentation state says of an image's regions what the structured report says, and how the image is shown."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom import Dataset
from sqlalchemy import select

from config.destinations import DicomDestination
from config.errors import DocumentRejected
from config.settings import Settings
from inference.findings import Finding
from reporting.account import Account
from reporting.dicom_object import BuiltObject
from reporting.pr.presentation import Presentation, read_presentation
from reporting.pr.presentation_gate import check_presentation_state
from reporting.pr.presentation_state import build_presentation_state
from reporting.sr.report import build_report
from reporting.words import DISCLAIMER
from tests.accounts import COLUMNS, ROWS, account, good_header, walk
from tests.phantoms import phantom_dataset
from tracking.tables.models import Delivery, Document

PLAIN = Presentation(None, None, inverted=False)


def built(made: Account, presentation: Presentation = PLAIN) -> BuiltObject:
    return build_presentation_state(made, made.analysed[0], presentation, 9005)


def read(content: bytes) -> Dataset:
    return pydicom.dcmread(BytesIO(content))


def of_file(folder: Path, **changes: Any) -> Presentation | None:
    """Return how a phantom with these attributes is shown; None takes an attribute away."""
    image = phantom_dataset(1, size=64)
    for keyword, value in changes.items():
        if value is None:
            delattr(image, keyword)
        else:
            setattr(image, keyword, value)
    path = folder / "image.dcm"
    image.save_as(path, enforce_file_format=True)
    return read_presentation(path)


def test_the_outlines_and_their_tracking_uids_are_those_of_the_structured_report() -> None:
    made = account()
    state, report = read(built(made).content), read(build_report(made, 9001).content)
    groups = [item for item in walk(report) if item.get("ContentTemplateSequence") and item is not report]
    regions = {
        str(group.ContentSequence[1].UID): list(child.GraphicData)
        for group in groups
        for child in group.ContentSequence
        if child.ValueType == "SCOORD"
    }
    drawn = {
        str(entry.TrackingUID): list(entry.GraphicData)
        for entry in state.GraphicAnnotationSequence[0].GraphicObjectSequence
    }
    assert len(drawn) == 2
    assert drawn.items() <= regions.items()


def test_it_says_what_it_is_and_what_is_claimed_of_each_region() -> None:
    state = read(built(account()).content)
    texts = [text.UnformattedTextValue for text in state.GraphicAnnotationSequence[0].TextObjectSequence]
    assert texts == [DISCLAIMER, "Lung opacity, region 1: present", "Lung opacity, region 2: undetermined"]
    assert (state.Modality, state.ContentLabel, state.SeriesNumber) == ("PR", "AI FINDINGS", 9005)
    area = state.DisplayedAreaSelectionSequence[0]
    assert list(area.DisplayedAreaBottomRightHandCorner) == [COLUMNS, ROWS]


def test_it_is_filed_with_its_image_and_the_same_to_the_byte_each_time() -> None:
    made = account()
    first = built(made)
    assert first == built(account())
    state = read(first.content)
    assert state.PatientName == "Müller^Jörg^^Dr^Jr"
    assert state.ReferencedSeriesSequence[0].ReferencedImageSequence[0].ReferencedSOPInstanceUID == "1.2.3.4.1"
    check_presentation_state(first, made, made.analysed[0])


@pytest.mark.parametrize(
    ("damage", "wrong"),
    [
        (lambda d: d.GraphicAnnotationSequence[0].GraphicObjectSequence.pop(), "a region has no words"),
        (lambda d: d.GraphicAnnotationSequence[0].TextObjectSequence.pop(0), "say first what they are"),
        (
            lambda d: setattr(d.GraphicAnnotationSequence[0].GraphicObjectSequence[0], "GraphicData", [1.0] * 10),
            "not those of the regions",
        ),
        (lambda d: setattr(d, "PatientID", "OTHER"), "PatientID"),
        (lambda d: delattr(d, "PresentationLUTShape"), "presentation LUT"),
    ],
)
def test_the_gate_finds_what_is_wrong(damage: Callable[[Dataset], object], wrong: str) -> None:
    made = account()
    first = built(made)
    document, buffer = read(first.content), BytesIO()
    damage(document)
    document.save_as(buffer)
    with pytest.raises(DocumentRejected, match=wrong):
        check_presentation_state(replace(first, content=buffer.getvalue()), made, made.analysed[0])


def test_the_windows_and_polarity_of_the_image_are_repeated(tmp_path: Path) -> None:
    shown = of_file(tmp_path, PhotometricInterpretation="MONOCHROME1", PresentationLUTShape=None)
    assert shown is not None
    made = account(good_header())
    state = read(built(made, shown).content)
    original = phantom_dataset(1, size=64)
    assert state.PresentationLUTShape == "INVERSE"
    window = state.SoftcopyVOILUTSequence[0]
    assert float(window.WindowCenter) == float(original.WindowCenter)
    assert float(window.WindowWidth) == float(original.WindowWidth)


def test_a_window_without_width_counts_as_absent(tmp_path: Path) -> None:
    shown = of_file(tmp_path, WindowWidth="0")
    assert shown is not None
    assert shown.voi is None


def test_a_lookup_table_is_repeated(tmp_path: Path) -> None:
    table = Dataset()
    table.LUTDescriptor, table.LUTData = [4, 0, 16], [0, 10, 20, 30]
    table["LUTDescriptor"].VR, table["LUTData"].VR = "US", "US"
    shown = of_file(tmp_path, VOILUTSequence=[table], WindowCenter=None, WindowWidth=None)
    assert shown is not None
    assert shown.voi is not None
    assert np.array_equal(shown.voi.VOILUTSequence[0].lut_data, [0, 10, 20, 30])


def test_a_colour_image_has_no_presentation_state(tmp_path: Path) -> None:
    assert of_file(tmp_path, PhotometricInterpretation="RGB", SamplesPerPixel=3, PlanarConfiguration=0) is None


def test_only_a_destination_that_asks_for_it_gets_one_and_a_later_analysis_carries_it(
    studies: Any, settings: Settings, phantom: Any, opacity_findings: tuple[Finding, ...]
) -> None:
    image = phantom()
    study, uid = str(image.StudyInstanceUID), studies.receive(image)
    here = {"kind": "dicom", "host": "127.0.0.1", "port": 1}
    destinations = (
        DicomDestination(**here, name="pacs", ae_title="PACS", documents=("sc",)),
        DicomDestination(**here, name="viewer", ae_title="VIEWER", documents=("pr",)),
    )
    node = settings.model_copy(update={"destinations": destinations})
    sent = (
        select(Document.kind, Delivery.destination)
        .join(Delivery, Delivery.document_id == Document.id)
        .where(Document.quarantined.is_(None))
        .order_by(Document.kind)
    )
    for revision in (1, 2):
        studies.report(node, studies.analyse(study, {uid: opacity_findings}, revision=revision))
        with studies.database.reading() as read:
            assert [tuple(row) for row in read.execute(sent)] == [("pr", "viewer"), ("sc", "pacs")]


@pytest.mark.peers
def test_validators_accept_it(program: Callable[[str], str], tmp_path: Path) -> None:
    shown = of_file(tmp_path)
    assert shown is not None
    path = tmp_path / "state.dcm"
    path.write_bytes(built(account(), shown).content)
    for name in ("dciodvfy", "dcmpschk"):
        answer = subprocess.run([program(name), str(path)], capture_output=True, text=True, check=False)
        assert "Error" not in answer.stdout + answer.stderr, answer.stderr
