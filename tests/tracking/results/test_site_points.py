"""Site points: one row a finding, from the settings file or from a person, and the way back."""

import json

import pytest
from sqlalchemy import select

from config.errors import ActionRefused
from tracking.audit_log.audit import AuditEventType
from tracking.engine.database import Database
from tracking.people.users import Actor
from tracking.results import site_points
from tracking.results.site_points import Pair, Source
from tracking.tables.models import AuditEvent

PACKAGE, LABEL = "chest", "lung_opacity"
BY = Actor("dr.administrator", "192.0.2.9")


def take(database: Database, **points: Pair) -> None:
    with database.transaction() as tx:
        site_points.take_settings(tx, PACKAGE, points)


def put(database: Database, pair: Pair) -> bool:
    with database.transaction() as tx:
        return site_points.set_points(tx, PACKAGE, LABEL, pair, by=BY)


def reset(database: Database, pair: Pair | None) -> bool:
    with database.transaction() as tx:
        return site_points.reset_points(tx, PACKAGE, LABEL, pair, by=BY)


def standing(database: Database) -> dict[str, tuple[Pair, Source]]:
    with database.reading() as read:
        return {label: (row.pair, row.source) for label, row in site_points.site_points(read, PACKAGE).items()}


def lines(database: Database) -> list[dict[str, object]]:
    with database.reading() as read:
        rows = read.scalars(select(AuditEvent).where(AuditEvent.type == AuditEventType.POINTS_CHANGED))
        return [json.loads(row.detail) for row in rows]


def test_the_settings_file_is_written_at_start_and_follows_it(database: Database) -> None:
    take(database, lung_opacity=(0.1, 0.6), normal=(0.2, 0.7))
    take(database, lung_opacity=(0.1, 0.6), normal=(0.2, 0.7))
    assert len(lines(database)) == 2, "what is the same is left"
    take(database, lung_opacity=(0.2, 0.6))
    assert standing(database) == {LABEL: ((0.2, 0.6), Source.SETTINGS)}
    take(database)
    assert standing(database) == {}


def test_what_a_person_set_stands_until_it_is_reset(database: Database) -> None:
    take(database, lung_opacity=(0.1, 0.6))
    assert put(database, (0.3, 0.8))
    assert not put(database, (0.3, 0.8))
    take(database, lung_opacity=(0.15, 0.6))
    assert standing(database) == {LABEL: ((0.3, 0.8), Source.PAGE)}
    assert reset(database, (0.15, 0.6))
    assert standing(database) == {LABEL: ((0.15, 0.6), Source.SETTINGS)}
    assert not reset(database, (0.15, 0.6))
    assert put(database, (0.3, 0.8))
    assert reset(database, None)
    assert standing(database) == {}


def test_each_change_is_in_the_audit_log_with_the_name_and_both_values(database: Database) -> None:
    put(database, (0.3, 0.8))
    reset(database, None)
    first, second = lines(database)
    assert first["user"] == second["user"] == "dr.administrator"
    assert (first["before"], first["sensitive"], first["specific"], first["source"]) == ("package", 0.3, 0.8, "page")
    assert (second["specific_before"], second["source"], second["specific"]) == (0.8, "package", None)


@pytest.mark.parametrize("pair", [(0.8, 0.3), (-0.1, 0.5), (0.5, 1.1), (float("nan"), 0.5), (0.1, float("inf"))])
def test_what_are_no_points_is_refused(database: Database, pair: Pair) -> None:
    with pytest.raises(ActionRefused, match="point"):
        put(database, pair)
    assert (standing(database), lines(database)) == ({}, [])


def test_points_of_another_package_are_its_own(database: Database) -> None:
    put(database, (0.3, 0.8))
    with database.reading() as read:
        assert site_points.site_points(read, "other") == {}
