"""What tests in a real browser share: a study to look at, a console with its address, and a page of somebody there."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from console.server import Console
from cxrnode.phantom import View
from inference.findings import Finding, finding_to_json
from tests.console.visitors import PASSWORD, begin_session
from tests.phantoms import phantom_dataset
from tracking.engine.database import Database
from tracking.people.roles import Role
from tracking.results.analyses import AnalysisRecord, FindingRecord, OutcomeRecord, record_analysis
from tracking.studies.instances import IncomingInstance, StudyHeader, register_instance

SIDE = 512
"""Rows and columns of the phantoms."""
WIDTHS = {"desk": {"width": 1280, "height": 1000}, "phone": {"width": 390, "height": 844}}
BROWSER_TESTS = [
    pytest.mark.peers,
    # Playwright's own event loop warns of what it leaves to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]
"""The marks of a file of such tests."""


def store(
    settings: Settings, database: Database, study: str, instance: str, findings: Sequence[Finding], *, date: str = ""
) -> None:
    """Store a study of one phantom with these findings."""
    path = settings.instance_dir / instance
    path.parent.mkdir(parents=True, exist_ok=True)
    phantom_dataset(1, view=View.PA, opacity=True, size=SIDE).save_as(path, enforce_file_format=True)
    incoming = IncomingInstance(
        instance_uid=instance, sop_class_uid="1.2.840.10008.5.1.4.1.1.1", series_uid="1.8",
        transfer_syntax_uid="1.2.840.10008.1.2.1", modality="CR", sha256="a" * 64, size=7, path=instance,
        calling_ae="MODALITY", called_ae="CXRNODE", address="127.0.0.1",
        study=StudyHeader(study, "ACC", "PAT", study_date=date),
    )  # fmt: skip
    records = tuple(
        FindingRecord(made.label, made.code.value, made.code.scheme, made.code.meaning, made.score, made.level.value,
                      made.abnormal, finding_to_json(made))
        for made in findings
    )  # fmt: skip
    outcome = OutcomeRecord(instance, None, None, records)
    with database.transaction() as tx:
        register_instance(tx, incoming, settle_seconds=0)
        record_analysis(tx, AnalysisRecord(study, 1, "opacity", "1.0", "d" * 64, "litert", 0.1, (outcome,), {}))


@contextmanager
def node(folder: Path, template: Path) -> Iterator[tuple[Settings, Database]]:
    """Make the settings and the empty SQLite database of a node whose console a whole file of tests asks."""
    (folder / "cxrnode.db").write_bytes(template.read_bytes())
    settings = Settings(node={"data_dir": folder / "node"}, console={"port": 0})
    database = Database.open(f"sqlite:///{folder / 'cxrnode.db'}")
    try:
        yield settings, database
    finally:
        database.close()


@contextmanager
def serving(settings: Settings, database: Database) -> Iterator[str]:
    """Run a console; yield its address."""
    console = Console(settings, database)
    console.start()
    try:
        yield f"http://127.0.0.1:{console.port}"
    finally:
        console.stop()


def new_page(browser: Any, **options: Any) -> tuple[Any, list[str]]:
    """Return a page of a browser of its own, and what that complains of."""
    page = browser.new_context(viewport=WIDTHS["desk"], **options).new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return page, complaints


def logged_in(browser: Any, address: str, **options: Any) -> tuple[Any, list[str]]:
    """Return a page whose visitor, an administrator, has logged in by the form, and what its browser complains of."""
    page, complaints = new_page(browser, **options)
    page.goto(address)
    page.fill("input[name=user]", "dr.administrator")
    page.fill("input[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector("table.list")
    return page, complaints


def page_of(browser: Any, address: str, database: Database, role: Role, **options: Any) -> tuple[Any, list[str]]:
    """Return a page whose visitor has a session already, and what its browser complains of."""
    page, complaints = new_page(browser, **options)
    page.context.add_cookies([{"name": "cxrnode", "value": begin_session(database, role), "url": address}])
    return page, complaints
