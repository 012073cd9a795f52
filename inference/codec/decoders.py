"""Decoding a codestream with the library that reads it. Nothing here is trusted: it runs in the decoder process.

imagecodecs reads every codec (libjpeg-turbo, CharLS, OpenJPEG, OpenJPH); Pillow decodes JPEG 2000 and baseline JPEG at
a reduced resolution, which imagecodecs does for HTJ2K alone.
"""

from io import BytesIO
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

from inference.codec.stream import Codec, read_header
from inference.codec.task import Task

_PILLOW_BITS = 16
"""Pillow shifts JPEG 2000 samples of more than 8 bits to the top of 16."""


def decode(task: Task, stream: bytes) -> NDArray[Any]:
    """Return the samples: (rows, columns) or (rows, columns, samples), integers of 8 or 16 bits.

    Raises ValueError when the result has not the size of the task; whatever a decoder raises passes.
    """
    if task.codec is Codec.RLE:
        return _decode_rle(task, stream)
    array = np.asarray(_reduced(task, stream) if task.halvings else _FULL[task.codec](stream))
    step = 1 << task.halvings
    size = -(-task.rows // step), -(-task.columns // step)
    expected = size if task.samples == 1 else (*size, task.samples)
    if array.shape != expected or array.dtype.kind not in "iu" or array.dtype.itemsize > 2:
        msg = f"decoded {array.shape} {array.dtype} where {expected} were expected"
        raise ValueError(msg)
    return np.ascontiguousarray(array)


def _decode_jpeg(stream: bytes) -> Any:
    """Return the components as they are coded: to name one colour space twice asks for no transform."""
    header = read_header(stream, Codec.JPEG)
    space = "RGB" if header is not None and header.components == 3 else None
    return imagecodecs.jpeg8_decode(stream, colorspace=space, outcolorspace=space)


_FULL: dict[Codec, Any] = {
    Codec.JPEG: _decode_jpeg,
    Codec.JPEG_LS: imagecodecs.jpegls_decode,
    Codec.JPEG_2000: imagecodecs.jpeg2k_decode,
    Codec.HTJ2K: imagecodecs.htj2k_decode,
}


def _reduced(task: Task, stream: bytes) -> NDArray[Any]:
    if task.codec is Codec.HTJ2K:
        return np.asarray(imagecodecs.htj2k_decode(stream, skipres=task.halvings))
    image: Any = Image.open(BytesIO(stream))
    if task.codec is Codec.JPEG:
        if not isinstance(image, JpegImagePlugin.JpegImageFile):
            msg = "no JPEG image"
            raise ValueError(msg)
        step = 1 << task.halvings
        image.draft("L", (task.columns // step, task.rows // step))
        return np.asarray(image)
    step = 1 << task.halvings
    image.reduce = task.halvings
    # Pillow rounds the reduced size to the nearest whole number where the codec rounds up (ISO 15444-1 B.5), and then
    # takes an image of another size for a broken one.
    image._size = (-(-task.columns // step) * step, -(-task.rows // step) * step)
    image.load()
    samples = np.asarray(image)
    if samples.dtype == np.uint8:
        return samples
    samples = samples >> (_PILLOW_BITS - task.precision)
    if task.signed:
        samples = (samples.astype(np.int32) - (1 << (task.precision - 1))).astype(np.int16)
    return samples


def _decode_rle(task: Task, stream: bytes) -> NDArray[Any]:
    """Decode PS3.5 Annex G, whose samples come plane by plane."""
    kind = np.dtype(f"<u{task.bits_allocated // 8}")
    samples = np.frombuffer(imagecodecs.dicomrle_decode(stream, kind), kind)
    if samples.size != task.rows * task.columns * task.samples:
        msg = f"decoded {samples.size} samples where {task.rows * task.columns * task.samples} were expected"
        raise ValueError(msg)
    if task.samples == 1:
        return samples.reshape(task.rows, task.columns)
    return np.ascontiguousarray(np.moveaxis(samples.reshape(task.samples, task.rows, task.columns), 0, 2))
