"""Films of many collections with all that each of them makes known, and nothing that it does not.

Collections label different things: NIH's reports were mined for fourteen conditions, radiologists of RSNA read for
opacity, those of ChestX-Det for thirteen findings and exhaustively, NIH's boxes name one finding of a film and leave
others out. Here each film gets yes or no for what its collections say, and nothing for the rest. A film of a sick
person is also a "no" for what the disease does not show (:data:`NOT_SHOWN`): without sick films among the negatives,
whatever is foreign and sick looks like every finding.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from training.data.csv_rows import rows
from training.data.examples import Example
from training.data.films import all_films
from training.data.terms import LUNG_OPACITY, NIH_CONDITIONS, NO_FINDING, NORMAL, NOT_NORMAL, mined_truths

CONDITIONS = (
    "atelectasis", "cardiomegaly", "effusion", "infiltration", "mass", "nodule", "pneumonia", "pneumothorax",
)  # fmt: skip
"""The eight conditions of BBox_List_2017."""
CHESTXDET_TERMS: Mapping[str, frozenset[str]] = {
    "atelectasis": frozenset({"Atelectasis"}),
    "cardiomegaly": frozenset({"Cardiomegaly"}),
    "effusion": frozenset({"Effusion"}),
    "infiltration": frozenset({"Consolidation"}),
    "mass": frozenset({"Mass"}),
    "nodule": frozenset({"Nodule", "Diffuse Nodule"}),
    "pneumothorax": frozenset({"Pneumothorax"}),
}
"""What ChestX-Det's readers call each finding; they have no infiltration, and draw consolidation for it."""
NOT_SHOWN: Mapping[str, tuple[str, ...]] = {
    "COVID-19": ("mass", "nodule", "pneumothorax"),
    "tuberculosis": ("cardiomegaly", "mass", "pneumothorax"),
}
"""What films of a disease are taken not to show; that they all show an opacity is taken for granted, too."""
BOXES_OF_RADIOLOGISTS = "bbox2017"
_CHESTXDET = "chestxdet"
_CURE = "give a data folder with more/ in it"


def many_sources(data: Path) -> tuple[Example, ...]:
    """Return the films of a data folder and of ``more/`` in it, each with what its collections make known.

    Raises :class:`DataError` where a table is missing or broken.
    """
    stated = _rows_by_file(data)
    reads = chestxdet_reads(data)
    return tuple(_known(film, stated[film.file], reads.get(film.file)) for film in all_films(data))


def chestxdet_reads(data: Path) -> dict[str, frozenset[str]]:
    """Return all that ChestX-Det's readers saw on each film they read, in their own words, by file.

    Raises :class:`DataError` when the data folder has no ``more/reads.csv``, or one without the columns.
    """
    table = rows(
        data / "more" / "reads.csv", ("file", "reader", "finding"), "give a data folder with radiologists' reads"
    )
    return {
        row["file"]: frozenset(row["finding"].split("|")) - {"none"} for _, row in table if row["reader"] == _CHESTXDET
    }


def _rows_by_file(data: Path) -> dict[str, dict[str, str]]:
    columns, optional = ("file", "nih_labels", "covid_finding"), ("findings", "licence", "sex")
    tables = (rows(folder / "manifest.csv", columns, _CURE, optional=optional) for folder in (data, data / "more"))
    return {row["file"]: row for table in tables for _, row in table}


def _known(film: Example, row: Mapping[str, str], seen: frozenset[str] | None) -> Example:
    """Return the film with its truths, from the weakest statement to the strongest."""
    truths: dict[str, bool] = {}
    read = set(film.read)
    mined = frozenset(filter(None, row["nih_labels"].split("|")))
    if mined:
        truths |= mined_truths(mined)
    truths |= film.truths
    if "COVID-19" in row["covid_finding"]:
        truths |= {**_sick("COVID-19"), NO_FINDING: False}
    elif "tuberculosis" in row["findings"]:
        truths |= _sick("tuberculosis")
        read |= truths.keys() - NIH_CONDITIONS.keys()
    elif film.source == "jsrt":
        truths |= _jsrt(nodule="nodule" in row["findings"])
        read |= truths.keys()
    elif row["findings"] == "none" and not mined:
        truths |= _normal()
        read |= truths.keys()
    if film.truths.get(NORMAL):
        truths |= dict.fromkeys(CONDITIONS, False)
        read |= set(CONDITIONS)
    boxed = {box.label for box in film.boxes if box.source == BOXES_OF_RADIOLOGISTS}
    truths |= dict.fromkeys(boxed, True)
    read |= boxed
    if seen is not None:
        truths |= {label: bool(seen & terms) for label, terms in CHESTXDET_TERMS.items()}
        read |= CHESTXDET_TERMS.keys()
    return replace(film, truths=truths, read=frozenset(read), licence=row["licence"], sex=row["sex"])


def _sick(disease: str) -> dict[str, bool]:
    return {
        NORMAL: False,
        NOT_NORMAL: False,
        LUNG_OPACITY: True,
        **dict.fromkeys(NOT_SHOWN[disease], False),
    }


def _normal() -> dict[str, bool]:
    return {NORMAL: True, NOT_NORMAL: False, LUNG_OPACITY: False, **dict.fromkeys(CONDITIONS, False)}


def _jsrt(*, nodule: bool) -> dict[str, bool]:
    """JSRT's films have a nodule, proven by computed tomography, or nothing; a large nodule may be called a mass."""
    if not nodule:
        return _normal()
    others = dict.fromkeys((label for label in CONDITIONS if label not in {"nodule", "mass"}), False)
    return {NORMAL: False, NOT_NORMAL: True, LUNG_OPACITY: False, **others, "nodule": True}
