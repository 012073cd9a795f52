"""Past scores of a finding on this site's studies, and what readers said of them: what a point is judged by."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from tracking.answers.feedback import FeedbackFilter, answered_images
from tracking.answers.reader_truth import truth_of
from tracking.tables.models import Analysis, Finding, Upload
from tracking.tables.standing_models import Standing

NEWEST = 2_000
"""Studies that are looked into, the newest."""
_WITH_A_RESULT = ("analysed", "reported", "delivered")
"""Statuses of studies whose result stands."""


@dataclass(frozen=True, slots=True)
class ReadScore:
    """A finding's score on an image of which readers said whether the finding is there."""

    score: float
    is_there: bool


@dataclass(frozen=True, slots=True)
class PastScores:
    """``studies`` holds, for each study, the scores of the finding on its images; ``read`` is what readers answered."""

    studies: tuple[tuple[float, ...], ...]
    read: tuple[ReadScore, ...]


def past_scores(read: Session, package: str, label: str) -> PastScores:
    """Return the scores that a package gave a finding on the newest received studies whose result stands."""
    studies = (
        select(Standing.analysis_id)
        .join(Analysis, Analysis.id == Standing.analysis_id)
        .where(Standing.status.in_(_WITH_A_RESULT), ~Standing.upload, Analysis.model_name == package)
        .order_by(Standing.received_at.desc())
        .limit(NEWEST)
        .subquery("studies")
    )
    rows = read.execute(
        select(Finding.analysis_id, Finding.score)
        .join(studies, studies.c.analysis_id == Finding.analysis_id)
        .where(Finding.label == label)
    )
    scores: dict[int, list[float]] = {}
    for analysis_id, score in rows:
        scores.setdefault(analysis_id, []).append(score)
    return PastScores(tuple(tuple(entry) for entry in scores.values()), tuple(_read_scores(read, package, label)))


def _read_scores(read: Session, package: str, label: str) -> list[ReadScore]:
    uploads = set(read.scalars(select(Upload.study_uid)))
    found = []
    for image in answered_images(read, FeedbackFilter(model=package)):
        is_there = truth_of(image).truths.get(label)
        score = next((finding.score for finding in image.findings if finding.label == label), None)
        if is_there is not None and score is not None and image.study.study_uid not in uploads:
            found.append(ReadScore(score, is_there))
    return found
