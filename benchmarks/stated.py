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
from inference.package import CARD, FIGURES, MANIFEST, EnsemblePackage, load_package
from training.data.examples import FRONTAL, Example, View
from training.data.films import all_films
from training.data.image_files import read_picture
from training.data.many_sources import CHESTXDET_TERMS, chestxdet_reads
from training.data.terms import LUNG_OPACITY, NO_FINDING, NORMAL
from training.evaluation.package_identity import package_identity
from training.evaluation.record import Record, record_of
from training.packaging.cards.model_card import card

RESULTS = Path(__file__).parent / "results" / "stated.json"
RSNA_FINDINGS = frozenset({LUNG_OPACITY, NORMAL})
"""The findings that RSNA's readers judged. An opacity there is no diagnosis, so nothing is read of pneumonia; nor is
anything of COVID-19, which no radiograph shows."""
EXTRA_NORMALS = "rsnanormal"
"""Normals of RSNA's that were chosen for being normal: with them every finding would be rarer than among all reads."""
CONFOUNDED = "ieee8023"
"""The one collection of COVID-19, whose films differ from all others in more than the disease."""
NOT_EXPECTED = {"lung_opacity": ("jsrt normal", "shenzhen normal"),
                "normal": ("bimcv", "jsrt nodule", "shenzhen tuberculosis")}  # fmt: skip
"""Films of other hospitals that are known not to show a finding; of the other findings, COVID-19 wards."""


@dataclass
class Scores:
    """Scores by file and label, kept in a JSON file if one is named."""

    path: Path | None
    members: tuple[str, ...]
    """Digests of the networks with their calibration, whose scores these are."""
    by_file: dict[str, dict[str, float]] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path | None, members: tuple[str, ...]) -> "Scores":
        """Read what an earlier run of the same networks kept."""
        if path is None or not path.exists():
            return cls(path, members)
        document = json.loads(path.read_text(encoding="utf-8"))
        return cls(path, members, document["scores"] if document["members"] == list(members) else {})

    def save(self) -> None:
        """Keep them."""
        if self.path is not None:
            self.path.write_text(json.dumps({"members": self.members, "scores": self.by_file}), encoding="utf-8")


def evidence_films(data: Path, record: Record) -> list[Example]:
    """Return the films of a data folder that count as evidence for a package with this record.

    Raises :class:`DataError` for a data folder without the tables it needs.
    """
    return [film for film in all_films(data) if is_evidence(film, record)]


def is_evidence(film: Example, record: Record) -> bool:
    """Say whether nothing says that a film is lateral, a child's, or of a patient that the package learnt from.

    Collections from outside state no view, and some no age; their films are frontal ones of adults.
    """
    frontal = film.view in FRONTAL or film.view is View.UNKNOWN
    return frontal and film.is_adult and film.source != CONFOUNDED and not record.learnt(film)


def score(model: Model, films: Sequence[Example], scores: Scores, progress: Callable[[int], None]) -> None:
    """Score every film that has no scores yet; keep them from time to time."""
    for count, film in enumerate(films, 1):
        if film.file not in scores.by_file:
            by_label = model.scores(model.raw(read_picture(film.path)))
            scores.by_file[film.file] = {label: round(value, 6) for label, value in by_label.items()}
        if count % 200 == 0:
            scores.save()
            progress(count)
    scores.save()


def outside(films: Iterable[Example]) -> dict[str, list[Example]]:
    """Return the films of hospitals that the package did not learn from, by what they are known to be."""
    groups = {
        "bimcv": ("bimcv", None), "jsrt normal": ("jsrt", True), "jsrt nodule": ("jsrt", False),
        "shenzhen normal": ("shenzhen", True), "shenzhen tuberculosis": ("shenzhen", False),
    }  # fmt: skip
    listed = list(films)
    return {
        name: [
            film
            for film in listed
            if film.source == source and (is_normal is None or film.truths.get(NO_FINDING) is is_normal)
        ]
        for name, (source, is_normal) in groups.items()
    }


def measure(
    label: str,
    point: float,
    films: Sequence[Example],
    chestxdet: Mapping[str, frozenset[str]],
    scores: Mapping[str, Mapping[str, float]],
) -> dict[str, Any]:
    """Return one finding's counts at its specific point; ``evidence`` is what a manifest holds of them.

    Parameters
    ----------
    label
        The finding, in the catalogue's terms.
    point
        A score at or above it is a call.
    films
        Films that count as evidence.
    chestxdet
        What ChestX-Det's readers saw, by file.
    scores
        By file and label.
    """

    def is_called(film: Example) -> bool:
        return scores[film.file][label] >= point

    def share(group: Sequence[Example]) -> dict[str, int]:
        return {"calls": sum(map(is_called, group)), "images": len(group)}

    normals = share([film for film in films if film.truths.get(NORMAL)])
    elsewhere = {name: share(group) for name, group in outside(films).items()}
    counts = {"point": point, "normals": normals, "elsewhere": elsewhere}
    truths = read_truths_of(label, films, chestxdet)
    if not truths:
        return counts
    read = [film for film in films if film.file in truths]
    called = [film for film in read if is_called(film)]
    patients = len({film.patient for film in read})
    worst = max(
        (elsewhere[name] for name in NOT_EXPECTED.get(label, ("bimcv",))),
        key=lambda entry: (entry["calls"] / max(entry["images"], 1), entry["images"]),
    )
    reader = "RSNA 2018" if label in RSNA_FINDINGS else "ChestX-Det"
    evidence = EvidenceSpec.model_validate({
        "point": point, "images": len(read), "positives": sum(truths.values()), "calls": len(called),
        "right": sum(truths[film.file] for film in called), "normals": normals, "elsewhere": worst,
        "source": f"{reader} reads of {len(read)} images of {patients} patients of the hospital learnt from, none of "
        "whom a network was fitted or chosen on",
    })  # fmt: skip
    return {**counts, "evidence": evidence.model_dump()}


def read_truths_of(label: str, films: Iterable[Example], chestxdet: Mapping[str, frozenset[str]]) -> dict[str, bool]:
    """Return whether radiologists saw a finding, by file; empty where nobody read it.

    The extra normals of RSNA's are left out: they would make the finding rarer, and good news commoner, than in the
    rest of what was read.
    """
    if label in RSNA_FINDINGS:
        return {film.file: film.truths[label] for film in films if label in film.read and film.source != EXTRA_NORMALS}
    terms = CHESTXDET_TERMS.get(label)
    if terms is None:
        return {}
    return {film.file: bool(chestxdet[film.file] & terms) for film in films if film.file in chestxdet}


def put_into(folder: Path, findings: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the evidence into a package's manifest, and its card, which quotes it, anew."""
    package = load_package(folder)
    specs = tuple(
        spec.model_copy(update={"evidence": EvidenceSpec.model_validate(evidence) if evidence else None})
        for spec in package.manifest.findings
        for evidence in [findings[spec.label].get("evidence")]
    )
    manifest = package.manifest.model_copy(update={"findings": specs})
    figures = json.loads((folder / FIGURES).read_text(encoding="utf-8"))
    several = isinstance(package, EnsemblePackage)
    members = tuple(member.manifest for member in package.members) if several else ()
    content = card(manifest, figures, members).encode()
    (folder / CARD).write_bytes(content)
    files = {**manifest.files, CARD: hashlib.sha256(content).hexdigest()}
    (folder / MANIFEST).write_text(manifest.model_copy(update={"files": files}).toml(), encoding="utf-8")


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
    films, chestxdet = evidence_films(options.data, record_of(package)), chestxdet_reads(options.data)
    scores = Scores.open(options.scores, tuple(member.digest for member in package.members))
    score(Model.open(package), films, scores, lambda count: print(f"{count} of {len(films)}", file=sys.stderr))
    findings = {
        spec.label: measure(spec.label, package.points(spec).specific, films, chestxdet, scores.by_file)
        for spec in package.manifest.findings
    }
    document = {"package": package_identity(package), "films": len(films), "findings": findings}
    options.results.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if options.into is not None:
        put_into(options.into, findings)
    for spec in package.manifest.findings:
        print(_line(spec.label, findings[spec.label].get("evidence"), abnormal=spec.abnormal))
    return 0


def _line(label: str, evidence: Mapping[str, Any] | None, *, abnormal: bool) -> str:
    if evidence is None:
        return f"{label:14} nobody read it: scored only"
    counts = EvidenceSpec.model_validate(evidence).evidence()
    low, high = counts.interval()
    stated = may_be_stated(counts, counts.point, abnormal=abnormal)
    return (
        f"{label:14} right {counts.right:3} of {counts.calls:3}, {counts.predictive_value:.2f} [{low:.2f}-{high:.2f}] "
        f"at prevalence {counts.prevalence:.2f}; normals {counts.normals.value:.3f}, elsewhere "
        f"{counts.elsewhere.value:.3f}: {'stated' if stated else 'scored only'}"
    )


if __name__ == "__main__":
    raise SystemExit(main())
