"""What decides whether an image is analysed, taken out of its data set once."""

import unicodedata
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from pydicom.dataset import Dataset

from inference.attributes import integer_of, items_of, text_of, texts_of


class Source(StrEnum):
    """Where a description stands, the nearest to the image first.

    The order follows the information model (PS3.3 A.1.2): image, series, procedure step, requested procedure, study.
    A step, an order or a study may hold other images than this one.
    """

    PROCESSING = "acquisition device processing description"
    """Of the image: which processing the operator chose."""
    SERIES = "series description"
    PROTOCOL = "protocol name"
    PERFORMED = "performed procedure step description"
    SCHEDULED = "scheduled procedure step description"
    REQUESTED = "requested procedure description"
    STUDY = "study description"

    @property
    def near(self) -> bool:
        """Tell whether it describes this image or its series."""
        return self in {Source.PROCESSING, Source.SERIES, Source.PROTOCOL}


@dataclass(frozen=True, slots=True)
class CodedTerm:
    """A code as a sloppy source wrote it; any part may be empty."""

    value: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Description:
    """A text about the image and where it stands."""

    source: Source
    text: str


@dataclass(frozen=True, slots=True)
class Header:
    """The attributes that eligibility looks at; absent ones are empty or 0. Code strings are in upper case."""

    sop_class_uid: str = ""
    modality: str = ""
    presentation_intent: str = ""
    quality_control_image: str = ""
    body_part: str = ""
    regions: tuple[CodedTerm, ...] = ()
    view_codes: tuple[CodedTerm, ...] = ()
    """Views, their modifiers, and modifiers of the patient's orientation such as a decubitus."""
    view_position: str = ""
    patient_orientation: tuple[str, ...] = ()
    descriptions: tuple[Description, ...] = ()
    """Those that are not empty, the nearest to the image first."""
    patient_name: str = field(default="", repr=False)
    patient_id: str = field(default="", repr=False)
    patient_id_issuer: str = ""
    species: tuple[CodedTerm, ...] = ()
    species_description: str = ""
    breed: str = ""
    patient_age: str = ""
    birth_date: str = field(default="", repr=False)
    dates: tuple[str, ...] = ()
    """Study, Series, Acquisition and Content Date, those that are not empty."""
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
            modality=_code_string(dataset, "Modality"),
            presentation_intent=_code_string(dataset, "PresentationIntentType"),
            quality_control_image=_code_string(dataset, "QualityControlImage"),
            body_part=_code_string(dataset, "BodyPartExamined"),
            regions=_terms(dataset, "AnatomicRegionSequence"),
            view_codes=_view_codes(dataset),
            view_position=_code_string(dataset, "ViewPosition"),
            patient_orientation=tuple(_folded(text) for text in texts_of(dataset, "PatientOrientation")),
            descriptions=_descriptions(dataset),
            patient_name=text_of(dataset, "PatientName"),
            patient_id=text_of(dataset, "PatientID"),
            patient_id_issuer=text_of(dataset, "IssuerOfPatientID"),
            species=_terms(dataset, "PatientSpeciesCodeSequence"),
            species_description=text_of(dataset, "PatientSpeciesDescription"),
            breed=text_of(dataset, "PatientBreedDescription"),
            patient_age=_code_string(dataset, "PatientAge"),
            birth_date=text_of(dataset, "PatientBirthDate"),
            dates=_texts(dataset, "StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"),
            frames=integer_of(dataset, "NumberOfFrames", 1),
            rows=integer_of(dataset, "Rows", 0),
            columns=integer_of(dataset, "Columns", 0),
            samples_per_pixel=integer_of(dataset, "SamplesPerPixel", 1),
            bits_allocated=integer_of(dataset, "BitsAllocated", 0),
            has_pixels="PixelData" in dataset,
        )


def _code_string(dataset: Dataset, keyword: str) -> str:
    return _folded(text_of(dataset, keyword))


def _folded(text: str) -> str:
    """Return a code string as the Standard writes it: upper case, ordinary width, single spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).upper().split())


def _texts(dataset: Dataset, *keywords: str) -> tuple[str, ...]:
    return tuple(text for text in (text_of(dataset, keyword) for keyword in keywords) if text)


def _descriptions(dataset: Dataset) -> tuple[Description, ...]:
    requests = items_of(dataset, "RequestAttributesSequence")
    attributes = (
        (Source.PROCESSING, dataset, "AcquisitionDeviceProcessingDescription"),
        (Source.SERIES, dataset, "SeriesDescription"),
        (Source.PROTOCOL, dataset, "ProtocolName"),
        (Source.PERFORMED, dataset, "PerformedProcedureStepDescription"),
        *((Source.SCHEDULED, request, "ScheduledProcedureStepDescription") for request in requests),
        *((Source.REQUESTED, request, "RequestedProcedureDescription") for request in requests),
        (Source.REQUESTED, dataset, "RequestedProcedureDescription"),
        (Source.STUDY, dataset, "StudyDescription"),
    )
    read = ((source, text_of(item, keyword)) for source, item, keyword in attributes)
    return tuple(Description(source, text) for source, text in read if text)


def _view_codes(dataset: Dataset) -> tuple[CodedTerm, ...]:
    views, orientations = items_of(dataset, "ViewCodeSequence"), items_of(dataset, "PatientOrientationCodeSequence")
    return (
        *_terms(dataset, "ViewCodeSequence"),
        *(term for item in views for term in _terms(item, "ViewModifierCodeSequence")),
        *(term for item in orientations for term in _terms(item, "PatientOrientationModifierCodeSequence")),
    )


def _terms(dataset: Dataset, keyword: str) -> tuple[CodedTerm, ...]:
    return tuple(
        CodedTerm(_code_string(item, "CodeValue"), text_of(item, "CodeMeaning")) for item in items_of(dataset, keyword)
    )
