"""What would change if a study were analysed anew: nothing is stored."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from inference.worker import Examiner
from tracking.engine.database import Database
from tracking.results.analyses import OutcomeRecord, StoredInstance, instances_of, load_analysis
from tracking.results.image_results import image_results
from tracking.studies.acting import holding_analysis
from tracking.tables.models import Study

NOT_ANALYSED = "not analysed"
SCORED_ONLY = "scored only"
NOTHING = "no result"


@dataclass(frozen=True, slots=True)
class Change:
    """One finding on one image, or the image as a whole (label empty), whose class would be another."""

    instance_uid: str
    label: str
    before: str
    after: str


def compare_study(database: Database, study_uid: str, examiner: Examiner) -> list[Change]:
    """Return which classes would change if the study's images were analysed by an examiner.

    A class is present, undetermined or absent of a finding that is stated; scored only otherwise; or not analysed.
    What the examiner said of an image before is taken from the database; the others are examined.

    Raises
    ------
    OSError, MemoryError
        An image cannot be read here.
    """
    with database.reading() as read:
        study = read.get(Study, study_uid)
        if study is None:
            return []
        holding = holding_analysis(read, study)
        before = {entry.instance_uid: entry for entry in load_analysis(read, holding.id).outcomes} if holding else {}
        images = instances_of(read, study_uid, study.revision)
        kept = {
            record.outcome.instance_uid: record.outcome for record in image_results(read, images, examiner.identity)
        }
    changes: list[Change] = []
    for image in images:
        now = kept.get(image.instance_uid) or _examine(examiner, image)
        changes += changes_of(image.instance_uid, before.get(image.instance_uid), now)
    return changes


def changes_of(instance_uid: str, before: OutcomeRecord | None, now: OutcomeRecord) -> list[Change]:
    """Return how the classes of two outcomes of one image differ."""
    old, new = _classes(before), _classes(now)
    if "" in old or "" in new:  # one of them says nothing of any finding
        if old.get("", "analysed") == new.get("", "analysed"):
            return []
        return [Change(instance_uid, "", old.get("", "analysed"), new.get("", "analysed"))]
    labels = dict.fromkeys([*old, *new])
    return [
        Change(instance_uid, label, old.get(label, NOTHING), new.get(label, NOTHING))
        for label in labels
        if old.get(label, NOTHING) != new.get(label, NOTHING)
    ]


def count_changes(changes: Iterable[Change]) -> Mapping[tuple[str, str, str], int]:
    """Return how often each finding changes from one class to another, the most frequent first."""
    counted = Counter((change.label, change.before, change.after) for change in changes)
    return dict(counted.most_common())


def _classes(outcome: OutcomeRecord | None) -> dict[str, str]:
    """Return classes by finding; under the empty label why there is none."""
    if outcome is None:
        return {"": NOTHING}
    if not outcome.findings:
        return {"": NOT_ANALYSED}
    return {
        finding.label: finding.level if finding.detail.get("stated") is True else SCORED_ONLY
        for finding in outcome.findings
    }


def _examine(examiner: Examiner, image: StoredInstance) -> OutcomeRecord:
    return examiner.examine(image).outcome
