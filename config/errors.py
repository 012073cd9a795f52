"""The one tree of errors: each leaf is permanent or retriable, and says what to do.

::

    CxrnodeError
    ├── PermanentError              trying again cannot help; stop and show
    │   ├── SettingsError           a setting is missing or wrong
    │   ├── UnreadableInstance      a stored data set cannot be parsed
    │   ├── UndecodablePixels       the pixel data cannot be decoded or make no picture
    │   ├── PackageError            a model package is incomplete, altered or unknown
    │   ├── DataError               training data are missing, malformed or leak between folds
    │   ├── ActionRefused           what an administrator asked for cannot be done as things stand
    │   │   └── ConfirmationNeeded  it touches another patient or study, and nobody said that this is meant
    │   ├── DocumentRejected        a document fails our own conformance check
    │   └── RefusedByPeer           a peer answered that it will never take this
    └── RetriableError              the same thing may succeed later
        ├── PeerUnavailable         no connection: the peer's whole queue waits, as long as that takes
        │   └── AnswerMissing       the connection stood, and one document got no answer: it may be the cause
        ├── ServiceUnavailable      no connection to one service of a peer: only what asks for it waits
        ├── PeerBusy                the peer is there but cannot take this now
        └── StorageFull             our own disk is too full to keep a promise

A message never holds patient data: it may hold UIDs, AE titles, host names, ports, tags and status codes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar


class CxrnodeError(Exception):
    """Root of every error this project raises on purpose."""

    retriable: ClassVar[bool]


class PermanentError(CxrnodeError):
    """Trying again cannot help; a person has to look."""

    retriable = False


class RetriableError(CxrnodeError):
    """The same attempt may succeed later; not before ``after_seconds``, where a peer says so."""

    retriable = True

    def __init__(self, message: str = "", *, after_seconds: float = 0.0) -> None:
        super().__init__(message)
        self.after_seconds = after_seconds


class SettingsError(PermanentError):
    """A setting is missing or wrong; the message names the file, the key and the cure."""


class UnreadableInstance(PermanentError):
    """A stored data set cannot be parsed as DICOM."""


class UndecodablePixels(PermanentError):
    """Pixel data cannot be decoded here, or do not make a plausible picture."""


class PackageError(PermanentError):
    """A model package is incomplete, altered, or asks for something this node does not have."""


class DataError(PermanentError):
    """Training data are missing, malformed, or put one patient on both sides of a split."""


class ActionRefused(PermanentError):
    """What an administrator asked for cannot be done as things stand; nothing was changed."""


class WorkUnderWay(ActionRefused):
    """A service works on what would be changed at this moment; it has ended in some seconds."""


class ConfirmationNeeded(ActionRefused):
    """A decision touches another patient or another study; the message says what would happen.

    ``sha256`` is the digest of the file that would be taken: what is confirmed is that file.
    """

    def __init__(self, message: str, sha256: str) -> None:
        super().__init__(message)
        self.sha256 = sha256


class DocumentRejected(PermanentError):
    """A document fails our own conformance check; it is quarantined, not sent."""


class RefusedByPeer(PermanentError):
    """A peer answered that it will never accept this (for example SOP class not supported, HL7 AE)."""


class PeerUnavailable(RetriableError):
    """No usable connection to a peer; everything bound for it should wait together."""


class AnswerMissing(PeerUnavailable):
    """A connection stood, and broke or stayed silent with one document under way, which may be the cause.

    Everything bound for the peer waits a little, but this document has its time to arrive, and goes behind the others.
    """


@contextmanager
def document_under_way() -> Iterator[None]:
    """Say of a connection that fails in this block that a document was under way."""
    try:
        yield
    except PeerUnavailable as error:
        raise AnswerMissing(str(error), after_seconds=error.after_seconds) from error


class ServiceUnavailable(RetriableError):
    """No usable connection to the place where a peer answers questions; what is stored to it may go on."""


class PeerBusy(RetriableError):
    """The peer answered but cannot take this now (out of resources, HL7 AR)."""


class StorageFull(RetriableError):
    """Less disk space is left than the settings reserve."""
