"""The pictures a person should look at: where a package is surest and right, and where it is surest and wrong."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from markupsafe import Markup
from PIL import Image

from inference.pixels import Picture
from training.data.examples import Example
from training.evaluation.predictions import Predictions

Read = Callable[[Example], Picture]

SHOWN = 5
"""Pictures of each kind."""
_SIDE = 320
_MOST_BOXES = 6
_KINDS = (
    ("missed", "Has it, lowest scores", True, False),
    ("false", "Has it not, highest scores", False, True),
    ("right", "Has it, highest scores", True, True),
    ("clear", "Has it not, lowest scores", False, False),
)


@dataclass(frozen=True, slots=True)
class Case:
    """One picture of a row of cases."""

    file: str
    words: str
    score: float
    drawing: Markup


@dataclass(frozen=True, slots=True)
class CaseRow:
    """The best or the worst cases of one finding."""

    kind: str
    words: str
    cases: tuple[Case, ...]


def chosen(predictions: Predictions, label: str, count: int = SHOWN) -> dict[str, list[int]]:
    """Return the indices of the pictures of each kind, the most telling first; at most one of a patient in each."""
    where, truth = predictions.known(label)
    scores = predictions.scores(label)[where]
    rows: dict[str, list[int]] = {}
    for kind, _words, positive, high in _KINDS:
        members = np.flatnonzero(truth == positive)
        order = members[np.argsort(-scores[members] if high else scores[members], kind="stable")]
        taken: dict[str, int] = {}
        for index in order:
            taken.setdefault(predictions.examples[where[index]].patient, int(where[index]))
        rows[kind] = list(taken.values())[:count]
    return rows


def case_rows(predictions: Predictions, label: str, read: Read) -> list[CaseRow]:
    """Return the best and worst cases of a finding as drawings, with true and found boxes over them."""
    rows = chosen(predictions, label)
    scores = predictions.scores(label)
    return [
        CaseRow(
            kind,
            words,
            tuple(
                Case(
                    predictions.examples[index].file,
                    _about(predictions.examples[index]),
                    float(scores[index]),
                    drawing(predictions, index, label, read(predictions.examples[index])),
                )
                for index in rows[kind]
            ),
        )
        for kind, words, _, _ in _KINDS
        if rows[kind]
    ]


def drawing(predictions: Predictions, index: int, label: str, picture: Picture) -> Markup:
    """Return a picture as inline SVG: true boxes, and found ones from the sensitive point on with their scores."""
    tall = picture.rows * picture.pixel_aspect
    scale = _SIDE / max(tall, picture.columns)
    width, height = max(1, round(picture.columns * scale)), max(1, round(tall * scale))
    parts = [f'<image href="{_jpeg(picture, width, height)}" width="{width}" height="{height}"/>']
    for x0, y0, x1, y1 in predictions.drawn(index, label):
        parts.append(_rectangle("true", x0 * width, y0 * height, x1 * width, y1 * height))
    asked = predictions.asked(label)
    corners, scores = predictions.found(index, label)
    for (x0, y0, x1, y1), score in list(zip(corners, scores, strict=True))[:_MOST_BOXES]:
        if asked.box_points is not None and score >= asked.box_points[0]:
            sure = "sure" if score >= asked.box_points[1] else "unsure"
            parts.append(_rectangle(f"found {sure}", x0 * width, y0 * height, x1 * width, y1 * height))
            parts.append(
                f'<text class="found" x="{x0 * width + 3:.1f}" y="{max(11.0, y0 * height - 3):.1f}">{score:.2f}</text>'
            )
    return Markup(  # noqa: S704 - numbers and base64 only
        f'<svg class="film" viewBox="0 0 {width} {height}" role="img" aria-label="radiograph">{"".join(parts)}</svg>'
    )


def _about(example: Example) -> str:
    known = [label.replace("_", " ") for label, true in example.truths.items() if true]
    age = "" if example.age is None else f"{example.age:g} y"
    return " · ".join(part for part in (example.view.value, example.sex, age, ", ".join(known)) if part)


def _jpeg(picture: Picture, width: int, height: int) -> str:
    grey = Image.fromarray((picture.gray * 255).clip(0, 255).astype(np.uint8))
    stream = BytesIO()
    grey.resize((width, height), Image.Resampling.LANCZOS).save(stream, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()


def _rectangle(css: str, x0: float, y0: float, x1: float, y1: float) -> str:
    place = f'x="{x0:.1f}" y="{y0:.1f}" width="{x1 - x0:.1f}" height="{y1 - y0:.1f}"'
    return f'<rect class="halo" {place}/><rect class="{css}" {place}/>'
