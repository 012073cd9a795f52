"""The last check before a document is built: every image in it is of one patient, and of whom the database says.

Reception compares patients when an image joins its study (:mod:`tracking.studies.conflicts`). This check reads what
documents will repeat, the image's own file, so that nothing that two readers of one file understand differently can
lead to a document of the wrong patient.
"""

import re
from collections.abc import Iterable

from config.errors import DocumentRejected
from reporting.source import SourceImage
from tracking.studies.patient import ELEMENTS, PatientIdentity, contradictions_among, date_text

_KEYWORDS = {
    "patient_id": "PatientID",
    "issuer_of_patient_id": "IssuerOfPatientID",
    "patient_name": "PatientName",
    "patient_birth_date": "PatientBirthDate",
    "patient_sex": "PatientSex",
}
_INSIGNIFICANT = re.compile(r"[\x00-\x20\x7f]")
_COMPARED = 1000
"""Characters; the database holds no more than 1024 of a text."""


def identity_in(source: SourceImage) -> PatientIdentity:
    """Return whom an image's file names, as documents will repeat it."""
    return PatientIdentity(**{field: source.text(keyword) for field, keyword in _KEYWORDS.items()})


def require_recorded(source: SourceImage, study_uid: str, instance_uid: str, recorded: PatientIdentity | None) -> None:
    """Refuse an image whose file names another study, image or patient than the database has for it.

    ``recorded`` is None where the database does not know. Text beyond ASCII is not compared, because two readers may
    decode it differently where its character set is undeclared.

    Raises
    ------
    DocumentRejected
        Which elements differ; never their values.
    """
    found = identity_in(source)
    different = [
        name
        for field, name in ELEMENTS.items()
        if recorded is not None and not _same(field, getattr(found, field), getattr(recorded, field))
    ]
    if source.study_uid.strip() != study_uid:
        different.append("Study Instance UID")
    if source.sop_instance_uid.strip() != instance_uid:
        different.append("SOP Instance UID")
    if different:
        msg = (
            f"the file of image {instance_uid} does not say what was recorded when it came ({', '.join(different)}): "
            "reject the image, or have it corrected and sent again"
        )
        raise DocumentRejected(msg)


def require_one_patient(sources: Iterable[SourceImage]) -> None:
    """Refuse images of two patients.

    Raises
    ------
    DocumentRejected
        In which elements they contradict each other; never the values.
    """
    fields = contradictions_among(identity_in(source) for source in sources)
    if fields:
        msg = (
            f"the images of the study name two patients ({', '.join(ELEMENTS[field] for field in fields)} differ): "
            "reject the images that are not the patient's, with `cxrnode study reject`"
        )
        raise DocumentRejected(msg)


def _same(field: str, found: str, recorded: str) -> bool:
    if field == "patient_birth_date":  # documents repeat the older form of a date in the one of today
        found, recorded = date_text(found), date_text(recorded)
    ours, theirs = (_INSIGNIFICANT.sub("", text)[:_COMPARED] for text in (found, recorded))
    return ours == theirs or not (found.isascii() and recorded.isascii())
