"""Bytes in another transfer syntax under a known UID: compared by a job, and nobody is asked where it is the same."""

import hashlib
from pathlib import Path

import pytest
from pydicom.uid import ImplicitVRLittleEndian, JPEG2000Lossless, JPEGLSNearLossless

from config.settings import Settings
from inference.comparison import CompareHandler
from tests.inference.test_same_image import STANDING, encoded, native, recoded
from tests.tracking.books import JANE, Books
from tracking.audit_log import audit
from tracking.engine.database import Database
from tracking.jobs.loop import Lane, WorkLoop
from tracking.lists import queries
from tracking.studies.instances import Registered


class Store:
    """A database and an instance store, to which files of one image come."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings, self.books = settings, Books(database)
        self.handler = CompareHandler(settings, database)
        settings.instance_dir.mkdir(parents=True)

    def receive(self, content: bytes, syntax: str, **changes: str) -> Registered:
        digest = hashlib.sha256(content).hexdigest()
        for path in (f"{digest}.dcm", f"conflicts/{digest[:8]}.dcm"):  # where Books says that they lie
            (self.settings.instance_dir / path).parent.mkdir(exist_ok=True)
            (self.settings.instance_dir / path).write_bytes(content)
        return self.books.receive(
            "1.1", JANE, sha256=digest, path=f"{digest}.dcm", transfer_syntax_uid=syntax, **changes
        )  # fmt: skip

    def compare(self) -> None:
        loop = WorkLoop(
            self.books.database, {"compare": self.handler}, [Lane(("compare",))], self.settings.work,
            self.settings.delivery,
        )  # fmt: skip
        loop.run_until_idle()

    def said(self) -> list[tuple[str, object]]:
        """Return the audit lines about images that came again."""
        with self.books.database.reading() as read:
            lines = [line for line in audit.lines(read) if line.type in {"instance-duplicate", "instance-conflict"}]
        return [(line.type, line.detail.get("same_image")) for line in lines]


@pytest.fixture
def store(settings: Settings, database: Database) -> Store:
    made = Store(settings, database)
    assert made.receive(encoded(STANDING), "1.2.840.10008.1.2.1") is Registered.NEW
    return made


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, JPEG2000Lossless])
def test_the_same_image_in_another_syntax_asks_for_nothing_and_leaves_one_line(store: Store, syntax: str) -> None:
    content = (native if syntax == ImplicitVRLittleEndian else recoded)(STANDING, syntax)
    assert store.receive(content, syntax) is Registered.CONFLICT
    assert store.books.study().kept_aside == (), "nobody is alarmed while it is compared"
    store.compare()
    assert (store.said(), store.books.study().kept_aside) == ([("instance-duplicate", "same")], ())
    assert store.books.found(patient="PAT-A") == ["1.9"]
    store.receive(content, syntax)
    store.compare()
    assert store.said() == [("instance-duplicate", "same")] * 2, "one line each time it comes"


def test_a_lossy_copy_is_a_quiet_remark(store: Store) -> None:
    store.receive(recoded(STANDING, JPEGLSNearLossless), JPEGLSNearLossless)
    store.compare()
    assert (store.said(), store.books.study().kept_aside) == ([("instance-duplicate", "lossy")], ())
    with store.books.database.reading() as read:
        (image,) = queries.instances(read, "1.9")
    assert (image.lossy_copies, image.conflicts) == (1, 0)


def test_other_pixels_wait_for_a_decision(store: Store) -> None:
    content = bytearray(native(STANDING, ImplicitVRLittleEndian))
    content[-1000] ^= 1
    store.receive(bytes(content), ImplicitVRLittleEndian)
    store.compare()
    assert (store.said(), len(store.books.study().kept_aside)) == ([("instance-conflict", None)], 1)
    assert store.books.accept("1.1", other_patient=False).changed


def test_another_accession_number_needs_no_comparison(store: Store) -> None:
    content = native(STANDING, ImplicitVRLittleEndian)
    store.receive(content, ImplicitVRLittleEndian, accession="CORRECTED")
    assert (store.said(), len(store.books.study().kept_aside)) == ([("instance-conflict", None)], 1)


def test_what_was_accepted_while_it_was_compared_stands(store: Store) -> None:
    content = native(STANDING, ImplicitVRLittleEndian)
    store.receive(content, ImplicitVRLittleEndian)
    digest = hashlib.sha256(content).hexdigest()
    job = store.books.claim("compare")
    assert job is not None
    commit = store.handler.run(job)
    assert commit is not None
    store.books.accept("1.1", sha256=digest)
    with store.books.database.transaction() as tx:
        commit(tx)
    assert store.said() == []
    assert store.handler.run(job) is None


def test_a_comparison_with_bytes_that_were_replaced_meanwhile_says_nothing(store: Store) -> None:
    content = native(STANDING, ImplicitVRLittleEndian)
    store.receive(content, ImplicitVRLittleEndian)
    job = store.books.claim("compare")
    assert job is not None
    commit = store.handler.run(job)
    assert commit is not None
    store.receive(b"corrected", "1.2.840.10008.1.2.1")
    store.books.accept("1.1")
    with store.books.database.transaction() as tx:
        commit(tx)
    assert [kept.sha256 for kept in store.books.study().kept_aside] == [hashlib.sha256(content).hexdigest()]


def test_a_file_that_is_gone_or_killed_a_worker_waits_for_a_decision(store: Store) -> None:
    store.receive(native(STANDING, ImplicitVRLittleEndian), ImplicitVRLittleEndian)
    for path in Path(store.settings.instance_dir, "conflicts").iterdir():
        path.unlink()
    store.compare()
    assert len(store.books.study().kept_aside) == 1
