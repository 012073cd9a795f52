"""The decoder that can die takes nothing with it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from pydicom import dcmread
from pydicom.uid import JPEGLosslessSV1, JPEGLSLossless

from config.errors import UndecodablePixels
from inference.pixels import read_dataset, render
from inference.sandbox import DecoderProcess

ROOT = Path(__file__).parents[2]


@pytest.fixture
def decoder() -> Iterator[DecoderProcess]:
    decoder = DecoderProcess()
    yield decoder
    decoder.close()


def stored() -> np.ndarray[Any, Any]:
    y, x = np.mgrid[0:40, 0:50]
    return ((np.sin(x / 17) * np.cos(y / 23) + 1) / 2 * 4095).astype(np.uint16)


def compressed(radiograph: Any, damage: tuple[int, int] | None = None) -> Any:
    dataset = radiograph(stored(), BitsStored=12)
    dataset.compress(JPEGLSLossless, generate_instance_uid=False)
    if damage is not None:
        data = bytearray(dataset.PixelData)
        data[damage[0]] = damage[1]
        dataset.PixelData = bytes(data)
    return dataset


def test_it_decodes_what_was_encoded(radiograph: Any, decoder: DecoderProcess) -> None:
    for _ in range(2):
        np.testing.assert_array_equal(decoder.decode(compressed(radiograph), JPEGLSLossless), stored())


def test_modules_in_the_current_folder_do_not_stand_in_for_ours(
    radiograph: Any, decoder: DecoderProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("inference", "json"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit(1)")
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(decoder.decode(compressed(radiograph), JPEGLSLossless), stored())


@pytest.mark.parametrize("damage", [(26, 255), (30, 0)])
def test_a_stream_that_kills_the_decoder_kills_only_the_decoder(
    radiograph: Any, decoder: DecoderProcess, damage: tuple[int, int]
) -> None:
    """In this process GDCM would end the tests here."""
    with pytest.raises(UndecodablePixels):
        decoder.decode(compressed(radiograph, damage), JPEGLSLossless)
    np.testing.assert_array_equal(decoder.decode(compressed(radiograph), JPEGLSLossless), stored())


def test_a_broken_stream_leaves_the_decoder_alive(radiograph: Any, decoder: DecoderProcess) -> None:
    decoder.decode(compressed(radiograph), JPEGLSLossless)
    before = decoder.pid
    with pytest.raises(UndecodablePixels, match="broken"):
        decoder.decode(compressed(radiograph, (16, 0)), JPEGLSLossless)
    assert decoder.pid == before is not None


def test_a_decoder_that_hangs_is_killed(radiograph: Any, decoder: DecoderProcess) -> None:
    decoder.decode(compressed(radiograph), JPEGLSLossless)
    child = psutil.Process(decoder.pid)
    child.suspend()
    with pytest.raises(UndecodablePixels, match="died or hung"):
        decoder.decode(compressed(radiograph), JPEGLSLossless, seconds=0.2)
    np.testing.assert_array_equal(decoder.decode(compressed(radiograph), JPEGLSLossless), stored())


def test_a_decoder_that_was_killed_between_two_pictures_is_replaced(radiograph: Any, decoder: DecoderProcess) -> None:
    decoder.decode(compressed(radiograph), JPEGLSLossless)
    child = psutil.Process(decoder.pid)
    child.kill()
    psutil.wait_procs([child], 5)
    np.testing.assert_array_equal(decoder.decode(compressed(radiograph), JPEGLSLossless), stored())


def test_the_decoder_ends_when_its_parent_is_killed() -> None:
    program = (
        "import time; from inference.sandbox import GDCM; GDCM._running(); print(GDCM.pid, flush=True); time.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
        end = time.monotonic() + 20
        while child.is_running() and child.status() != psutil.STATUS_ZOMBIE and time.monotonic() < end:
            time.sleep(0.05)
        assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


@pytest.mark.data
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
@pytest.mark.parametrize("name", ["JPEG-LL.dcm", "bad_sequence.dcm"])
def test_real_lossless_jpeg_files_are_rendered(cxr_data: Path, name: str) -> None:
    path = cxr_data / "dicom" / "other" / name
    assert dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID == JPEGLosslessSV1
    gray = render(read_dataset(path), 1 << 20).gray
    assert gray.std() > 0.02
