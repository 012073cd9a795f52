"""Where the milliseconds of one image go: each stage of the analysis beside the fastest kernel alone.

``python -m benchmarks.inference`` takes phantoms of several sizes in several transfer syntaxes through the analysis's
own functions. A kernel is the bare work of a stage: the codec's library in this process, numpy's ``take`` with Pillow's
resize, the interpreter's call. Times are the least of several rounds, in milliseconds; ratios are what to quote, for
machines differ. Writes ``benchmarks/results/inference.json``.
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from cxrnode.phantom import draw, phantom_dataset
from inference.analyse import OVERSAMPLING
from inference.codec.stream import CODECS, Codec
from inference.model import Model
from inference.pixels import Picture, render
from inference.pixels.decode import Samples, decode_samples, read_codestream
from inference.pixels.layout import PixelLayout, read_layout
from inference.pixels.model_input import to_model_input
from inference.verdict.network import VerdictNetwork
from tests.codestreams import compress

RESULTS = Path(__file__).parent / "results" / "inference.json"
SIZES = (1024, 2048, 3072)
SYNTAXES = (
    ExplicitVRLittleEndian,
    RLELossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEG2000Lossless,
    HTJ2KLossless,
)
MAX_PIXELS = 100_000_000
_KERNELS: dict[Codec, Callable[[bytes], Any]] = {
    Codec.JPEG: imagecodecs.jpeg8_decode,
    Codec.JPEG_LS: imagecodecs.jpegls_decode,
    Codec.JPEG_2000: imagecodecs.jpeg2k_decode,
    Codec.HTJ2K: imagecodecs.htj2k_decode,
    Codec.RLE: lambda stream: imagecodecs.dicomrle_decode(stream, np.dtype("<u2")),
}


class Subject:
    """One image in one transfer syntax, with what each stage hands to the next."""

    def __init__(self, dataset: Dataset, model: Model, verdict: VerdictNetwork) -> None:
        self.dataset = dataset
        self.model = model
        self.verdict = verdict
        specs = [member.manifest.input for member in model.package.members]
        self.at_least = OVERSAMPLING * max(max(spec.rows, spec.columns) for spec in specs)
        self.stream = read_codestream(dataset)
        self.layout: PixelLayout = read_layout(dataset, None if self.stream is None else self.stream.header)
        self.codec = self.layout.codec
        self.full: Samples = self.decode(None)
        self.reduced: Samples = self.decode(self.at_least)
        self.picture: Picture = self.render()
        self.inputs = model.inputs(self.picture)
        self.answers = model.forward(self.inputs)
        size = verdict.package.manifest.input
        self.verdict_input = to_model_input(self.picture, size.rows, size.columns, size.contrast)[0][None]

    def decode(self, at_least: int | None) -> Samples:
        """Decode as the analysis does, through the decoder process."""
        return decode_samples(self.dataset, self.layout, self.stream, at_least)

    def render(self) -> Picture:
        """Decode as far as the model needs, and show."""
        return render(self.dataset, MAX_PIXELS, self.at_least)

    def explain(self) -> None:
        """Make findings of the answers, with their boxes and score maps, and measure the distance."""
        self.model.interpret(self.answers)
        self.model.distance(self.answers)

    def whole(self) -> None:
        """Take the whole way from the data set to findings."""
        picture = self.render()
        self.verdict.verdict(picture)
        answers = self.model.forward(self.model.inputs(picture))
        self.model.interpret(answers)
        self.model.distance(answers)

    def decode_kernel(self, halvings: int) -> None:
        """Run the codec's library alone, in this process."""
        if self.stream is None or self.codec is None:
            np.frombuffer(self.dataset.PixelData, "<u2").reshape(self.layout.rows, self.layout.columns)
        elif halvings and self.codec is Codec.HTJ2K:
            imagecodecs.htj2k_decode(self.stream.data, skipres=halvings)
        elif halvings:
            image: Any = Image.open(BytesIO(self.stream.data))
            if self.codec is Codec.JPEG:
                image.draft("L", (self.layout.columns >> halvings, self.layout.rows >> halvings))
            else:
                image.reduce = halvings
            image.load()
        else:
            _KERNELS[self.codec](self.stream.data)

    def prepare_kernel(self) -> None:
        """Look up every decoded pixel and resize once, without strips, windows or placement."""
        gray = np.take(np.zeros(1 << 16, np.float32), self.reduced.array)
        placement = self.inputs[0].placement
        Image.fromarray(gray).resize((placement.width, placement.height), Image.Resampling.BILINEAR, reducing_gap=2.0)


@dataclass(frozen=True)
class Stage:
    """Something that is timed: a stage of the analysis, or the kernel beside it."""

    name: str
    run: Callable[[Subject], object]


STAGES = [
    Stage("decode full", lambda subject: subject.decode(None)),
    Stage("kernel full", lambda subject: subject.decode_kernel(0)),
    Stage("decode reduced", lambda subject: subject.decode(subject.at_least)),
    Stage("kernel reduced", lambda subject: subject.decode_kernel(subject.reduced.halvings)),
    Stage("render", lambda subject: subject.render()),
    Stage("prepare", lambda subject: subject.model.inputs(subject.picture)),
    Stage("kernel prepare", lambda subject: subject.prepare_kernel()),
    Stage("verdict", lambda subject: subject.verdict.verdict(subject.picture)),
    Stage("kernel verdict", lambda subject: subject.verdict.run(subject.verdict_input)),
    Stage("forward", lambda subject: subject.model.forward(subject.inputs)),
    Stage("findings, map", lambda subject: subject.explain()),
    Stage("whole", lambda subject: subject.whole()),
]
"""Add a stage here and it has a column."""


@dataclass(frozen=True)
class Row:
    """The times of one image in one transfer syntax, in milliseconds."""

    syntax: str
    size: int
    reduction: int
    milliseconds: dict[str, float]

    @property
    def whole_over_kernels(self) -> float:
        """Return the whole over the sum of its kernels."""
        times = self.milliseconds
        kernels = ("kernel reduced", "kernel prepare", "kernel verdict", "forward", "findings, map")
        return times["whole"] / sum(times[kernel] for kernel in kernels)

    @property
    def full_over_reduced(self) -> float:
        """Return how many times faster the reduced decoding is than the kernel that decodes all."""
        return self.milliseconds["kernel full"] / self.milliseconds["decode reduced"]


def subject_dataset(size: int, syntax: UID) -> Dataset:
    """Return a phantom of ``size`` pixels on its longer side; 16 bits for HTJ2K, whose encoder knows no fewer."""
    dataset = phantom_dataset(1, size=size)
    stored = draw(1, size=size)
    if syntax == JPEGBaseline8Bit:
        stored = (stored >> 4).astype(np.uint8)
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
        dataset.WindowCenter, dataset.WindowWidth = "128", "256"
    elif syntax == HTJ2KLossless:
        stored = stored << 4
        dataset.BitsStored, dataset.HighBit = 16, 15
        dataset.WindowCenter, dataset.WindowWidth = "32768", "65536"
    dataset.PixelData = stored.tobytes()
    return compress(dataset, syntax) if syntax in CODECS else dataset


def measure(subject: Subject, rounds: int) -> dict[str, float]:
    """Return the least time of each stage over some rounds, in milliseconds."""
    least = {stage.name: float("inf") for stage in STAGES}
    for _ in range(rounds):
        for stage in STAGES:
            start = time.perf_counter()
            stage.run(subject)
            least[stage.name] = min(least[stage.name], 1e3 * (time.perf_counter() - start))
    return {name: round(value, 3) for name, value in least.items()}


def main() -> None:
    """Measure, print a table and keep it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    model, verdict = Model.open("chest-default"), VerdictNetwork.open("verdict")
    rows = []
    print(f"{'syntax':18} {'size':>5} {'1/':>3} " + " ".join(f"{stage.name:>14}" for stage in STAGES), end="")
    print(f"{'full/reduced':>14}{'whole/kernels':>15}")
    for size in arguments.sizes:
        for syntax in SYNTAXES:
            subject = Subject(subject_dataset(size, UID(syntax)), model, verdict)
            row = Row(UID(syntax).keyword, size, subject.picture.reduction, measure(subject, arguments.rounds))
            rows.append(row)
            print(f"{row.syntax[:18]:18} {row.size:5} {row.reduction:3} ", end="")
            print(" ".join(f"{row.milliseconds[stage.name]:14.2f}" for stage in STAGES), end="")
            print(f"{row.full_over_reduced:14.1f}{row.whole_over_kernels:15.2f}", flush=True)
    document = [
        {**asdict(row), "full_over_reduced": round(row.full_over_reduced, 2),
         "whole_over_kernels": round(row.whole_over_kernels, 3)}
        for row in rows
    ]  # fmt: skip
    RESULTS.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
