"""Fuzz the pixels: mutated headers and codestreams must cost one image each, and bounded memory and time.

``python -m benchmarks.fuzz_pixels --count 100000 --seed 1`` mutates a corpus of small images in every accepted transfer
syntax (``tests/pixel_matrix.py`` makes it, so that it needs no files), renders each, and counts what came of it: an
image, a reason, or a fault of this program. A decoder process that dies or is killed is counted and replaced; that it
takes nothing with it is what this proves. Writes ``benchmarks/results/fuzz_pixels.json``.
"""

import argparse
import json
import os
import random
import re
import resource
import sys
import tempfile
import time
import warnings
from collections import Counter
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path

import psutil
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, get_frame

from config.errors import UndecodablePixels, UnreadableInstance
from inference.codec.process import DECODER
from inference.codec.stream import CODECS
from inference.pixels import read_dataset, render
from tests.pixel_matrix import SYNTAXES, derivatives

RESULTS = Path(__file__).parent / "results" / "fuzz_pixels.json"
MAX_PIXELS = 100_000_000
SLOW_SECONDS = 5.0
WARM_UP = 100
EVERY = 500
_NUMBERS = ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation")
_INTERESTING = (0, 1, 2, 3, 7, 8, 9, 12, 15, 16, 17, 32, 255, 256, 4096, 32767, 32768, 65535)
_TEXTS = ("MONOCHROME1", "MONOCHROME2", "monochrome2", "RGB", "YBR_FULL", "YBR_FULL_422", "PALETTE COLOR", "", "X")


@dataclass
class Report:
    """What came of a run."""

    seed: int
    count: int = 0
    images: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    decoder_deaths: int = 0
    slowest_seconds: float = 0.0
    slow: int = 0
    seconds: float = 0.0
    most_memory_mib: float = 0.0
    """The largest that this process grew above its size after the first images."""
    most_decoder_memory_mib: float = 0.0


def corpus() -> list[bytes]:
    """Return small DICOM files, several in each accepted transfer syntax."""
    files = []
    for syntax in SYNTAXES:
        for derivative in list(derivatives(syntax))[::3]:
            buffer = BytesIO()
            dcmwrite(buffer, derivative.dataset, enforce_file_format=True)
            files.append(buffer.getvalue())
    return files


def mutate(encoded: bytes, chance: random.Random) -> bytes:
    """Return a file with its header's attributes, its codestream or its bytes altered."""
    kind = chance.random()
    if kind < 0.2:
        return _altered(encoded, chance, 0)
    dataset = dcmread(BytesIO(encoded))
    if kind < 0.5:
        _alter_header(dataset, chance)
    if kind >= 0.4:
        _alter_codestream(dataset, chance)
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def _alter_header(dataset: Dataset, chance: random.Random) -> None:
    for _ in range(chance.randint(1, 3)):
        keyword = chance.choice((*_NUMBERS, "PhotometricInterpretation", "TransferSyntaxUID"))
        if keyword == "TransferSyntaxUID":
            if dataset.file_meta.TransferSyntaxUID in CODECS:
                dataset.file_meta.TransferSyntaxUID = chance.choice(list(CODECS))
        elif chance.random() < 0.2:
            if keyword in dataset:
                del dataset[keyword]
        elif keyword == "PhotometricInterpretation":
            dataset.PhotometricInterpretation = chance.choice(_TEXTS)
        else:
            setattr(dataset, keyword, chance.choice(_INTERESTING))


def _alter_codestream(dataset: Dataset, chance: random.Random) -> None:
    if dataset.file_meta.TransferSyntaxUID not in CODECS:
        dataset.PixelData = _altered(dataset.PixelData, chance, 0)
        return
    try:
        stream = get_frame(dataset.PixelData, 0, number_of_frames=1)
    except ValueError:  # the header says that native pixels are encapsulated
        return
    # Most of what decides over memory and time stands in the first bytes.
    reach = chance.choice((0, 64, 200))
    dataset.PixelData = encapsulate([_altered(stream, chance, reach) or b"\0\0"])


def _altered(data: bytes, chance: random.Random, reach: int) -> bytes:
    altered = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        if not altered:
            break
        offset = chance.randrange(min(len(altered), reach) if reach else len(altered))
        action = chance.random()
        if action < 0.4:
            altered[offset] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        elif action < 0.6:
            altered[offset] ^= 1 << chance.randrange(8)
        elif action < 0.75:
            size = chance.choice((2, 4))
            value = chance.choice((0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)) & ((1 << 8 * size) - 1)
            altered[offset : offset + size] = value.to_bytes(size, "big")
        elif action < 0.85:
            del altered[offset : offset + chance.randint(1, 64)]
        elif action < 0.95:
            altered[offset:offset] = chance.randbytes(chance.randint(1, 32))
        else:
            del altered[offset:]
    return bytes(altered)


def fuzz(count: int, seed: int, scratch: Path, keep: Path | None = None) -> Report:
    """Render ``count`` mutated files and return what came of them; ``keep`` takes the report now and then."""
    chance, report, files = random.Random(seed), Report(seed), corpus()
    reasons: Counter[str] = Counter()
    start, at_rest = time.monotonic(), 0.0
    path = scratch / f"mutated-{os.getpid()}.dcm"
    for number in range(1, count + 1):
        path.write_bytes(mutate(chance.choice(files), chance))
        at_least = chance.choice((None, 20, 40))
        before, began = DECODER.pid, time.monotonic()
        try:
            render(read_dataset(path), MAX_PIXELS, at_least)
            report.images += 1
        except (UndecodablePixels, UnreadableInstance) as error:
            reasons[_kind(str(error))] += 1
        except Exception as error:  # noqa: BLE001 - finding these is the purpose
            report.faults.append(f"{number}: {type(error).__name__}: {error}"[:200])
        elapsed = time.monotonic() - began
        report.count = number
        report.slow += elapsed > SLOW_SECONDS
        report.slowest_seconds = max(report.slowest_seconds, elapsed)
        report.decoder_deaths += before is not None and DECODER.pid != before
        if number == WARM_UP:
            at_rest = _resident()
        if number % EVERY == 0 or number == count:
            _measure(report, at_rest)
            report.reasons = dict(reasons.most_common())
            report.seconds = round(time.monotonic() - start, 1)
            if keep is not None:
                keep.write_text(json.dumps(asdict(report), indent=1) + "\n", encoding="utf-8")
    path.unlink()
    return report


def _kind(message: str) -> str:
    """Return the kind of a message: without numbers and the names of transfer syntaxes."""
    return re.sub(r"\d[\d,]*", "#", re.sub(r"the [^:]* pixel data", "the pixel data", message))


def _resident() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _measure(report: Report, at_rest: float) -> None:
    if at_rest:
        report.most_memory_mib = max(report.most_memory_mib, _resident() - at_rest)
    if DECODER.pid is not None and psutil.pid_exists(DECODER.pid):
        size = psutil.Process(DECODER.pid).memory_info().rss / (1 << 20)
        report.most_decoder_memory_mib = max(report.most_decoder_memory_mib, size)


def main() -> int:
    """Fuzz, print what came of it and keep it; 1 where this program was at fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--report", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    report = fuzz(arguments.count, arguments.seed, arguments.scratch, arguments.report)
    print(arguments.report.read_text(encoding="utf-8"))
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
