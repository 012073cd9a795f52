"""Having studies analysed anew: a new revision of the same images, whose results supersede those before it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from sqlalchemy import exists, func, select, update
from sqlalchemy.orm import Session

from config.errors import ActionRefused
from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine.changes import study_changed
from tracking.engine.clock import to_milliseconds
from tracking.jobs import queue
from tracking.jobs.keys import analysis_key
from tracking.lists import search_forms
from tracking.results.analyses import instances_of
from tracking.results.image_results import AnalyserIdentity, image_results
from tracking.studies.acting import holding_analysis, lock_study
from tracking.studies.instances import make_due
from tracking.tables.models import Instance, Job, Study
from tracking.tables.standing_models import Standing


class Reanalysis(StrEnum):
    """What asking for a new analysis came to."""

    BEGUN = "begun"
    DUE = "due"
    """One is due already."""
    SAME = "same"
    """The same analyser has said what there is to say."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which studies: of one patient, by Patient ID, and by the day of their last image, both inclusive."""

    patient: str = ""
    first: date | None = None
    last: date | None = None


def choose_studies(read: Session, choice: Choice) -> list[str]:
    """Return the studies chosen, those whose last image came last first."""
    query = select(Standing.study_uid).order_by(Standing.received_at.desc(), Standing.study_uid.desc())
    if choice.patient:
        query = query.where(Standing.patient_id == search_forms.identifier(choice.patient))
    if choice.first is not None:
        query = query.where(Standing.received_at >= _midnight(choice.first))
    if choice.last is not None:
        query = query.where(Standing.received_at < _midnight(choice.last + timedelta(days=1)))
    return list(read.scalars(query))


def reanalyse_study(
    tx: Session, study_uid: str, *, user: str, unless_said_by: AnalyserIdentity | None = None
) -> Reanalysis:
    """Let a study be analysed anew, after all other work.

    Its results stand until the new ones take their place. Asked for again before that, it changes nothing.

    Parameters
    ----------
    tx
        The transaction.
    study_uid
        The study.
    user
        Who asks, for the audit log.
    unless_said_by
        An analyser, where a study whose result is by it already is to be left alone.

    Raises
    ------
    ActionRefused
        There is no such study, it is in conflict, or none of its images is left. Nothing has changed.
    """
    study = lock_study(tx, study_uid)
    _require_images(tx, study)
    waiting = exists().where(Job.key == analysis_key(study_uid, study.revision), Job.state == "open")
    if tx.scalar(select(waiting)):
        return Reanalysis.DUE
    if unless_said_by is not None and is_said_by(tx, study, unless_said_by):
        return Reanalysis.SAME
    revision = study.revision + 1
    tx.execute(
        update(Study)
        .where(Study.study_uid == study_uid)
        .values(revision=revision)
        .execution_options(synchronize_session=False)
    )
    study_changed(tx, study_uid)
    make_due(tx, study_uid, revision, 0, priority=queue.URGENT if study.urgent else queue.LOW)
    detail: audit.Detail = {"user": user, "revision": revision}
    audit.append(tx, AuditEventType.STUDY_REANALYSED, study_uid=study_uid, detail=detail)
    return Reanalysis.BEGUN


def is_said_by(read: Session, study: Study, analyser: AnalyserIdentity) -> bool:
    """Tell whether the result of a study is this analyser's, of all its images."""
    analysis = holding_analysis(read, study)
    if analysis is None or analysis.revision < study.revision or analysis.model_digest != analyser.model_digest:
        return False
    images = instances_of(read, study.study_uid, study.revision)
    return len(image_results(read, images, analyser)) == len(images)


def _require_images(tx: Session, study: Study) -> None:
    uid = study.study_uid
    if study.conflict_since is not None:
        msg = f"the images of study {uid} name two patients; `cxrnode study {uid}` says whom, and the ways out"
        raise ActionRefused(msg)
    left = select(func.count()).select_from(Instance).where(Instance.study_uid == uid, Instance.rejected.is_(None))
    if not tx.scalar(left):
        msg = f"every image of study {uid} was rejected, so that there is nothing to analyse"
        raise ActionRefused(msg)


def _midnight(day: date) -> int:
    """Return when a day begins here, in milliseconds since 1970 UTC."""
    return to_milliseconds(datetime(day.year, day.month, day.day).astimezone().timestamp())


def chosen(read: Session, study_uids: Sequence[str], choice: Choice | None) -> list[str]:
    """Return the studies that were named, then those of a choice, each once."""
    return list(dict.fromkeys([*study_uids, *(choose_studies(read, choice) if choice is not None else [])]))
