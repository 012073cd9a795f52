"""What a DICOM file's header says about the picture: view, age and sex. The pixels stay unread."""

import re
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from config.errors import DataError
from training.data.examples import View

_TAGS = ["ViewPosition", "PatientAge", "PatientSex"]
_VIEWS = {"PA": View.PA, "AP": View.AP, "LL": View.LATERAL, "RL": View.LATERAL, "LATERAL": View.LATERAL}
_AGE = re.compile(r"(\d{1,3})([DWMY]?)")
_A_YEAR = {"D": 365.25, "W": 365.25 / 7, "M": 12.0, "Y": 1.0, "": 1.0}
_OLDEST = 120


def read_header(path: Path) -> tuple[View, float | None, str]:
    """Return the view, the age in years and the sex (M, F or empty); unknown where the header does not say.

    Raises
    ------
    DataError
        When the file is missing or is no DICOM file.
    """
    try:
        header = dcmread(path, stop_before_pixels=True, specific_tags=list(_TAGS))
    except FileNotFoundError:
        raise DataError(f"the picture {path.name} is not in {path.parent}: put it there or remove its row") from None
    except (InvalidDicomError, OSError, ValueError, EOFError) as error:
        raise DataError(
            f"{path.name} cannot be read as DICOM ({type(error).__name__}): replace or remove the file"
        ) from None
    sex = _text(header, "PatientSex")
    return (
        _VIEWS.get(_text(header, "ViewPosition"), View.UNKNOWN),
        age_in_years(_text(header, "PatientAge")),
        (sex if sex in {"M", "F"} else ""),
    )


def age_in_years(text: str) -> float | None:
    """Return the age that an age string (PS3.5 6.2, ``058Y``) or a plain number of years gives; None beyond 120."""
    match = _AGE.fullmatch(text)
    if match is None:
        return None
    years = int(match[1]) / _A_YEAR[match[2]]
    return years if years <= _OLDEST else None


def _text(header: Dataset, keyword: str) -> str:
    return str(header.get(keyword) or "").strip().upper()
