"""What decides whether a picture is analysed, taken out of its data set once."""

from dataclasses import dataclass
from typing import Self

from pydicom.dataset import Dataset

from inference.attributes import integer_of, items_of, text_of, texts_of

_DESCRIPTIONS = (
    "SeriesDescription",
    "ProtocolName",
    "AcquisitionDeviceProcessingDescription",
    "PerformedProcedureStepDescription",
    "StudyDescription",
)


@dataclass(frozen=True, slots=True)
class CodedTerm:
    """A code as a sloppy source wrote it; any part may be empty."""

    value: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Header:
    """The attributes that eligibility looks at; absent ones are empty or 0."""

    sop_class_uid: str = ""
    modality: str = ""
    presentation_intent: str = ""
    body_part: str = ""
    regions: tuple[CodedTerm, ...] = ()
    view_codes: tuple[CodedTerm, ...] = ()
    view_position: str = ""
    patient_orientation: tuple[str, ...] = ()
    descriptions: tuple[str, ...] = ()
    """Those that are not empty, the nearest to the image first."""
    patient_age: str = ""
    birth_date: str = ""
    study_date: str = ""
    frames: int = 1
    rows: int = 0
    columns: int = 0
    samples_per_pixel: int = 1
    bits_allocated: int = 0
    has_pixels: bool = False

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """Take the header out of a data set, whatever state it is in."""
        return cls(
            sop_class_uid=text_of(dataset, "SOPClassUID"),
            modality=text_of(dataset, "Modality").upper(),
            presentation_intent=text_of(dataset, "PresentationIntentType").upper(),
            body_part=text_of(dataset, "BodyPartExamined").upper(),
            regions=_terms(dataset, "AnatomicRegionSequence"),
            view_codes=_terms(dataset, "ViewCodeSequence"),
            view_position=text_of(dataset, "ViewPosition").upper(),
            patient_orientation=tuple(text.upper() for text in texts_of(dataset, "PatientOrientation")),
            descriptions=tuple(text for text in (text_of(dataset, name) for name in _DESCRIPTIONS) if text),
            patient_age=text_of(dataset, "PatientAge").upper(),
            birth_date=text_of(dataset, "PatientBirthDate"),
            study_date=text_of(dataset, "StudyDate"),
            frames=integer_of(dataset, "NumberOfFrames", 1),
            rows=integer_of(dataset, "Rows", 0),
            columns=integer_of(dataset, "Columns", 0),
            samples_per_pixel=integer_of(dataset, "SamplesPerPixel", 1),
            bits_allocated=integer_of(dataset, "BitsAllocated", 0),
            has_pixels="PixelData" in dataset,
        )


def _terms(dataset: Dataset, keyword: str) -> tuple[CodedTerm, ...]:
    return tuple(
        CodedTerm(text_of(item, "CodeValue").upper(), text_of(item, "CodeMeaning"))
        for item in items_of(dataset, keyword)
    )
