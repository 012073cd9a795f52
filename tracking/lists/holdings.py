"""Holdings: what the node has as DICOM objects, received images and its own documents, for whoever queries it.

Left out is what nobody should look at as if it stood: images that were rejected, documents that failed their check or
that a later analysis or a decision made void, studies whose images name two patients or of which no image stands, and
uploads, which leave only where their owner sends them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, and_, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from tracking.lists import search_forms
from tracking.outbox.document_kinds import IN_ARCHIVES, KINDS
from tracking.outbox.documents import documents_of, held_by
from tracking.studies import conflicts
from tracking.studies.instances import StudyHeader, header_of
from tracking.studies.upload_hold import RECEIVED
from tracking.tables.models import Analysis, Document, Instance, Study
from tracking.tables.standing_models import Standing

EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
"""The transfer syntax of every document."""


@dataclass(frozen=True, slots=True)
class HeldInstance:
    """One SOP instance; ``path`` is relative to the store of instances, or of documents where ``is_document``."""

    study_uid: str
    series_uid: str
    instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    modality: str
    path: str
    sha256: str
    size: int
    kind: str = ""
    """Of a document, as the database names it (:mod:`tracking.outbox.document_kinds`); empty for an image."""

    @property
    def is_document(self) -> bool:
        """Tell what the node built from what it received."""
        return bool(self.kind)


@dataclass(frozen=True, slots=True)
class HeldStudy:
    """One study with what is held of it."""

    header: StudyHeader
    instances: tuple[HeldInstance, ...]


@dataclass(frozen=True, slots=True)
class StudyMatch:
    """What studies are looked for by (PS3.4 C.2.2.2); what is empty matches all.

    Texts may hold ``*`` and ``?``; the case of letters does not count. ``date`` and ``time`` are a value, or a range as
    its two ends, either of which may be empty.
    """

    study_uids: tuple[str, ...] = ()
    patient_id: str = ""
    patient_name: str = ""
    accession_number: str = ""
    modality: str = ""
    date: tuple[str, str] = ("", "")
    time: tuple[str, str] = ("", "")


def find_held_studies(read: Session, match: StudyMatch, *, limit: int, offset: int = 0) -> list[HeldStudy]:
    """Return studies that match, the latest study date first, each with what is held of it."""
    query = (
        select(Study)
        .join(Standing, Standing.study_uid == Study.study_uid)
        .where(
            Study.conflict_since.is_(None), Study.kind == RECEIVED, _images_that_stand().exists(), *_conditions(match)
        )
        .order_by(Standing.study_date.desc(), Standing.study_uid.desc())
        .limit(limit)
        .offset(offset)
    )
    return _held(read, read.scalars(query).all())


def held_study(read: Session, study_uid: str) -> HeldStudy | None:
    """Return what is held of a study; None for an upload, or where no image stands or the images name two patients."""
    study = read.get(Study, study_uid)
    if study is None or study.conflict_since is not None or study.kind != RECEIVED:
        return None
    held = _held(read, [study])[0]
    return held if held.instances else None


def _held(read: Session, studies: Sequence[Study]) -> list[HeldStudy]:
    uids = [study.study_uid for study in studies]
    found: dict[str, list[HeldInstance]] = {uid: [] for uid in uids}
    received = read.scalars(
        select(Instance)
        .where(Instance.study_uid.in_(uids), Instance.rejected.is_(None))
        .order_by(Instance.received_at, Instance.instance_uid)
    )
    for row in received:
        found[row.study_uid].append(
            HeldInstance(
                row.study_uid, row.series_uid, row.instance_uid, row.sop_class_uid, row.transfer_syntax_uid,
                row.modality, row.path, row.sha256, row.size,
            )
        )  # fmt: skip
    standing = _standing_analyses(read, studies)
    held = held_by(list(standing))
    documents = read.execute(
        select(held.c.analysis_id, Document)
        .join(Document, Document.id == held.c.document_id)
        .where(Document.kind.in_(IN_ARCHIVES), Document.quarantined.is_(None))
        .order_by(Document.id)
    )
    for analysis_id, document in documents:
        uid = standing[analysis_id]
        found[uid].append(
            HeldInstance(
                uid, document.series_uid or "", document.uid, document.sop_class_uid or "", EXPLICIT_LITTLE,
                KINDS[document.kind].modality, document.path, document.sha256, document.size, document.kind,
            )
        )  # fmt: skip
    return [HeldStudy(header_of(study), tuple(found[study.study_uid])) for study in studies]


def _standing_analyses(read: Session, studies: Sequence[Study]) -> dict[int, str]:
    """Return the study UID by the number of the analysis that stands for it, where there is one."""
    rows = read.execute(
        select(Analysis.study_uid, Analysis.revision, Analysis.id)
        .where(Analysis.study_uid.in_([study.study_uid for study in studies]))
        .order_by(Analysis.revision, Analysis.id)
    )
    latest = {uid: (revision, number) for uid, revision, number in rows}
    return {
        latest[study.study_uid][1]: study.study_uid
        for study in studies
        if study.study_uid in latest and not conflicts.is_void(study, latest[study.study_uid][0])
    }


def _conditions(match: StudyMatch) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if match.study_uids:
        conditions.append(Study.study_uid.in_(match.study_uids))
    for column, text in (
        (Standing.patient_id, search_forms.identifier(match.patient_id)),
        (Standing.accession_number, search_forms.identifier(match.accession_number)),
        (Standing.patient_name, _person_pattern(match.patient_name)),
    ):
        if text.strip("*"):
            conditions.append(_like(column, text))
    for stored, (first, last) in ((Standing.study_date, match.date), (Study.study_time, match.time)):
        if first:
            conditions.append(stored >= first)
        if last:
            conditions.append(and_(stored <= f"{last}~", stored >= "0"))  # "~" comes after every further digit
    if match.modality.strip("*"):
        conditions.append(_has_modality(match.modality))
    return conditions


def _like(column: InstrumentedAttribute[str], text: str) -> ColumnElement[bool]:
    """Match a text in which ``*`` stands for any characters and ``?`` for one (PS3.4 C.2.2.2.4)."""
    if not re.search(r"[*?]", text):
        return column == text
    pattern = re.sub(r"([\\%_])", r"\\\1", text).replace("*", "%").replace("?", "_")
    return column.like(pattern, escape="\\")


def _person_pattern(name: str) -> str:
    """Return a name with wildcards in the form in which names are searched: its words, in upper case."""
    words = re.sub(r"[\s^,]+", " ", name.split("=", maxsplit=1)[0]).strip()
    return search_forms.identifier(words)


def _images_that_stand() -> Select[str]:
    return (
        select(Instance.study_uid)
        .where(Instance.study_uid == Study.study_uid, Instance.rejected.is_(None))
        .correlate(Study)
    )


def _has_modality(modality: str) -> ColumnElement[bool]:
    received = _images_that_stand().where(Instance.modality == modality)
    kinds = [name for name in IN_ARCHIVES if KINDS[name].modality == modality]
    latest = (
        select(Analysis.id)
        .where(Analysis.study_uid == Study.study_uid, Analysis.revision >= Study.valid_from)
        .order_by(Analysis.revision.desc(), Analysis.id.desc())
        .limit(1)
        .correlate(Study)
        .scalar_subquery()
    )
    built = select(Document.id).where(
        Document.id.in_(documents_of(latest)), Document.kind.in_(kinds), Document.quarantined.is_(None)
    )
    return or_(received.exists(), built.exists()) if kinds else received.exists()
