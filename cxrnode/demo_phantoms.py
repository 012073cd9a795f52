"""The phantoms of the demonstration: what a working day brings, drawn and labelled as drawn."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydicom.uid import UID, ExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from cxrnode.phantom import View, phantom_dataset


@dataclass(frozen=True, slots=True)
class Scene:
    """One phantom to send."""

    name: str
    seed: int
    view: View = View.PA
    opacity: bool = False
    photometric: Literal["MONOCHROME1", "MONOCHROME2"] = "MONOCHROME2"
    sop_class: Literal["CR", "DX"] = "DX"
    transfer_syntax: UID = ExplicitVRLittleEndian


SCENES = (
    Scene("clear-pa", 7),
    Scene("clear-ap-portable", 1, View.AP, photometric="MONOCHROME1", sop_class="CR"),
    Scene("opacity-pa", 6, opacity=True),
    Scene("opacity-pa-j2k", 8, opacity=True, transfer_syntax=JPEG2000Lossless),
    Scene("opacity-ap-rle", 2, View.AP, opacity=True, sop_class="CR", transfer_syntax=RLELossless),
    Scene("lateral", 3, View.LATERAL),
    Scene("hand", 4, View.HAND),
)


def write(folder: Path, progress: Callable[[int, int], None]) -> list[Path]:
    """Draw every scene into a folder as DICOM files; return their paths."""
    folder.mkdir(parents=True)
    paths = []
    for number, scene in enumerate(SCENES):
        progress(number, len(SCENES))
        path = folder / f"{scene.name}.dcm"
        phantom_dataset(
            scene.seed,
            opacity=scene.opacity,
            view=scene.view,
            photometric=scene.photometric,
            sop_class=scene.sop_class,
            transfer_syntax=scene.transfer_syntax,
        ).save_as(path, enforce_file_format=True)
        paths.append(path)
    progress(len(SCENES), len(SCENES))
    return paths
