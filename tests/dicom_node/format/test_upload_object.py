"""Upload objects: honest headers, UIDs of this node, pixels as they were."""

import io
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as arrays
from pydicom import dcmread
from pydicom.uid import SecondaryCaptureImageStorage

from config.errors import UnreadableInstance
from dicom_node.format.upload_object import GreyImage, secondary_capture, under_own_uids
from dicom_node.storage_scp.admission import admit_file
from inference.pixels.grey_values import stored_values_of
from inference.pixels.picture import Picture
from inference.pixels.read import parse_dataset
from inference.pixels.render import render
from tests.phantoms import phantom_dataset

WHEN = datetime(2026, 11, 29, 1, 2, 3, tzinfo=UTC)


def wrapped(picture: Picture, kind: str = "PNG") -> bytes:
    bits, values = stored_values_of(picture)
    return secondary_capture(GreyImage(picture.rows, picture.columns, bits, values, kind, 100), "1.0", WHEN)


@given(arrays.arrays(np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9)))
@settings(max_examples=30)
def test_eight_bits_come_back_as_they_were(stored: np.ndarray) -> None:
    gray = stored.astype(np.float32) / np.float32(255)
    dataset = dcmread(io.BytesIO(wrapped(Picture(gray))))
    assert dataset.BitsStored == 8
    np.testing.assert_array_equal(dataset.pixel_array, stored)
    np.testing.assert_allclose(render(parse_dataset(wrapped(Picture(gray))), 10_000).gray, gray, atol=1e-6)


def test_sixteen_bits_are_shown_over_their_full_range() -> None:
    gray = np.linspace(0, 1, 40_000, dtype=np.float32).reshape(200, 200)
    dataset = parse_dataset(wrapped(Picture(gray)))
    assert dataset.BitsStored == 16
    np.testing.assert_allclose(render(dataset, 100_000).gray, gray, atol=2e-5)


def test_the_header_says_what_is_known_and_no_more() -> None:
    content = wrapped(Picture(np.zeros((4, 5), np.float32)), "JPEG")
    dataset = dcmread(io.BytesIO(content))
    assert dataset.SOPClassUID == SecondaryCaptureImageStorage
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "AccessionNumber"):
        assert not dataset[keyword].value
    assert "upload" in dataset.StudyDescription.lower()
    assert (dataset.LossyImageCompression, dataset.ConversionType) == ("01", "WSD")
    assert "LossyImageCompression" not in dcmread(io.BytesIO(wrapped(Picture(np.zeros((4, 5), np.float32)))))
    header = admit_file(content)
    assert header.study.study_uid.startswith("2.25.")
    assert len({header.study.study_uid, header.series_uid, header.instance_uid}) == 3


def test_two_uploads_share_no_uid() -> None:
    picture = Picture(np.zeros((4, 5), np.float32))
    headers = [admit_file(wrapped(picture)) for _ in range(2)]
    assert len({uid for header in headers for uid in (header.study.study_uid, header.instance_uid)}) == 4


def test_a_side_that_dicom_cannot_say_is_refused() -> None:
    with pytest.raises(ValueError, match="65,535 pixels a side"):
        secondary_capture(GreyImage(1, 65_536, 8, bytes(65_536), "PNG", 9), "1.0", WHEN)


def test_a_dicom_file_keeps_all_but_its_uids() -> None:
    dataset = phantom_dataset(9, size=64, patient="DOE^JANE", patient_id="PAT7")
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    own = dcmread(io.BytesIO(under_own_uids(file.getvalue())))
    uids = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
    assert all(own[uid].value != dataset[uid].value for uid in uids)
    assert own.file_meta.MediaStorageSOPInstanceUID == own.SOPInstanceUID
    for uid in uids:
        setattr(own, uid, dataset[uid].value)
    assert own == dcmread(io.BytesIO(file.getvalue()))


@pytest.mark.parametrize("content", [b"", b"no DICOM", bytes(128) + b"DICM" + b"rubbish" * 9])
def test_what_cannot_be_parsed_is_refused_in_words(content: bytes) -> None:
    with pytest.raises(UnreadableInstance, match="exported anew"):
        under_own_uids(content)
