"""What the receiver accepts, the worker decodes."""

from typing import Any

import numpy as np
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from config.errors import UndecodablePixels
from dicom_node.probe_frames import SIDE, probe_frame, probe_value
from dicom_node.syntaxes import decodable_syntaxes
from inference.codec.stream import CODECS
from inference.pixels.decode import decode_samples, read_codestream
from inference.pixels.layout import read_layout

COMPRESSED = [uid for uid in decodable_syntaxes() if UID(uid).is_encapsulated]


def decode_frame(dataset: Any) -> np.ndarray[Any, Any]:
    stream = read_codestream(dataset)
    return decode_samples(dataset, read_layout(dataset, None if stream is None else stream.header), stream).array


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


def test_what_the_receiver_accepts_is_what_the_analysis_decodes() -> None:
    assert set(COMPRESSED) == set(CODECS)
