"""The decoder process: tasks on standard input, answers on standard output; codestreams and samples in shared memory.

``python -m inference.codec.worker CODESTREAMS SAMPLES`` names the descriptors of the two :class:`.SharedBuffer`.

It may hold ``HEADROOM`` more memory than it needs at rest; the system refuses a decoder that asks for more, and with
it the image.
"""

import os
import resource
import sys
import warnings
from pathlib import Path
from typing import Any

from inference.codec import messages
from inference.codec.buffer import SharedBuffer
from inference.codec.decoders import decode
from inference.codec.task import HEADROOM, Task


def main() -> None:
    """Serve until standard input ends; nothing that a decoder prints can get among the answers."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    streams, samples = (SharedBuffer(int(descriptor)) for descriptor in sys.argv[1:])
    _load_decoders()
    _limit()
    while True:
        try:
            message = messages.read(sys.stdin.buffer)
        except EOFError:
            return
        stream = bytes(streams.view(message.pop("length")))
        messages.write(answers, _answer(Task.from_json(message), stream, samples))


def _answer(task: Task, stream: bytes, samples: SharedBuffer) -> dict[str, Any]:
    """Decode; return what lies in ``samples`` then, or why nothing does."""
    try:
        array = decode(task, stream)
    except MemoryError:
        return {"error": "memory"}
    except Exception as error:  # noqa: BLE001 - whatever it raises, the answer is that it cannot
        return {"error": "memory" if _out_of_memory(error) else "stream"}
    if not samples.write(array.data.cast("B")):
        return {"error": "memory"}
    return {"dtype": array.dtype.str, "shape": array.shape}


def _out_of_memory(error: Exception) -> bool:
    return "memory" in str(error).lower() or "alloc" in str(error).lower()


def _load_decoders() -> None:
    """Load what a first image would, so that it is counted as rest: each codec's library and Pillow's plug-ins."""
    import imagecodecs
    from PIL import Image

    for name in ("jpeg8_decode", "jpegls_decode", "jpeg2k_decode", "htj2k_decode", "dicomrle_decode"):
        getattr(imagecodecs, name)
    Image.init()


def _limit() -> None:
    """Cap the address space, and write no core file when a decoder crashes."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    cap = pages * resource.getpagesize() + HEADROOM
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (cap if hard == resource.RLIM_INFINITY else min(cap, hard), hard))


if __name__ == "__main__":
    main()
