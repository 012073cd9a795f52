"""Documents that say already what a later analysis would say again: they stand for it, and are not sent a second time.

Such a document belongs to one image. Where the same model said the same of it in the analyses before, back to the one
whose document was built, that document is true still; its UID stays, and its words about the rest of the study are
those of its day.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import TypeVar

from sqlalchemy.orm import Session

from inference.findings import ModelIdentity, RemarkKind
from reporting.assemble import Subject, model_of
from tracking.outbox.documents import documents_with
from tracking.results.analyses import OutcomeRecord, StoredAnalysis

OfAnalysis = tuple[tuple[str, ...], ModelIdentity, int]
"""What the UIDs of an analysis's documents derive from: source instances, model and revision."""
Key = TypeVar("Key", bound=Hashable)
Names = Mapping[Key, Callable[..., str]]
"""By what a document shows: the function from source UIDs, model and revision to its SOP Instance UID."""


def carried_documents(read: Session, subject: Subject, names: Callable[[OutcomeRecord], Names[Key]]) -> dict[Key, str]:
    """Return the documents of earlier analyses that stand for the subject's, by what they show.

    Parameters
    ----------
    read
        A transaction.
    subject
        The analysis, and those before it.
    names
        Says for an image which documents there may be of it.
    """
    candidates = {
        key: [uid_of(*analysis) for analysis in _unchanged(subject, outcome)]
        for outcome in subject.analysis.outcomes
        if outcome.findings
        for key, uid_of in names(outcome).items()
    }
    there = documents_with(read, [uid for uids in candidates.values() for uid in uids])
    found = {key: next((uid for uid in uids if uid in there), None) for key, uids in candidates.items()}
    return {key: uid for key, uid in found.items() if uid is not None}


def carried_study_document(read: Session, subject: Subject, uid_of: Callable[..., str]) -> str | None:
    """Return the document about all images of an earlier analysis that stands for the subject's, or None.

    It does where the same model said the same of the very same images, those included that were not analysed.

    Parameters
    ----------
    read
        A transaction.
    subject
        The analysis, and those before it.
    uid_of
        Returns the document's SOP Instance UID from source UIDs, model and revision.
    """
    uids: list[str] = []
    for earlier in subject.earlier:
        if _of_study(earlier) != _of_study(subject.analysis) or model_of(earlier) != model_of(subject.analysis):
            break
        uids.insert(0, uid_of(_sources_of(earlier), model_of(earlier), earlier.revision))
    there = documents_with(read, uids)
    return next((uid for uid in uids if uid in there), None)


def _of_study(analysis: StoredAnalysis) -> dict[str, object]:
    """Return what an analysis says of each image."""
    return {
        outcome.instance_uid: (outcome.reason, outcome.because, outcome.findings, _shown(outcome), _sides(outcome))
        for outcome in analysis.outcomes
    }


def _unchanged(subject: Subject, outcome: OutcomeRecord) -> Iterable[OfAnalysis]:
    """Return the analyses that said the same of an image, without a break before the subject's, the oldest first."""
    same: list[OfAnalysis] = []
    for earlier in subject.earlier:
        before = next((entry for entry in earlier.outcomes if entry.instance_uid == outcome.instance_uid), None)
        if before is None or not _says_the_same(before, outcome) or model_of(earlier) != model_of(subject.analysis):
            break
        same.insert(0, (_sources_of(earlier), model_of(earlier), earlier.revision))
    return same


def _says_the_same(before: OutcomeRecord, now: OutcomeRecord) -> bool:
    return before.findings == now.findings and _shown(before) == _shown(now) and _sides(before) == _sides(now)


def _sides(outcome: OutcomeRecord) -> list[object]:
    """Return what the image itself says of its sides and of how far its lungs reach, by which places are said."""
    verdict = outcome.verdict or {}
    anatomy = verdict.get("anatomy") or {}
    return [verdict.get("mirrored"), anatomy.get("left_lung"), anatomy.get("right_lung")]


def _shown(outcome: OutcomeRecord) -> list[object]:
    """Return the remarks that captures show: not those about what documents leave out, noted when they were built."""
    return [remark for remark in outcome.remarks if remark.get("kind") != RemarkKind.ATTRIBUTE_LEFT_OUT.value]


def _sources_of(analysis: StoredAnalysis) -> tuple[str, ...]:
    return tuple(sorted(instance.instance_uid for instance in analysis.instances))
