"""How often each finding's calls are right where the package did not learn: the evidence for what it may state.

A call is a score at or above a finding's specific operating point. Images are frontal ones of adults whose patients
no network of the package was fitted or chosen on. Right or wrong is what radiologists read: ChestX-Det's exhaustive
reads and, for opacity and "normal", the reads of the RSNA challenge of 2018. Beside that stands how many
radiologist-read normals, and how many films of other hospitals that are not known to show it, get the call. Run from
the repository's root:

    .venv/bin/python -m benchmarks.stated [--data ../shared/data] [--package chest-default] [--scores FILE]

``--scores`` keeps the scores in a file and takes them from there the next time. The results hold counts only.
"""

import argparse
import csv
import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inference.evidence import may_be_stated
from inference.manifest import EvidenceSpec
from inference.model import Model
from inference.package import load_package
from training.data.pictures import read_picture
from training.evaluation.protocol import TRAINING, VALIDATION, record_in

RESULTS = Path(__file__).parent / "results" / "stated.json"
YOUNGEST = 18
_FRONTAL = frozenset({"PA", "AP", "AP Supine"})
_RSNA = {"Lung Opacity": "opacity", "Normal": "normal", "No Lung Opacity / Not Normal": "other"}
READ_AS = {
    "atelectasis": frozenset({"Atelectasis"}),
    "cardiomegaly": frozenset({"Cardiomegaly"}),
    "effusion": frozenset({"Effusion"}),
    "infiltration": frozenset({"Consolidation"}),
    "mass": frozenset({"Mass"}),
    "nodule": frozenset({"Nodule", "Diffuse Nodule"}),
    "pneumothorax": frozenset({"Pneumothorax"}),
}
"""What ChestX-Det's readers call each finding; they have no infiltration, and draw consolidation for it."""
RSNA_READ_AS = {"lung_opacity": "opacity", "normal": "normal"}
"""Which exclusive read of RSNA's makes a finding right. An opacity there is no diagnosis, so nothing is read of
pneumonia; nor is anything of COVID-19, which no radiograph shows."""
NOT_EXPECTED = {"lung_opacity": ("jsrt normal", "shenzhen normal"),
                "normal": ("bimcv", "jsrt nodule", "shenzhen tuberculosis")}  # fmt: skip
"""Films of other hospitals that are known not to show a finding; of the other findings, COVID-19 wards."""


@dataclass(frozen=True, slots=True)
class Film:
    """One image of the data, and what radiologists said of it."""

    file: str
    path: Path
    part: str
    patient: str
    fold: str
    rsna: str = ""
    """``opacity``, ``normal`` or ``other``; empty where nobody read it for RSNA."""
    chestxdet: frozenset[str] | None = None
    """All that ChestX-Det's readers saw; None where they did not read it."""
    nothing: bool = False
    """Whether its collection calls it normal."""


@dataclass
class Scores:
    """Scores by file and label, kept in a JSON file if one is named."""

    path: Path | None
    digest: str
    known: dict[str, dict[str, float]] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path | None, digest: str) -> "Scores":
        """Read what an earlier run of the same package kept."""
        if path is None or not path.exists():
            return cls(path, digest)
        document = json.loads(path.read_text(encoding="utf-8"))
        return cls(path, digest, document["scores"] if document["weights"] == digest else {})

    def save(self) -> None:
        """Keep them."""
        if self.path is not None:
            self.path.write_text(json.dumps({"weights": self.digest, "scores": self.known}), encoding="utf-8")


def read_films(data: Path) -> list[Film]:
    """Return the frontal films of adults in both sets of the data folder, children's collections left out."""
    chestxdet = {
        row["file"]: frozenset() if row["finding"] == "none" else frozenset(row["finding"].split("|"))
        for row in _rows(data / "more" / "reads.csv")
        if row["reader"] == "chestxdet"
    }
    wrong = {row["file"] for row in _rows(data / "known-wrong.csv")}
    films = []
    for root in (data, data / "more"):
        for row in _rows(root / "manifest.csv"):
            part = row.get("part") or row["source"]
            if part == "kermany" or row["file"] in wrong or row.get("children") == "yes" or not _frontal_adult(row):
                continue
            films.append(
                Film(
                    file=row["file"],
                    path=root / "images" / row["file"],
                    part=part,
                    patient=row["patient"],
                    fold=row["fold"],
                    rsna=_RSNA.get(row["rsna_class"], "normal" if part == "rsnanormal" else ""),
                    chestxdet=chestxdet.get(row["file"]),
                    nothing=row.get("findings") == "none",
                )
            )
    return films


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _frontal_adult(row: Mapping[str, str]) -> bool:
    """Tell whether nothing says that a film is lateral or a child's; outside collections state neither."""
    if row["view"] and row["view"] not in _FRONTAL:
        return False
    try:
        return float(row["age"]) >= YOUNGEST
    except ValueError:
        return True


def weights_of(package: Any) -> str:
    """Return a digest of every network's weights and calibration, which a new version of the manifest leaves alone."""
    sums = hashlib.sha256()
    for member in package.members:
        sums.update(member.digest.encode())
    return sums.hexdigest()


def score(model: Model, films: Sequence[Film], scores: Scores, progress: Callable[[int], None]) -> None:
    """Score every film that has no scores yet; keep them from time to time."""
    for done, film in enumerate(films, 1):
        if film.file not in scores.known:
            found = model.scores(model.raw(read_picture(film.path)))
            scores.known[film.file] = {label: round(value, 6) for label, value in found.items()}
        if done % 200 == 0:
            scores.save()
            progress(done)
    scores.save()


def outside(films: Iterable[Film]) -> dict[str, list[Film]]:
    """Return the films of hospitals that the package did not learn from, by what they are known to be."""
    kinds = {
        "bimcv": ("bimcv", None), "jsrt normal": ("jsrt", True), "jsrt nodule": ("jsrt", False),
        "shenzhen normal": ("shenzhen", True), "shenzhen tuberculosis": ("shenzhen", False),
    }  # fmt: skip
    listed = list(films)
    return {
        name: [film for film in listed if film.part == part and nothing in {None, film.nothing}]
        for name, (part, nothing) in kinds.items()
    }


def measure(
    label: str, point: float, films: Sequence[Film], scores: Mapping[str, Mapping[str, float]]
) -> dict[str, Any]:
    """Return one finding's counts at its specific point; ``evidence`` is what a manifest holds of them."""

    def called(film: Film) -> bool:
        return scores[film.file][label] >= point

    def share(kept: Sequence[Film]) -> dict[str, int]:
        return {"calls": sum(map(called, kept)), "images": len(kept)}

    normals = share([film for film in films if film.rsna == "normal"])
    elsewhere = {name: share(kept) for name, kept in outside(films).items()}
    found = {"point": point, "normals": normals, "elsewhere": elsewhere}
    truth = truth_of(label, films)
    if not truth:
        return found
    read = [film for film in films if film.file in truth]
    chosen = [film for film in read if called(film)]
    patients = len({film.patient for film in read})
    worst = max(
        (elsewhere[name] for name in NOT_EXPECTED.get(label, ("bimcv",))),
        key=lambda entry: (entry["calls"] / max(entry["images"], 1), entry["images"]),
    )
    reader = "RSNA 2018" if label in RSNA_READ_AS else "ChestX-Det"
    evidence = EvidenceSpec.model_validate({
        "point": point, "images": len(read), "positives": sum(truth.values()), "calls": len(chosen),
        "right": sum(truth[film.file] for film in chosen), "normals": normals, "elsewhere": worst,
        "source": f"{reader} reads of {len(read)} images of {patients} patients of the hospital learnt from, none of "
        "whom a network was fitted or chosen on",
    })  # fmt: skip
    return {**found, "evidence": evidence.model_dump()}


def truth_of(label: str, films: Iterable[Film]) -> dict[str, bool]:
    """Return what radiologists read of a finding, by file; empty where nobody read it.

    The many extra normals of RSNA's are left out: they would make the finding rarer, and good news commoner, than in
    the rest of what was read.
    """
    if label in RSNA_READ_AS:
        read = [film for film in films if film.rsna and film.part != "rsnanormal"]
        return {film.file: film.rsna == RSNA_READ_AS[label] for film in read}
    if label not in READ_AS:
        return {}
    return {film.file: bool(film.chestxdet & READ_AS[label]) for film in films if film.chestxdet is not None}


def put_into(folder: Path, findings: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the evidence into a package's manifest."""
    package = load_package(folder)
    specs = tuple(
        spec.model_copy(update={"evidence": EvidenceSpec.model_validate(evidence) if evidence else None})
        for spec in package.manifest.findings
        for evidence in [findings[spec.label].get("evidence")]
    )
    text = package.manifest.model_copy(update={"findings": specs}).toml()
    (folder / "package.toml").write_text(text, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and keep the counts; return the exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks.stated", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--package", default="chest-default")
    parser.add_argument("--scores", type=Path)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--into", type=Path, help="a package's folder, into whose manifest the evidence is written")
    options = parser.parse_args(arguments)
    package = load_package(options.package)
    record = record_in(package)
    films = [
        film
        for film in read_films(options.data)
        if film.part != "ieee8023"
        and not any(m.has(p, film.patient) for m in record.patients for p in (TRAINING, VALIDATION))
    ]
    scores = Scores.open(options.scores, weights_of(package))
    score(Model.open(package), films, scores, lambda done: print(f"{done} of {len(films)}", file=sys.stderr))
    findings = {
        spec.label: measure(spec.label, package.points(spec).specific, films, scores.known)
        for spec in package.manifest.findings
    }
    document = {"weights": weights_of(package), "films": len(films), "findings": findings}
    options.results.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if options.into is not None:
        put_into(options.into, findings)
    for spec in package.manifest.findings:
        print(_line(spec.label, findings[spec.label].get("evidence"), abnormal=spec.abnormal))
    return 0


def _line(label: str, evidence: Mapping[str, Any] | None, *, abnormal: bool) -> str:
    if evidence is None:
        return f"{label:14} nobody read it: scored only"
    found = EvidenceSpec.model_validate(evidence).evidence()
    low, high = found.interval()
    stated = may_be_stated(found, found.point, abnormal=abnormal)
    return (
        f"{label:14} right {found.right:3} of {found.calls:3}, {found.predictive_value:.2f} [{low:.2f}-{high:.2f}] at "
        f"prevalence {found.prevalence:.2f}; normals {found.normals.value:.3f}, elsewhere {found.elsewhere.value:.3f}: "
        f"{'stated' if stated else 'scored only'}"
    )


if __name__ == "__main__":
    raise SystemExit(main())
