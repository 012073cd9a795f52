"""From a stored DICOM file to the image a reader is meant to see, and on to a model's input.

The order is that of PS3.4 N.2: stored values, modality LUT, padding, VOI LUT, presentation LUT, shutter, pixel
aspect. Training takes the same way, for JPEG files from :func:`to_model_input` on.
"""

from inference.pixels.display import display_size, to_display
from inference.pixels.model_input import Contrast, to_model_input
from inference.pixels.picture import Gray, Picture
from inference.pixels.plausible import implausible
from inference.pixels.read import parse_dataset, read_dataset
from inference.pixels.render import read_picture, render

__all__ = [
    "Contrast",
    "Gray",
    "Picture",
    "display_size",
    "implausible",
    "parse_dataset",
    "read_dataset",
    "read_picture",
    "render",
    "to_display",
    "to_model_input",
]
