"""The prior study: the newest earlier study of the same patient that has a result."""

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.orm import Session

from tracking.lists import search_forms
from tracking.studies.patient import PatientIdentity, contradictions, plain
from tracking.studies.upload_hold import RECEIVED
from tracking.tables.models import Analysis, Finding, Study
from tracking.tables.standing_models import Standing

_CANDIDATES = 50
"""Earlier studies of a patient that are looked at; more of them without a result in a row is not to be expected."""


def prior_study(read: Session, study_uid: str) -> str | None:
    """Return the Study Instance UID of the prior study, or None where there is none.

    The patient is the same where Patient ID and issuer are equal, both of them in full, and nothing else that both
    studies say contradicts it: another patient's image beside this one is worse than none. An upload is nobody's prior
    study, as only its own header says whose it is. Earlier goes by Study Date
    and Study Time; a study without a date is compared by its arrival.
    """
    study = read.get(Study, study_uid)
    if study is None or study.conflict_since is not None or not plain(study.patient_id):
        return None
    day = search_forms.study_date(study.study_date)
    arrived = Study.first_received_at < study.first_received_at
    earlier = or_(
        Standing.study_date < day,
        and_(Standing.study_date == day, Study.study_time < study.study_time),
        and_(Standing.study_date == day, Study.study_time == study.study_time, arrived),
    )
    has_result = exists().where(
        Analysis.study_uid == Study.study_uid, Analysis.revision >= Study.valid_from, Finding.analysis_id == Analysis.id
    )
    rows = read.scalars(
        select(Study)
        .join(Standing, Standing.study_uid == Study.study_uid)
        .where(
            Standing.patient_id == search_forms.identifier(study.patient_id),
            and_(Standing.study_date != "", earlier) if day else arrived,
            Study.study_uid != study_uid,
            Study.kind == RECEIVED,
            Study.conflict_since.is_(None),
            has_result,
        )
        .order_by(Standing.study_date.desc(), Study.study_time.desc(), Study.first_received_at.desc())
        .limit(_CANDIDATES)
    )
    return next((row.study_uid for row in rows if _is_same_patient(study, row)), None)


def _is_same_patient(study: Study, other: Study) -> bool:
    ours, theirs = (_identity(one) for one in (study, other))
    same = plain(ours.patient_id) == plain(theirs.patient_id)
    same = same and plain(ours.issuer_of_patient_id) == plain(theirs.issuer_of_patient_id)
    return same and not contradictions(ours, theirs)


def _identity(study: Study) -> PatientIdentity:
    return PatientIdentity(
        study.patient_id, study.issuer_of_patient_id, study.patient_name, study.patient_birth_date, study.patient_sex
    )
