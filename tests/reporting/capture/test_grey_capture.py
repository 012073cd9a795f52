"""A capture in greyscale says what the one in colour says, under UIDs of its own, to whoever asks for it."""

import subprocess
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from sqlalchemy import select

from config.destinations import DicomDestination
from config.settings import Settings
from inference.findings import Finding
from reporting.capture.capture_gate import check_capture
from reporting.capture.radiograph import Radiograph
from reporting.capture.secondary_capture import build_capture
from reporting.dicom_object import BuiltObject
from tests.accounts import account, picture
from tracking.tables.models import Delivery, Document


def built(*, grey: bool) -> BuiltObject:
    made = account()
    return build_capture(made, made.analysed[0], Radiograph.of(picture(), 600), 9002, grey=grey)


def test_it_is_the_capture_in_colour_without_the_colour() -> None:
    made, in_grey, in_colour = account(), built(grey=True), built(grey=False)
    check_capture(in_grey, made, made.analysed[0], grey=True)
    grey, colour = (pydicom.dcmread(BytesIO(capture.content)) for capture in (in_grey, in_colour))
    assert (grey.PhotometricInterpretation, grey.SamplesPerPixel) == ("MONOCHROME2", 1)
    assert "WindowCenter" not in grey
    assert np.array_equal(grey.pixel_array, np.asarray(Image.fromarray(colour.pixel_array).convert("L")))
    assert len({in_grey.sop_instance_uid, in_colour.sop_instance_uid}) == 2
    assert len({in_grey.series_uid, in_colour.series_uid}) == 2


def test_each_destination_gets_the_one_that_it_asks_for_and_a_later_analysis_carries_both(
    studies: Any, settings: Settings, phantom: Any, opacity_findings: tuple[Finding, ...]
) -> None:
    image = phantom()
    study, uid = str(image.StudyInstanceUID), studies.receive(image)
    here = {"kind": "dicom", "host": "127.0.0.1", "port": 1}
    node = settings.model_copy(update={"destinations": (
        DicomDestination(**here, name="pacs", ae_title="PACS", documents=("sc",)),
        DicomDestination(**here, name="old", ae_title="OLD", documents=("sc-grey",)),
    )})  # fmt: skip
    studies.report(node, studies.analyse(study, {uid: opacity_findings}))
    sent = (
        select(Document.kind, Delivery.destination)
        .join(Delivery, Delivery.document_id == Document.id)
        .where(Document.quarantined.is_(None))
        .order_by(Document.kind)
    )
    with studies.database.reading() as read:
        assert [tuple(row) for row in read.execute(sent)] == [("sc", "pacs"), ("sc-grey", "old")]
    studies.report(node, studies.analyse(study, {uid: opacity_findings}, revision=2))
    with studies.database.reading() as read:
        assert len(read.execute(sent).all()) == 2


@pytest.mark.peers
def test_a_validator_accepts_it(program: Callable[[str], str], tmp_path: Path) -> None:
    path = tmp_path / "capture.dcm"
    path.write_bytes(built(grey=True).content)
    answer = subprocess.run([program("dciodvfy"), str(path)], capture_output=True, text=True, check=False)
    assert "Error" not in answer.stdout + answer.stderr, answer.stderr
