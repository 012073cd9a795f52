"""Memory that the decoder process shares with its parent: codestreams one way, samples the other.

A pipe copies every byte twice and wakes both sides for each MiB; 18 MB of samples took longer through it than some
codecs take to decode them.
"""

import fcntl
import mmap
import os

from inference.codec.task import HEADROOM

_KEPT = 64 << 20
"""Bytes that stay for the next image; a larger image gives its memory back."""


class SharedBuffer:
    """``HEADROOM`` bytes that take memory only where they were written.

    Their size is sealed: a decoder that goes astray can spoil samples, and cannot take the memory away beneath its
    parent.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._memory = mmap.mmap(descriptor, HEADROOM)

    @classmethod
    def create(cls, name: str) -> "SharedBuffer":
        """Make one; ``name`` is what the system shows of it."""
        descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(descriptor, HEADROOM)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
        return cls(descriptor)

    def write(self, data: bytes | memoryview) -> bool:
        """Put bytes at the beginning; False, and nothing is written, when they are too many."""
        if len(data) > HEADROOM:
            return False
        self._memory[: len(data)] = data
        return True

    def view(self, length: int) -> memoryview:
        """Return the first bytes; they hold until the next image."""
        return memoryview(self._memory)[:length]

    def give_back(self, used: int) -> None:
        """Return memory to the system when an image used much of it."""
        if used > _KEPT:
            self._memory.madvise(mmap.MADV_REMOVE)
