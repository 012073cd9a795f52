"""What other DICOM software was attacked with in 2026, given to ours: an image, or a reason, and nothing else."""

import io
from typing import Any

import numpy as np
import pytest
from pydicom import dcmwrite

from config.errors import UndecodablePixels, UnreadableInstance
from inference.pixels import render
from inference.pixels.read import read_dataset

MOST = 1 << 24


def palette_image(radiograph: Any, entries: int, data: bytes) -> Any:
    dataset = radiograph(np.arange(65536, dtype=np.uint16).reshape(256, 256))
    dataset.BitsStored, dataset.HighBit = 16, 15
    dataset.PhotometricInterpretation = "PALETTE COLOR"
    for name in ("Red", "Green", "Blue"):
        dataset.add_new(f"{name}PaletteColorLookupTableDescriptor", "US", [entries, 0, 16])
        dataset.add_new(f"{name}PaletteColorLookupTableData", "OW", data)
    return dataset


@pytest.mark.parametrize(("entries", "length"), [(16, 32), (256, 4), (0, 0), (65535, 2), (1, 131072)])
@pytest.mark.fault(
    "a palette is shorter than what points into it",
    promise="the last entry, or a reason; nothing beyond its end is read",
    area="content",
)
def test_indices_beyond_a_palette_read_nothing_beyond_its_end(radiograph: Any, entries: int, length: int) -> None:
    dataset = palette_image(radiograph, entries, bytes(length))
    try:
        gray = render(dataset, MOST).gray
    except UndecodablePixels:
        return
    assert np.isfinite(gray).all()
    assert not gray.any(), "a table of zeros shows nothing else"


@pytest.mark.parametrize(("rows", "columns"), [(65535, 65535), (65535, 2), (2, 65535), (0, 0), (256, 65535)])
@pytest.mark.fault(
    "rows and columns claim more than the pixels hold",
    promise="a reason, at no cost of memory",
    area="content",
)
def test_huge_rows_and_columns_cost_a_reason(radiograph: Any, rows: int, columns: int) -> None:
    dataset = radiograph(np.zeros((256, 256), np.uint16), Rows=rows, Columns=columns)
    with pytest.raises((UndecodablePixels, UnreadableInstance)):
        render(dataset, MOST)


@pytest.mark.parametrize("tag", [b"\x28\x00\x10\x00", b"\x28\x00\x11\x00", b"\x28\x00\x00\x01", b"\x28\x00\x01\x01"])
@pytest.mark.parametrize("value", [b"", b"\x01", b"\x01\x00\x02", b"\x00\x01\x00\x01\x00\x01\x00"])
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.fault(
    "the length of a value does not fit its VR",
    promise="an image or a reason, nothing else",
    area="content",
)
def test_a_length_that_does_not_fit_its_vr_costs_a_reason(
    radiograph: Any, tag: bytes, value: bytes, tmp_path: Any
) -> None:
    encoded = io.BytesIO()
    dcmwrite(encoded, radiograph(np.zeros((256, 256), np.uint16)), enforce_file_format=True)
    whole = encoded.getvalue()
    place = whole.index(tag + b"US\x02\x00")
    path = tmp_path / "altered.dcm"
    path.write_bytes(whole[:place] + tag + b"US" + len(value).to_bytes(2, "little") + value + whole[place + 10 :])
    try:
        render(read_dataset(path), MOST)
    except (UndecodablePixels, UnreadableInstance):
        return
