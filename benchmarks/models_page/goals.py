"""What shipped packages are meant to reach: ``goals.toml``."""

import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import Any


@dataclass(frozen=True, slots=True)
class Goal:
    """What a package's figure is meant to reach."""

    package: str
    words: str
    figure: tuple[str, ...]
    """Where it stands among a package's test figures."""
    at_least: float | None = None
    at_most: float | None = None

    def met(self, value: float) -> bool:
        """Say whether a value reaches the goal."""
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)

    @property
    def shown(self) -> str:
        """The goal as people write it."""
        return f"≥ {self.at_least:g}" if self.at_least is not None else f"≤ {self.at_most:g}"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why some of a package's goals are missed."""

    package: str
    title: str
    words: str


def goals() -> list[Goal]:
    """Return the goals of the shipped packages, in the order of the page."""
    return [Goal(**{**entry, "figure": tuple(entry["figure"])}) for entry in _read("goal")]


def obstacles() -> list[Obstacle]:
    """Return what stands between shipped packages and their goals, in the order of the page."""
    return [Obstacle(**entry) for entry in _read("obstacle")]


def _read(table: str) -> list[dict[str, Any]]:
    document = tomllib.loads((resources.files("benchmarks.models_page") / "goals.toml").read_text(encoding="utf-8"))
    entries: list[dict[str, Any]] = document[table]
    return entries
