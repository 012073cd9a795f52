"""The parent's side of the decoder process: kept between images, replaced when it dies, killed when it hangs.

Decoders read what anyone may have sent, and some abort their process or never end. The child ends by itself when its
parent does, because its standard input then does.
"""

import atexit
import math
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from config.errors import UndecodablePixels
from inference.codec import messages
from inference.codec.buffer import SharedBuffer
from inference.codec.task import HEADROOM, Task

_TOO_LARGE = f"decoding the image needs more than the {HEADROOM >> 20} MiB that it may take"


class DecoderRefused(UndecodablePixels):
    """A decoder lives on but reads a codestream not, or not within its memory."""


class DecoderProcess:
    """Decodes codestreams in a child process; calls from several threads take turns."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._buffers: tuple[SharedBuffer, SharedBuffer] | None = None

    def decode(self, task: Task, stream: bytes, seconds: float | None = None) -> NDArray[Any]:
        """Return the samples: (rows, columns) or (rows, columns, samples), integers of 8 or 16 bits.

        Raises :class:`DecoderRefused` when the decoder refuses or needs more memory than it may have, and
        :class:`UndecodablePixels` when it dies or takes longer than ``seconds``, ``task.seconds`` by default.
        """
        seconds = task.seconds if seconds is None else seconds
        with self._lock:
            streams, samples = self._shared()
            if not streams.write(stream):
                raise DecoderRefused(_TOO_LARGE)
            try:
                answer = self._ask(self._running(), {**task.to_json(), "length": len(stream)}, seconds)
            finally:
                streams.give_back(len(stream))
            if "shape" in answer:
                return _copied(samples, np.dtype(answer["dtype"]), answer["shape"])
        if answer["error"] == "memory":
            raise DecoderRefused(_TOO_LARGE)
        msg = "the codestream is broken: its decoder refuses it"
        raise DecoderRefused(msg)

    @property
    def pid(self) -> int | None:
        """Return the child's process number; None before the first image."""
        return None if self._child is None else self._child.pid

    def close(self) -> None:
        """End the child."""
        with self._lock:
            self._end()

    def _ask(self, child: subprocess.Popen[bytes], message: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Return the child's answer; a child that may owe some of it, or that is being killed, is ended."""
        timer = threading.Timer(seconds, child.kill)
        start = time.monotonic()
        timer.start()
        answered = False
        try:
            messages.write(_pipe(child.stdin), message)
            answer = messages.read(_pipe(child.stdout))
            answered = True
        except (OSError, EOFError) as error:
            raise UndecodablePixels(_died(time.monotonic() - start, seconds)) from error
        finally:
            timer.cancel()
            # What an interrupted answer left in the pipe would be taken for the next one. And the timer may have
            # fired while the answer came: the next image must not meet a child that is about to die.
            if not answered or time.monotonic() - start >= seconds:
                self._end()
        return answer

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is None or self._child.poll() is not None:
            self._end()
            root = str(Path(__file__).resolve().parents[2])
            path = os.pathsep.join(entry for entry in (root, os.environ.get("PYTHONPATH", "")) if entry)
            descriptors = [buffer.descriptor for buffer in self._shared()]
            self._child = subprocess.Popen(  # noqa: S603 - this interpreter, and two numbers
                # -P: what lies in the folder that the service was started from must not stand in for a module.
                [sys.executable, "-P", "-m", "inference.codec.worker", *map(str, descriptors)],
                pass_fds=descriptors,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                env={**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                start_new_session=True,  # a Ctrl-C is for the service, which finishes its image first
            )
        return self._child

    def _shared(self) -> tuple[SharedBuffer, SharedBuffer]:
        """Return the memory for codestreams and the memory for samples; every child is given the same."""
        if self._buffers is None:
            self._buffers = SharedBuffer.create("codestream"), SharedBuffer.create("samples")
        return self._buffers

    def _end(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            for pipe in (self._child.stdin, self._child.stdout):
                try:
                    _pipe(pipe).close()
                except OSError:  # what was still buffered for a dead child
                    continue
            self._child = None


DECODER = DecoderProcess()
"""The process's own decoder; it starts with the first encapsulated image."""
atexit.register(DECODER.close)


def _copied(buffer: SharedBuffer, kind: np.dtype[Any], shape: list[int]) -> NDArray[Any]:
    """Return samples that no later image overwrites."""
    length = kind.itemsize * math.prod(shape)
    samples = np.frombuffer(buffer.view(length), kind).reshape(shape).copy()
    buffer.give_back(length)
    return samples


def _died(elapsed: float, seconds: float) -> str:
    if elapsed >= seconds:
        return f"the codestream kept its decoder busy for more than {seconds:g} s"
    return "the codestream is so damaged that its decoder died of it"


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        msg = "the decoder process has no pipe"
        raise EOFError(msg)
    return pipe
