"""Migrations: fresh and old databases come up the same, and agree with the models."""

import importlib
import time
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect

from config.errors import SettingsError
from tests.tracking.books import JANE, MARY, Books
from tracking.audit_log import audit
from tracking.engine import schema
from tracking.engine.database import Database
from tracking.jobs import queue
from tracking.lists import queries, standing
from tracking.people import api_tokens, users
from tracking.people.roles import Role, Scope
from tracking.people.users import Actor
from tracking.studies.patient import PatientIdentity
from tracking.tables import feedback_models, standing_models, user_models  # noqa: F401 - their tables
from tracking.tables.models import Base


def downgrade(connection: Connection, revision: str) -> None:
    """Take back what came after a revision."""
    config = schema._config()
    config.attributes["connection"] = connection
    command.downgrade(config, revision)


def test_the_models_and_the_migrations_agree(database: Database) -> None:
    def is_here(item: Any, _name: str | None, _kind: str, reflected: bool, _other: Any) -> bool:
        """Leave out what a model asks for on the other database only."""
        only = None if reflected else getattr(item, "_ddl_if", None)
        return only is None or only.dialect == database.dialect

    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_object": is_here})
        assert compare_metadata(context, Base.metadata) == []


def test_a_fresh_database_comes_up_at_the_head(empty_database: Database) -> None:
    schema.ensure(empty_database)
    assert schema.current(empty_database) == schema.head()
    with empty_database.reading() as read:
        assert audit.verify(read).intact


def test_every_old_schema_comes_up_step_by_step(empty_database: Database) -> None:
    for revision in schema.revisions():
        schema.upgrade(empty_database, revision)
        assert schema.current(empty_database) == revision
    assert schema.current(empty_database) == schema.head()


def test_what_is_due_in_an_old_database_is_still_due_after_the_upgrade(empty_database: Database) -> None:
    from sqlalchemy import text

    schema.upgrade(empty_database, "0001")
    with empty_database.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO job (key, queue, payload, priority, state, visible_at, token, attempts, crashes,"
                " created_at, give_up_at) VALUES ('k', 'q', '{}', 5, 'open', 0, 0, 3, 0, 0, 9000000000000)"
            )
        )
    schema.upgrade(empty_database)
    job = queue.claim(empty_database, ["q"], "somebody", 1000)
    assert job is not None
    assert (job.key, job.attempts, job.unforeseen) == ("k", 3, 0)


def test_an_old_study_s_patient_is_that_of_its_first_instance_and_of_later_ones_unknown(
    empty_database: Database,
) -> None:
    from sqlalchemy import text

    schema.upgrade(empty_database, "0003")
    with empty_database.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO study (study_uid, accession_number, patient_id, issuer_of_patient_id, patient_name,"
                " patient_birth_date, patient_sex, study_date, study_time, description, revision, first_received_at,"
                " last_received_at) VALUES ('1.9', 'ACC', 'PAT-A', '', 'Doe^Jane', '', 'F', '', '', '', 1, 0, 0)"
            )
        )
        for uid, at in (("1.1", 5), ("1.2", 3)):
            connection.execute(
                text(
                    "INSERT INTO instance (instance_uid, study_uid, series_uid, sop_class_uid, transfer_syntax_uid,"
                    " modality, sha256, size, path, calling_ae, called_ae, address, revision, duplicates, received_at)"
                    " VALUES (:uid, '1.9', '1.8', '1.2', '1.2', 'CR', :uid, 7, 'x', 'M', 'C', 'h', 1, 0, :at)"
                ),
                {"uid": uid, "at": at},
            )
    schema.upgrade(empty_database)
    with empty_database.reading() as read:
        images = {image.instance_uid: image.patient for image in queries.instances(read, "1.9")}
        study = queries.find_study(read, "1.9")
    assert images == {"1.2": PatientIdentity("PAT-A", "", "Doe^Jane", "", "F"), "1.1": None}
    assert study is not None
    assert (study.status, study.patients) == ("received", ())


def test_the_study_that_a_waiting_file_names_is_on_record_after_the_upgrade(empty_database: Database) -> None:
    from sqlalchemy import text

    books = Books(empty_database)
    schema.upgrade(empty_database)
    books.receive("1.1", JANE)
    books.receive("1.1", MARY, sha256="b" * 64, study="1.10")
    with empty_database.engine.begin() as connection:  # as an earlier version left it
        downgrade(connection, "0014")
        for statement in (
            "DELETE FROM standing WHERE study_uid = '1.10'",
            "DELETE FROM study WHERE study_uid = '1.10'",
            "DROP TABLE clock",
            "UPDATE alembic_version SET version_num = '0012'",
        ):
            connection.execute(text(statement))
    schema.upgrade(empty_database)
    assert books.found(patient="PAT-B") == ["1.10"]
    assert books.study("1.10").status == "waiting"
    with empty_database.reading() as read:
        assert list(standing.drift(read)) == []


def test_upgrading_again_changes_nothing(database: Database) -> None:
    before = set(inspect(database.engine).get_table_names())
    schema.upgrade(database)
    assert set(inspect(database.engine).get_table_names()) == before


@pytest.mark.parametrize(("found", "cure"), [("0001", "cxrnode db upgrade"), ("9999", "newer version.*restore")])
@pytest.mark.fault(
    "the schema is older or newer than the program",
    promise="services refuse to start, each with its cure",
    area="apart",
)
def test_a_database_of_another_version_is_refused_with_the_cure(database: Database, found: str, cure: str) -> None:
    from sqlalchemy import text

    with database.engine.begin() as connection:
        connection.execute(text(f"UPDATE alembic_version SET version_num = '{found}'"))
    with pytest.raises(SettingsError, match=cure):
        schema.ensure(database)


@pytest.mark.fault(
    "several services start together on an empty database",
    promise="all of them come up",
    area="database",
)
def test_services_that_start_together_on_an_empty_database_all_come_up(empty_database: Database) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: schema.ensure(empty_database), range(3)))
    assert schema.current(empty_database) == schema.head()


def test_tables_that_another_service_makes_between_two_looks_are_no_other_version(
    empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(database: Database) -> str | None:
        found = look(database)
        schema.upgrade(database)
        return found

    look = schema.current
    monkeypatch.setattr(schema, "current", overtaken)
    schema.ensure(empty_database)
    assert look(empty_database) == schema.head()


def test_tables_without_a_version_are_refused(empty_database: Database) -> None:
    Base.metadata.create_all(empty_database.engine)
    with pytest.raises(SettingsError, match="schema None"):
        schema.ensure(empty_database)


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
@pytest.mark.parametrize("prepare", [schema.ensure, schema.upgrade])
def test_a_database_that_cannot_hold_every_name_is_refused_with_the_cure(
    postgresql: Any, encoding: str, prepare: Any
) -> None:
    name = f"old_{time.monotonic_ns()}"
    postgresql.command(f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0")
    database = Database.open(postgresql.url(name))
    with pytest.raises(SettingsError, match=f"{encoding}.*--encoding=UTF8"):
        prepare(database)
    database.close()


def test_tokens_lose_the_scope_that_opened_nothing(empty_database: Database) -> None:
    from sqlalchemy import text

    schema.upgrade(empty_database)
    before = importlib.import_module("migrations.versions.0017_openid").down_revision
    with empty_database.transaction() as tx:
        users.add(tx, "jane", Role.VIEWER, "hash", by=Actor("root"))
        api_tokens.add(tx, "jane", {Scope.READ}, by=Actor("root"))
    with empty_database.engine.begin() as connection:  # as an earlier version left it
        downgrade(connection, before)
        connection.execute(text("UPDATE api_token SET scopes = 'read write'"))
    schema.upgrade(empty_database)
    with empty_database.reading() as read:
        assert [token.scopes for token in api_tokens.every(read)] == [(Scope.READ,)]
        assert users.every(read)[0].issuer is None
