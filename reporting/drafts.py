"""Drafts: the documents that an analysis calls for, before they are built, and what their builders have at hand.

A room turns a :class:`Composition` into drafts; :mod:`reporting.compose` builds them, keeps them and routes them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from config.destinations import Destination, DicomDestination
from config.settings import Settings
from reporting.account import Account, AnalysedImage
from reporting.assemble import Subject
from reporting.capture.radiograph import Radiograph
from reporting.document_store import StoredFile
from tracking.engine.database import Database
from tracking.outbox.document_kinds import DocumentKind
from tracking.outbox.documents import DocumentRecord, earlier_documents
from tracking.outbox.rejections import Note

D = TypeVar("D", bound=Destination)


@dataclass(frozen=True, slots=True)
class Draft:
    """A document to build.

    ``build`` returns its bytes when they have passed the gate, and raises CxrnodeError with the reason why it must not
    leave. ``routes`` are the names of the destinations that get it.
    """

    kind: DocumentKind
    uid: str
    build: Callable[[], bytes]
    routes: tuple[str, ...]
    series_uid: str | None = None
    sop_class_uid: str | None = None


@dataclass(frozen=True, slots=True)
class CarriedDraft:
    """A document of an earlier analysis, by UID, that stands for this one, too; of the image ``instance_uid``."""

    uid: str
    instance_uid: str
    routes: tuple[str, ...]


Batch = Sequence[Draft | CarriedDraft]
"""Drafts that are recorded together; they are on their way while the next batch is built."""


@dataclass(frozen=True, slots=True)
class Composition:
    """An analysis to write documents about, and what there is for it.

    ``path_of`` returns where an image's file is, ``radiograph_of`` the image as its captures show it. ``sent`` are the
    documents built so far that are due at a destination, by its name, in the order in which they were built.
    ``holders`` are the destinations that have, or may have, an earlier result of a study of which no image was
    analysed.
    """

    subject: Subject
    account: Account
    settings: Settings
    database: Database
    path_of: Callable[[AnalysedImage], Path]
    radiograph_of: Callable[[AnalysedImage], Radiograph]
    sent: list[tuple[DocumentRecord, str]] = field(default_factory=list)
    holders: frozenset[str] = frozenset()

    def destinations(self, of_class: type[D]) -> list[D]:
        """Return the destinations of one kind that are to get this result, in the order of the settings.

        Where no image was analysed they are those that want to know, and those with an earlier result of the study.
        """
        return [
            destination
            for destination in self.settings.destinations
            if isinstance(destination, of_class)
            and (self.account.analysed or destination.not_analysed or destination.name in self.holders)
        ]

    def account_for(self, destination: str, kind: DocumentKind) -> Account:
        """Return the account for a receiver that keeps what came last: it corrects what this receiver had before."""
        with self.database.reading() as read:
            before = earlier_documents(read, self.subject.analysis.id, kind.name, destination)
        return replace(self.account, corrects=self.account.corrects and bool(before))

    def takers(self, kind: DocumentKind) -> tuple[str, ...]:
        """Return the names of the DICOM destinations whose settings list a kind of document."""
        return tuple(entry.name for entry in self.destinations(DicomDestination) if kind.name in entry.documents)


@dataclass(frozen=True, slots=True)
class Room:
    """What one room of documents can do; :mod:`reporting.registry` lists them.

    Parameters
    ----------
    drafts
        Returns the documents that an analysis calls for, in batches.
    gates
        By kind, the check of a document without its analysis. Raises DocumentRejected with the first thing wrong.
    notes
        By kind, the builder of a note that takes documents back, which is built when it is first sent: it checks the
        note and puts it into the document store. Raises DocumentRejected.
    """

    drafts: Callable[[Composition], Iterator[Batch]] = lambda _: iter(())
    gates: Mapping[DocumentKind, Callable[[bytes], None]] = field(default_factory=dict)
    notes: Mapping[DocumentKind, Callable[[Note, Settings], StoredFile]] = field(default_factory=dict)
