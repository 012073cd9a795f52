"""The process that decodes can die and takes nothing with it."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import imagecodecs
import numpy as np
import psutil
import pytest
from pydicom import dcmread
from pydicom.uid import JPEGLosslessSV1

from config.errors import UndecodablePixels
from inference.codec import messages
from inference.codec.process import DecoderProcess, DecoderRefused
from inference.codec.stream import Codec
from inference.codec.task import HEADROOM, Task
from inference.pixels import read_dataset, render

ROOT = Path(__file__).parents[3]


@pytest.fixture
def decoder() -> Iterator[DecoderProcess]:
    decoder = DecoderProcess()
    yield decoder
    decoder.close()


def stored() -> np.ndarray[Any, Any]:
    y, x = np.mgrid[0:40, 0:50]
    return ((np.sin(x / 17) * np.cos(y / 23) + 1) / 2 * 4095).astype(np.uint16)


STREAM = imagecodecs.jpeg8_encode(stored(), lossless=True, bitspersample=12)
TASK = Task(Codec.JPEG, 40, 50, 1, 16, 12)


def test_it_decodes_what_was_encoded(decoder: DecoderProcess) -> None:
    for _ in range(2):
        np.testing.assert_array_equal(decoder.decode(TASK, STREAM), stored())


def test_modules_in_the_current_folder_do_not_stand_in_for_ours(
    decoder: DecoderProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("inference", "json"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit(1)")
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(decoder.decode(TASK, STREAM), stored())


def test_a_broken_stream_leaves_the_decoder_alive(decoder: DecoderProcess) -> None:
    decoder.decode(TASK, STREAM)
    before = decoder.pid
    with pytest.raises(DecoderRefused, match="broken"):
        decoder.decode(TASK, STREAM[:20] + bytes(40))
    assert decoder.pid == before is not None


@pytest.mark.fault(
    "a codestream makes the decoder hang",
    promise="the decoder is killed, and the image has a reason",
    area="content",
)
def test_a_decoder_that_hangs_is_killed(decoder: DecoderProcess) -> None:
    decoder.decode(TASK, STREAM)
    child = psutil.Process(decoder.pid)
    child.suspend()
    with pytest.raises(UndecodablePixels, match="busy for more than"):
        decoder.decode(TASK, STREAM, seconds=0.2)
    np.testing.assert_array_equal(decoder.decode(TASK, STREAM), stored())


@pytest.mark.fault(
    "a codestream ends the decoder",
    promise="it costs this image only",
    area="content",
)
def test_a_decoder_that_dies_on_an_image_costs_one_image(decoder: DecoderProcess) -> None:
    """A suspended child stands for one in the midst of an image."""
    decoder.decode(TASK, STREAM)
    child = psutil.Process(decoder.pid)
    child.suspend()
    killer = ["/bin/sh", "-c", f"sleep 0.2; kill -9 {child.pid}"]
    with subprocess.Popen(killer), pytest.raises(UndecodablePixels, match="died"):
        decoder.decode(TASK, STREAM)
    np.testing.assert_array_equal(decoder.decode(TASK, STREAM), stored())


def test_a_decoder_that_was_killed_between_two_images_is_replaced(decoder: DecoderProcess) -> None:
    decoder.decode(TASK, STREAM)
    child = psutil.Process(decoder.pid)
    child.kill()
    psutil.wait_procs([child], 5)
    np.testing.assert_array_equal(decoder.decode(TASK, STREAM), stored())


def test_an_answer_that_was_not_read_to_its_end_is_not_taken_for_the_next_one(
    decoder: DecoderProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where this process has no memory for the samples, or is interrupted."""

    def no_room(pipe: IO[bytes]) -> dict[str, Any]:
        pipe.read(3)
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(messages, "read", no_room)
        with pytest.raises(MemoryError):
            decoder.decode(TASK, STREAM)
    np.testing.assert_array_equal(decoder.decode(TASK, STREAM), stored())


def test_a_child_that_answers_as_its_time_runs_out_is_not_asked_again(
    decoder: DecoderProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder.decode(TASK, STREAM)
    read = messages.read

    def slow(pipe: IO[bytes]) -> dict[str, Any]:
        answer = read(pipe)
        time.sleep(1)
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(messages, "read", slow)
        np.testing.assert_array_equal(decoder.decode(TASK, STREAM, seconds=1), stored())
    assert decoder.pid is None
    np.testing.assert_array_equal(decoder.decode(TASK, STREAM), stored())


@pytest.mark.fault(
    "a codestream asks for too much memory",
    promise="refused; the decoder lives",
    area="content",
)
def test_an_image_that_needs_too_much_memory_is_refused_and_the_decoder_lives(decoder: DecoderProcess) -> None:
    """A JPEG 2000 stream of 100 megapixels and 16 bits needs 600 MB for its samples alone."""
    bomb = imagecodecs.jpeg2k_encode(np.zeros((10_000, 10_000), np.uint16), codecformat="j2k", reversible=True)
    assert len(bomb) < 2000
    decoder.decode(TASK, STREAM)
    before = decoder.pid
    with pytest.raises(DecoderRefused, match="more than the 512 MiB"):
        decoder.decode(Task(Codec.JPEG_2000, 10_000, 10_000, 1, 16, 16), bomb)
    np.testing.assert_array_equal(decoder.decode(TASK, STREAM), stored())
    assert decoder.pid == before


def test_the_decoder_cannot_take_more_memory_than_it_may(decoder: DecoderProcess) -> None:
    decoder.decode(TASK, STREAM)
    soft, _ = resource.prlimit(decoder.pid or 0, resource.RLIMIT_AS)
    assert 0 <= soft - psutil.Process(decoder.pid).memory_info().vms <= HEADROOM


@pytest.mark.fault(
    "a worker is killed while its decoder runs",
    promise="the decoder ends with it",
    area="killed",
)
def test_the_decoder_ends_when_its_parent_is_killed() -> None:
    program = (
        "import time; from inference.codec.process import DECODER as d; d._running();"
        "print(d.pid, flush=True); time.sleep(60)"
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
