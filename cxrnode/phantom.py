"""A synthetic radiograph that stands in for a patient: for the demo, the tests and the benchmarks.

Everything is drawn from a seed and labelled as a phantom, in the picture and in the header, and the same seed
gives the same bytes. It is real enough to go the whole way through a node. Its look was tuned by eye against
radiographs and by what the shipped model says about it, so that answer is a demonstration and no evidence.
"""

import datetime as dt
import uuid
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Literal

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from cxrnode.phantom_canvas import Layer, Plane, axes, enlarge
from cxrnode.phantom_chest import Opacity, choose_opacities, draw_chest
from cxrnode.phantom_other import draw_hand, draw_lateral

__all__ = ["Opacity", "View", "choose_opacities", "draw", "phantom_dataset"]

_MAXIMUM = 4095
_FIELD_MM = 430.0
_ENCODERS: dict[str, Callable[[NDArray[np.uint16]], bytes | bytearray]] = {
    JPEG2000Lossless: lambda stored: imagecodecs.jpeg2k_encode(
        stored, codecformat="j2k", reversible=True, bitspersample=_MAXIMUM.bit_length()
    ),
    HTJ2KLossless: lambda stored: imagecodecs.htj2k_encode(stored, reversible=True),
    JPEGLSLossless: imagecodecs.jpegls_encode,
    JPEGLosslessSV1: lambda stored: imagecodecs.jpeg8_encode(
        stored, lossless=True, predictor=1, bitspersample=_MAXIMUM.bit_length()
    ),
}
_TRANSFER_SYNTAXES = (
    ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian, RLELossless,
    *_ENCODERS,
)  # fmt: skip
_NAMESPACE = uuid.UUID("b41d5bb4-5f0c-5e39-9d5e-3a2f1c7d9e60")
"""Ours alone, so that a phantom's UIDs never meet another's (PS3.5 B.2)."""


class View(StrEnum):
    """What the phantom shows; only the first two are pictures that a chest model should be asked about."""

    PA = "PA"
    AP = "AP"
    """A portable film of someone lying down."""
    LATERAL = "LL"
    HAND = "HAND"


_CODES: dict[View, tuple[str, str]] = {
    View.PA: ("272479007", "postero-anterior"),
    View.AP: ("399348003", "antero-posterior"),
    View.LATERAL: ("399173006", "left lateral"),
    View.HAND: ("272479007", "postero-anterior"),
}
_DESCRIPTIONS: dict[View, tuple[str, str]] = {
    View.PA: ("XR CHEST PA", "PA upright"),
    View.AP: ("XR CHEST PORTABLE", "AP portable"),
    View.LATERAL: ("XR CHEST LATERAL", "Lateral"),
    View.HAND: ("XR HAND", "PA"),
}


def draw(
    seed: int, *, opacity: bool | Sequence[Opacity] = False, view: View = View.PA, size: int = 2048
) -> NDArray[np.uint16]:
    """Draw a phantom.

    Parameters
    ----------
    seed
        Chooses the body, its vessels and the noise; the same seed draws the same picture.
    opacity
        Consolidations to add to a frontal chest; True takes those of :func:`choose_opacities`.
    view
        What is shown.
    size
        Rows and columns in pixels.

    Returns
    -------
    NDArray[np.uint16]
        ``(size, size)``, 12 bits, bone bright (MONOCHROME2).
    """
    match view:
        case View.LATERAL:
            plane = draw_lateral(seed)
        case View.HAND:
            plane = draw_hand(seed)
        case View.PA | View.AP:
            chosen = (choose_opacities(seed) if opacity else ()) if isinstance(opacity, bool) else opacity
            plane = draw_chest(seed, chosen, portable=view is View.AP)
    return _expose(_mark(_film(plane), view), np.random.default_rng([seed, 4]), size)


def _film(plane: Plane) -> Plane:
    """Return the picture as the detector's curve renders it: the densest parts are compressed, not cut off."""
    knee = 0.78
    x, y = axes()
    vignette = 1 - 0.10 * ((x - 0.5) ** 2 + (y - 0.5) ** 2)
    curved: Plane = np.where(plane > knee, knee + 0.21 * np.tanh((plane - knee) / 0.24), plane) * vignette
    return curved


def _mark(plane: Plane, view: View) -> Plane:
    """Burn in the side marker, as technologists do with lead letters, and that this is no patient."""
    lead = Layer()
    lead.write((0.035, 0.014), "L" if view in (View.LATERAL, View.HAND) else "R", 0.036)
    if view is View.AP:
        lead.write((0.075, 0.018), "AP PORTABLE", 0.015)
    lead.write((0.755, 0.014), "PHANTOM", 0.0145)
    # The font that Pillow brings has no dash.
    lead.stroke(np.array([(0.8355, 0.0235), (0.8485, 0.0235)]), 0.0012)
    lead.write((0.853, 0.014), "NOT A PATIENT", 0.0145)
    marked: Plane = np.maximum(plane, 0.97 * lead.plane(0.6))
    return marked


def _expose(plane: Plane, rng: np.random.Generator, size: int) -> NDArray[np.uint16]:
    """Enlarge, add the quantum noise (more where fewer quanta come through) and store with 12 bits."""
    picture = enlarge(plane, size)
    noise = rng.standard_normal((size, size), dtype=np.float32)
    # What the grid cannot hold at full size: a real film is not smooth between two of its pixels.
    noise *= 0.0025 + 0.0055 * picture
    picture = 0.012 + 0.96 * picture + noise
    stored = np.clip(picture * np.float32(_MAXIMUM) + np.float32(0.5), 0, _MAXIMUM)
    return np.asarray(stored, dtype=np.uint16)


def phantom_dataset(
    seed: int,
    *,
    opacity: bool | Sequence[Opacity] = False,
    sop_class: Literal["CR", "DX"] = "DX",
    photometric: Literal["MONOCHROME1", "MONOCHROME2"] = "MONOCHROME2",
    view: View = View.PA,
    transfer_syntax: str = ExplicitVRLittleEndian,
    size: int = 2048,
    study_uid: str | None = None,
    series_uid: str | None = None,
    instance_uid: str | None = None,
    instance_number: int = 1,
    patient: str = "PHANTOM^NOT A PATIENT",
    patient_id: str | None = None,
    acquired: dt.datetime | None = None,
) -> FileDataset:
    """Return a complete DICOM object of a phantom, with file meta information, ready to be saved or sent.

    Everything that is not given follows from the other arguments, so equal arguments give equal UIDs. The
    attributes are those of PS3.3 A.2 (CR) and A.26 (DX for presentation).

    Raises
    ------
    ValueError
        Phantoms are not made in the transfer syntax; the message names those that they are made in.
    """
    if transfer_syntax not in _TRANSFER_SYNTAXES:
        names = "; ".join(UID(syntax).name for syntax in _TRANSFER_SYNTAXES)
        msg = f"phantoms are not made in transfer syntax {UID(transfer_syntax).name}, but in: {names}"
        raise ValueError(msg)
    taken = acquired or dt.datetime(2026, 1, 5, 9, 0) + dt.timedelta(minutes=7 * (seed % 1000))
    pixels = draw(seed, opacity=opacity, view=view, size=size)
    kind = (seed, view, repr(opacity), sop_class, photometric, size, str(transfer_syntax), instance_number)
    study = study_uid or _uid("study", seed)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(
        "", Dataset(), preamble=b"\0" * 128, file_meta=meta, is_implicit_VR=False, is_little_endian=True
    )
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = (
        DigitalXRayImageStorageForPresentation if sop_class == "DX" else ComputedRadiographyImageStorage
    )
    dataset.SOPInstanceUID = instance_uid or _uid("instance", study, *kind)
    dataset.StudyInstanceUID = study
    dataset.SeriesInstanceUID = series_uid or _uid("series", study, view, sop_class)
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    dataset.InstanceNumber = instance_number
    _describe_patient(dataset, seed, patient, patient_id)
    _describe_study(dataset, seed, view, taken)
    _describe_picture(dataset, pixels, photometric)
    if sop_class == "DX":
        _describe_dx(dataset, view, photometric)
    return _encode(dataset, UID(transfer_syntax))


def _uid(*parts: object) -> UID:
    return UID(f"2.25.{uuid.uuid5(_NAMESPACE, '/'.join(map(str, parts))).int}")


def _describe_patient(dataset: Dataset, seed: int, patient: str, patient_id: str | None) -> None:
    dataset.PatientName = patient
    dataset.PatientID = patient_id or f"PHANTOM-{seed:05d}"
    dataset.IssuerOfPatientID = "CXRNODE-PHANTOM"
    dataset.PatientBirthDate = "19660101"
    dataset.PatientSex = "O"
    dataset.PatientAge = "060Y"
    dataset.PatientComments = "Synthetic picture; no patient"


def _describe_study(dataset: Dataset, seed: int, view: View, taken: dt.datetime) -> None:
    date, time = taken.strftime("%Y%m%d"), taken.strftime("%H%M%S")
    for name in ("Study", "Series", "Acquisition", "Content"):
        setattr(dataset, f"{name}Date", date)
        setattr(dataset, f"{name}Time", time)
    dataset.StudyID = str(seed)
    dataset.SeriesNumber = 1
    dataset.AccessionNumber = f"PHANTOM{seed:06d}"[:16]
    dataset.ReferringPhysicianName = ""
    dataset.StudyDescription, dataset.SeriesDescription = _DESCRIPTIONS[view]
    dataset.BodyPartExamined = "HAND" if view is View.HAND else "CHEST"
    dataset.ViewPosition = "PA" if view is View.HAND else view.value
    dataset.PatientOrientation = ["P", "F"] if view is View.LATERAL else ["L", "F"]
    if view is View.HAND:
        dataset.Laterality = "L"
    dataset.Manufacturer = "cxrnode"
    dataset.ManufacturerModelName = "Phantom"
    dataset.DeviceSerialNumber = "0"
    dataset.SoftwareVersions = "1"
    dataset.InstitutionName = "Synthetic"


def _describe_picture(dataset: Dataset, pixels: NDArray[np.uint16], photometric: str) -> None:
    stored = pixels if photometric == "MONOCHROME2" else (_MAXIMUM - pixels).astype(np.uint16)
    dataset.Modality = "CR"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", ""]
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = photometric
    dataset.Rows, dataset.Columns = stored.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    spacing = f"{_FIELD_MM / stored.shape[0]:.6f}"
    dataset.ImagerPixelSpacing = [spacing, spacing]
    dataset.BurnedInAnnotation = "NO"  # the words in the picture identify no patient (PS3.3 C.7.6.1)
    dataset.LossyImageCompression = "00"
    dataset.WindowCenter, dataset.WindowWidth = "2048", "4096"
    dataset.PixelData = stored.astype("<u2").tobytes()
    dataset["PixelData"].VR = "OW"


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    return item


def _describe_dx(dataset: Dataset, view: View, photometric: str) -> None:
    """Add what the DX IOD asks for beyond CR (PS3.3 A.26, C.8.11)."""
    dataset.Modality = "DX"
    dataset.PresentationIntentType = "FOR PRESENTATION"
    if view is View.HAND:
        del dataset.Laterality  # said of the image instead
    dataset.ImageLaterality = "L" if view is View.HAND else "U"
    region = ("85562004", "Hand") if view is View.HAND else ("816094009", "Chest")
    dataset.AnatomicRegionSequence = [_code(*region)]
    viewed = _code(*_CODES[view])
    viewed.ViewModifierCodeSequence = []
    dataset.ViewCodeSequence = [viewed]
    dataset.AcquisitionContextSequence = []
    dataset.DetectorType = "DIRECT"
    dataset.PositionerType = "NONE"
    dataset.PixelSpacing = dataset.ImagerPixelSpacing
    dataset.PixelSpacingCalibrationType = "GEOMETRY"
    dataset.PixelSpacingCalibrationDescription = "synthetic"
    bright = photometric == "MONOCHROME2"
    dataset.PixelIntensityRelationship = "LOG"
    dataset.PixelIntensityRelationshipSign = -1 if bright else 1
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "0", "1", "US"
    dataset.PresentationLUTShape = "IDENTITY" if bright else "INVERSE"


def _encode(dataset: FileDataset, syntax: UID) -> FileDataset:
    if syntax == RLELossless:
        dataset.compress(syntax, encoding_plugin="pydicom", generate_instance_uid=False)
        return dataset
    if syntax.is_encapsulated:
        return _encapsulate(dataset, syntax)
    dataset.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    dataset.set_original_encoding(syntax.is_implicit_VR, syntax.is_little_endian)
    return dataset


def _encapsulate(dataset: FileDataset, syntax: UID) -> FileDataset:
    """Compress without loss with the encoder of the syntax."""
    stored = np.frombuffer(dataset.PixelData, "<u2").reshape(dataset.Rows, dataset.Columns)
    dataset.PixelData = encapsulate([bytes(_ENCODERS[syntax](stored))])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = syntax
    return dataset
