"""What share of good films is called unlike the learnt ones, and what share of odd images is.

    python -m benchmarks.likeness --data DATA --outside DATA/more

Good films are frontal ones of adults whose patients the package did not learn from. For each source the share is given
at the package's own threshold, whose scale rests on such films of every source, and at the threshold that the other
sources alone would have set: what a hospital that was never seen must expect. Intervals are 95 %, by patient.
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.alterations import ALTERATIONS, altered, synthetic
from benchmarks.dicom_images import decodable
from cxrnode.demo_phantoms import SCENES
from cxrnode.phantom import draw
from inference.likeness.measure import share_nearer
from inference.model import Model
from inference.pixels import Picture, implausible
from training.data import image_files
from training.data.examples import ADULT_YEARS, Example, View
from training.data.films import films
from training.evaluation.package_identity import package_identity
from training.evaluation.record import record_of
from training.evaluation.resample import Resamples
from training.packaging.likeness.feature_cache import KeptFeatures
from training.packaging.likeness.statistics import quantiles

RESULTS = Path(__file__).parent / "results" / "likeness.json"


class Measured:
    """A model and what it says of images."""

    def __init__(self, package: str, kept: Path | None) -> None:
        self.model = Model.open(package)
        self._kept = KeptFeatures.load(kept).by_file if kept else {}
        likeness = self.model.package.manifest.likeness
        if likeness is None:
            raise SystemExit(f"{package} has no measure of likeness: run python -m training.packaging.likeness first")
        self.likeness = likeness
        self.seconds: list[float] = []

    def distance(self, image: Any) -> float:
        """Return the raw distance of an image."""
        answers = self.model.raw(image)
        start = time.perf_counter()
        distance = self.model.raw_distance(answers)
        share_nearer(distance, self.likeness.quantiles)
        self.seconds.append(time.perf_counter() - start)
        return distance

    def of_film(self, film: Example) -> float:
        """Return the raw distance of a film, from its kept features where there are some."""
        features = self._kept.get(film.file)
        if features is None:
            return self.distance(image_files.read_picture(film.path))
        return self.model.feature_distance(list(features.astype(np.float32)))

    def unlike(self, distances: Sequence[float]) -> np.ndarray:
        """Say of each distance whether it lies beyond the package's threshold."""
        shares = [share_nearer(distance, self.likeness.quantiles) for distance in distances]
        return np.asarray(shares) > self.likeness.threshold


def share(flags: np.ndarray, patients: Sequence[str]) -> dict[str, Any]:
    """Return the share of true flags with its interval by patient, and how many there are."""
    resamples = Resamples.of(patients, 1).on(np.arange(len(flags)))
    figure = resamples.measure(lambda weights: weights @ flags.astype(float) / weights.sum(axis=1)).figure()
    return {"images": len(flags), "unlike": int(flags.sum()), **figure.as_json()}


def sources_of(measured: Measured, chosen: dict[str, list[Example]]) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """Return the table of good films by source, and their distances."""
    distances = {name: [measured.of_film(film) for film in of_source] for name, of_source in chosen.items()}
    table = {}
    for name, of_source in chosen.items():
        patients = [film.patient for film in of_source]
        others = [(value, source) for source, values in distances.items() if source != name for value in values]
        scale = quantiles([value for value, _ in others], [source for _, source in others])
        limit = np.interp(measured.likeness.threshold, np.linspace(0, 1, len(scale)), scale)
        table[name] = {
            "at the package's threshold": share(measured.unlike(distances[name]), patients),
            "at the threshold of the other sources": share(np.asarray(distances[name]) > limit, patients),
        }
    return table, distances


def odd(measured: Measured, data: Path, bases: Sequence[Example]) -> dict[str, Any]:
    """Return, by kind of odd image, what share is called unlike."""
    kinds: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for film in bases:
        gray = image_files.read_picture(film.path).gray
        for name in ALTERATIONS:
            kinds[name].append((measured.distance(altered(name, gray)), film.patient))
    for name, image, owner in (*_synthetic(), *_phantoms(), *_dicom(data / "dicom" / "other")):
        kinds[name].append((measured.distance(image), owner))
    return {
        name: share(measured.unlike([value for value, _ in entries]), [owner for _, owner in entries])
        for name, entries in kinds.items()
    }


def _synthetic() -> Iterator[tuple[str, Any, str]]:
    for number, (name, image) in enumerate(synthetic(10)):
        yield name, image, str(number)


def _phantoms() -> Iterator[tuple[str, Any, str]]:
    for scene in SCENES:
        image = draw(scene.seed, opacity=scene.opacities(), view=scene.view, size=1024) / np.float32(4095)
        yield f"phantom of the demo, {scene.view.name.lower()}", image.astype(np.float32), scene.name


def _dicom(folder: Path) -> Iterator[tuple[str, Picture, str]]:
    """Yield what of a folder decodes and is not refused for its pixels already."""
    for path, image in decodable(folder):
        if implausible(image) is None:
            yield "other DICOM images", image, path.name


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(prog="benchmarks.likeness", description=str(__doc__).splitlines()[0])
    parser.add_argument("--package", default="chest-default")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--outside", type=Path, action="append", default=[])
    parser.add_argument("--most", type=int, default=200, help="films of a source")
    parser.add_argument("--altered", type=int, default=8, help="films of a source that are altered in each way")
    parser.add_argument("--kept", type=Path, help="what training.packaging.likeness --keep kept of this very package")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    measured = Measured(options.package, options.kept)
    record = record_of(measured.model.package)
    random = np.random.default_rng(2)
    everything = [film for root in (options.data, *options.outside) for film in films(root)]
    unseen = [film for film in everything if not record.learnt(film)]
    good = _by_source([film for film in unseen if film.is_frontal_adult], options.most, random)
    table, _ = sources_of(measured, good)
    rest = {
        "children": [film for film in unseen if film.age is not None and film.age < ADULT_YEARS],
        "lateral views": [film for film in everything if film.view is View.LATERAL],
        "view and age unknown": [film for film in unseen if film.view is View.UNKNOWN],
    }
    others = {}
    for name, candidates in rest.items():
        chosen = [candidates[index] for index in random.permutation(len(candidates))[: options.most]]
        flags = measured.unlike([measured.of_film(film) for film in chosen])
        others[name] = share(flags, [film.patient for film in chosen])
    bases = [film for of_source in good.values() for film in of_source[: options.altered]]
    result = {
        "package": package_identity(measured.model.package),
        "threshold": measured.likeness.threshold,
        "good films": table,
        "other films": others,
        "odd images": odd(measured, options.data, bases),
        "milliseconds": round(1e3 * float(np.median(measured.seconds)), 3),
    }
    options.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1, ensure_ascii=False))


def _by_source(candidates: Sequence[Example], most: int, random: np.random.Generator) -> dict[str, list[Example]]:
    by_source: dict[str, list[Example]] = defaultdict(list)
    for index in random.permutation(len(candidates)):
        film = candidates[index]
        if len(by_source[film.source]) < most:
            by_source[film.source].append(film)
    return dict(sorted(by_source.items()))


if __name__ == "__main__":
    main()
