"""The catalogue of findings: what each label is called, how it is coded, and what its score means.

One place for every recipe, so that two packages never code the same finding differently. Codes are those of DICOM
context groups where there is one (PS3.16: CID 6103 to 6105 on the chest), else SNOMED CT's; every value fits Code
Value's 16 characters (PS3.3 8.8). No standard code says "pattern of COVID-19 pneumonia": those that exist state the
disease or a test, which a radiograph cannot, so that pattern and its absence have codes of this project.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from config.errors import PackageError
from inference.findings import Code

LOCAL_SCHEME = "99CXRNODE"
"""Coding scheme of this project (PS3.16 8.2: private designators begin with 99)."""
LUNG = Code("39607008", "SCT", "Lung")
HEART = Code("80891009", "SCT", "Heart")
PLEURA = Code("3120008", "SCT", "Pleura")
CHEST = Code("816094009", "SCT", "Chest")


@dataclass(frozen=True, slots=True)
class Entry:
    """One finding that a package may report."""

    label: str
    """The key in manifests and databases."""
    title: str
    """What people call it."""
    code: Code
    site: Code
    abnormal: bool
    """False for good news."""
    sentence: str
    """What the score means, for cards and documentation."""
    note: str = ""
    """What has to stand beside the score wherever it is reported; becomes the finding's ``note``."""


_MINED = "taken from the words of radiology reports, which err"
_ENTRIES = (
    Entry(
        "normal", "Normal", Code("17621005", "SCT", "Normal"), CHEST, False,
        "The probability that radiologists would call the radiograph normal.",
    ),
    Entry(
        "lung_opacity", "Lung opacity", Code("112001", "DCM", "Opacity"), LUNG, True,
        "The probability that radiologists would mark a lung opacity suspicious for pneumonia.",
    ),
    Entry(
        "atelectasis", "Atelectasis", Code("46621007", "SCT", "Atelectasis"), LUNG, True,
        f"The probability that a report would name atelectasis; its training labels were {_MINED}.",
    ),
    Entry(
        "cardiomegaly", "Cardiomegaly", Code("8186001", "SCT", "Cardiomegaly"), HEART, True,
        f"The probability that a report would name an enlarged heart; its training labels were {_MINED}.",
    ),
    Entry(
        "effusion", "Pleural effusion", Code("60046008", "SCT", "Pleural effusion"), PLEURA, True,
        f"The probability that a report would name a pleural effusion; its training labels were {_MINED}.",
    ),
    Entry(
        "infiltration", "Infiltrate", Code("112121", "DCM", "Infiltrate"), LUNG, True,
        f"The probability that a report would name an infiltrate; its training labels were {_MINED}.",
    ),
    Entry(
        "mass", "Mass", Code("4147007", "SCT", "Mass"), LUNG, True,
        f"The probability that a report would name a mass, larger than 3 cm; its training labels were {_MINED}.",
    ),
    Entry(
        "nodule", "Nodule", Code("27925004", "SCT", "Nodule"), LUNG, True,
        f"The probability that a report would name a nodule, up to 3 cm; its training labels were {_MINED}.",
    ),
    Entry(
        "pneumonia", "Pneumonia", Code("233604007", "SCT", "Pneumonia"), LUNG, True,
        f"The probability that a report would name pneumonia; its training labels were {_MINED}.",
    ),
    Entry(
        "pneumothorax", "Pneumothorax", Code("36118008", "SCT", "Pneumothorax"), PLEURA, True,
        "The probability that a report would name a pneumothorax, treated ones with a drain included; its training "
        f"labels were {_MINED}.",
    ),
    Entry(
        "covid19", "Pattern of COVID-19 pneumonia",
        Code("covid19-pattern", LOCAL_SCHEME, "Pattern of COVID-19 pneumonia"), LUNG, True,
        "The probability that an opacity, where there is one, looks like those of patients with COVID-19 rather than "
        "like other pneumonia; where hardly one is seen, it falls with the opacity's; infection is shown by a "
        "laboratory test, never by a radiograph.",
        note="Only a pattern on top of an opacity, not a test for infection.",
    ),
    Entry(
        "covid19_negative", "No pattern of COVID-19 pneumonia",
        Code("covid19-none", LOCAL_SCHEME, "No pattern of COVID-19 pneumonia"), LUNG, False,
        "The probability that nothing looks like the pneumonia of COVID-19; infection without it is common.",
        note="Does not rule out infection.",
    ),
)  # fmt: skip

CATALOGUE: Mapping[str, Entry] = MappingProxyType({entry.label: entry for entry in _ENTRIES})
"""Every finding by its label."""


def entry(label: str) -> Entry:
    """Return a label's entry. Raises :class:`PackageError` for a label that is not in the catalogue."""
    try:
        return CATALOGUE[label]
    except KeyError:
        msg = f"the finding {label!r} is not in the catalogue; it has {', '.join(CATALOGUE)}"
        raise PackageError(msg) from None
