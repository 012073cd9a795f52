"""Saved filters: each user their own, few, and nothing of them in the audit log but that there was one."""

import pytest

from config.errors import ActionRefused
from tests.console.visitors import begin_session
from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine.database import Database
from tracking.lists import saved_filters
from tracking.lists.saved_filters import SavedFilter
from tracking.people.roles import Role
from tracking.people.users import Actor

JANE, MARY = Actor("dr.viewer", "192.0.2.1"), Actor("dr.radiologist")


@pytest.fixture(autouse=True)
def people(database: Database) -> None:
    begin_session(database, Role.VIEWER)
    begin_session(database, Role.RADIOLOGIST)


def saved(database: Database, by: Actor) -> list[SavedFilter]:
    with database.reading() as read:
        return saved_filters.saved_filters(read, by.name)


def test_filters_are_their_user_s_own(database: Database) -> None:
    with database.transaction() as tx:
        saved_filters.save(tx, "mine", "?status=conflict", by=JANE)
        saved_filters.save(tx, "also", "?q=Doe", by=JANE)
        saved_filters.save(tx, "mine", "?urgent=1", by=MARY)
        saved_filters.save(tx, "mine", "?status=received", by=JANE)
    assert saved(database, JANE) == [SavedFilter("also", "?q=Doe"), SavedFilter("mine", "?status=received")]
    with database.transaction() as tx:
        saved_filters.remove(tx, "mine", by=JANE)
        saved_filters.remove(tx, "nothing", by=JANE)
    assert saved(database, JANE) == [SavedFilter("also", "?q=Doe")]
    assert saved(database, MARY) == [SavedFilter("mine", "?urgent=1")]
    with database.reading() as read:
        details = [line.detail for line in audit.lines(read, types={AuditEventType.FILTER_CHANGED})]
    assert details[0] == {"what": "saved", "user": "dr.viewer", "address": "192.0.2.1"}
    assert [detail["what"] for detail in details] == ["saved"] * 4 + ["deleted"]


@pytest.mark.parametrize("name", ["", "x" * 61])
def test_a_name_has_its_bounds(database: Database, name: str) -> None:
    with pytest.raises(ActionRefused, match="1 to 60"), database.transaction() as tx:
        saved_filters.save(tx, name, "?urgent=1", by=JANE)


def test_there_is_an_end_to_filters(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved_filters, "MOST", 2)
    with database.transaction() as tx:
        for name in ("a", "b"):
            saved_filters.save(tx, name, "?urgent=1", by=JANE)
    with pytest.raises(ActionRefused, match="delete one first"), database.transaction() as tx:
        saved_filters.save(tx, "c", "?urgent=1", by=JANE)
    assert len(saved(database, JANE)) == 2
