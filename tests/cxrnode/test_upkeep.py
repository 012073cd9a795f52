"""Upkeep: uploads go when their days are over, and files of uploads that came to no end go, too."""

import os
import time
from pathlib import Path

from sqlalchemy import update

from config.settings import Settings
from cxrnode.upkeep import delete_old_uploads
from tests.tracking.books import Books
from tests.tracking.studies.test_uploads import STUDY, upload
from tracking.engine.database import Database
from tracking.tables.models import Upload


def place(settings: Settings, name: str, *, hours: float = 0) -> Path:
    path = settings.instance_dir / "uploads" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    moment = time.time() - 3600 * hours
    os.utime(path, (moment, moment))
    return path


def test_what_has_had_its_time_is_deleted_and_nothing_else(settings: Settings, database: Database) -> None:
    books = Books(database)
    old, young = upload(books), upload(books, "2.25.10")
    files = [place(settings, f"{uid}.dcm", hours=9 * 24) for uid in (old, young)]
    abandoned, arriving = place(settings, "abandoned.dcm", hours=2), place(settings, "arriving.dcm")
    with database.transaction() as tx:
        change = update(Upload).where(Upload.study_uid == STUDY)
        tx.execute(change.values(uploaded_at=Upload.uploaded_at - 8 * 86_400_000))
    assert delete_old_uploads(settings, database) == 1
    assert [file.exists() for file in (*files, abandoned, arriving)] == [False, True, False, True]
    assert delete_old_uploads(settings, database) == 0


def test_one_that_a_worker_has_in_hand_waits_for_the_next_time(settings: Settings, database: Database) -> None:
    books = Books(database)
    upload(books)
    job = books.claim("report")
    with database.transaction() as tx:
        tx.execute(update(Upload).values(uploaded_at=0))
    assert delete_old_uploads(settings, database) == 0
    assert job is not None
    books.build(job)
    assert delete_old_uploads(settings, database) == 1
