"""The summary page of a study of several images, as a secondary capture that refers to all of them."""

from collections.abc import Iterable

from config.language.translation import gettext as _
from inference.findings import ModelIdentity
from reporting.account import Account, AnalysedImage
from reporting.capture.radiograph import Radiograph
from reporting.capture.secondary_capture import SeriesEntry, check_size, encode_capture, study_caption
from reporting.capture.summary_page import Thumbnail, draw_summary
from reporting.dicom_object import BuiltObject
from reporting.identity import document_uid


def summary_uids(account: Account) -> tuple[str, str]:
    """Return (Series Instance UID, SOP Instance UID) of a study's summary page."""
    of_analysis = (account.source_uids, account.model, account.revision)
    return document_uid("summary-series", *of_analysis), summary_uid(*of_analysis)


def summary_uid(source_uids: Iterable[str], model: ModelIdentity, revision: int) -> str:
    """Return the SOP Instance UID of the summary page of a study."""
    return document_uid("summary", source_uids, model, revision)


def build_summary_capture(
    account: Account, radiograph_of: Thumbnail, longest_side: int, series_number: int
) -> BuiltObject:
    """Return the summary page of a study.

    Parameters
    ----------
    account
        What to say; two images or more were analysed.
    radiograph_of
        Returns one of its images as captures show it.
    longest_side
        Width of the page in pixels.
    series_number
        Series Number (0020,0011) of the page's own series.

    Raises
    ------
    UndecodablePixels
        An image is not the size that its header says.
    """

    def checked(image: AnalysedImage) -> Radiograph:
        radiograph = radiograph_of(image)
        check_size(image, radiograph)
        return radiograph

    pixels = draw_summary(account.analysed, checked, study_caption(account), longest_side)
    series_uid, instance_uid = summary_uids(account)
    model = f"{account.model.name} {account.model.version}"
    derivation = _("Radiographs of a study in 8 bits with findings drawn by %(model)s, not verified by a radiologist")
    entry = SeriesEntry(
        series_uid=series_uid,
        series_number=account.series_number(series_number),
        series_description=account.series_description(_("AI summary of the study (not verified)")),
        instance_uid=instance_uid,
        instance_number=1,
        derivation=derivation % {"model": model},
    )
    return encode_capture(account, account.analysed, pixels, entry)
