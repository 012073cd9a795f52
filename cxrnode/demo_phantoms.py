"""The phantoms of the demonstration: what a working day brings, drawn and labelled as drawn."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from cxrnode.phantom import Opacity, View, choose_opacities, phantom_dataset


@dataclass(frozen=True, slots=True)
class Scene:
    """One phantom to send; ``opacity`` says how dense its consolidations are, 0 for none."""

    name: str
    seed: int
    view: View = View.PA
    opacity: float = 0.0
    photometric: Literal["MONOCHROME1", "MONOCHROME2"] = "MONOCHROME2"
    sop_class: Literal["CR", "DX"] = "DX"
    transfer_syntax: UID = ExplicitVRLittleEndian

    def opacities(self) -> tuple[Opacity, ...]:
        """Return the consolidations to draw."""
        if not self.opacity:
            return ()
        return tuple(replace(patch, density=self.opacity) for patch in choose_opacities(self.seed))


SCENES = (
    Scene("clear-pa", 7),
    Scene("clear-ap-portable", 1, View.AP, photometric="MONOCHROME1", sop_class="CR"),
    Scene("opacity-pa", 9, opacity=1.4),
    Scene("opacity-pa-j2k", 10, opacity=1.5, transfer_syntax=JPEG2000Lossless),
    Scene("opacity-ap-rle", 13, View.AP, opacity=1.5, sop_class="CR", transfer_syntax=RLELossless),
    Scene("opacity-lateral", 9, View.LATERAL),  # the same study as opacity-pa
    Scene("hand", 4, View.HAND),
)

AS_PNG = "opacity-pa"
"""The scene that is also written as PNG, to try ``cxrnode analyse`` and the page Analyse with."""


def write(folder: Path, progress: Callable[[int, int], None]) -> list[Path]:
    """Draw every scene into a folder as DICOM files, one also as PNG; return the paths of the DICOM files."""
    folder.mkdir(parents=True)
    paths = []
    for number, scene in enumerate(SCENES):
        progress(number, len(SCENES))
        path = folder / f"{scene.name}.dcm"
        dataset = phantom_dataset(
            scene.seed,
            opacity=scene.opacities(),
            view=scene.view,
            photometric=scene.photometric,
            sop_class=scene.sop_class,
            transfer_syntax=scene.transfer_syntax,
        )
        dataset.save_as(path, enforce_file_format=True)
        paths.append(path)
        if scene.name == AS_PNG:
            stored = dataset.pixel_array >> (dataset.BitsStored - 8)
            Image.fromarray(stored.astype(np.uint8)).save(path.with_suffix(".png"))
    progress(len(SCENES), len(SCENES))
    return paths
