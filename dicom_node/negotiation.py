"""Remembering how an association request was answered.

A modality that opens an association for every image sends the same request, byte for byte, each time, and a toolkit
may propose 128 contexts in it. The answer depends on nothing but those bytes and our settings, which do not change
while the process runs. Who may call is decided anew each time, before this.
"""

import threading
from collections import OrderedDict
from typing import Any, NamedTuple

from pynetdicom.presentation import PresentationContext

_LONGEST_REQUEST = 65536
_MOST_REQUESTS = 64


class Negotiated(NamedTuple):
    """A request as pynetdicom parsed it, and the answer it got; shared between associations, never changed."""

    request: Any
    answer: Any
    accepted: dict[int, PresentationContext]
    encoded_answer: bytes


class NegotiationMemory:
    """The latest requests and their answers, bounded in number and length; safe to share between threads."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, Negotiated] = OrderedDict()
        self._lock = threading.Lock()

    def recall(self, encoded_request: bytes) -> Negotiated | None:
        """Return what these bytes came to last time."""
        with self._lock:
            known = self._known.get(encoded_request)
            if known is not None:
                self._known.move_to_end(encoded_request)
            return known

    def remember(self, encoded_request: bytes, negotiated: Negotiated) -> None:
        """Note an accepted request, unless it identifies a user or is unusually long."""
        if len(encoded_request) > _LONGEST_REQUEST:
            return
        with self._lock:
            self._known[encoded_request] = negotiated
            while len(self._known) > _MOST_REQUESTS:
                self._known.popitem(last=False)
