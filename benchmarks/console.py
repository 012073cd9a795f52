"""How fast the console's pages are with a million studies: the first byte of every page, filter and search.

    .venv/bin/python -m benchmarks.console                                   full: minutes to fill, 20 GB of disk
    .venv/bin/python -m benchmarks.console --studies 20000 --lines 200000    under two minutes

A database of its own is filled (:mod:`benchmarks.many_studies`), ``cxrnode console`` is started on it, and each page
is asked for over HTTP, one request at a time. Every statement behind the pages is also explained: on PostgreSQL none
may walk a large table from end to end. Goal: 200 ms at the 95th percentile. ``--sqlite`` measures SQLite, where the
default is 100,000 studies.
"""

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import numpy as np
from rich.console import Console
from rich.table import Table
from sqlalchemy import event, select, text

from benchmarks import many_studies
from benchmarks.postgresql import postgresql
from benchmarks.receive import machine
from benchmarks.receivers import free_port
from console import spans
from console.access.cookies import SessionCookie
from dicom_node.instance_store.store import FOLDERS
from tracking.audit_log import audit
from tracking.engine import schema
from tracking.engine.database import Database
from tracking.jobs import queue
from tracking.lists import attention, flow, queries, study_page, trends, worklist
from tracking.lists.flow import Span
from tracking.lists.study_filter import STATUSES, Need, Order, StudyFilter
from tracking.outbox import destination_answers, documents
from tracking.people import user_sessions
from tracking.people.roles import Role
from tracking.tables.user_models import User

RESULTS = Path(__file__).parent / "results" / "console.json"
GOAL_MS = 200.0
LARGE = (
    "study", "standing", "stated_finding", "instance", "analysis", "image_outcome", "finding", "document", "delivery",
    "job", "audit_event",
)  # fmt: skip
PAGES_TURNED = 10
_MANY = 300_000


@dataclass(frozen=True)
class PageTime:
    """First bytes of one kind of page, in milliseconds."""

    page: str
    requests: int
    p50: float
    p95: float


Address = Callable[[random.Random], str]
"""An address of one kind of page, another one each time where chance has a say."""
_BY_DATE = {"order": "study-date"}
_LABELS = ("lung_opacity", "effusion", "pneumothorax", "none")


def addresses(studies: int, lines: int) -> dict[str, Address]:
    """Return by its name how each kind of page is asked for."""

    def uid(chance: random.Random) -> str:
        return f"{many_studies.ROOT}.{chance.randint(1, studies)}"

    return {
        **_filtered(studies),
        **_searched(studies, uid),
        "study": lambda c: f"/study/{uid(c)}",
        "audit log": _fixed("/audit"),
        "audit log, in the middle": lambda c: f"/audit?before={c.randint(1, lines)}",
        "audit log of a study": lambda c: f"/audit?study={quote(uid(c))}",
        "audit log of no study": _fixed("/audit?study=1.2.3"),
        "destinations": _fixed("/destinations"),
        "flow of 31 days": _fixed("/flow?days=31"),
        "plots of 31 days": _fixed("/plots?days=31"),
        "models": _fixed("/models"),
        "refusals": _fixed("/refusals"),
        "health": _fixed("/health"),
    }


def _filtered(studies: int) -> dict[str, Address]:
    """Return the worklist by filter, order and page."""

    def day(chance: random.Random) -> date:
        arrival = many_studies.FIRST_ARRIVAL + chance.randint(1, studies) * many_studies.EVERY_MS
        return datetime.fromtimestamp(arrival / 1000, UTC).date()

    return {
        "flow of a day": lambda c: f"/flow?day={day(c)}",
        "worklist": _listed(),
        "worklist, in the middle": _listed(
            after=lambda c: f"{many_studies.FIRST_ARRIVAL + c.randint(1, studies) * many_studies.EVERY_MS}~1"
        ),
        "worklist by study date": _listed(**_BY_DATE),
        "worklist by study date, in the middle": _listed(**_BY_DATE, after=lambda c: f"{day(c):%Y%m%d}~1"),
        **{f"status {status}": _listed(status=status) for status in STATUSES},
        **{f"status {status}, by study date": _listed(status=status, **_BY_DATE) for status in STATUSES},
        **{
            f"finding {label}": _listed(finding=label) for label in ("lung_opacity", "effusion", "pneumothorax", "none")
        },
        "finding lung_opacity, by study date": _listed(finding="lung_opacity", **_BY_DATE),
        "finding lung_opacity, not analysed (none)": _listed(finding="lung_opacity", status="not-analysed"),
        "finding lung_opacity, attention": _listed(finding="lung_opacity", status="attention"),
        "calling system": _listed(caller=lambda c: f"CR{c.randint(0, 11)}"),
        "calling system, by study date": _listed(caller=lambda c: f"CR{c.randint(0, 11)}", **_BY_DATE),
        "calling system that never called": _listed(caller="NOBODY"),
        "calling system, status attention": _listed(caller=lambda c: f"CR{c.randint(0, 11)}", status="attention"),
        "urgent": _listed(urgent="1"),
        "urgent, by study date": _listed(urgent="1", **_BY_DATE),
        "one day": _listed(first=day, last="2099-01-01"),
        "one study day": _listed(first=day, **_BY_DATE),
        "a day long ago": _listed(first="2024-01-01", last="2024-01-02"),
        "a day without studies": _listed(first="2010-01-01", last="2010-01-02"),
    }


def _searched(studies: int, uid: Address) -> dict[str, Address]:
    """Return the worklist by what is searched for."""
    return {
        "search Patient ID": _listed(q=lambda c: f"PAT{c.randint(0, 299_999)}"),
        "search Patient ID, 4 digits": _listed(q=lambda c: f"pat{c.randint(1000, 9999)}"),
        "search Patient ID, all": _listed(q="PAT"),
        "search name": _listed(q=lambda c: f"name{c.randint(0, 4999)}, given{c.randint(0, 299)}"),
        "search family name": _listed(q=lambda c: f"NAME{c.randint(0, 4999)}"),
        "search one letter": _listed(q="n"),
        "search accession number": _listed(q=lambda c: f"ACC{c.randint(1, studies)}"),
        "search accession number, 2 digits": _listed(q=lambda c: f"acc{c.randint(10, 99)}"),
        "search study UID": _listed(q=uid),
        "search study UID, all": _listed(q="1.2.826"),
        "search nothing that is there": _listed(q="ZZZ"),
        "search and status": _listed(q=lambda c: f"PAT{c.randint(10, 99)}", status="attention"),
        "search and finding": _listed(q=lambda c: f"NAME{c.randint(10, 99)}", finding="effusion"),
        "search by study date": _listed(q=lambda c: f"PAT{c.randint(10, 99)}", **_BY_DATE),
    }


def _listed(**query: object) -> Address:
    def address(chance: random.Random) -> str:
        return "/?" + urlencode({name: value(chance) if callable(value) else value for name, value in query.items()})

    return address


def _fixed(address: str) -> Address:
    return lambda _: address


def measure(port: int, session: str, pages: dict[str, Address], requests: int) -> list[PageTime]:
    """Ask for every kind of page, all taking turns; the first round does not count."""
    chance = random.Random(1)
    times: dict[str, list[float]] = {name: [] for name in pages}
    for turn in range(requests + 1):
        for name, address in pages.items():
            seconds, _ = first_byte(port, address(chance), session)
            if turn:
                times[name].append(1000 * seconds)
    times["worklist, turned page by page"] = list(turned(port, session))
    return [
        PageTime(name, len(found), *(round(float(np.percentile(found, share)), 1) for share in (50, 95)))
        for name, found in times.items()
    ]


def turned(port: int, session: str) -> Iterator[float]:
    """Yield the milliseconds of pages that follow one another."""
    address = "/"
    for _ in range(PAGES_TURNED):
        seconds, body = first_byte(port, address, session)
        yield 1000 * seconds
        link = re.search(r'rel="next" href="([^"]*)"', body)
        if link is None:
            return
        address = "/" + link[1].replace("&amp;", "&")


def first_byte(port: int, address: str, session: str = "") -> tuple[float, str]:
    """Return the seconds until a page's first byte, and the page."""
    connection = HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.connect()
        start = time.perf_counter()
        connection.request("GET", address, headers={"Cookie": f"{SessionCookie(encrypted=False).name}={session}"})
        answer = connection.getresponse()
        seconds = time.perf_counter() - start
        body = answer.read().decode()
    finally:
        connection.close()
    if answer.status != 200:
        msg = f"{address} answered {answer.status}"
        raise RuntimeError(msg)
    return seconds, body


def begin_session(database: Database) -> str:
    """Return the token of an administrator's session; nobody logs in with the password, which is none."""
    with database.transaction() as tx:
        user = tx.scalar(select(User).where(User.name == "benchmark"))
        if user is None:
            user = User(name="benchmark", role=Role.ADMINISTRATOR.value, password_hash="none", must_change=False)
            tx.add(user)
            tx.flush()
        return user_sessions.begin(tx, user)


def walks(database: Database, studies: int) -> list[str]:
    """Explain every statement behind the pages; return those that walk a large table from end to end.

    With few studies PostgreSQL rightly prefers to walk, so it is asked not to where it has any other way.
    """
    statements: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        statements.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        with database.reading() as read:
            _every_read(read, studies)
    finally:
        event.remove(database.engine, "before_cursor_execute", note)
    scans = []
    with database.engine.connect() as connection:
        if studies < _MANY:
            connection.execute(text("SET enable_seqscan = off"))
        for statement, parameters in statements:
            if not statement.lstrip().upper().startswith(("SELECT", "WITH")):
                continue
            plan = [str(row[0]) for row in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)]
            scans += [f"{line.strip()}: {statement[:300]}" for line in plan if _is_walk(line)]
    return list(dict.fromkeys(scans))


def _is_walk(line: str) -> bool:
    walked = re.search(r"Seq Scan on \"?(\w+)", line)
    return walked is not None and walked[1] in LARGE


def _every_read(read: Any, studies: int) -> None:
    uid = f"{many_studies.ROOT}.{studies // 2}"
    middle = many_studies.FIRST_ARRIVAL + studies // 2 * many_studies.EVERY_MS
    recent = datetime.fromtimestamp(middle / 1000, UTC).date()
    filters = [
        StudyFilter(), *(StudyFilter(status=status) for status in STATUSES),
        StudyFilter(finding="lung_opacity"), StudyFilter(finding="lung_opacity", status="attention"),
        StudyFilter(calling_ae="CR1"), StudyFilter(calling_ae="CR1", status="conflict"), StudyFilter(urgent=True),
        StudyFilter(first=recent, last=recent + timedelta(days=1)), StudyFilter(search="PAT12345"),
        StudyFilter(search="name12, given1"), StudyFilter(search="ACC1234"), StudyFilter(search=uid),
        StudyFilter(search="zzz"), StudyFilter(patient="PAT77", status="attention"), StudyFilter(accession="ACC99"),
        StudyFilter(search="NAME77", finding="effusion"),
    ]  # fmt: skip
    for which in filters:
        worklist.find_studies(read, which)
        worklist.find_studies(read, which, order=Order.STUDY_DATE)
        worklist.list_studies(read, which, limit=20)
        worklist.count_studies(read, which)
    for need in Need:
        worklist.find_studies(read, StudyFilter(needs=need))
    attention.count_attention(read)
    days = [spans.span_of_day(day) for day in spans.days_back(31, recent)]
    flow.count_flow(read, days)
    flow.reasons_not_analysed(read, Span(days[0].start, days[-1].end))
    trends.turnarounds(read, Span(days[0].start, days[-1].end))
    trends.score_distributions(read, Span(days[0].start, days[-1].end))
    destination_answers.destination_answers(read, "pacs")
    worklist.find_studies(read, after=(middle, uid))
    worklist.find_studies(read, before=(middle, uid))
    study_page.study_page(read, uid)
    study_page.standing_analysis(read, uid)
    for seen in (None, uid):
        audit.last_lines(read, 100, study_uid=seen)
        audit.last_lines(read, 20, study_uid=seen, before=1000)
    audit.last_lines(read, 20, study_uid=uid, types={audit.AuditEventType.STUDY_VIEWED})
    queries.destinations(read)
    queries.last_errors(read)
    queries.stopped_deliveries(read)
    queries.studies_in_conflict(read)
    queries.studies_with_files_kept_aside(read)
    queries.left_out_by_study(read)
    documents.quarantined_by_study(read)
    queue.depth(read)


@contextmanager
def console_on(url: str, folder: Path) -> Iterator[int]:
    """Run ``cxrnode console``; yield its port."""
    port = free_port()
    held = folder / "data" / "instances" / FOLDERS[0] / "1.dcm"  # no service starts beside a store that lost its files
    held.parent.mkdir(parents=True)
    held.touch()
    environment = os.environ | {
        "CXRNODE_NODE__DATA_DIR": str(folder / "data"), "CXRNODE_DATABASE__URL": url,
        "CXRNODE_CONSOLE__ENABLED": "true", "CXRNODE_CONSOLE__PORT": str(port), "CXRNODE_LOG__LEVEL": "warning",
    }  # fmt: skip
    process = subprocess.Popen([sys.executable, "-m", "cxrnode", "console"], env=environment)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                first_byte(port, "/health")
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def database_for(options: argparse.Namespace, folder: Path) -> Iterator[str]:
    """Yield the URL of an empty database: one that is named, SQLite, or a PostgreSQL of our own."""
    if options.database:
        yield options.database
    elif options.sqlite:
        yield f"sqlite:///{folder / 'cxrnode.db'}"
    else:
        with postgresql(folder / "postgresql") as url:
            yield url


def show(times: list[PageTime], walked: list[str] | None, out: Console) -> None:
    """Print the table."""
    table = Table("page", "requests", "p50 ms", "p95 ms", "", title="first byte")
    for entry in sorted(times, key=lambda entry: -entry.p95):
        table.add_row(
            entry.page, str(entry.requests), f"{entry.p50:.1f}", f"{entry.p95:.1f}",
            "" if entry.p95 <= GOAL_MS else "[red]missed[/]",
        )  # fmt: skip
    out.print(table)
    if walked is not None:
        out.print(f"statements that walk a large table: {len(walked) or 'none'}")
        for line in walked:
            out.print(line, markup=False, highlight=False, soft_wrap=True)


def main() -> int:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, help="default 1,000,000; with --sqlite 100,000")
    parser.add_argument("--lines", type=int, help="audit lines, default 20 for each study")
    parser.add_argument("--requests", type=int, default=30, help="of each kind of page (default 30)")
    parser.add_argument("--sqlite", action="store_true", help="measure SQLite instead of PostgreSQL")
    parser.add_argument(
        "--database",
        help="URL of a PostgreSQL database; else one is started. One that this filled before, is only measured",
    )
    parser.add_argument("--work", type=Path, help="folder for the database, on the disk to be measured")
    parser.add_argument("--write", action="store_true", help=f"write the figures to {RESULTS.name}")
    options = parser.parse_args()
    studies = options.studies or (100_000 if options.sqlite else 1_000_000)
    lines = options.lines or 20 * studies
    out = Console()
    about = machine()
    folder = Path(tempfile.mkdtemp(prefix="cxrnode-console-", dir=options.work))
    folder.chmod(0o755)  # PostgreSQL runs as another user where we are root
    try:
        with database_for(options, folder) as url:
            database = Database.open(url)
            schema.upgrade(database)
            filled: dict[str, float] = {}

            def tell(what: str, seconds: float) -> None:
                filled[what] = round(seconds, 1)
                out.print(f"  {what}: {seconds:.1f} s")

            if not many_studies.is_filled(database):
                many_studies.fill(database, studies, lines, tell)
            walked = walks(database, studies) if database.dialect == "postgresql" else None
            session = begin_session(database)
            with console_on(url, folder) as port:
                times = measure(port, session, addresses(studies, lines), options.requests)
            dialect = database.dialect
            database.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    show(times, walked, out)
    about["busy_at_end"] = round(os.getloadavg()[0], 1)
    missed = [entry.page for entry in times if entry.p95 > GOAL_MS]
    if options.write:
        results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
        results[dialect] = {
            "measured": datetime.now(UTC).date().isoformat(), "machine": about, "studies": studies, "lines": lines,
            "filled_in_seconds": filled, "goal_ms": GOAL_MS, "missed": missed, "walks": walked,
            "pages": [asdict(entry) for entry in times],
        }  # fmt: skip
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return 1 if missed or walked else 0


if __name__ == "__main__":
    sys.exit(main())
