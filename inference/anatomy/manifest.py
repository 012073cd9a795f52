"""What the ``package.toml`` of an anatomy network says."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from inference.anatomy.structures import STRUCTURES
from inference.manifest import FileName, HeadSpec, InputSpec, PackageManifest, Sha256
from inference.manifest.tables import Label


class AnatomyManifest(PackageManifest):
    """The manifest of an anatomy network, whose one output are logits (1, rows, columns, structures).

    The output covers the input evenly, at any resolution that divides it.
    """

    kind: Literal["anatomy"] = "anatomy"
    input: InputSpec
    structures: tuple[Label, ...] = STRUCTURES
    """What the channels of the output stand for."""
    files: dict[FileName, Sha256] = Field(default_factory=dict)

    @property
    def heads(self) -> tuple[HeadSpec, ...]:
        """Return none: an anatomy network scores nothing."""
        return ()

    @property
    def maps(self) -> None:
        """Return None: it draws no boxes."""

    @property
    def likeness(self) -> None:
        """Return None: it measures no distance."""

    def problems(self) -> Iterator[str]:
        """Return what its tables say that does not go together, a sentence each."""
        if self.structures != STRUCTURES:
            yield f"the structures of an anatomy network must be {', '.join(STRUCTURES)}, in this order"
