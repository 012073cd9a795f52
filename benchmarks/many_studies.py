"""A database with as many studies as a hospital makes in years, filled by the database itself.

Studies, images, analyses, findings, documents, deliveries, jobs and audit lines are inserted by statements over a
series of numbers. Where the first studies stand is then derived by :func:`tracking.lists.standing.write`, as in a node;
all others stand as one of these does, for what decides about that comes again after so many. Nothing is random: a
study's number decides everything about it.
"""

import json
import time
from collections.abc import Callable, Iterator

from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from inference.findings import Code, Finding, Level, OperatingPoints, finding_to_json
from tracking.engine.database import Database
from tracking.lists import standing
from tracking.tables.standing_models import Standing, StatedFinding

ROOT = "1.2.826.0.1.3680043.10.9"
FIRST_ARRIVAL = 1_704_067_200_000
"""2024-01-01 UTC in milliseconds."""
EVERY_MS = 30_000
ANALYSED = "n.i % 100 NOT IN (95, 96, 97) AND n.i % 1000 NOT IN (199, 299)"
"""All but studies that just came in, are in conflict or were rejected."""
WITH_FINDINGS = f"({ANALYSED}) AND n.i % 100 NOT BETWEEN 80 AND 94"
REPORTED = f"({WITH_FINDINGS}) AND n.i % 1000 <> 399"

PATTERN = 20_000
"""Studies after which everything about how one stands comes again, but for the digits of scores."""

_MODEL = "'chest-default', '1.3.0', '{digest}', 'litert'".format(digest="d" * 64)
_SCORES = {Level.PRESENT: 0.83, Level.POSSIBLE: 0.47, Level.ABSENT: 0.08}
_UID = f"'{ROOT}.' || n.i"
_IMAGE = f"'{ROOT}.' || n.i || '.1.1'"
_AT = f"({FIRST_ARRIVAL} + n.i * {EVERY_MS})"
_PATIENT = (
    "'ACC' || n.i, 'PAT' || (n.i * 7919 % 300000), 'HOSPITAL', "
    "'NAME' || (n.i * 31 % 5000) || '^GIVEN' || (n.i % 300), '19600101', 'F'"
)


def statements(dialect: str) -> Iterator[tuple[str, str]]:
    """Yield what each statement fills, and the statement; ``:studies`` and ``:lines`` are how many."""
    yield from _received(dialect)
    yield from _analysed(dialect)
    yield from _delivered(dialect)
    yield from _worked_on(dialect)


def _received(dialect: str) -> Iterator[tuple[str, str]]:
    """Yield the statements for studies and their images."""
    day = (
        f"to_char(to_timestamp({_AT} / 1000) AT TIME ZONE 'UTC', 'YYYYMMDD')"
        if dialect == "postgresql"
        else f"strftime('%Y%m%d', {_AT} / 1000, 'unixepoch')"
    )
    false, true = _booleans(dialect)
    yield (
        "studies",
        f"""
        INSERT INTO study (study_uid, accession_number, patient_id, issuer_of_patient_id, patient_name,
            patient_birth_date, patient_sex, study_date, study_time, description, revision, valid_from, urgent,
            conflict_since, first_received_at, last_received_at)
        SELECT {_UID}, {_PATIENT}, {day}, '101112', 'CHEST PA', 1, 1,
            CASE WHEN n.i % 5000 = 7 THEN {true} ELSE {false} END,
            CASE WHEN n.i % 1000 = 199 THEN {_AT} END, {_AT}, {_AT}
        FROM {_numbers(dialect, "studies")}""",
    )
    yield (
        "images",
        f"""
        INSERT INTO instance (instance_uid, study_uid, series_uid, sop_class_uid, transfer_syntax_uid, modality,
            sha256, size, path, calling_ae, called_ae, address, revision, duplicates, rejected, received_at,
            accession_number, patient_id, issuer_of_patient_id, patient_name, patient_birth_date, patient_sex,
            study_date, study_time, description, repeated)
        SELECT {_IMAGE}, {_UID}, {_UID} || '.1', '1.2.840.10008.5.1.4.1.1.1', '1.2.840.10008.1.2.1', 'CR',
            '{"a" * 64}', 8000000, 'ab/cd/' || n.i || '.dcm', 'CR' || (n.i % 12), 'CXRNODE', '10.0.0.' || (n.i % 12),
            1, 0, CASE WHEN n.i % 1000 = 299 THEN 'by-hand' END, {_AT}, {_PATIENT}, {day}, '101112', 'CHEST PA', ''
        FROM {_numbers(dialect, "studies")}""",
    )


def _analysed(dialect: str) -> Iterator[tuple[str, str]]:
    """Yield the statements for analyses, their outcomes and findings."""
    _, true = _booleans(dialect)
    yield (
        "analyses",
        f"""
        INSERT INTO analysis (id, study_uid, revision, model_name, model_version, model_digest, engine, seconds,
            timings, completed_at)
        SELECT n.i, {_UID}, 1, {_MODEL}, 0.4, '{{}}', {_AT} + 3000
        FROM {_numbers(dialect, "studies")} WHERE {ANALYSED}""",
    )
    yield (
        "outcomes",
        f"""
        INSERT INTO image_outcome (id, analysis_id, instance_uid, reason, because, remarks)
        SELECT n.i, n.i, {_IMAGE}, CASE WHEN n.i % 100 BETWEEN 80 AND 94 THEN 'view' END,
            CASE WHEN n.i % 100 BETWEEN 80 AND 94 THEN 'it is a lateral view' END, '[]'
        FROM {_numbers(dialect, "studies")} WHERE {ANALYSED}""",
    )
    for number, (label, stated, level) in enumerate(
        (
            ("lung_opacity", True, "CASE WHEN n.i % 3 = 0 THEN 'present' ELSE 'absent' END"),
            ("effusion", True, "CASE WHEN n.i % 50 = 0 THEN 'possible' ELSE 'absent' END"),
            ("pneumothorax", True, "CASE WHEN n.i % 5000 = 1 THEN 'present' ELSE 'absent' END"),
            ("nodule", False, "'possible'"),
        )
    ):
        yield (
            f"findings: {label}",
            f"""
            INSERT INTO finding (id, analysis_id, instance_uid, label, code_value, code_scheme, code_meaning, score,
                level, abnormal, detail)
            SELECT n.i * 4 + {number}, n.i, {_IMAGE}, '{label}', '1', 'DCM', '{label}', (n.i % 97) / 100.0, {level},
                {true}, {_details(dialect, label, level, stated=stated)}
            FROM {_numbers(dialect, "studies")} WHERE {WITH_FINDINGS}""",
        )


def _details(dialect: str, label: str, level: str, *, stated: bool) -> str:
    """Return SQL for the whole of a finding as the model said it, at the level that other SQL gives."""
    code = Code("1", "DCM", label)
    by_level = (
        Finding(label, code, code, score, at, OperatingPoints(0.35, 0.62), abnormal=True, stated=stated)
        for at, score in _SCORES.items()
    )
    chosen = (f"WHEN '{each.level.value}' THEN '{json.dumps(finding_to_json(each))}'" for each in by_level)
    document = f"CASE {level} {' '.join(chosen)} END"
    return f"CAST({document} AS JSON)" if dialect == "postgresql" else document


def _delivered(dialect: str) -> Iterator[tuple[str, str]]:
    """Yield the statements for documents and their deliveries."""
    for number, kind in enumerate(("sr", "hl7")):
        yield (
            f"documents: {kind}",
            f"""
            INSERT INTO document (id, analysis_id, kind, uid, path, sha256, size, quarantined, built_at)
            SELECT n.i * 2 + {number}, n.i, '{kind}', '2.25.' || n.i || '.{number}', 'x', '{"b" * 64}', 20000,
                CASE WHEN n.i % 20000 = 33 THEN 'an element is missing' END, {_AT} + 4000
            FROM {_numbers(dialect, "studies")} WHERE {REPORTED}""",
        )
        state = "CASE WHEN n.i % 100 = 98 THEN 'waiting' WHEN n.i % 1000 = 99 THEN 'stopped' ELSE 'delivered' END"
        yield (
            f"deliveries: {kind}",
            f"""
            INSERT INTO delivery (id, document_id, destination, state, attempts, error, created_at, finished_at)
            SELECT n.i * 2 + {number}, n.i * 2 + {number}, '{("pacs", "ris")[number]}', {state}, 1,
                CASE WHEN n.i % 1000 = 99 THEN 'refused' END, {_AT} + 4000,
                CASE WHEN n.i % 100 <> 98 THEN {_AT} + 5000 END
            FROM {_numbers(dialect, "studies")} WHERE {REPORTED}""",
        )
        yield f"jobs: deliver {kind}", _jobs(
            dialect, f"'deliver:' || (n.i * 2 + {number})", "deliver", f"'{('pacs', 'ris')[number]}'", REPORTED,
            "CASE WHEN n.i % 100 = 98 THEN 'open' WHEN n.i % 1000 = 99 THEN 'stopped' ELSE 'done' END",
        )  # fmt: skip


def _worked_on(dialect: str) -> Iterator[tuple[str, str]]:
    """Yield the statements for jobs that are done, and for the audit log."""
    for queue, key in (("examine", f"'examine:' || {_IMAGE}"), ("analyse", f"'analyse:' || {_UID} || '\\:1'")):
        yield f"jobs: {queue}", _jobs(dialect, key, queue, "NULL", "1 = 1", "'done'")
    yield "jobs: report", _jobs(dialect, "'report:' || n.i", "report", "NULL", WITH_FINDINGS, "'done'")
    yield (
        "audit lines",
        f"""
        INSERT INTO audit_event (seq, at, type, outcome, service, study_uid, detail, hash)
        SELECT n.i, {FIRST_ARRIVAL} + n.i * 1000, CASE WHEN n.i % 20 = 0 THEN 'study-viewed' ELSE 'delivery-done' END,
            'success', 'deliver', '{ROOT}.' || (n.i % :studies + 1),
            '{{"destination":"pacs","document_uid":"2.25.1234567890","kind":"sr"}}', '{"0" * 64}'
        FROM {_numbers(dialect, "lines")}""",
    )
    yield "audit head", f"UPDATE audit_head SET seq = :lines, hash = '{'0' * 64}' WHERE :studies > 0"


def _derive(database: Database, studies: int) -> None:
    uids = sorted(f"{ROOT}.{number}" for number in range(1, studies + 1))
    with database.engine.begin() as connection, Session(connection) as tx:
        standing.write(tx, uids)
        tx.commit()


def _repeated(dialect: str) -> Iterator[str]:
    """Yield the statements that let each other study stand as the one with the same place in the pattern."""
    like = f"'{ROOT}.' || ((n.i - 1) % :pattern + 1)"
    own = {
        "study_uid": "o.study_uid", "received_at": "o.last_received_at", "study_date": "o.study_date",
        "patient_id": "upper(o.patient_id)", "patient_name": "upper(replace(o.patient_name, '^', ' '))",
        "accession_number": "upper(o.accession_number)",
        "analysis_id": "CASE WHEN s.analysis_id IS NOT NULL THEN n.i END", "calling_ae": "'CR' || (n.i % 12)",
    }  # fmt: skip
    for table in (Standing.__table__, StatedFinding.__table__):
        names = [column.name for column in table.columns]
        values = ", ".join(own.get(name, f"s.{name}") for name in names)
        yield f"""
            INSERT INTO {table.name} ({", ".join(names)})
            SELECT {values} FROM {_numbers(dialect, "studies")}
            JOIN study o ON o.study_uid = {_UID} JOIN {table.name} s ON s.study_uid = {like}
            WHERE n.i > :pattern"""


def _booleans(dialect: str) -> tuple[str, str]:
    """Return false and true as a dialect writes them."""
    return ("false", "true") if dialect == "postgresql" else ("0", "1")


def is_filled(database: Database) -> bool:
    """Tell whether the database holds such studies already."""
    with database.engine.connect() as connection:
        first = connection.execute(text("SELECT 1 FROM standing WHERE study_uid = :uid"), {"uid": f"{ROOT}.1"})
        return first.first() is not None


def fill(database: Database, studies: int, lines: int, tell: Callable[[str, float], None]) -> None:
    """Fill an empty database; ``tell`` hears what was filled and in how many seconds."""
    for what, statement in statements(database.dialect):
        with _timed(what, tell), database.engine.begin() as connection:
            connection.execute(text(statement), {"studies": studies, "lines": lines})
    with _timed("analyze", tell), database.engine.connect() as connection:
        _analyze(connection)
    with _timed("where they stand", tell):
        _derive(database, min(studies, PATTERN))
        with database.engine.begin() as connection:
            for statement in _repeated(database.dialect):
                connection.execute(text(statement), {"studies": studies, "pattern": PATTERN})
    with _timed("analyze", tell), database.engine.connect() as connection:
        _analyze(connection)


class _timed:  # noqa: N801 - reads as the statement it stands for
    """A block whose duration is told."""

    def __init__(self, what: str, tell: Callable[[str, float], None]) -> None:
        self._what, self._tell = what, tell

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._tell(self._what, time.perf_counter() - self._start)


def _analyze(connection: Connection) -> None:
    """Do what autovacuum does in the course of time; SQLite is left as it is in use, without statistics."""
    if connection.dialect.name == "postgresql":
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM ANALYZE"))


def _numbers(dialect: str, most: str) -> str:
    if dialect == "postgresql":
        return f"(SELECT generate_series(1, CAST(:{most} AS bigint)) AS i) AS n"
    return f"(WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < :{most}) SELECT i FROM s) AS n"


def _jobs(dialect: str, key: str, queue: str, destination: str, where: str, state: str) -> str:
    at = f"({FIRST_ARRIVAL} + n.i * {EVERY_MS})"
    return f"""
        INSERT INTO job (key, queue, destination, payload, priority, state, visible_at, token, attempts, crashes,
            unforeseen, created_at, give_up_at, finished_at)
        SELECT {key}, '{queue}', {destination}, '{{}}', 5, {state}, {at}, 1, 0, 0, 0, {at}, {at} + 259200000, {at}
        FROM {_numbers(dialect, "studies")} WHERE {where}"""
