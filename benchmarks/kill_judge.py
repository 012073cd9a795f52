"""Judge of the random kills: each study has exactly one current truth at the peers, or none after its withdrawal."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tracking.lists.summaries import StudySummary

CORRECTION = "hl7-note"
"""The kind of the message that takes a result back."""
ENDS = {"delivered", "withdrawn"}


@dataclass(frozen=True, slots=True)
class Expected:
    """What was sent and asked for: the acknowledged images of a study, and whether a withdrawal was the last act."""

    images: frozenset[str]
    withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """A document that the archive gives out; ``image`` is the one that a capture shows, None for a report."""

    uid: str
    study: str
    image: str | None


@dataclass(frozen=True, slots=True)
class Told:
    """The message that the RIS got last of a study."""

    uid: str
    kind: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many studies are lost, doubled or stuck, and each problem in words (UIDs, no patient)."""

    lost: int
    doubled: int
    stuck: int
    refused: int
    """Documents that came again though the archive had rejected them."""
    problems: tuple[str, ...]

    def counts(self) -> dict[str, int]:
        """Return the counts by name."""
        return {"lost": self.lost, "doubled": self.doubled, "stuck": self.stuck, "sent_though_rejected": self.refused}


def judge(
    expected: Mapping[str, Expected],
    studies: Sequence[StudySummary],
    shown: Sequence[Shown],
    told: Mapping[str, Told],
    *,
    refused: int = 0,
) -> Verdict:
    """Compare what was asked for with what the peers have.

    Parameters
    ----------
    expected
        By Study Instance UID.
    studies
        What the node has on record.
    shown
        What the archive shows.
    told
        What the RIS got last, by Study Instance UID.
    refused
        How often the archive was sent a document that it had been told to reject.
    """
    by_uid = {study.study_uid: study for study in studies}
    problems: dict[str, list[str]] = {"lost": [], "doubled": [], "stuck": []}
    for uid, truth in expected.items():
        study = by_uid.get(uid)
        if study is None:
            problems["lost"].append(f"{uid}: not on record")
            continue
        if study.status not in ENDS or any(way.state in {"waiting", "stopped"} for way in study.deliveries):
            problems["stuck"].append(f"{uid}: {study.status}, {'; '.join(study.problems)}")
        visible = [document for document in shown if document.study == uid]
        lost = _missing(study, truth, visible, told.get(uid))
        doubled = _too_many(study, truth, visible)
        problems["lost"] += [f"{uid}: {', '.join(lost)}"] * bool(lost)
        problems["doubled"] += [f"{uid}: {', '.join(doubled)}"] * bool(doubled)
    strangers = {document.study for document in shown} - set(expected)
    problems["doubled"] += [f"{uid}: nobody sent it" for uid in sorted(strangers)]
    return Verdict(
        *(len(problems[kind]) for kind in ("lost", "doubled", "stuck")), refused,
        tuple(f"{kind}: {problem}" for kind, found in problems.items() for problem in found),
    )  # fmt: skip


def _missing(study: StudySummary, truth: Expected, visible: Sequence[Shown], last: Told | None) -> list[str]:
    """Name what should be at the peers and is not."""
    if truth.withdrawn:
        untold = last is not None and last.kind != CORRECTION
        return ["the RIS was not told of the withdrawal"] * untold
    missing = [] if any(document.image is None for document in visible) else ["no report"]
    missing += [f"no capture of {image}" for image in truth.images - {document.image for document in visible}]
    holding = {document.uid for document in study.documents if document.kind == "hl7"}
    if last is None or last.uid not in holding:
        missing.append("the last message at the RIS is not the one that holds")
    return missing


def _too_many(study: StudySummary, truth: Expected, visible: Sequence[Shown]) -> list[str]:
    """Name what the archive shows beside the one truth."""
    if truth.withdrawn:
        return [f"{document.uid} is shown though withdrawn" for document in visible]
    counted = Counter(document.image for document in visible)
    doubled = [f"{number} of {image or 'the report'}" for image, number in counted.items() if number > 1]
    holding = {document.uid for document in study.documents}
    return doubled + [f"{document.uid} does not hold" for document in visible if document.uid not in holding]
