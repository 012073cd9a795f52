"""Why an image is not analysed: a code with values, and the words that stand for them.

The code and the values are what is kept. The words are made where they are shown, in the language in force, and all of
them stand in this module. Text of a header is never a value: values are numbers, terms of our own tables, and messages
of the decoder.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from config.language.translation import Language, language, marked, speaking
from config.language.translation import gettext as _

Values = Mapping[str, str | int | list[str]]


class Reason(StrEnum):
    """The kind of reason, by which statistics count; each :class:`ReasonCode` is of one kind."""

    UNREADABLE = "unreadable"
    NOT_ADMITTED = "not-admitted"
    """Of a file in hand: the node would not store it."""
    PATIENT = "patient"
    """Of a file in hand: it names two patients, and the node would hold it until somebody decides."""
    SOP_CLASS = "sop-class"
    MODALITY = "modality"
    SUBJECT = "subject"
    BODY_PART = "body-part"
    VIEW = "view"
    VIEW_UNKNOWN = "view-unknown"
    AGE = "age"
    PIXELS = "pixels"
    IMPLAUSIBLE = "implausible"
    VERDICT = "verdict"
    """Its own image shows that it is no upright frontal chest radiograph."""


class ReasonCode(StrEnum):
    """One reason. A code that is on record keeps its meaning in every later version."""

    NO_DICOM = "no-dicom"
    NO_IMAGE_FILE = "no-image-file"
    NO_OBJECT = "no-object"
    TOO_LARGE = "too-large"
    NOT_ADMITTED = "not-admitted"
    TWO_PATIENTS = "two-patients"
    MODALITY = "modality"
    FOR_PROCESSING = "for-processing"
    CAPTURE = "capture"
    OTHER_OBJECT = "other-object"
    UNKNOWN_OBJECT = "unknown-object"
    QUALITY_CONTROL = "quality-control"
    PHANTOM = "phantom"
    ANIMAL = "animal"
    TEST_PATIENT = "test-patient"
    BODY_PART = "body-part"
    BODY_PART_SAID = "body-part-said"
    BODY_PART_SILENT = "body-part-silent"
    BODY_PART_UNRECOGNISED = "body-part-unrecognised"
    BODY_PART_CONTRADICTION = "body-part-contradiction"
    LATERAL = "lateral"
    OBLIQUE = "oblique"
    DECUBITUS = "decubitus"
    LORDOTIC = "lordotic"
    SWIMMERS = "swimmers"
    ON_ITS_SIDE = "on-its-side"
    UPSIDE_DOWN = "upside-down"
    VIEW_SILENT = "view-silent"
    VIEW_UNRECOGNISED = "view-unrecognised"
    VIEW_CONTRADICTION = "view-contradiction"
    VIEW_NO_HEADER = "view-no-header"
    TOO_YOUNG = "too-young"
    AGE_CONTRADICTION = "age-contradiction"
    NO_PIXELS = "no-pixels"
    FRAMES = "frames"
    SAMPLES = "samples"
    BITS = "bits"
    NO_SIZE = "no-size"
    TOO_MANY_PIXELS = "too-many-pixels"
    UNDECODABLE = "undecodable"
    TOO_SMALL = "too-small"
    NARROW = "narrow"
    BLANK = "blank"
    ONE_TONE = "one-tone"
    BOX = "box"
    STRIP = "strip"
    SEEN_LATERAL = "seen-lateral"
    NEGATIVE = "negative"
    NEGATIVE_FILE = "negative-file"
    NEGATIVE_TURNED = "negative-turned"
    NEGATIVE_TURNED_FILE = "negative-turned-file"
    TURNED = "turned"
    TURNED_FILE = "turned-file"
    CUT = "cut"
    EMPTY = "empty"
    NO_CHEST = "no-chest"
    UNCLEAR = "unclear"


_C = ReasonCode
_WORDS: Mapping[ReasonCode, tuple[Reason, str]] = {
    _C.NO_DICOM: (Reason.UNREADABLE, marked("its file cannot be parsed as DICOM")),
    _C.NO_IMAGE_FILE: (
        Reason.UNREADABLE,
        marked("the file is neither PNG nor JPEG nor DICOM (with the DICM prefix); export it as one of these"),
    ),
    _C.NO_OBJECT: (Reason.UNREADABLE, marked("its file makes no DICOM object: %(detail)s")),
    _C.TOO_LARGE: (Reason.UNREADABLE, marked("the file is larger than %(megabytes)s MB; export it smaller")),
    _C.NOT_ADMITTED: (
        Reason.NOT_ADMITTED,
        marked("the node does not store such a file: %(detail)s; have it corrected where it was made"),
    ),
    _C.TWO_PATIENTS: (
        Reason.PATIENT,
        marked(
            "it holds elements twice with different values (%(elements)s), so that it may be of two patients; the "
            "node holds such an image until an administrator decides: have it corrected where it was made"
        ),
    ),
    _C.MODALITY: (Reason.MODALITY, marked("it is %(kind)s, not a radiograph")),
    _C.FOR_PROCESSING: (
        Reason.SOP_CLASS,
        marked("it is the raw image for processing; the processed image for presentation is needed"),
    ),
    _C.CAPTURE: (Reason.SOP_CLASS, marked("it is a secondary capture that no radiography device made")),
    _C.OTHER_OBJECT: (
        Reason.SOP_CLASS,
        marked("it is a DICOM object of another kind (%(kind)s), not a radiograph"),
    ),
    _C.UNKNOWN_OBJECT: (Reason.SOP_CLASS, marked("it is a DICOM object of a kind that is not known here")),
    _C.QUALITY_CONTROL: (Reason.SUBJECT, marked("it is a quality control image (Quality Control Image is YES)")),
    _C.PHANTOM: (Reason.SUBJECT, marked("it shows a phantom, not a patient")),
    _C.ANIMAL: (
        Reason.SUBJECT,
        marked("its Patient Species or Breed names an animal, and the model was made for humans"),
    ),
    _C.TEST_PATIENT: (
        Reason.SUBJECT,
        marked("its Patient's Name or ID is that of a test patient (see inference.refuse_test_patients)"),
    ),
    _C.BODY_PART: (Reason.BODY_PART, marked("the body part examined is %(part)s, not the chest")),
    _C.BODY_PART_SAID: (Reason.BODY_PART, marked("its %(source)s says %(part)s, not the chest")),
    _C.BODY_PART_SILENT: (
        Reason.BODY_PART,
        marked("nothing in its header says that it shows the chest (see inference.assume_chest)"),
    ),
    _C.BODY_PART_UNRECOGNISED: (
        Reason.BODY_PART,
        marked("its Body Part Examined is no part that is known here, so it may not be the chest"),
    ),
    _C.BODY_PART_CONTRADICTION: (
        Reason.BODY_PART,
        marked("its header contradicts itself on whether it shows the chest"),
    ),
    _C.LATERAL: (Reason.VIEW, marked("it is a lateral view; the model reads frontal views")),
    _C.OBLIQUE: (Reason.VIEW, marked("it is an oblique view; the model reads frontal views")),
    _C.DECUBITUS: (Reason.VIEW, marked("it is a decubitus view; the model reads upright and supine frontal views")),
    _C.LORDOTIC: (
        Reason.VIEW,
        marked("it is a lordotic or axial view of the apices; the model reads plain frontal views"),
    ),
    _C.SWIMMERS: (Reason.VIEW, marked("it is a swimmer's view; the model reads frontal views")),
    _C.ON_ITS_SIDE: (
        Reason.VIEW,
        marked(
            "its Patient Orientation says that it lies on its side; turn it upright, or correct that value, and send "
            "it as a new image"
        ),
    ),
    _C.UPSIDE_DOWN: (
        Reason.VIEW,
        marked(
            "its Patient Orientation says that it stands upside down; turn it upright, or correct that value, and send "
            "it as a new image"
        ),
    ),
    _C.VIEW_SILENT: (
        Reason.VIEW_UNKNOWN,
        marked("nothing in its header says whether it is a frontal view (see inference.assume_frontal)"),
    ),
    _C.VIEW_UNRECOGNISED: (
        Reason.VIEW_UNKNOWN,
        marked("its View Position is no view that is known here, so it may not be a frontal one"),
    ),
    _C.VIEW_CONTRADICTION: (
        Reason.VIEW_UNKNOWN,
        marked("its header contradicts itself on whether it is a frontal view"),
    ),
    _C.VIEW_NO_HEADER: (
        Reason.VIEW_UNKNOWN,
        marked(
            "a PNG or JPEG does not say what it shows, and the image by itself is not surely a frontal chest "
            "radiograph; analyse its DICOM file"
        ),
    ),
    _C.TOO_YOUNG: (
        Reason.AGE,
        marked("the patient is younger than %(years)s years, and the model was made for older ones"),
    ),
    _C.AGE_CONTRADICTION: (
        Reason.AGE,
        marked(
            "its Patient's Age says that the patient is at least %(years)s years old, and the birth date says younger; "
            "correct one of them and send it as a new image"
        ),
    ),
    _C.NO_PIXELS: (Reason.PIXELS, marked("it holds no picture")),
    _C.FRAMES: (Reason.PIXELS, marked("it holds %(frames)s frames, and a radiograph has one")),
    _C.SAMPLES: (Reason.PIXELS, marked("it has %(samples)s samples per pixel, and 1 or 3 can be read")),
    _C.BITS: (Reason.PIXELS, marked("its pixels are %(bits)s bits deep, and 8 to 16 can be read")),
    _C.NO_SIZE: (Reason.PIXELS, marked("its header does not say how large its picture is")),
    _C.TOO_MANY_PIXELS: (
        Reason.PIXELS,
        marked("its %(columns)s × %(rows)s pixels are more than inference.max_pixels allows"),
    ),
    _C.UNDECODABLE: (Reason.PIXELS, marked("its image cannot be decoded: %(detail)s")),
    _C.TOO_SMALL: (
        Reason.IMPLAUSIBLE,
        marked("its picture is only %(columns)s × %(rows)s pixels, too small to be judged"),
    ),
    _C.NARROW: (Reason.IMPLAUSIBLE, marked("its picture is a narrow strip, not a whole chest")),
    _C.BLANK: (Reason.IMPLAUSIBLE, marked("its picture is blank: all pixels have nearly the same tone")),
    _C.ONE_TONE: (Reason.IMPLAUSIBLE, marked("its picture is nearly empty: almost all of it has one tone")),
    _C.BOX: (
        Reason.IMPLAUSIBLE,
        marked("a box of one tone covers a part of its image; send the image without it"),
    ),
    _C.STRIP: (
        Reason.IMPLAUSIBLE,
        marked(
            "an even strip along one edge takes up more than a fifth of its image, so that a part of the chest may be "
            "missing; send the whole image"
        ),
    ),
    _C.SEEN_LATERAL: (Reason.VERDICT, marked("its image shows a lateral view; the model reads frontal views")),
    _C.NEGATIVE: (
        Reason.VERDICT,
        marked("its image is a negative; mend its photometric interpretation and send it as a new image"),
    ),
    _C.NEGATIVE_FILE: (Reason.VERDICT, marked("its image is a negative; invert it")),
    _C.NEGATIVE_TURNED: (
        Reason.VERDICT,
        marked(
            "its image is a negative, turned by %(degrees)s degrees clockwise; mend its photometric interpretation and "
            "send it as a new image"
        ),
    ),
    _C.NEGATIVE_TURNED_FILE: (
        Reason.VERDICT,
        marked("its image is a negative, turned by %(degrees)s degrees clockwise; invert it"),
    ),
    _C.TURNED: (
        Reason.VERDICT,
        marked("its image is turned by %(degrees)s degrees clockwise; turn it upright and send it as a new image"),
    ),
    _C.TURNED_FILE: (
        Reason.VERDICT,
        marked("its image is turned by %(degrees)s degrees clockwise; turn it upright"),
    ),
    _C.CUT: (Reason.VERDICT, marked("its image does not show the whole chest; missing: %(parts)s")),
    _C.EMPTY: (Reason.VERDICT, marked("its image is nearly empty")),
    _C.NO_CHEST: (Reason.VERDICT, marked("its image does not show a chest radiograph")),
    _C.UNCLEAR: (
        Reason.VERDICT,
        marked("its image is not surely an upright frontal chest radiograph (see inference.verdict_threshold)"),
    ),
}


@dataclass(frozen=True, slots=True)
class NotAnalysed:
    """The first-class result of an image that the model was not asked about; holds no patient data."""

    code: ReasonCode
    values: Values = field(default_factory=dict)

    @property
    def reason(self) -> Reason:
        """Return the kind of reason."""
        return _WORDS[self.code][0]

    @property
    def because(self) -> str:
        """Return the English words that complete the sentence "not analysed because …"."""
        with speaking(Language.ENGLISH):
            return self.words

    @property
    def words(self) -> str:
        """Return the words in the language in force."""
        values = {name: _value_words(value) for name, value in self.values.items()}
        return _(_WORDS[self.code][1]) % values


def reason_words(because: str, code: str | None, values: Mapping[str, Any] | None) -> str:
    """Return the words of a reason on record in the language in force.

    Parameters
    ----------
    because
        The English words as they were recorded. They are shown as they stand where English is spoken, where an earlier
        version kept no code, and where this version does not know the code; a catalogue that has them translates them.
    code
        A :class:`ReasonCode`, None where an earlier version kept none.
    values
        Its values.
    """
    if language() is Language.ENGLISH or code not in set(ReasonCode):
        return _(because)
    try:
        return NotAnalysed(ReasonCode(code), values or {}).words
    except KeyError:  # another version keeps other values under this code
        return _(because)


def _value_words(value: str | int | list[str]) -> str:
    """Return a value in words: terms are translated where a catalogue has them."""
    if isinstance(value, list):
        return ", ".join(map(_, value))
    return _(value) if isinstance(value, str) else str(value)
