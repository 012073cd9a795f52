"""The score map capture: a secondary capture of the radiograph with one finding's score map over it."""

from collections.abc import Iterable

from config.language.translation import gettext as _
from inference.findings import Finding, ModelIdentity
from reporting.account import Account, AnalysedImage
from reporting.capture.map_overlay import draw_map
from reporting.capture.radiograph import Radiograph
from reporting.capture.secondary_capture import SeriesEntry, caption_of, check_size, encode_capture
from reporting.claims import ClaimedFinding, mapped_of
from reporting.dicom_object import BuiltObject
from reporting.identity import document_uid
from reporting.words import finding_name


def map_uids(account: Account, image: AnalysedImage, label: str) -> tuple[str, str]:
    """Return (Series Instance UID, SOP Instance UID) of a finding's score map; a study's maps share a series."""
    return (
        document_uid("map-series", account.source_uids, account.model, account.revision),
        map_uid_of(account.source_uids, account.model, account.revision, image.source.sop_instance_uid, label),
    )


def map_uid_of(source_uids: Iterable[str], model: ModelIdentity, revision: int, instance_uid: str, label: str) -> str:
    """Return the SOP Instance UID of the score map of a finding on one image."""
    return document_uid("map", source_uids, model, revision, instance_uid, label)


def build_map_capture(
    account: Account,
    image: AnalysedImage,
    entry: ClaimedFinding[Finding],
    radiograph: Radiograph,
    series_number: int,
) -> BuiltObject:
    """Return the score map capture of one finding.

    Parameters
    ----------
    account
        What to say.
    image
        Which of its images.
    entry
        Which of that image's findings, one of :func:`reporting.claims.mapped_of`.
    radiograph
        That image as captures show it.
    series_number
        Series Number (0020,0011) of the score maps' own series.

    Raises
    ------
    UndecodablePixels
        The image is not the size that its header says.
    """
    check_size(image, radiograph)
    series_uid, instance_uid = map_uids(account, image, entry.finding.label)
    pixels = draw_map(radiograph, entry, caption_of(account, image))
    model = account.model
    return encode_capture(account, (image,), pixels, SeriesEntry(
        series_uid=series_uid,
        series_number=account.series_number(series_number),
        series_description=account.series_description(_("AI score maps (not verified)")),
        instance_uid=instance_uid,
        instance_number=_instance_number(account, image, entry.finding.label),
        derivation=_(
            "Radiograph in 8 bits with the score map of %(finding)s drawn by %(model)s, not verified by a radiologist"
        ) % {"finding": finding_name(entry.finding), "model": f"{model.name} {model.version}"},
    ))  # fmt: skip


def _instance_number(account: Account, image: AnalysedImage, label: str) -> int:
    """Return a map's place among all maps of the analysis, from 1."""
    maps = [
        (other.source.sop_instance_uid, entry.finding.label)
        for other in account.analysed
        for entry in mapped_of(other.findings)
    ]
    return maps.index((image.source.sop_instance_uid, label)) + 1
