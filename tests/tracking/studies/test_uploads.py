"""Uploads: a study of a kind of its own that leaves only when its owner says so, and goes when its days are over."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from config.errors import ActionRefused
from tests.tracking.books import JANE, Books, finding
from tracking.lists import standing, study_page
from tracking.lists.flow import Span, count_flow
from tracking.lists.holdings import StudyMatch, find_held_studies, held_study
from tracking.lists.measures import measure
from tracking.lists.prior import prior_study
from tracking.lists.study_page import study_page as page_of
from tracking.lists.trends import turnarounds
from tracking.outbox.documents import DocumentRecord, record_documents
from tracking.people.roles import Role
from tracking.people.users import Actor, Identity
from tracking.results.analyses import AnalysisRecord, OutcomeRecord, instances_of
from tracking.results.image_results import AnalyserIdentity, ImageRecord
from tracking.studies import uploads
from tracking.studies.deletion import Stores
from tracking.tables.models import Base, Delivery, Job, Upload

OWNER = Identity("dr.viewer", Role.VIEWER)
OTHER = Identity("dr.radiologist", Role.RADIOLOGIST)
ADMINISTRATOR = Identity("admin", Role.ADMINISTRATOR)
STUDY = "2.25.9"
EVER = Span(datetime(2000, 1, 1, tzinfo=UTC), datetime(2190, 1, 1, tzinfo=UTC))


def upload(books: Books, study: str = STUDY, *, because: str | None = None, file_kind: str = "PNG") -> str:
    """Record an upload of the owner's; return the UID of its image."""
    uid = f"{study}.1"
    incoming = books.incoming(uid, JANE, study=study, path=f"uploads/{uid}.dcm", calling_ae=uploads.CALLING_AE)
    outcome = OutcomeRecord(uid, "view" if because else None, because, () if because else (finding(),))
    analysis = AnalysisRecord(study, 1, "m", "1.0", "d" * 64, "litert", 0.1, (outcome,), {})
    result = ImageRecord(outcome, incoming.sha256, 0.1, {})
    new = uploads.NewUpload(incoming, file_kind, analysis, result, AnalyserIdentity("e" * 64, "d" * 64))
    with books.database.transaction() as tx:
        uploads.record_upload(tx, new, by=Actor(OWNER.name, "192.0.2.9"))
    return uid


def build(books: Books) -> None:
    """Build the documents that are due, for one destination, as the worker does."""
    job = books.claim("report")
    assert job is not None
    books.build(job)


def release(books: Books, by: Identity = OWNER, *destinations: str) -> bool:
    with books.database.transaction() as tx:
        return uploads.release_upload(tx, STUDY, by=by, destinations=destinations or ("pacs",))


def discard(books: Books, folder: Path, by: Identity = OWNER) -> None:
    with books.database.transaction() as tx:
        uploads.discard_upload(tx, STUDY, by=by, stores=Stores(folder / "instances", folder / "documents"))


def test_an_upload_is_recorded_whole_and_marked_in_every_list(books: Books) -> None:
    upload(books)
    study = books.study(STUDY)
    assert (study.kind, study.status, study.model) == ("upload", "analysed", "m 1.0")
    (row,) = books.worklist("analysed")
    assert (row.uploaded_by, row.calling_ae) == (OWNER.name, "UPLOAD")
    with books.database.reading() as read:
        page = page_of(read, STUDY)
        assert list(standing.drift(read)) == []
    assert page is not None
    assert page.upload is not None
    assert (page.upload.owner, page.upload.file_kind, page.upload.released_at) == (OWNER.name, "PNG", None)
    assert page.upload.may_be_changed_by(OWNER)
    assert page.upload.may_be_changed_by(ADMINISTRATOR)
    assert not page.upload.may_be_changed_by(OTHER)
    assert "study-uploaded" in books.events()


def test_a_received_study_is_no_upload(books: Books) -> None:
    books.receive("1.1", JANE)
    assert books.study().kind == "received"
    (row,) = books.worklist("received")
    assert row.uploaded_by is None


def test_nothing_counts_or_offers_an_upload_as_a_received_study(books: Books) -> None:
    upload(books)
    with books.database.reading() as read:
        assert count_flow(read, [EVER]) == []
        assert turnarounds(read, EVER) == []
        assert measure(read).studies == {}
        assert find_held_studies(read, StudyMatch(), limit=9) == []
        assert held_study(read, STUDY) is None
    books.receive("1.1", JANE)
    books.analyse()
    with books.database.reading() as read:
        assert prior_study(read, "1.9") is None, "nobody knows whose image an upload is"
        assert sum(cell.flow.received for cell in count_flow(read, [EVER])) == 1


@pytest.mark.parametrize(("file_kind", "wrapped"), [("PNG", True), ("JPEG", True), ("DICOM", False)])
def test_the_worker_learns_which_image_has_no_header(books: Books, file_kind: str, wrapped: bool) -> None:
    upload(books, file_kind=file_kind)
    with books.database.reading() as read:
        assert [image.is_wrapped for image in instances_of(read, STUDY, 1)] == [wrapped]


def test_nothing_leaves_before_the_owner_says_so_and_all_of_it_then(books: Books) -> None:
    upload(books)
    build(books)
    assert books.count(Delivery) == 0
    assert books.study(STUDY).status == "reported", "nothing was delivered"
    assert release(books, OWNER, "pacs", "ris")
    build(books)
    assert books.count(Delivery) == 1
    assert not release(books), "a second time changes nothing"
    books.deliver()
    assert books.study(STUDY).status == "delivered"
    assert books.events().count("upload-released") == 1


@pytest.mark.parametrize("because", ["it is a hand", None])
def test_what_cannot_be_sent_is_refused_in_words(books: Books, because: str | None) -> None:
    upload(books, because=because)
    with pytest.raises(ActionRefused, match="whoever uploaded it"):
        release(books, OTHER)
    if because:
        with pytest.raises(ActionRefused, match="nothing to send"):
            release(books)
        return
    with books.database.transaction() as tx, pytest.raises(ActionRefused, match="no destination"):
        uploads.release_upload(tx, STUDY, by=OWNER, destinations=())
    job = books.claim("report")
    with pytest.raises(ActionRefused, match="being built"):
        release(books)
    assert job is not None
    assert books.events().count("upload-released") == 0


def test_a_received_study_is_neither_sent_nor_discarded_this_way(books: Books, tmp_path: Path) -> None:
    books.receive("1.1", JANE, study=STUDY)
    for act in (lambda: release(books, ADMINISTRATOR), lambda: discard(books, tmp_path, ADMINISTRATOR)):
        with pytest.raises(ActionRefused, match="no upload"):
            act()


@pytest.mark.parametrize("by", [OWNER, ADMINISTRATOR])
def test_the_owner_deletes_it_at_once_with_its_files(books: Books, tmp_path: Path, by: Identity) -> None:
    uid = upload(books)
    file = tmp_path / "instances" / "uploads" / f"{uid}.dcm"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x")
    with pytest.raises(ActionRefused, match="whoever uploaded it"):
        discard(books, tmp_path, OTHER)
    assert file.exists()
    discard(books, tmp_path, by)
    assert not file.exists()
    kept = {"clock", "audit_event", "audit_head", "deleted_study", "alembic_version"}
    tables = [table for table in Base.metadata.sorted_tables if table.name not in kept]
    assert {table.name: books.count(table) for table in tables if books.count(table)} == {}


def test_it_is_not_deleted_under_the_hands_of_a_worker_or_on_its_way(books: Books, tmp_path: Path) -> None:
    upload(books)
    job = books.claim("report")
    with pytest.raises(ActionRefused, match="being worked on"):
        discard(books, tmp_path)
    assert job is not None
    books.build(job)
    release(books)
    build(books)
    with pytest.raises(ActionRefused, match="stands as reported"):
        discard(books, tmp_path)
    books.deliver()
    with books.database.transaction() as tx:
        tx.execute(update(Job).where(Job.queue == "deliver").values(state="done"))
    discard(books, tmp_path)
    assert books.count(Upload) == 0


def test_its_days_are_counted(books: Books, tmp_path: Path) -> None:
    upload(books)
    upload(books, "2.25.10")
    stores = Stores(tmp_path / "instances", tmp_path / "documents")
    with books.database.transaction() as tx:
        tx.execute(
            update(Upload).where(Upload.study_uid == STUDY).values(uploaded_at=Upload.uploaded_at - 8 * 86400_000)
        )
    with books.database.reading() as read:
        assert uploads.expired_uploads(read, 7) == [STUDY]
    with books.database.transaction() as tx:
        uploads.delete_expired(tx, STUDY, stores=stores)
    with books.database.reading() as read:
        assert study_page.study_page(read, STUDY) is None
        assert uploads.recorded_paths(read) == {"uploads/2.25.10.1.dcm"}


def test_documents_of_an_upload_that_are_built_by_hand_are_held_too(books: Books) -> None:
    upload(books)
    document: Any = DocumentRecord("sr", "2.25.77", "2.25.1", "1.2", "x.dcm", "s" * 64, 9, None)
    with books.database.transaction() as tx:
        record_documents(tx, 1, [document], [("2.25.77", "pacs")])
    assert books.count(Delivery) == 0
