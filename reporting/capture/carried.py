"""Captures that say already what a later analysis would say again: they stand for it, and are not sent a second time.

A capture belongs to one image. Where the same model said the same of it in the analyses before, back to the one whose
capture was built, that capture is true still; its UID stays, and its words about the rest of the study are those of its
day.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from inference.findings import RemarkKind
from reporting.assemble import Subject, model_of
from reporting.capture.map_capture import map_uid_of
from reporting.capture.secondary_capture import grey_capture_uid
from reporting.identity import capture_uid
from tracking.analyses import OutcomeRecord, StoredAnalysis
from tracking.documents import documents_with


@dataclass(frozen=True, slots=True)
class CaptureKey:
    """What one capture shows: an image, and the finding whose score map it is; empty for the capture of all."""

    instance_uid: str
    label: str = ""
    grey: bool = False


Carried = Mapping[CaptureKey, str]
"""SOP Instance UIDs of documents of earlier analyses."""


def carried_captures(read: Session, subject: Subject) -> dict[CaptureKey, str]:
    """Return the captures of earlier analyses that stand for what the subject's says, by what they show."""
    candidates = {
        key: uids
        for outcome in subject.analysis.outcomes
        if outcome.findings
        for key, uids in _candidates(outcome, _unchanged(subject, outcome))
    }
    there = documents_with(read, [uid for uids in candidates.values() for uid in uids])
    found = {key: next((uid for uid in uids if uid in there), None) for key, uids in candidates.items()}
    return {key: uid for key, uid in found.items() if uid is not None}


def _unchanged(subject: Subject, outcome: OutcomeRecord) -> list[StoredAnalysis]:
    """Return the analyses that said the same of an image, without a break before the subject's, the oldest first."""
    same: list[StoredAnalysis] = []
    for earlier in subject.earlier:
        before = next((entry for entry in earlier.outcomes if entry.instance_uid == outcome.instance_uid), None)
        if before is None or not _says_the_same(before, outcome) or model_of(earlier) != model_of(subject.analysis):
            break
        same.insert(0, earlier)
    return same


def _says_the_same(before: OutcomeRecord, now: OutcomeRecord) -> bool:
    return before.findings == now.findings and _shown(before) == _shown(now)


def _shown(outcome: OutcomeRecord) -> list[object]:
    """Return the remarks that captures show: not those about what documents leave out, noted when they were built."""
    return [remark for remark in outcome.remarks if remark.get("kind") != RemarkKind.ATTRIBUTE_LEFT_OUT.value]


def _candidates(outcome: OutcomeRecord, analyses: Sequence[StoredAnalysis]) -> Iterator[tuple[CaptureKey, list[str]]]:
    image = outcome.instance_uid
    named = [(sources_of(analysis), model_of(analysis), analysis.revision) for analysis in analyses]
    yield CaptureKey(image), [capture_uid(*names, image) for names in named]
    yield CaptureKey(image, grey=True), [grey_capture_uid(*names, image) for names in named]
    for finding in outcome.findings:
        uids = [map_uid_of(*names, image, finding.label) for names in named]
        yield CaptureKey(image, finding.label), uids


def sources_of(analysis: StoredAnalysis) -> tuple[str, ...]:
    """Return the SOP Instance UIDs from which the UIDs of an analysis's documents derive."""
    return tuple(sorted(instance.instance_uid for instance in analysis.instances))
