"""The catalogue's words for what public data sets call things, and what each of their statements makes known."""

import re
from collections.abc import Mapping
from enum import StrEnum


class Read(StrEnum):
    """What the radiologists of the RSNA 2018 challenge said about a picture: exactly one of three."""

    NORMAL = "Normal"
    OTHER = "No Lung Opacity / Not Normal"
    OPACITY = "Lung Opacity"


NORMAL = "normal"
NOT_NORMAL = "not_normal"
LUNG_OPACITY = "lung_opacity"
PNEUMONIA = "pneumonia"
COVID19 = "covid19"
NO_FINDING = "no_finding"

READ_LABELS = {Read.NORMAL: NORMAL, Read.OTHER: NOT_NORMAL, Read.OPACITY: LUNG_OPACITY}

NIH_CONDITIONS = {
    "Atelectasis": "atelectasis",
    "Cardiomegaly": "cardiomegaly",
    "Consolidation": "consolidation",
    "Edema": "edema",
    "Effusion": "effusion",
    "Emphysema": "emphysema",
    "Fibrosis": "fibrosis",
    "Hernia": "hernia",
    "Infiltration": "infiltration",
    "Mass": "mass",
    "Nodule": "nodule",
    "Pleural_Thickening": "pleural_thickening",
    "Pneumonia": "pneumonia",
    "Pneumothorax": "pneumothorax",
}
"""The fourteen labels that were mined from reports for NIH ChestX-ray14 (Wang et al. 2017)."""
NIH_NO_FINDING = "No Finding"

BOX_LABELS = {
    "Lung Opacity": LUNG_OPACITY,
    "Infiltrate": "infiltration",  # what BBox_List_2017.csv calls the label Infiltration
    **NIH_CONDITIONS,
}

_OTHER_WORDS = {
    "covid": COVID19,
    "covid_19": COVID19,
    "covid_19_positive": COVID19,
    "covid19_positive": COVID19,
    "covid_19_negative": "covid19_negative",
    "infiltrate": "infiltration",
    "pleural_effusion": "effusion",
    "no_lung_opacity_not_normal": NOT_NORMAL,
}


def term(name: str) -> str:
    """Return the catalogue's term for a class that a data set names; one it does not have in snake case.

    Returns "" for a name without letters or digits.
    """
    snake = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()).strip("_")
    return _OTHER_WORDS.get(snake, snake)


def read_truths(read: Read) -> Mapping[str, bool]:
    """Return what a radiologist's read makes known: all three exclusive labels."""
    return {label: read is one for one, label in READ_LABELS.items()}


def mined_truths(labels: frozenset[str]) -> Mapping[str, bool]:
    """Return what labels mined from an NIH report make known: each of the fourteen, and ``no_finding``."""
    known = {label: name in labels for name, label in NIH_CONDITIONS.items()}
    return {**known, NO_FINDING: NIH_NO_FINDING in labels}
