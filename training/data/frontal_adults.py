"""Which images show frontal radiographs of adults, which is what the node analyses, and why the others do not."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from training.data.examples import FRONTAL, Example, View


@dataclass(frozen=True, slots=True)
class Unstated:
    """Whether images count whose view or age nobody stated."""

    view: bool = False
    age: bool = True


def why_left_out(example: Example, accepted: Unstated) -> str:
    """Return why an image is no frontal radiograph of an adult; "" where it is one, or counts as one."""
    if example.view is View.UNKNOWN:
        if not accepted.view:
            return "view unknown"
    elif example.view not in FRONTAL:
        return "lateral view"
    if example.age is None:
        return "" if accepted.age else "age unknown"
    return "" if example.is_adult else "below 18 years"


def frontal_adults(examples: Iterable[Example], accepted: Unstated) -> tuple[tuple[Example, ...], Counter[str]]:
    """Return the images that count, and how many are left out for which reason."""
    kept, left_out = [], Counter[str]()
    for example in examples:
        reason = why_left_out(example, accepted)
        if reason:
            left_out[reason] += 1
        else:
            kept.append(example)
    return tuple(kept), left_out


def in_words(left_out: Counter[str]) -> str:
    """Return the reasons with their numbers, the most frequent first: ``view unknown: 12, lateral view: 3``."""
    return ", ".join(f"{reason}: {count}" for reason, count in left_out.most_common())
