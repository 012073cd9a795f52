"""The Image Pixel Module (PS3.3 C.7.6.3): refuse before any decoding what cannot be one grayscale radiograph."""

from config.language.translation import marked
from config.settings import InferenceSettings
from inference.findings import NotAnalysed, Reason
from inference.header import Header


def refusal_of(header: Header, settings: InferenceSettings) -> NotAnalysed | None:
    """Return why these pixels are not decoded, None where they may be one grayscale radiograph."""
    because = ""
    if not header.has_pixels:
        because = marked("it holds no picture")
    elif header.frames > 1:
        because = f"it holds {header.frames} frames, and a radiograph has one"
    elif header.samples_per_pixel not in {1, 3}:
        because = f"it has {header.samples_per_pixel} samples per pixel, and 1 or 3 can be read"
    elif header.bits_allocated not in {0, 8, 16}:  # 0: absent, and the pixel data may tell
        because = f"its pixels are {header.bits_allocated} bits deep, and 8 to 16 can be read"
    elif header.rows < 1 or header.columns < 1:
        because = marked("its header does not say how large its picture is")
    elif header.rows * header.columns > settings.max_pixels:
        because = f"its {header.columns} × {header.rows} pixels are more than inference.max_pixels allows"
    return NotAnalysed(Reason.PIXELS, because) if because else None
