"""Which pictures belong together: subgroups of patients and pictures, and pairs of labels held against each other."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from training.data.examples import Example, View
from training.evaluation.predictions import Predictions

Indices = NDArray[np.intp]
Truths = NDArray[np.bool_]

FEWEST = 5
"""Positives, and negatives, that a subgroup needs before it gets figures of its own."""
FEWEST_APART = 2
"""... and at a place that is kept apart, which has what it has; the words beside it say how little that is."""
NIH8 = (
    "atelectasis", "cardiomegaly", "effusion", "infiltration", "mass", "nodule", "pneumonia", "pneumothorax",
)  # fmt: skip
NAMED_GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType({"nih8": NIH8})
"""Findings that are also reported as one mean AUROC, by name."""
GROUP_WORDS: Mapping[str, str] = MappingProxyType({"nih8": "the eight NIH conditions"})


def subgroups(examples: Sequence[Example], label: str) -> dict[str, Indices]:
    """Return the indices of the pictures in each subgroup by its name: views, sexes, ages, sources, kinds of truth."""
    tests: dict[str, Callable[[Example], bool]] = {
        "view PA": lambda one: one.view is View.PA,
        "view AP": lambda one: one.view in {View.AP, View.AP_SUPINE},
        "view lateral": lambda one: one.view is View.LATERAL,
        "women": lambda one: one.sex == "F",
        "men": lambda one: one.sex == "M",
        "age below 18": lambda one: one.age is not None and one.age < 18,
        "age 18 to 39": lambda one: one.age is not None and 18 <= one.age < 40,
        "age 40 to 59": lambda one: one.age is not None and 40 <= one.age < 60,
        "age 60 and over": lambda one: one.age is not None and one.age >= 60,
        "read by radiologists": lambda one: label in one.read,
        "not read by radiologists": lambda one: label not in one.read,
    }
    for source in sorted({one.source for one in examples if one.source}):
        tests[f"source {source}"] = lambda one, source=source: one.source == source  # type: ignore[misc]
    groups = {name: np.flatnonzero([test(one) for one in examples]) for name, test in tests.items()}
    return {name: members for name, members in groups.items() if len(members) > 0}


@dataclass(frozen=True, slots=True)
class Contrast:
    """A finding's score on pictures with one label against pictures with another, all else left out."""

    name: str
    words: str
    score: str
    """The finding whose score is measured."""
    positive: str
    """The label of the pictures that should score high."""
    negatives: tuple[str, ...]
    """The labels of those that should score low; a picture that has ``positive`` too is none of them."""
    same_source: bool = False
    """Only pictures of sources that have the positive label: what tells sources apart helps nobody then."""
    view: str = ""
    """Only pictures of this subgroup of views."""

    def pictures(self, predictions: Predictions) -> tuple[Indices, Truths]:
        """Return the pictures that count and which of them are positive."""
        positive = predictions.true(self.positive)
        negative = ~positive & np.any([predictions.true(label) for label in self.negatives], axis=0)
        chosen = positive | negative
        if self.same_source:
            sources = np.asarray([example.source for example in predictions.examples], object)
            chosen &= np.isin(sources, sources[positive])
        if self.view:
            inside = np.zeros(len(chosen), bool)
            inside[subgroups(predictions.examples, self.positive).get(self.view, np.zeros(0, np.intp))] = True
            chosen &= inside
        where = np.flatnonzero(chosen)
        return where, positive[where]


_OPACITY = ("lung_opacity", "lung_opacity", ("normal",))
_COVID = ("covid19", "covid19", ("pneumonia",))
_OTHERS = ("no_finding", "normal", "pneumonia", "covid19_negative")
CONTRASTS = (
    Contrast("opacity_normal", "Lung opacity against normal", *_OPACITY),
    Contrast("opacity_normal_pa", "… within PA", *_OPACITY, view="view PA"),
    Contrast("opacity_normal_ap", "… within AP", *_OPACITY, view="view AP"),
    Contrast(
        "covid_pneumonia_same_source", "COVID-19 against other pneumonia of the same source", *_COVID, same_source=True
    ),
)
"""Held against each other in every evaluation whose package has the score and whose pictures have both labels."""
APART_CONTRASTS = (
    Contrast("covid_others", "COVID-19 score, COVID-19 against all others there", "covid19", "covid19", _OTHERS),
    Contrast(
        "covid_by_opacity", "Lung opacity score, COVID-19 against all others there", "lung_opacity", "covid19", _OTHERS
    ),
)
"""... and at a place that is kept apart."""
