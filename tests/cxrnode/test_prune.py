"""Retention, as command and as upkeep: by age, for room on the disk, and whatever ends the process."""

import json
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

import cxrnode.prune
from config.errors import ActionRefused
from config.settings import Settings
from cxrnode.doctor import upkeep
from cxrnode.prune import SCHEDULE, Pruning, prune, prune_when_due
from tests.tracking.books import Books
from tests.tracking.studies.test_retention import finish
from tracking.audit_log import audit
from tracking.engine.database import Database
from tracking.jobs import schedules
from tracking.lists import standing
from tracking.studies import deletion
from tracking.tables.models import Study

Usage = namedtuple("Usage", "total used free")
sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class Died(BaseException):
    """Stands for SIGKILL: no handler of errors sees it."""


def with_rule(settings: Settings, **rule: Any) -> Settings:
    return settings.model_copy(update={"retention": settings.retention.model_copy(update=rule)})


def place_files(settings: Settings, *studies: str) -> list[Path]:
    """Put a file where each study's image is on record."""
    files = [settings.instance_dir / "0" / "0" / f"{study}.1.dcm" for study in studies]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    return files


def studies(database: Database) -> list[str]:
    with database.reading() as read:
        return sorted(read.scalars(select(Study.study_uid)))


@sqlite
def test_by_age_what_is_over_goes_and_a_dry_run_says_how_much(settings: Settings, database: Database) -> None:
    books, rule = Books(database), with_rule(settings, study_days=30)
    for study, days in (("1.1", 31), ("1.2", 400), ("1.3", 1)):
        finish(books, study, days=days)
    files = place_files(settings, "1.1", "1.2", "1.3")
    expected = Pruning(studies=2, images=2, documents=2, size=32)
    assert prune(rule, database, dry_run=True) == expected
    assert studies(database) == ["1.1", "1.2", "1.3"]
    assert prune(rule, database) == expected
    assert studies(database) == ["1.3"]
    assert [file.exists() for file in files] == [False, False, True]
    assert prune(rule, database) == Pruning()


@sqlite
def test_for_room_the_oldest_go_until_there_is_some(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    books, rule = Books(database), with_rule(settings, keep_free_bytes=1000, least_days=7)
    for study, days in (("1.1", 8), ("1.2", 60), ("1.3", 30), ("1.4", 6)):
        finish(books, study, days=days)
    free = [1000]
    monkeypatch.setattr(cxrnode.prune.shutil, "disk_usage", lambda _: Usage(0, 0, free[0]))
    assert prune(rule, database) == Pruning()
    free[0] = 980
    assert prune(rule, database, dry_run=True) == Pruning(studies=2, for_room=2, images=2, documents=2, size=32)

    def removed(*_: Any) -> None:
        free[0] += 16 / 2  # images and documents each

    monkeypatch.setattr(deletion, "_remove", removed)
    assert prune(rule, database).for_room == 2
    assert studies(database) == ["1.1", "1.4"]
    free[0] = 0
    assert prune(rule, database).for_room == 1
    assert studies(database) == ["1.4"], "younger than least_days"


@pytest.mark.fault(
    "retention ends at any step of deleting a study",
    promise="the study is on record or gone, never half; the next run goes on",
    area="killed",
)
@pytest.mark.parametrize("point", [pytest.param("_remove before", marks=pytest.mark.long), "_remove after"])
def test_a_death_at_any_step_leaves_no_half(
    point: str, settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    books, rule = Books(database), with_rule(settings, study_days=30)
    for study in ("1.1", "1.2"):
        finish(books, study, days=31)
    files = place_files(settings, "1.1", "1.2")
    name, when = point.split()
    original, met = getattr(deletion, name), []

    def dying(*arguments: Any, **options: Any) -> Any:
        if not met and when == "before":
            met.append(name)
            raise Died
        answer = original(*arguments, **options)
        if not met:
            met.append(name)
            raise Died
        return answer

    monkeypatch.setattr(deletion, name, dying)
    with pytest.raises(Died):
        prune(rule, database)
    assert studies(database) == ["1.1", "1.2"]
    assert prune(rule, database).studies == 2
    assert studies(database) == []
    assert not any(file.exists() for file in files)
    with database.reading() as read:
        assert [line.type for line in audit.lines(read)].count("study-deleted") == 2
        assert audit.verify(read).intact
        assert list(standing.drift(read)) == []


@sqlite
def test_what_came_meanwhile_is_left_and_a_stop_ends_it(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    books, rule = Books(database), with_rule(settings, study_days=30)
    for study in ("1.1", "1.2", "1.3"):
        finish(books, study, days=31)
    original = cxrnode.prune.delete_by_rule

    def refused(tx: Any, study_uid: str, *arguments: Any, **options: Any) -> Any:
        if study_uid == "1.2":
            msg = "claimed meanwhile"
            raise ActionRefused(msg)
        return original(tx, study_uid, *arguments, **options)

    monkeypatch.setattr(cxrnode.prune, "delete_by_rule", refused)
    asked: list[int] = []

    def stopping() -> bool:
        asked.append(1)
        return len(asked) > 2

    done = prune(rule, database, stopping=stopping)
    assert (done.studies, done.left) == (1, 1)
    assert studies(database) == ["1.2", "1.3"]


@sqlite
@pytest.mark.fault(
    "a file of a study that retention deletes cannot be removed",
    promise="that study stays on record and is logged; the others go",
    area="disk",
)
def test_a_file_that_cannot_be_removed_keeps_no_other_study(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    books, rule = Books(database), with_rule(settings, study_days=30)
    for study, days in (("1.1", 40), ("1.2", 31)):
        finish(books, study, days=days)
    original = deletion._remove

    def failing(folder: Path, paths: list[str]) -> None:
        if any("1.1" in path for path in paths):
            raise PermissionError(1, "Operation not permitted")
        original(folder, paths)

    monkeypatch.setattr(deletion, "_remove", failing)
    done = prune(rule, database)
    assert (done.studies, done.left) == (1, 1)
    assert studies(database) == ["1.1"]


@sqlite
def test_upkeep_looks_once_an_hour_and_the_doctor_says_when(settings: Settings, database: Database) -> None:
    rule = Settings(
        node={"data_dir": settings.node.data_dir}, retention={"study_days": 30},
        database={"url": database.engine.url.render_as_string(hide_password=False)},
    )  # fmt: skip
    books = Books(database)
    assert "not looked at yet" in next(upkeep.retention(rule)).found
    finish(books, "1.1", days=31)
    prune_when_due(rule, database, lambda: False)
    assert studies(database) == []
    (check,) = upkeep.retention(rule)
    assert check.state == "ok"
    assert "30 days" in check.found
    assert "1 studies with 1 images and 1 documents" in check.found
    finish(books, "1.2", days=31)
    prune_when_due(rule, database, lambda: False)
    assert studies(database) == ["1.2"], "not yet due again"
    (check,) = upkeep.retention(settings)
    assert check.found == "nothing is deleted by rule"


@sqlite
def test_a_long_one_lets_others_be_looked_after_and_goes_on(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cxrnode.prune, "_AT_ONCE_SECONDS", -1)
    books, rule = Books(database), with_rule(settings, study_days=30)
    for study in ("1.1", "1.2"):
        finish(books, study, days=31)
    prune_when_due(rule, database, lambda: False)
    with database.reading() as read:
        first = schedules.last_run(read, SCHEDULE)
    assert first is not None
    assert first.outcome.startswith("so far 1 studies"), "however late, one goes"
    assert len(studies(database)) == 1
    monkeypatch.setattr(cxrnode.prune, "_AT_ONCE_SECONDS", 30)
    prune_when_due(rule, database, lambda: False)
    with database.reading() as read:
        second = schedules.last_run(read, SCHEDULE)
    assert second is not None
    assert not second.outcome.startswith("so far "), "the rest was due at once"
    assert studies(database) == []


@sqlite
def test_one_that_finds_nothing_to_delete_ends_however_long_it_looked(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cxrnode.prune, "_AT_ONCE_SECONDS", -1)
    prune_when_due(with_rule(settings, study_days=30), database, lambda: False)
    with database.reading() as read:
        only = schedules.last_run(read, SCHEDULE)
    assert only is not None
    assert not only.outcome.startswith("so far ")


@sqlite
def test_the_command(settings: Settings, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cxrnode.cli import _assemble, app

    finish(Books(database), "1.1", days=31)
    file = tmp_path / "cxrnode.toml"
    text = f'[node]\ndata_dir = "{tmp_path}/data"\n[database]\nurl = "sqlite:///{tmp_path}/cxrnode.db"\n'
    file.write_text(text, encoding="utf-8")
    _assemble()
    refused = CliRunner().invoke(app, ["--config", str(file), "prune"])
    assert isinstance(refused.exception, ActionRefused)
    file.write_text(f"{text}[retention]\nstudy_days = 30\n", encoding="utf-8")
    dry = CliRunner().invoke(app, ["--config", str(file), "prune", "--dry-run", "--json"])
    assert json.loads(dry.stdout)["studies"] == 1
    assert CliRunner().invoke(app, ["--config", str(file), "prune"]).stdout.startswith("deleted 1 studies")
