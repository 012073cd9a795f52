"""Memory that the decoder shares with its parent."""

import os

import pytest

from inference.codec.buffer import SharedBuffer
from inference.codec.task import HEADROOM


def kept(buffer: SharedBuffer) -> int:
    """Return the bytes of memory that a buffer takes."""
    return os.fstat(buffer.descriptor).st_blocks * 512


def test_another_mapping_sees_what_was_written() -> None:
    buffer = SharedBuffer.create("test")
    assert buffer.write(b"samples")
    assert bytes(SharedBuffer(buffer.descriptor).view(7)) == b"samples"


def test_its_memory_cannot_be_taken_away_beneath_a_reader() -> None:
    buffer = SharedBuffer.create("test")
    with pytest.raises(PermissionError):
        os.ftruncate(buffer.descriptor, 0)


def test_what_does_not_fit_is_not_begun() -> None:
    buffer = SharedBuffer.create("test")
    assert not buffer.write(memoryview(bytearray(HEADROOM + 1)))
    assert kept(buffer) == 0


def test_a_large_image_gives_its_memory_back() -> None:
    buffer = SharedBuffer.create("test")
    for length, left in ((1 << 20, 1 << 20), (65 << 20, 0)):
        buffer.write(bytes(length))
        buffer.give_back(length)
        assert kept(buffer) == left
