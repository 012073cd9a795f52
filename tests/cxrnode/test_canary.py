"""The canary goes all the way round: sent as by a modality, judged, and cleared away when the next one is good."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from sqlalchemy import update

from config.errors import PeerUnavailable
from config.settings import Settings
from cxrnode import canary, phantom
from cxrnode.demo_peers import DemoPacs, DemoRis
from cxrnode.doctor import upkeep
from cxrnode.preflight import require_runnable
from dicom_node.storage_scu import send
from dicom_node.storage_scu.answers import StoreOutcome
from dicom_node.storage_scu.target import Target
from tests.nodes import Node
from tests.tracking.books import Books
from tracking.engine.database import Database
from tracking.jobs.canary import PATIENT_ID, Canary, State, earlier_canaries, last_canary
from tracking.studies.patient import PatientIdentity
from tracking.tables.models import Job, ScheduledRun
from tracking.tables.standing_models import Standing

sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
NOBODY = PatientIdentity(PATIENT_ID, "", "CANARY^CXRNODE", "19660101", "O")


def with_canary(settings: Settings, **changes: Any) -> Settings:
    values = {"every_minutes": 60.0} | changes
    return settings.model_copy(update={"canary": settings.canary.model_copy(update=values)})


def last(database: Database) -> Canary:
    with database.reading() as read:
        found = last_canary(read)
    assert found is not None
    return found


def an_hour_later(database: Database) -> None:
    with database.transaction() as tx:
        tx.execute(update(ScheduledRun).values(begun_at=ScheduledRun.begun_at - 3_600_000))


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[pydicom.Dataset]:
    """What was sent, as it came to the receiver."""
    found: list[pydicom.Dataset] = []

    def store(files: list[Path], target: Target) -> list[StoreOutcome]:
        found.append(pydicom.dcmread(files[0]))
        return [StoreOutcome(files[0], str(found[-1].SOPInstanceUID), 0, "stored")]

    monkeypatch.setattr(send, "store", store)
    monkeypatch.setattr(phantom, "draw", lambda *_, **__: np.full((64, 64), 100, np.uint16))
    return found


def go_round(books: Books, data_set: pydicom.Dataset) -> None:
    books.receive(str(data_set.SOPInstanceUID), NOBODY, study=str(data_set.StudyInstanceUID), calling_ae="CXRCANARY")
    books.analyse()
    books.report()
    job = books.claim("deliver")
    assert job is not None
    books.end_delivery(job)
    with books.database.transaction() as tx:
        tx.execute(update(Job).where(Job.queue == "examine").values(state="done"))


@sqlite
def test_it_is_sent_judged_and_cleared_away(
    settings: Settings, database: Database, sent: list[pydicom.Dataset]
) -> None:
    books, node = Books(database), with_canary(settings)
    canary.keep_up(settings, database)
    assert sent == [], "off by default"
    canary.keep_up(node, database)
    canary.keep_up(node, database)
    (first,) = sent
    assert (first.PatientID, first.PatientName, first.AccessionNumber) == (PATIENT_ID, "CANARY^CXRNODE", "CANARY")
    assert last(database).state is State.UNDER_WAY
    go_round(books, first)
    canary.keep_up(node, database)
    assert last(database).state is State.GOOD
    an_hour_later(database)
    canary.keep_up(node, database)
    second = sent[1]
    assert second.StudyInstanceUID != first.StudyInstanceUID
    assert second.PixelData == first.PixelData
    go_round(books, second)
    canary.keep_up(node, database)
    assert [row.header.study_uid for row in books.worklist("delivered")] == [second.StudyInstanceUID]
    assert "study-deleted" in books.events()


@sqlite
def test_those_that_stopped_are_left_for_a_person_and_hide_no_other(database: Database) -> None:
    books = Books(database)
    stopped = [f"3.{number}" for number in range(12)]
    for study in (*stopped, "4.1", "4.2"):
        books.receive(f"{study}.1", NOBODY, study=study, calling_ae="CXRCANARY")
    with database.transaction() as tx:
        tx.execute(update(Standing).values(status="attention"))
        tx.execute(update(Standing).where(Standing.study_uid == "4.1").values(status="delivered"))
    with database.reading() as read:
        assert earlier_canaries(read, Canary("4.2"), "CXRCANARY") == ["4.1"]


@sqlite
@pytest.mark.fault(
    "the receiver does not take the canary",
    promise="log, doctor and metrics raise the alarm; it is tried again each minute",
    area="peer",
)
def test_one_that_cannot_be_sent_is_an_alarm_and_tried_again(
    settings: Settings, database: Database, sent: list[pydicom.Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Settings(
        node={"data_dir": settings.node.data_dir}, canary={"every_minutes": 60},
        database={"url": database.engine.url.render_as_string(hide_password=False)},
    )  # fmt: skip
    assert next(upkeep.last_canary(node)).found == "none was sent yet"
    with monkeypatch.context() as patch:

        def away(*_: Any) -> None:
            msg = "CXRNODE cannot be reached"
            raise PeerUnavailable(msg)

        patch.setattr(send, "store", away)
        canary.keep_up(node, database)
    assert last(database).state is State.NOT_SENT
    (check,) = upkeep.last_canary(node)
    assert (check.state, "cannot be reached" in check.found) == ("failed", True)
    canary.keep_up(node, database)
    assert last(database).state is State.UNDER_WAY
    (check,) = upkeep.last_canary(node)
    assert check.state == "ok"


def test_nothing_in_its_header_keeps_it_from_being_analysed(settings: Settings) -> None:
    terms = [term.lstrip("=").split() for term in settings.inference.refuse_test_patients]
    words = {"CANARY", "CXRNODE"}
    assert not any(set(term) <= words for term in terms)


def test_settings_with_which_it_cannot_be_sent_are_refused(settings: Settings) -> None:
    receive = settings.receive.model_copy(update={"known_peers_only": True})
    with pytest.raises(Exception, match=r"canary\.calling_ae_title: CXRCANARY is none of"):
        require_runnable(with_canary(settings).model_copy(update={"receive": receive}))


@pytest.mark.long
def test_it_goes_all_the_way_round(start_node: Callable[..., Node], ris: DemoRis, tmp_path: Path) -> None:
    (tmp_path / "pacs").mkdir()
    pacs = DemoPacs(tmp_path / "pacs")
    try:
        node = start_node(pacs.start())
        node.await_ready()
        database = Database.open(node.settings.database_url())
        canary.keep_up(with_canary(node.settings), database)
        (study,) = node.await_settled(1)
        canary.keep_up(with_canary(node.settings), database)
        found = last(database)
        database.close()
    finally:
        pacs.stop()
    assert (found.state, found.study_uid) == (State.GOOD, study.study_uid)
    assert found.scores["lung_opacity"] > 0.5
    assert len(pacs.received) == 2
    assert len(ris.received) == 1
