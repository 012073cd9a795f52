"""The secondary capture: what the structured report says, as a picture that any viewer shows."""

import highdicom as hd
from pydicom import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from config.errors import UndecodablePixels
from inference.pixels import Picture
from reporting import codes
from reporting.account import MANUFACTURER, Account, AnalysedImage
from reporting.charset import quiet
from reporting.drawing import Caption
from reporting.encode import encode
from reporting.identity import document_uid
from reporting.overlay import draw_capture
from reporting.report import BuiltObject, equipment


def capture_uids(account: Account, image: AnalysedImage) -> tuple[str, str]:
    """Return (Series Instance UID, SOP Instance UID) of an image's capture; a study's captures share a series."""
    return (
        document_uid("sc-series", account.source_uids, account.model, account.revision),
        document_uid("sc", account.source_uids, account.model, account.revision, image.source.sop_instance_uid),
    )


def build_capture(
    account: Account, image: AnalysedImage, picture: Picture, series_number: int, longest_side: int
) -> BuiltObject:
    """Return the capture of one analysed image.

    Parameters
    ----------
    account
        What to say.
    image
        Which of its images.
    picture
        That image's pixels in presentation polarity.
    series_number
        Series Number (0020,0011) of the captures' own series.
    longest_side
        Longest side of the capture in pixels.

    Raises
    ------
    UndecodablePixels
        The picture is not the size that its header says.
    """
    source = image.source
    _check_size(image, picture)
    series_uid, instance_uid = capture_uids(account, image)
    when = account.local_time()
    fit = account.lead.character_set.fit
    pixels = draw_capture(picture, image.findings, _caption(account, image), longest_side)
    with quiet():
        capture = hd.sc.SCImage(
            pixel_array=pixels,
            photometric_interpretation="RGB",
            bits_allocated=8,
            coordinate_system="PATIENT",
            study_instance_uid=source.study_uid,
            series_instance_uid=series_uid,
            series_number=series_number,
            sop_instance_uid=instance_uid,
            instance_number=account.analysed.index(image) + 1,
            manufacturer=MANUFACTURER,
            manufacturer_model_name=fit(account.model.name, 64),
            software_versions=fit(account.model.version, 64),
            device_serial_number=account.model.digest[:16] or "0",
            institution_name=fit(account.institution, 64) or None,
            series_description="AI findings on the image (not verified)",
            patient_orientation=("L", "F"),  # highdicom knows no oblique ones; the source's own follows
            transfer_syntax_uid=ExplicitVRLittleEndian,
            contributing_equipment=[equipment(account)],
            content_date=when.date(),
            content_time=when.time(),
            series_date=when.date(),
            series_time=when.time(),
        )
        capture["PixelData"].VR = "OB"
        _complete(capture, account, image)
        content = encode(capture, account.lead.identity(), account.lead.character_set)
    return BuiltObject(instance_uid, series_uid, SecondaryCaptureImageStorage, content)


def _check_size(image: AnalysedImage, picture: Picture) -> None:
    source = image.source
    if (picture.rows, picture.columns) != (source.rows, source.columns):
        msg = (
            f"the header says {source.rows} x {source.columns} pixels but {picture.rows} x {picture.columns} "
            "were decoded; ask the sender for the image again"
        )
        raise UndecodablePixels(msg)


def _complete(capture: Dataset, account: Account, image: AnalysedImage) -> None:
    """Set what highdicom leaves out or takes from the clock (PS3.3 A.8.1, C.7.6.1, C.8.6.2)."""
    source = image.source
    when = account.local_time()
    fit = account.lead.character_set.fit
    capture.InstanceCreationDate = when.strftime("%Y%m%d")
    capture.InstanceCreationTime = when.strftime("%H%M%S.%f")
    capture.DateOfSecondaryCapture = when.strftime("%Y%m%d")
    capture.TimeOfSecondaryCapture = when.strftime("%H%M%S.%f")
    capture.ContributingEquipmentSequence = capture.ContributingEquipmentSequence[:1]
    capture.PatientOrientation = list(source.orientation or ())
    capture.ConversionType = "WSD"
    capture.BodyPartExamined = source.body_part
    capture.SecondaryCaptureDeviceManufacturer = MANUFACTURER
    capture.SecondaryCaptureDeviceManufacturerModelName = fit(account.model.name, 64)
    capture.SecondaryCaptureDeviceSoftwareVersions = fit(account.model.version, 64)
    capture.BurnedInAnnotation = "YES"
    capture.RecognizableVisualFeatures = "NO"
    capture.DerivationDescription = fit(
        f"Radiograph in 8 bits with findings drawn by {account.model.name} {account.model.version}, "
        "not verified by a radiologist",
        1024,
    )
    capture.SourceImageSequence = [_reference(image)]
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


def _caption(account: Account, image: AnalysedImage) -> Caption:
    model = account.model
    details = ["Scores are one model's estimates, not a diagnosis."]
    if account.corrects:
        details.append(f"Revision {account.revision}: replaces the earlier AI result of this study")
    if account.skipped:
        count = len(account.skipped)
        reasons = "; ".join(sorted({skipped.because for skipped in account.skipped}))
        details.append(f"{count} image{'s' if count > 1 else ''} of this study not analysed: {reasons}")
    details += [f"Package SHA-256 {model.digest[:16]}", f"Engine {model.engine}"]
    several = len(account.analysed) > 1
    when = account.local_time()
    return Caption(
        model=f"{model.name} {model.version}",
        completed=f"{when:%Y-%m-%d %H:%M:%S} UTC{_offset(when.strftime('%z'))}",
        details=tuple(details),
        position=f"Image {account.analysed.index(image) + 1} of {len(account.analysed)}" if several else "",
        remarks=tuple(remark.text.rstrip(".") for remark in image.remarks),
    )


def _offset(digits: str) -> str:
    return "" if digits == "+0000" else f"{digits[:3]}:{digits[3:]}"
