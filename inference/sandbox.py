"""A child process for the one decoder that can take its process down.

GDCM reads JPEG syntaxes that no other installed decoder does, but aborts the whole process on some damaged
streams. It therefore runs in a child that is kept between pictures, replaced when it dies, and killed when it
hangs; it ends by itself when its parent does, because its standard input then does.

Message both ways: two lengths, a JSON head, raw bytes.
"""

import atexit
import json
import os
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset

from config.errors import UndecodablePixels
from inference.attributes import integer_of, text_of

SECONDS = 60.0
"""Longest time for one picture; a stream that keeps a decoder busy longer is not a picture."""

_LENGTHS = struct.Struct("<IQ")
_NUMBERS = {
    "Rows": 0,
    "Columns": 0,
    "BitsAllocated": 16,
    "BitsStored": 16,
    "HighBit": 15,
    "PixelRepresentation": 0,
    "SamplesPerPixel": 1,
}


class DecoderProcess:
    """Decodes with GDCM in a child process; calls from several threads take turns."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None

    def decode(self, dataset: Dataset, syntax: str, seconds: float = SECONDS) -> NDArray[Any]:
        """Return the stored values of the only frame.

        Raises :class:`UndecodablePixels` when the decoder refuses, dies or takes longer than ``seconds``.
        """
        head = {keyword: integer_of(dataset, keyword, default) for keyword, default in _NUMBERS.items()}
        request = {"syntax": syntax, "photometric": text_of(dataset, "PhotometricInterpretation"), **head}
        with self._lock:
            child = self._running()
            timer = threading.Timer(seconds, child.kill)
            timer.start()
            try:
                _write(_pipe(child.stdin), request, dataset.PixelData)
                answer, data = _read(_pipe(child.stdout))
            except (OSError, EOFError) as error:
                self._end()
                msg = "the pixel data are so damaged that the decoder died or hung on them"
                raise UndecodablePixels(msg) from error
            finally:
                timer.cancel()
        if "shape" not in answer:
            msg = "the pixel data are broken or cut short"
            raise UndecodablePixels(msg)
        return np.frombuffer(data, answer["dtype"]).reshape(answer["shape"])

    @property
    def pid(self) -> int | None:
        """Return the child's process number; None before the first picture."""
        return None if self._child is None else self._child.pid

    def close(self) -> None:
        """End the child."""
        with self._lock:
            self._end()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is None or self._child.poll() is not None:
            self._end()
            root = str(Path(__file__).resolve().parents[1])
            path = os.pathsep.join(entry for entry in (root, os.environ.get("PYTHONPATH", "")) if entry)
            self._child = subprocess.Popen(
                # -P: what lies in the folder that the service was started from must not stand in for a module.
                [sys.executable, "-P", "-m", "inference.sandbox"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": path},
                start_new_session=True,  # a Ctrl-C is for the service, which finishes its picture first
            )
        return self._child

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


GDCM = DecoderProcess()
atexit.register(GDCM.close)


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        msg = "the decoder process has no pipe"
        raise EOFError(msg)
    return pipe


def _write(pipe: IO[bytes], head: dict[str, Any], data: bytes) -> None:
    encoded = json.dumps(head).encode()
    pipe.write(_LENGTHS.pack(len(encoded), len(data)))
    pipe.write(encoded)
    pipe.write(data)
    pipe.flush()


def _read(pipe: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    head_length, length = _LENGTHS.unpack(_exactly(pipe, _LENGTHS.size))
    head: dict[str, Any] = json.loads(_exactly(pipe, head_length))
    return head, _exactly(pipe, length)


def _exactly(pipe: IO[bytes], length: int) -> bytes:
    data = pipe.read(length)
    if len(data) < length:
        raise EOFError
    return data


def _answer(request: dict[str, Any], data: bytes) -> NDArray[Any]:
    from pydicom.pixels.decoders.base import get_decoder

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = request["syntax"]
    for keyword in _NUMBERS:
        setattr(dataset, keyword, request[keyword])
    dataset.PhotometricInterpretation = request["photometric"]
    dataset.PixelData = data
    decoder: Any = get_decoder(request["syntax"])
    array, _ = decoder.as_array(
        dataset, index=0, raw=True, view_only=True, correct_unused_bits=False, decoding_plugin="gdcm"
    )
    return np.ascontiguousarray(array)


def main() -> None:
    """Serve requests on standard input until it ends; nothing a decoder prints can get among the answers."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while True:
        try:
            request, data = _read(sys.stdin.buffer)
        except EOFError:
            return
        try:
            array = _answer(request, data)
        except Exception:  # noqa: BLE001 - whatever it raises, the answer is that it cannot
            _write(answers, {}, b"")
        else:
            _write(answers, {"dtype": array.dtype.str, "shape": array.shape}, array.tobytes())


if __name__ == "__main__":
    main()
