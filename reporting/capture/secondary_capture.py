"""The secondary capture: what the structured report says, as a picture that any viewer shows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import highdicom as hd
import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from config.errors import UndecodablePixels
from config.language.translation import gettext as _
from config.language.translation import ngettext
from inference.findings import ModelIdentity
from reporting import codes
from reporting.account import MANUFACTURER, Account, AnalysedImage
from reporting.capture.drawing import Caption
from reporting.capture.overlay import draw_capture
from reporting.capture.radiograph import Radiograph
from reporting.charset import quiet
from reporting.dicom_object import BuiltObject, equipment
from reporting.identity import capture_uid, document_uid
from reporting.part10 import encode
from reporting.zones import image_places


def capture_uids(account: Account, image: AnalysedImage, *, grey: bool = False) -> tuple[str, str]:
    """Return (Series Instance UID, SOP Instance UID) of an image's capture; a study's captures share a series.

    Those in greyscale have a series and UIDs of their own.
    """
    of_analysis = (account.source_uids, account.model, account.revision)
    instance_uid = (grey_capture_uid if grey else capture_uid)(*of_analysis, image.source.sop_instance_uid)
    return document_uid("sc-grey-series" if grey else "sc-series", *of_analysis), instance_uid


def grey_capture_uid(source_uids: Iterable[str], model: ModelIdentity, revision: int, instance_uid: str) -> str:
    """Return the SOP Instance UID of the secondary capture of one image in greyscale."""
    return document_uid("sc-grey", source_uids, model, revision, instance_uid)


@dataclass(frozen=True, slots=True)
class SeriesEntry:
    """What tells one secondary capture from the others: where it stands, and what is said of it in words."""

    series_uid: str
    series_number: int
    series_description: str
    instance_uid: str
    instance_number: int
    derivation: str
    """Derivation Description (0008,2111)."""


def build_capture(
    account: Account, image: AnalysedImage, radiograph: Radiograph, series_number: int, *, grey: bool = False
) -> BuiltObject:
    """Return the capture of one analysed image.

    Parameters
    ----------
    account
        What to say.
    image
        Which of its images.
    radiograph
        That image as captures show it.
    series_number
        Series Number (0020,0011) of the captures' own series.
    grey
        In greyscale, for who shows no colour: outlines and letters tell findings apart without it.

    Raises
    ------
    UndecodablePixels
        The image is not the size that its header says.
    """
    check_size(image, radiograph)
    series_uid, instance_uid = capture_uids(account, image, grey=grey)
    pixels = draw_capture(radiograph, image.findings, caption_of(account, image), image_places(image))
    if grey:
        pixels = np.asarray(Image.fromarray(pixels).convert("L"))
    model = account.model
    entry = SeriesEntry(
        series_uid=series_uid,
        series_number=account.series_number(series_number),
        series_description=account.series_description(_("AI findings on the image (not verified)")),
        instance_uid=instance_uid,
        instance_number=account.analysed.index(image) + 1,
        derivation=_("Radiograph in 8 bits with findings drawn by %(model)s, not verified by a radiologist")
        % {"model": f"{model.name} {model.version}"},
    )
    return encode_capture(account, (image,), pixels, entry)


def encode_capture(
    account: Account, images: Sequence[AnalysedImage], pixels: npt.NDArray[np.uint8], entry: SeriesEntry
) -> BuiltObject:
    """Return a Secondary Capture Image object of what was drawn of one analysed image, or of several.

    ``pixels`` are (rows, columns, 3) RGB, or (rows, columns) grey levels, 255 white.
    """
    when = account.local_time()
    fit = account.lead.character_set.fit
    with quiet():
        capture = hd.sc.SCImage(
            pixel_array=pixels,
            photometric_interpretation="RGB" if pixels.ndim == 3 else "MONOCHROME2",
            bits_allocated=8,
            coordinate_system="PATIENT",
            study_instance_uid=account.lead.study_uid,
            series_instance_uid=entry.series_uid,
            series_number=entry.series_number,
            sop_instance_uid=entry.instance_uid,
            instance_number=entry.instance_number,
            manufacturer=MANUFACTURER,
            manufacturer_model_name=fit(account.model.name, 64),
            software_versions=fit(account.model.version, 64),
            device_serial_number=account.model.digest[:16] or "0",
            institution_name=fit(account.institution, 64) or None,
            series_description=fit(entry.series_description, 64),
            patient_orientation=("L", "F"),  # highdicom knows no oblique ones; the source's own follows
            transfer_syntax_uid=ExplicitVRLittleEndian,
            contributing_equipment=[equipment(account)],
            content_date=when.date(),
            content_time=when.time(),
            series_date=when.date(),
            series_time=when.time(),
        )
        capture["PixelData"].VR = "OB"
        _complete(capture, account, images, entry.derivation)
        content = encode(capture, account.lead.identity(), account.lead.character_set)
    return BuiltObject(entry.instance_uid, entry.series_uid, SecondaryCaptureImageStorage, content)


def check_size(image: AnalysedImage, radiograph: Radiograph) -> None:
    """Compare an image's pixels with its header. Raises UndecodablePixels where their sizes differ."""
    source, decoded = image.source, radiograph.layout
    if (decoded.rows, decoded.columns) != (source.rows, source.columns):
        msg = (
            f"the header says {source.rows} x {source.columns} pixels but {decoded.rows} x {decoded.columns} "
            "were decoded; ask the sender for the image again"
        )
        raise UndecodablePixels(msg)


def _complete(capture: Dataset, account: Account, images: Sequence[AnalysedImage], derivation: str) -> None:
    """Set what highdicom leaves out or takes from the clock (PS3.3 A.8.1, C.7.6.1, C.8.6.2).

    What shows several images has no orientation, and is lossy where one of them is.
    """
    source = next((image.source for image in images if image.source.lossy), images[0].source)
    orientation = source.orientation if len(images) == 1 else None
    when = account.local_time()
    fit = account.lead.character_set.fit
    capture.InstanceCreationDate = when.strftime("%Y%m%d")
    capture.InstanceCreationTime = when.strftime("%H%M%S.%f")
    capture.DateOfSecondaryCapture = when.strftime("%Y%m%d")
    capture.TimeOfSecondaryCapture = when.strftime("%H%M%S.%f")
    capture.ContributingEquipmentSequence = capture.ContributingEquipmentSequence[:1]
    capture.PatientOrientation = list(orientation or ())
    capture.ConversionType = "WSD"
    capture.BodyPartExamined = source.body_part
    capture.SecondaryCaptureDeviceManufacturer = MANUFACTURER
    capture.SecondaryCaptureDeviceManufacturerModelName = fit(account.model.name, 64)
    capture.SecondaryCaptureDeviceSoftwareVersions = fit(account.model.version, 64)
    capture.BurnedInAnnotation = "YES"
    capture.RecognizableVisualFeatures = "NO"
    capture.DerivationDescription = fit(derivation, 1024)
    capture.SourceImageSequence = [_reference(image) for image in images]
    capture.LossyImageCompression = "01" if source.lossy else "00"
    if source.lossy and source.lossy_ratio:
        capture.LossyImageCompressionRatio = list(source.lossy_ratio)
    if source.lossy and len(source.lossy_method) == max(len(source.lossy_ratio), 1):
        capture.LossyImageCompressionMethod = list(source.lossy_method)


def _reference(image: AnalysedImage) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID = image.source.sop_class_uid
    reference.ReferencedSOPInstanceUID = image.source.sop_instance_uid
    reference.PurposeOfReferenceCodeSequence = [_code_item(codes.SOURCE_FOR_PROCESSING)]
    return reference


def _code_item(code: Code) -> Dataset:
    item = Dataset()
    item.CodeValue = code.value
    item.CodingSchemeDesignator = code.scheme_designator
    item.CodeMeaning = code.meaning
    return item


def caption_of(account: Account, image: AnalysedImage) -> Caption:
    """Return the words on an image's captures that are not findings."""
    number, count = account.analysed.index(image) + 1, len(account.analysed)
    position = _("Image %(number)s of %(count)s") % {"number": number, "count": count} if count > 1 else ""
    remarks = tuple(_(remark.text).rstrip(".") for remark in image.remarks)
    return replace(study_caption(account), position=position, remarks=remarks)


def study_caption(account: Account) -> Caption:
    """Return the words on a capture that hold for every image of the study."""
    model = account.model
    details = [_("Scores are one model's estimates, not a diagnosis.")]
    if account.corrects:
        details.append(
            _("Revision %(number)s: replaces the earlier AI result of this study") % {"number": account.revision}
        )
    if account.skipped:
        count = len(account.skipped)
        reasons = "; ".join(sorted({skipped.words for skipped in account.skipped}))
        words = ngettext(
            "%(num)s image of this study not analysed: %(reasons)s",
            "%(num)s images of this study not analysed: %(reasons)s", count,
        )  # fmt: skip
        details.append(words % {"num": count, "reasons": reasons})
    details += [
        _("Package SHA-256 %(digest)s") % {"digest": model.digest[:16]},
        _("Engine %(engine)s") % {"engine": model.engine},
    ]
    when = account.local_time()
    return Caption(
        model=f"{model.name} {model.version}",
        completed=f"{when:%Y-%m-%d %H:%M:%S} UTC{_offset(when.strftime('%z'))}",
        details=tuple(details),
    )


def _offset(digits: str) -> str:
    return "" if digits == "+0000" else f"{digits[:3]}:{digits[3:]}"
