"""The Image Pixel Module (PS3.3 C.7.6.3): refuse before any decoding what cannot be one grayscale radiograph."""

from config.settings import InferenceSettings
from inference.header import Header
from inference.not_analysed import NotAnalysed, ReasonCode


def refusal_of(header: Header, settings: InferenceSettings) -> NotAnalysed | None:
    """Return why these pixels are not decoded, None where they may be one grayscale radiograph."""
    if not header.has_pixels:
        return NotAnalysed(ReasonCode.NO_PIXELS)
    if header.frames > 1:
        return NotAnalysed(ReasonCode.FRAMES, {"frames": header.frames})
    if header.samples_per_pixel not in {1, 3}:
        return NotAnalysed(ReasonCode.SAMPLES, {"samples": header.samples_per_pixel})
    if header.bits_allocated not in {0, 8, 16}:  # 0: absent, and the pixel data may tell
        return NotAnalysed(ReasonCode.BITS, {"bits": header.bits_allocated})
    if header.rows < 1 or header.columns < 1:
        return NotAnalysed(ReasonCode.NO_SIZE)
    if header.rows * header.columns > settings.max_pixels:
        return NotAnalysed(ReasonCode.TOO_MANY_PIXELS, {"columns": header.columns, "rows": header.rows})
    return None
