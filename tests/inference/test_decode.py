"""What the receiver accepts, the worker decodes."""

from typing import Any

import numpy as np
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from config.errors import UndecodablePixels
from dicom_node.probe_frames import SIDE, probe_frame, probe_value
from dicom_node.syntaxes import decodable_syntaxes
from inference.decode import decode_frame

COMPRESSED = [uid for uid in decodable_syntaxes() if UID(uid).is_encapsulated]


def encoded(radiograph: Any, uid: str) -> tuple[Any, int]:
    frame = probe_frame(uid)
    assert frame is not None
    dataset = radiograph(np.zeros((SIDE, SIDE), np.uint8 if frame.bits_stored <= 8 else np.uint16))
    dataset.BitsStored, dataset.HighBit = frame.bits_stored, frame.bits_stored - 1
    dataset.PixelData = encapsulate([frame.codestream])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = uid
    return dataset, frame.bits_stored


@pytest.mark.parametrize("uid", COMPRESSED)
def test_every_accepted_compression_is_decoded(radiograph: Any, uid: str) -> None:
    dataset, bits = encoded(radiograph, uid)
    truth = [[probe_value(row, column, bits) for column in range(SIDE)] for row in range(SIDE)]
    np.testing.assert_allclose(decode_frame(dataset), truth, atol=(1 << bits) / 32)


@pytest.mark.parametrize("uid", COMPRESSED)
@pytest.mark.parametrize("keep", [2, 3, 20])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_stream_cut_short_is_refused_or_decoded_to_the_right_size(radiograph: Any, uid: str, keep: int) -> None:
    dataset, _ = encoded(radiograph, uid)
    frame = probe_frame(uid)
    assert frame is not None
    dataset.PixelData = encapsulate([frame.codestream[:keep]])
    try:
        decoded = decode_frame(dataset)
    except UndecodablePixels:
        return
    assert decoded.shape == (SIDE, SIDE)


def test_at_least_the_usual_compressions_are_accepted() -> None:
    assert {"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90",
            "1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.5"} <= set(COMPRESSED)  # fmt: skip
