"""What the answers of readers make known about an image: yes, no or unknown for each label, and boxes.

1. *One reader.* To agree with a finding that the model claims says that it is there, to disagree that it is not; with
   one that the model does not claim it is the other way round. To accept, correct or add a region says that the finding
   is there. "Nothing missed" says that each abnormal finding that the model does not claim is not there, unless the
   same reader says otherwise. A reader who says both yes and no says nothing.
2. *Several readers.* A label is known where all readers who say something of it say the same; otherwise it is
   *disputed* and unknown.
3. *Boxes.* A region that anybody disagrees with is left out. Of one that was corrected the last correction counts, else
   the model's box that somebody agreed with. An added box that overlaps a kept one of the same label is left out.
4. *Complete.* All boxes of a label are known where it is known not to be there, or where a reader said that nothing was
   missed and somebody answered each of its regions with agree, disagree or a correction.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tracking.answers.feedback import Answer, AnsweredImage, DrawnBox, RecordedAnswer, SubjectKind

SAME_REGION = 0.5
"""Two boxes of one label that overlap at least so much (intersection over union) are the same region."""
_ACCEPTED = frozenset({Answer.AGREE, Answer.CORRECTED})


@dataclass(frozen=True, slots=True)
class LabelledBox:
    """A box that readers accepted or drew, in pixels of the source image."""

    label: str
    box: DrawnBox


@dataclass(frozen=True, slots=True)
class ReaderTruth:
    """What is known about one image."""

    truths: dict[str, bool | None]
    """By label, in the package's order; None is unknown."""
    disputed: frozenset[str]
    """Labels about which readers say different things."""
    boxes: tuple[LabelledBox, ...]
    complete: frozenset[str]
    """Labels all of whose boxes are known."""
    readers: int
    own_words: int
    """Findings that readers added in their own words: no label of the package, so no truth."""


def truth_of(image: AnsweredImage) -> ReaderTruth:
    """Return what the current answers about an image make known; ``image.answers`` are in the order they were given."""
    answers = image.answers
    readers = sorted({answer.user for answer in answers})
    views = [_view(image, [answer for answer in answers if answer.user == reader]) for reader in readers]
    labels = list(
        dict.fromkeys([*(finding.label for finding in image.findings), *(label for v in views for label in v)])
    )
    said = {label: {view[label] for view in views if label in view} for label in labels}
    truths = {label: next(iter(values)) if len(values) == 1 else None for label, values in said.items()}
    boxes = [box for box in _boxes(answers) if truths.get(box.label) is not False]
    absent = {label for label, truth in truths.items() if truth is False}
    return ReaderTruth(
        truths=truths,
        disputed=frozenset(label for label, values in said.items() if len(values) > 1),
        boxes=tuple(boxes),
        complete=frozenset(absent | _answered_whole(image, {label for label, truth in truths.items() if truth})),
        readers=len(readers),
        own_words=sum(answer.answer is Answer.ADDED and not answer.subject.label for answer in answers),
    )


def overlap(one: DrawnBox, other: DrawnBox) -> float:
    """Return the intersection of two boxes over their union, 0 to 1."""
    width = min(one.x1, other.x1) - max(one.x0, other.x0)
    height = min(one.y1, other.y1) - max(one.y0, other.y0)
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (_area(one) + _area(other) - width * height)


def _area(box: DrawnBox) -> float:
    return (box.x1 - box.x0) * (box.y1 - box.y0)


def _view(image: AnsweredImage, answers: Sequence[RecordedAnswer]) -> dict[str, bool]:
    """Return what one reader says of each label."""
    said: dict[str, set[bool]] = {}
    for answer in answers:
        subject, value = answer.subject, answer.answer
        if subject.kind is SubjectKind.FINDING and value in {Answer.AGREE, Answer.DISAGREE}:
            said.setdefault(subject.label, set()).add((value is Answer.AGREE) == bool(subject.claimed))
        accepted = subject.kind is SubjectKind.REGION and value in _ACCEPTED
        if accepted or (value is Answer.ADDED and subject.label):
            said.setdefault(subject.label, set()).add(True)
    unsure = {
        answer.subject.label
        for answer in answers
        if answer.subject.kind is SubjectKind.FINDING and answer.answer is Answer.UNSURE
    }
    if any(answer.answer is Answer.NOTHING_MISSED for answer in answers):
        for finding in image.findings:
            if finding.abnormal and not finding.claimed and finding.label not in said and finding.label not in unsure:
                said[finding.label] = {False}
    return {label: next(iter(values)) for label, values in said.items() if len(values) == 1}


def _boxes(answers: Sequence[RecordedAnswer]) -> list[LabelledBox]:
    regions: dict[str, list[RecordedAnswer]] = {}
    for answer in answers:
        if answer.subject.kind is SubjectKind.REGION:
            regions.setdefault(answer.subject.uid, []).append(answer)
    kept: list[LabelledBox] = []
    for given in regions.values():
        accepted = [answer for answer in given if answer.answer in _ACCEPTED and answer.box is not None]
        if not accepted or any(answer.answer is Answer.DISAGREE for answer in given):
            continue
        chosen = max(accepted, key=lambda answer: (answer.answer is Answer.CORRECTED, answer.id))
        if chosen.box is not None:
            kept.append(LabelledBox(chosen.subject.label, chosen.box))
    for answer in answers:
        if answer.answer is not Answer.ADDED or answer.box is None or not answer.subject.label:
            continue
        box = LabelledBox(answer.subject.label, answer.box)
        if not any(box.label == other.label and overlap(box.box, other.box) >= SAME_REGION for other in kept):
            kept.append(box)
    return kept


def _answered_whole(image: AnsweredImage, present: set[str]) -> set[str]:
    """Return the labels that are there and whose regions were all answered, where nothing was missed."""
    if not any(answer.answer is Answer.NOTHING_MISSED for answer in image.answers):
        return set()
    decided = {Answer.AGREE, Answer.DISAGREE, Answer.CORRECTED}
    answered = {
        (answer.subject.label, answer.subject.position)
        for answer in image.answers
        if answer.subject.kind is SubjectKind.REGION and answer.answer in decided
    }
    regions = {finding.label: finding.regions for finding in image.findings}
    return {
        label
        for label in present
        if regions.get(label) and all((label, number) in answered for number in range(1, regions[label] + 1))
    }
