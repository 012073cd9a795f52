"""The study as an ImagingStudy, for a server that does not have it yet."""

import re
from itertools import groupby

from fhir.resources.R4B.coding import Coding
from fhir.resources.R4B.imagingstudy import ImagingStudy, ImagingStudySeries, ImagingStudySeriesInstance
from fhir.resources.R4B.reference import Reference

from reporting import codes
from reporting.account import Account
from reporting.fhir.coding import coding
from reporting.fhir.identifiers import URI_SYSTEM, dicom_identifier, full_url, urn
from reporting.fhir.text import clean, study_time
from reporting.source import SourceImage

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
"""FHIR's id, as which series and instances are named."""


def study_url(study_uid: str) -> str:
    """Return the fullUrl of the ImagingStudy's entry."""
    return full_url("ImagingStudy", study_uid)


def build_imaging_study(account: Account, subject: Reference) -> ImagingStudy:
    """Return the study with the images that are reported on; it may have others, so that nothing is counted."""
    lead = account.lead
    sources = sorted(account.sources, key=lambda source: source.series_uid)
    named = [
        source for source in sources if _ID.fullmatch(source.series_uid) and _ID.fullmatch(source.sop_instance_uid)
    ]
    return ImagingStudy(
        identifier=[dicom_identifier(lead.study_uid)],
        status="available",
        subject=subject,
        started=study_time(lead),
        description=clean(lead.text("StudyDescription")),
        series=[_series(uid, list(images)) for uid, images in groupby(named, key=lambda source: source.series_uid)]
        or None,
    )


def _series(uid: str, images: list[SourceImage]) -> ImagingStudySeries:
    return ImagingStudySeries(
        uid=uid,
        modality=coding(codes.modality(images[0].modality) or codes.radiography(images[0].modality)),
        instance=[
            ImagingStudySeriesInstance(
                uid=image.sop_instance_uid, sopClass=Coding(system=URI_SYSTEM, code=urn(image.sop_class_uid))
            )
            for image in images
        ],
    )
