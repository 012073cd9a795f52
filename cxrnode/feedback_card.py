"""What an export of answers holds, and the card that says so."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from tracking.answers.feedback import FeedbackFilter
from training.data.feedback import FeedbackImage, truth_word

OLDEST = 90.0
"""Years; who is older counts as this old, as few people are (45 CFR 164.514)."""


class Form(StrEnum):
    """What an exported image is."""

    PNG = "png"
    """Grey levels of 8 bits as the model sees them; nothing of the header."""
    DICOM = "dicom"
    """The stored pixels with a de-identified header."""


@dataclass(slots=True)
class Exported:
    """What an export wrote, and why it left images out."""

    images: list[FeedbackImage] = field(default_factory=list)
    answers: int = 0
    disputed: int = 0
    own_words: int = 0
    left_out: Counter[str] = field(default_factory=Counter)


_CARD = """\
# Answers of radiologists to the findings of a model

{images} images of {patients} patients, {answers} answers, up to {readers} readers an image. Models: {models}.
Answered from {first} until before {before}{only}.

| label | yes | no | unknown | boxes |
|---|---|---|---|---|
{table}

## What it is not

- No sample: readers answered to what they chose, with the model's findings before their eyes. Agreement with the model
  is likelier than in a blind reading, so figures measured on this set flatter the model.
- Unknown is not no: nobody answered, or readers differ ({disputed} times).
- Findings that readers added in their own words ({own_words}) and comments are not in it: free text can name the
  patient.
{left_out}
## Patients

Patients and files are named by HMAC-SHA-256 marks under a salt that stays at the node, so the same patient has the same
mark in every export of it. Ages above {oldest:.0f} are given as {oldest:.0f}. {form}
Pixels were not searched for text. Look at the images before they leave the house.
"""
_FORMS = {
    Form.PNG: "Images are PNG of 8 bits as the model sees them, without any header.",
    Form.DICOM: (
        "Images are DICOM with those attributes alone that pixels and training need, cleaned by dicom-anonymizer after "
        "the Basic Application Level Confidentiality Profile (PS3.15 E.2); UIDs are replaced."
    ),
}


def card(exported: Exported, which: FeedbackFilter, form: Form) -> str:
    """Return in Markdown what an export is, what it is not, and how patients are hidden."""
    images = exported.images
    return _CARD.format(
        images=len(images),
        patients=len({image.patient for image in images}),
        answers=exported.answers,
        readers=max(image.readers for image in images),
        models="; ".join(sorted({image.model for image in images})),
        first=which.first.date() if which.first else "the beginning",
        before=which.before.date() if which.before else "now",
        only=f", of the model {which.model} alone" if which.model else "",
        table=_table(images),
        disputed=exported.disputed,
        own_words=exported.own_words,
        left_out="".join(
            f"- Left out: {count} because {reason}.\n" for reason, count in sorted(exported.left_out.items())
        ),
        oldest=OLDEST,
        form=_FORMS[form],
    )


def _table(images: list[FeedbackImage]) -> str:
    counts: dict[str, Counter[str]] = {}
    for image in images:
        for label, known in image.truths.items():
            counts.setdefault(label, Counter())[truth_word(known)] += 1
    boxes = Counter(box.label for image in images for box in image.boxes)
    return "\n".join(
        f"| {label} | {count['yes']} | {count['no']} | {count['unknown']} | {boxes[label]} |"
        for label, count in sorted(counts.items())
    )
