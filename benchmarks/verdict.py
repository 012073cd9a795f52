"""The verdict's figures: good films stopped, and everything else stopped, on collections the network never saw.

::

    .venv/bin/python -m benchmarks.verdict --data DATA --twin FOLDER

``--twin`` is what ``cxrnode train verdict-twin`` makes from NIH and RSNA alone: other collections are unseen to it.
Turned, negative and cut images are made of each collection's good films. Files that were found by eye not to be what
their row says are left out: ``known-wrong.csv`` of the data, and ``verdict_known_wrong.csv`` beside this module.
``--rows FILE`` keeps every single answer, to look at the wrong ones.
"""

import argparse
import csv
import json
import platform
import statistics
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from benchmarks.dicom_images import decodable
from cxrnode.phantom import View, draw
from inference.evidence import wilson
from inference.pixels import Picture, implausible, to_model_input
from inference.verdict.decide import decide
from inference.verdict.network import VerdictNetwork
from training.data import image_files
from training.data.examples import Example
from training.data.examples import View as StatedView
from training.data.films import all_films, known_wrong
from training.evaluation.package_identity import package_identity

RESULTS = Path(__file__).parent / "results" / "verdict.json"
WRONG = Path(__file__).parent / "verdict_known_wrong.csv"
MARGINS = (0.02, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
UNSEEN = {"shipped": ("bimcv",), "twin": ("jsrt", "shenzhen", "ieee8023", "bimcv")}
"""Which collections each network never saw a frontal film of."""
LATERAL_FOLDS = {"shipped": (0, 2), "twin": (1, 3, 4)}
"""Folds whose laterals each network never saw."""
GOALS = {
    "good": 0.005, "negative": 0.995, "turned by 90": 0.995, "turned by 180": 0.995, "turned by 270": 0.995,
    "left half": 0.98, "right half": 0.98, "upper half": 0.95, "lower half": 0.95, "lateral": 0.97,
    "other files": 0.99, "detail": 0.99, "drawn": 0.99,
}  # fmt: skip
Gray = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one network said about one image."""

    network: str
    source: str
    kind: str
    """A key of :data:`GOALS`."""
    file: str
    usable: float
    verdict: str
    """The kind of verdict at the package's own margin."""
    mirrored: float = 0.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A network under its name in the figures: ``shipped`` or ``twin``."""

    name: str
    network: VerdictNetwork

    def answer(self, source: str, kind: str, file: str, image: Picture | Gray) -> Answer:
        """Ask about one image."""
        if not isinstance(image, Picture):
            image = Picture(np.ascontiguousarray(image, np.float32))
        answers = self.network.answers(image)
        verdict = decide(answers, self.network.margin)
        return Answer(self.name, source, kind, file, answers.usable, verdict.kind.value, answers.mirrored)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="benchmarks.verdict", description="Measure the verdict on unseen sources.")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--package", default="verdict")
    parser.add_argument("--twin", type=Path, help="a package that learnt from NIH and RSNA alone")
    parser.add_argument("--each", type=int, default=250, help="films a collection that variants are made of")
    parser.add_argument("--rows", type=Path, help="CSV file for every single answer")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    networks = {"shipped": VerdictNetwork.open(options.package)}
    if options.twin is not None:
        networks["twin"] = VerdictNetwork.open(options.twin)
    answers = [
        answer
        for name, network in networks.items()
        for answer in measure(Candidate(name, network), options.data, options.each)
    ]
    if options.rows is not None:
        with options.rows.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerows(astuple(answer) for answer in answers)
    document = report(networks, answers, timing(networks["shipped"]))
    print(summary(document))
    options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def measure(candidate: Candidate, data: Path, each: int) -> Iterator[Answer]:
    """Ask one network about everything that it never saw."""
    left_out = {data / file for file in known_wrong(WRONG)}
    wrong = known_wrong(data / "known-wrong.csv")
    films = [film for film in all_films(data) if film.is_adult]
    for source in UNSEEN[candidate.name]:
        listed = [film for film in films if film.source == source and (film.is_frontal_adult or source == "bimcv")]
        good = [film for film in listed if film.path not in left_out]
        for film in listed:
            if film.path in left_out:
                yield candidate.answer(source, "left out", _below(data, film), image_files.read_grey(film.path))
        step = max(1, len(good) // each)
        for number, film in enumerate(good):
            gray = image_files.read_grey(film.path)
            yield candidate.answer(source, "good", _below(data, film), gray)
            if number % step == 0:
                for kind, variant in variants(gray, np.random.default_rng(number)):
                    yield candidate.answer(source, kind, _below(data, film), variant)
    for film in films:
        if film.view is StatedView.LATERAL and film.fold in LATERAL_FOLDS[candidate.name]:
            yield candidate.answer(
                "laterals kept apart", "lateral", _below(data, film), image_files.read_grey(film.path)
            )
    for file in wrong:
        yield candidate.answer("known-wrong.csv", "known wrong", file, image_files.read_grey(data / file))
    yield from _dicom(candidate, data / "dicom", {data / file for file in wrong})
    for kind, gray in drawn_others():
        yield candidate.answer("drawn", "drawn", kind, gray)


def variants(gray: Gray, rng: np.random.Generator) -> Iterator[tuple[str, Gray]]:
    """Yield what a good film becomes."""
    rows, columns = gray.shape
    yield "negative", 1 - gray
    for degrees in (90, 180, 270):
        yield f"turned by {degrees}", np.rot90(gray, -degrees // 90)
    yield "left half", gray[:, : columns // 2]
    yield "right half", gray[:, columns // 2 :]
    yield "upper half", gray[: rows // 2]
    yield "lower half", gray[rows // 2 :]
    height, width = int(rows * rng.uniform(0.2, 0.4)), int(columns * rng.uniform(0.2, 0.4))
    top, left = int(rng.uniform(0, rows - height)), int(rng.uniform(0, columns - width))
    yield "detail", gray[top : top + height, left : left + width]
    yield "upper third missing", gray[rows // 3 :]
    yield "lower third missing", gray[: rows - rows // 3]
    yield "mirrored", gray[:, ::-1]


def drawn_others(count: int = 40) -> Iterator[tuple[str, Gray]]:
    """Yield images of no chest that were drawn here, by other means than those that taught the network."""
    for seed in range(count):
        rng = np.random.default_rng([seed, 99])
        yield "noise", rng.random((256, 256), np.float32)
        yield "coarse noise", np.repeat(np.repeat(rng.random((32, 32), np.float32), 8, 0), 8, 1)
        yield "ramp", np.tile(np.linspace(0, 1, 300, dtype=np.float32)[:: 1 - 2 * (seed % 2)], (200, 1))
        yield "text", _text(rng)
        yield "rings", _rings(rng)
    for seed in range(6):
        for view in (View.LATERAL, View.HAND):
            yield f"phantom {view}", draw(seed, view=view, size=512).astype(np.float32) / np.float32(4095)


def _text(rng: np.random.Generator) -> Gray:
    image = Image.new("L", (420, 595), 255)
    page = ImageDraw.Draw(image)
    font = ImageFont.load_default(int(rng.integers(10, 24)))
    for line in range(26):
        words = " ".join("".join(rng.choice(list("etaoinshrdlu"), int(rng.integers(2, 9)))) for _ in range(7))
        page.text((20, 20 + 21 * line), words, fill=0, font=font)
    gray = np.asarray(image, np.float32) / np.float32(255)
    return 1 - gray if rng.random() < 0.5 else gray


def _rings(rng: np.random.Generator) -> Gray:
    """Draw an axial slice: rings about a middle."""
    y, x = np.mgrid[:256, :256].astype(np.float32) / 128 - 1
    radius = np.hypot(x / rng.uniform(0.7, 1), y / rng.uniform(0.6, 0.9))
    gray = np.where(radius < 0.8, 0.5, 0) + np.where((radius > 0.7) & (radius < 0.8), 0.4, 0)
    gray += 0.2 * np.cos(radius * rng.uniform(4, 14)) * (radius < 0.7)
    return np.asarray(np.clip(gray + rng.normal(0, 0.03, gray.shape), 0, 1), np.float32)


def _below(data: Path, film: Example) -> str:
    """Return a film's path below the data folder, as lists of wrong films name it."""
    return film.path.relative_to(data).as_posix()


def _dicom(candidate: Candidate, folder: Path, wrong: Collection[Path]) -> Iterator[Answer]:
    """Ask about real DICOM files: other things, and chest films of other machines."""
    for path, image in decodable(folder / "other"):
        if implausible(image) is None:
            yield candidate.answer("dicom/other", "other files", path.name, image)
    for path, image in decodable(folder / "chest"):
        yield candidate.answer("dicom/chest", "good", path.name, image)
    for path, image in decodable(folder / "rsna"):
        if path not in wrong:
            yield candidate.answer("dicom/rsna", "good, origin seen", path.name, image)


def report(
    networks: Mapping[str, VerdictNetwork], answers: Sequence[Answer], times: Mapping[str, float]
) -> dict[str, Any]:
    """Return all figures as one document."""
    margin, package = networks["shipped"].margin, networks["shipped"].package
    rows: dict[tuple[str, str, str], list[Answer]] = {}
    for answer in answers:
        rows.setdefault((answer.network, answer.source, answer.kind), []).append(answer)
    return {
        "machine": {"processor": platform.processor() or platform.machine(), "system": platform.system()},
        "margin": {"accept": margin.accept, "sure": margin.sure},
        "package": {**package_identity(package), "digest": package.digest},
        "milliseconds": dict(times),
        "goals": GOALS,
        "rows": [
            {
                "network": key[0],
                "source": key[1],
                "kind": key[2],
                "images": len(group),
                "stopped": [
                    {"accept": accept, **share(sum(answer.usable < accept for answer in group), len(group))}
                    for accept in sorted({*MARGINS, margin.accept})
                ],
                "mirrored": share(sum(answer.mirrored >= 0.98 for answer in group), len(group)),
                "named": sum(_named(answer) for answer in group),
            }
            for key, group in rows.items()
        ],
    }


def _named(answer: Answer) -> bool:
    """Say whether the verdict's kind, at the package's own margin, is the right one."""
    kinds = {"good": "frontal", "mirrored": "frontal", "negative": "negative", "lateral": "lateral"}
    if answer.kind.startswith("turned"):
        return answer.verdict == "turned"
    if answer.kind.startswith("good"):
        return answer.verdict == "frontal"
    if answer.kind.endswith(("half", "missing")):
        return answer.verdict == "cut"
    return answer.verdict == kinds.get(answer.kind, "other")


def share(count: int, of: int) -> dict[str, Any]:
    """Return a share with its 95 % interval."""
    low, high = wilson(count, of)
    return {"count": count, "share": round(count / of if of else 0.0, 5), "low": round(low, 5), "high": round(high, 5)}


def timing(network: VerdictNetwork, repeats: int = 60) -> dict[str, float]:
    """Return milliseconds, median and fastest, of the forward pass and of the whole verdict on 2048 × 2048 pixels."""
    size = network.package.manifest.input
    picture = Picture(np.random.default_rng(0).random((2048, 2048), np.float32))
    batch = to_model_input(picture, size.rows, size.columns, size.contrast)[0][None]
    calls: dict[str, Callable[[], object]] = {
        "forward": lambda: network.run(batch),
        "whole": lambda: network.verdict(picture),
    }
    times = {}
    for name, call in calls.items():
        seconds = []
        for _ in range(repeats):
            start = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - start)
        times[f"{name}_median"] = round(1e3 * statistics.median(seconds), 3)
        times[f"{name}_fastest"] = round(1e3 * min(seconds), 3)
    return times


def summary(document: Mapping[str, Any]) -> str:
    """Return the figures as lines for a terminal: stopped, by margin."""
    accepts = [entry["accept"] for entry in document["rows"][0]["stopped"]]
    lines = [f"{'network':8} {'source':20} {'kind':14} {'n':>5} " + " ".join(f"{accept:>8}" for accept in accepts)]
    for row in document["rows"]:
        shares = " ".join(f"{100 * entry['share']:7.2f}%" for entry in row["stopped"])
        told = f"named {row['named']}, mirrored {row['mirrored']['count']}"
        lines.append(f"{row['network']:8} {row['source']:20} {row['kind']:14} {row['images']:5} {shares}  {told}")
    return "\n".join([*lines, str(document["milliseconds"])])


if __name__ == "__main__":
    main()
