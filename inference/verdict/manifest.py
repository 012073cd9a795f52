"""What the ``package.toml`` of a verdict network says; :mod:`inference.verdict.heads` names its outputs."""

from collections.abc import Iterator
from typing import Literal, Self

from pydantic import Field, model_validator

from inference.manifest import FileName, HeadSpec, InputSpec, PackageManifest, Probability, Sha256, Table, head_problems
from inference.verdict.heads import VERDICT_HEADS


class MarginSpec(Table):
    """From which probability of ``usable`` on an image is taken for an upright frontal chest radiograph."""

    accept: Probability
    """Where its header says frontal, too."""
    sure: Probability
    """Where its header does not say."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.accept > self.sure:
            msg = "margin.accept must not be above margin.sure"
            raise ValueError(msg)
        return self


class VerdictManifest(PackageManifest):
    """The manifest of a verdict network."""

    kind: Literal["verdict"] = "verdict"
    input: InputSpec
    heads: tuple[HeadSpec, ...] = Field(min_length=1)
    margin: MarginSpec
    files: dict[FileName, Sha256] = Field(default_factory=dict)

    @property
    def maps(self) -> None:
        """Return None: a verdict draws no boxes."""

    @property
    def likeness(self) -> None:
        """Return None: a verdict measures no distance."""

    def problems(self) -> Iterator[str]:
        """Return what its tables say that does not go together, a sentence each."""
        yield from head_problems(self.heads)
        if {head.name: (head.activation, head.names) for head in self.heads} != VERDICT_HEADS:
            yield f"the heads of a verdict network must be {', '.join(VERDICT_HEADS)}, with their own names"
