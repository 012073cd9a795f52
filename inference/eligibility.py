"""Is this a picture that the model may be asked about, and if not, why not, in a radiologist's words.

Pure decisions over :class:`~inference.header.Header`. What the header does not say is no reason to refuse,
except what it is a picture of and how it was taken, which the site may tell us to assume.
"""

import re
from collections.abc import Callable
from datetime import date

from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
)

from config.settings import InferenceSettings
from inference.findings import NotAnalysed, Reason
from inference.header import Header

_RADIOGRAPHS = {ComputedRadiographyImageStorage, DigitalXRayImageStorageForPresentation}
_CAPTURES = {
    SecondaryCaptureImageStorage,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
}
_RADIOGRAPH_MODALITIES = {"CR", "DX", "DR", "RG"}
_MODALITY_WORDS = {
    "CT": "a CT image",
    "DOC": "a document",
    "ECG": "an electrocardiogram",
    "ES": "an endoscopic picture",
    "IO": "a dental radiograph",
    "KO": "a key object selection",
    "MG": "a mammogram",
    "MR": "an MR image",
    "NM": "a nuclear medicine image",
    "OPT": "an ophthalmic tomogram",
    "PR": "a presentation state",
    "PT": "a PET image",
    "PX": "a panoramic dental radiograph",
    "RF": "a fluoroscopic image",
    "SC": "a secondary capture",
    "SEG": "a segmentation",
    "SM": "a microscopic slide",
    "SR": "a structured report",
    "US": "an ultrasound image",
    "XA": "an angiogram",
    "XC": "a photograph",
}  # PS3.3 C.7.3.1.1.1

_CHEST_CODES = {"816094009", "51185008", "T-D3000", "39607008", "T-28000"}
_CHEST_WORDS = re.compile(
    r"(?<![A-Z])(CHEST|CXR|THORAX|TH[OÓ]RAX|T[OÓ]RAX|TORACE|LUNGS?|LUNGE|POUMONS?|PULMONAR\w*|PULM[OÕ]\w*)(?![A-Z])"
    r"|(?<![A-Z])THORA(?![A-Z])"
)
_NO_REGION = {"", "UNKNOWN", "OTHER", "UNSPECIFIED", "NONE", "DEFAULT", "BODY", "WHOLEBODY"}
_REGION_WORDS = {
    "ABDOMEN", "ANKLE", "ARM", "BREAST", "CALCANEUS", "CERVIX", "CLAVICLE", "COCCYX", "CSPINE", "ELBOW", "EXTREMITY",
    "FEMUR", "FINGER", "FOOT", "FOREARM", "HAND", "HEAD", "HIP", "HUMERUS", "JAW", "KNEE", "LEG", "LSPINE", "NECK",
    "PELVIS", "RIB", "RIBS", "SHOULDER", "SKULL", "SPINE", "SSPINE", "STERNUM", "TIBIA", "TLSPINE", "TOE", "TSPINE",
    "WRIST",
}  # fmt: skip
"""Terms of PS3.16 Annex L that may be repeated to a reader; any other text might be anything."""

_FRONTAL_CODES = {"272479007", "399348003", "399033003", "R-40888", "R-10214", "R-10206", "R-10202"}
_LATERAL_CODES = {"399067008", "399173006", "399198007", "R-102CD", "R-10236", "R-10232"}
_FRONTAL_POSITIONS = {"PA", "AP", "FRONTAL"}
_LATERAL_POSITIONS = {"LL", "RL", "LAT", "LATERAL", "LEFT LATERAL", "RIGHT LATERAL"}
_OBLIQUE_POSITIONS = {"RLO", "LLO", "RAO", "LAO", "RPO", "LPO", "OBLIQUE"}
_DECUBITUS_POSITIONS = {"LLD", "RLD", "DECUBITUS"}
_FRONTAL_WORDS = re.compile(r"(?<![A-Z])(P\.?A\.?|A\.?P\.?|FRONTAL|DE FACE)(?![A-Z])")
_LATERAL_WORDS = re.compile(r"(?<![A-Z])(LATERAL\w*|LAT|SEITLICH|PROFIL|PERFIL|LL|RL)(?![A-Z])")
_OBLIQUE_WORDS = re.compile(r"(?<![A-Z])(OBLIQUE|OBL|RAO|LAO|RPO|LPO)(?![A-Z])")
_DECUBITUS_WORDS = re.compile(r"(?<![A-Z])(DECUBITUS|DECUB)(?![A-Z])")

_AXES = {"L": "x", "R": "x", "A": "y", "P": "y", "F": "z", "H": "z"}
"""What the letters of a Patient Orientation run along (PS3.3 C.7.6.1.1.1)."""
_OLDEST = 130


def eligibility(header: Header, settings: InferenceSettings) -> NotAnalysed | None:
    """Return why this picture is not analysed, or None when it is."""
    return (
        _kind(header)
        or _region(header, settings)
        or _view(header, settings)
        or _age(header, settings)
        or _pixels(header, settings)
    )


def _kind(header: Header) -> NotAnalysed | None:
    """Only CR and DX for presentation, and secondary captures that a CR or DX device made."""
    uid = UID(header.sop_class_uid)
    words = _MODALITY_WORDS.get(header.modality)
    if words is not None and not (header.modality == "SC" and uid in _RADIOGRAPHS):
        return NotAnalysed(Reason.MODALITY, f"it is {words}, not a radiograph")
    if uid == DigitalXRayImageStorageForProcessing or header.presentation_intent == "FOR PROCESSING":
        because = "it is the raw image for processing; the processed image for presentation is needed"
        return NotAnalysed(Reason.SOP_CLASS, because)
    if uid in _RADIOGRAPHS or (uid in _CAPTURES and header.modality in _RADIOGRAPH_MODALITIES):
        return None
    if uid in _CAPTURES:
        because = "it is a secondary capture that no radiography device made"
    elif uid.name != uid and uid.name.endswith("Storage"):
        because = f"it is a DICOM object of another kind ({uid.name.removesuffix(' Storage')}), not a radiograph"
    else:
        because = "it is a DICOM object of a kind that is not known here"
    return NotAnalysed(Reason.SOP_CLASS, because)


def _region(header: Header, settings: InferenceSettings) -> NotAnalysed | None:
    codes = {term.value for term in header.regions if term.value}
    meanings = " ".join(term.meaning.upper() for term in header.regions)
    if _is_chest(header.body_part) or codes & _CHEST_CODES or _is_chest(meanings):
        return None
    if header.body_part in _REGION_WORDS:
        because = f"the body part examined is {header.body_part}, not the chest"
        return NotAnalysed(Reason.BODY_PART, because)
    if header.body_part not in _NO_REGION or codes:
        return NotAnalysed(Reason.BODY_PART, "the body part examined is not the chest")
    if settings.assume_chest or any(_is_chest(text.upper()) for text in header.descriptions):
        return None
    because = "nothing in its header says that it shows the chest (see inference.assume_chest)"
    return NotAnalysed(Reason.BODY_PART, because)


def _is_chest(text: str) -> bool:
    return _CHEST_WORDS.search(text) is not None


_LATERAL = NotAnalysed(Reason.VIEW, "it is a lateral view; the model reads frontal views")
_OBLIQUE = NotAnalysed(Reason.VIEW, "it is an oblique view; the model reads frontal views")
_DECUBITUS = NotAnalysed(Reason.VIEW, "it is a decubitus view; the model reads upright and supine frontal views")
_WHAT_TO_DO = "turn it upright, or mend that value, and send it as a new image"
_ON_ITS_SIDE = NotAnalysed(Reason.VIEW, f"its Patient Orientation says that it lies on its side; {_WHAT_TO_DO}")
_UPSIDE_DOWN = NotAnalysed(Reason.VIEW, f"its Patient Orientation says that it stands upside down; {_WHAT_TO_DO}")
_UNKNOWN = NotAnalysed(
    Reason.VIEW_UNKNOWN, "nothing in its header says whether it is a frontal view (see inference.assume_frontal)"
)
View = NotAnalysed | bool
"""A refusal, True for frontal, False for undecided."""


def _view(header: Header, settings: InferenceSettings) -> NotAnalysed | None:
    """Let the first source that decides win, in the order of trust: codes, position, orientation, descriptions.

    A frontal view must also be stored upright, for nothing turns it on its way to the model.
    """
    sources: tuple[Callable[[Header], View], ...] = (_by_code, _by_position, _by_orientation, _by_description)
    for source in sources:
        verdict = source(header)
        if isinstance(verdict, NotAnalysed):
            return verdict
        if verdict:
            return _not_upright(header)
    return None if settings.assume_frontal else _UNKNOWN


def _by_code(header: Header) -> View:
    for term in header.view_codes:
        if term.value in _FRONTAL_CODES:
            return True
        if term.value in _LATERAL_CODES:
            return _LATERAL
        verdict = _by_words(term.meaning.upper().replace("POSTERO-ANTERIOR", "PA").replace("ANTERO-POSTERIOR", "AP"))
        if verdict:
            return verdict
    return False


def _by_position(header: Header) -> View:
    position = header.view_position
    if position in _FRONTAL_POSITIONS:
        return True
    for positions, refusal in (
        (_LATERAL_POSITIONS, _LATERAL),
        (_OBLIQUE_POSITIONS, _OBLIQUE),
        (_DECUBITUS_POSITIONS, _DECUBITUS),
    ):
        if position in positions:
            return refusal
    return _by_words(position)


def _by_orientation(header: Header) -> View:
    """Judge where rows and columns run to (PS3.3 C.7.6.1.1.1); R and F is mirrored but still frontal."""
    directions = [text[:1] for text in header.patient_orientation]
    if len(directions) != 2:
        return False
    along, down = directions
    if along in {"A", "P"} or down in {"A", "P"}:
        return _LATERAL
    if along in {"L", "R"} and down == "F":
        return True
    if along in {"L", "R"} and down == "H":
        return _UPSIDE_DOWN
    if along in {"F", "H"} and down in {"L", "R"}:
        return _ON_ITS_SIDE
    return False


def _not_upright(header: Header) -> NotAnalysed | None:
    """Return how a frontal picture lies where it is not upright; codes that the Standard has not say nothing.

    One that contradicts the view (A and F beside PA) does not say how the picture lies either.
    """
    if not all(_is_direction(text) for text in header.patient_orientation):
        return None
    verdict = _by_orientation(header)
    return verdict if isinstance(verdict, NotAnalysed) and verdict is not _LATERAL else None


def _is_direction(text: str) -> bool:
    """Tell whether ``text`` is one to three letters, the chief direction first, each of another axis."""
    axes = [_AXES.get(letter) for letter in text]
    return bool(axes) and None not in axes and len(set(axes)) == len(axes)


def _by_description(header: Header) -> View:
    for text in header.descriptions:
        verdict = _by_words(text.upper())
        if verdict:
            return verdict
    return False


def _by_words(text: str) -> View:
    """Judge a text; one that names both views, such as that of a two-view study, decides nothing."""
    frontal = _FRONTAL_WORDS.search(text) is not None
    if _DECUBITUS_WORDS.search(text):
        return _DECUBITUS
    if _OBLIQUE_WORDS.search(text):
        return _OBLIQUE
    if _LATERAL_WORDS.search(text):
        return False if frontal else _LATERAL
    return frontal


def _age(header: Header, settings: InferenceSettings) -> NotAnalysed | None:
    age = patient_age_years(header)
    if age is None or age >= settings.min_age_years:
        return None
    because = f"the patient is younger than {settings.min_age_years} years, and the model was made for older ones"
    return NotAnalysed(Reason.AGE, because)


def patient_age_years(header: Header) -> float | None:
    """Return the age at the study from PatientAge ("025Y", also a bare "25"), else from the dates, else None."""
    match = re.fullmatch(r"(\d{1,4})\s*([DWMY]?)", header.patient_age)
    if match is not None:
        years = int(match[1]) / {"D": 365.25, "W": 52.18, "M": 12.0}.get(match[2], 1.0)
        if years <= _OLDEST:
            return years
    born, taken = _date(header.birth_date), _date(header.study_date)
    if born is None or taken is None:
        return None
    years = float(taken.year - born.year - ((taken.month, taken.day) < (born.month, born.day)))
    return years if 0 <= years <= _OLDEST else None


def _date(text: str) -> date | None:
    """Parse DA, also in the form that ACR-NEMA had, with dots."""
    digits = text.replace(".", "")
    if not re.fullmatch(r"\d{8}", digits, re.ASCII):
        return None
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None


def _pixels(header: Header, settings: InferenceSettings) -> NotAnalysed | None:
    """Refuse before any decoding what cannot be one grayscale radiograph."""
    because = ""
    if not header.has_pixels:
        because = "it holds no picture"
    elif header.frames > 1:
        because = f"it holds {header.frames} frames, and a radiograph has one"
    elif header.samples_per_pixel not in {1, 3}:
        because = f"it has {header.samples_per_pixel} samples per pixel, and 1 or 3 can be read"
    elif header.bits_allocated not in {8, 16}:
        because = f"its pixels are {header.bits_allocated} bits deep, and 8 to 16 can be read"
    elif header.rows < 1 or header.columns < 1:
        because = "its header does not say how large its picture is"
    elif header.rows * header.columns > settings.max_pixels:
        because = f"its {header.columns} × {header.rows} pixels are more than inference.max_pixels allows"
    return NotAnalysed(Reason.PIXELS, because) if because else None
