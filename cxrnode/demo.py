"""``cxrnode demo``: the whole way, for everyone to see, on phantoms or on the user's own files.

Starts the real node (``cxrnode serve``, SQLite, embedded defaults) beside a small PACS and a small RIS, sends the
radiographs over DICOM, waits until every study is settled, and checks what the other side got.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomlkit
from pydicom.misc import is_dicom

from config.errors import CxrnodeError, PermanentError
from config.load import PREFIX, load_settings
from config.settings import Settings
from cxrnode import demo_phantoms
from cxrnode.demo_export import export_pictures
from cxrnode.demo_peers import DemoPacs, DemoRis
from dicom_node.storage_scu import send
from dicom_node.storage_scu.answers import StoreOutcome
from dicom_node.storage_scu.target import Target
from inference.findings import finding_from_json
from reporting.claims import mapped_of
from tracking.audit_log import audit
from tracking.engine.database import Database
from tracking.lists import queries, study_page, worklist
from tracking.lists.summaries import DocumentSummary, StudySummary
from tracking.people import passwords, users
from tracking.people.roles import Role

MARKER = ".cxrnode-demo"
USER = "demo"
_SETTLED = frozenset({"delivered", "not-analysed", "attention", "conflict"})
"""Where a study stands that nothing will change by itself."""
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Expectation:
    """One thing that had to happen, and whether it did."""

    what: str
    met: bool
    detail: str = ""


@dataclass
class Outcome:
    """What the demonstration came to."""

    folder: Path
    sent: list[StoreOutcome] = field(default_factory=list)
    ignored: int = 0
    studies: list[StudySummary] = field(default_factory=list)
    names: dict[str, list[str]] = field(default_factory=dict)
    """The names of the files that a study came in, by Study Instance UID."""

    notes: list[str] = field(default_factory=list)
    """What else the user should know: files that share a SOP Instance UID."""

    expectations: list[Expectation] = field(default_factory=list)
    captures: list[Path] = field(default_factory=list)
    maps: list[Path] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Say whether everything that was expected happened."""
        return bool(self.sent) and all(expectation.met for expectation in self.expectations)


def run(source: Path | None, folder: Path, *, timeout_seconds: float, progress: Progress) -> Outcome:
    """Demonstrate the node on the DICOM files under ``source``, or on phantoms; leave what came out in ``folder``.

    Raises
    ------
    PermanentError
        There is nothing to send, ``folder`` cannot be made fresh, or the node did not start.
    """
    if source is not None and source.resolve().is_relative_to(folder.resolve()):
        msg = f"{source} lies in {folder}, which the demo makes fresh; name another folder with --out"
        raise PermanentError(msg)
    prepare_folder(folder)
    outcome = Outcome(folder)
    clock = time.monotonic()
    files, outcome.ignored = _files(source, folder, progress)
    pacs, ris = DemoPacs(folder), DemoRis(folder)
    try:
        settings_file = _write_settings(folder, pacs.start(), ris.start())
        settings = own_settings(settings_file)
        with _node(settings, settings_file, timeout_seconds, progress):
            outcome.seconds["start"] = time.monotonic() - clock
            clock = time.monotonic()
            outcome.sent = _send(files, settings, progress)
            outcome.seconds["send"] = time.monotonic() - clock
            clock = time.monotonic()
            outcome.studies = _wait(settings, outcome.sent, timeout_seconds, progress)
            outcome.seconds["settle, analyse, report, deliver"] = time.monotonic() - clock
        files_of = _files_of_instances(source, outcome.sent)
        outcome.names, outcome.notes = _tell_files(outcome.studies, files_of, settings)
        outcome.expectations = list(_check(outcome, settings, pacs, ris))
        outcome.captures = export_pictures(folder, "capture", files_of)
        outcome.maps = export_pictures(folder, "map", files_of)
    finally:
        pacs.stop()
        ris.stop()
    return outcome


def add_user(folder: Path) -> tuple[str, str]:
    """Make a user for the demonstration's web pages; return name and password."""
    password = passwords.one_time_password()
    hashed = passwords.hash_password(password)
    database = Database.open(own_settings(folder / "cxrnode.toml").database_url())
    try:
        with database.transaction() as tx:
            users.add(tx, USER, Role.ADMINISTRATOR, hashed, by=users.Actor("demo"))
    finally:
        database.close()
    return USER, password


def serve_pages(folder: Path, ready: Callable[[str], None]) -> None:
    """Run the web pages on what the demonstration left, until Ctrl-C; ``ready`` is called with their address."""
    settings_file, log = folder / "cxrnode.toml", folder / "console.log"
    settings = own_settings(settings_file)
    with _running("console", settings_file, log) as process:
        try:
            ready(pages_address(settings))
            code = process.wait()
        except KeyboardInterrupt:
            return
    if code:
        msg = f"the web pages ended with exit code {code}; their log is {log}"
        raise PermanentError(msg)


def pages_address(settings: Settings) -> str:
    """Return the address of the web pages on this machine."""
    return f"http://127.0.0.1:{settings.console.port}"


def prepare_folder(folder: Path) -> None:
    """Make the folder fresh; one that this command did not make is never emptied."""
    if folder.exists():
        if not folder.is_dir() or (not (folder / MARKER).exists() and any(folder.iterdir())):
            msg = f"{folder} is or holds what the demo did not make; name another folder with --out"
            raise PermanentError(msg)
        shutil.rmtree(folder)
    folder.mkdir(mode=0o700, parents=True)
    (folder / MARKER).touch()


def _files(source: Path | None, folder: Path, progress: Progress) -> tuple[list[Path], int]:
    if source is None:
        return demo_phantoms.write(folder / "sent", lambda done, of: progress("drawing phantoms", done, of)), 0
    if not source.exists():
        msg = f"{source}: there is no such file or folder"
        raise PermanentError(msg)
    candidates = sorted(path for path in source.rglob("*") if path.is_file()) if source.is_dir() else [source]
    files = [path for path in candidates if is_dicom(path)]
    if not files:
        msg = f"{source}: no DICOM file in it (Part 10 files with the DICM prefix)"
        raise PermanentError(msg)
    return files, len(candidates) - len(files)


def _write_settings(folder: Path, pacs_port: int, ris_port: int) -> Path:
    """Write the settings of the demo node: embedded defaults, two destinations, everything accepted."""
    with socket.create_server(("127.0.0.1", 0)) as receiver, socket.create_server(("127.0.0.1", 0)) as console:
        port, console_port = receiver.getsockname()[1], console.getsockname()[1]
    document: dict[str, Any] = {
        "node": {"data_dir": str((folder / "node").absolute())},
        "receive": {
            "port": port,
            "accept": ["CR", "DX", "SC", "any-image"],
            "min_free_disk_bytes": 0,
            "settle_seconds": 1.0,
            "settle_after_release_seconds": 0.2,
        },
        "console": {"port": console_port},
        "work": {"poll_seconds": 0.05},
        "delivery": {"first_retry_seconds": 0.5, "longest_retry_seconds": 5.0},
        "destinations": [
            {
                "kind": "dicom",
                "name": "demo-pacs",
                "host": "127.0.0.1",
                "port": pacs_port,
                "ae_title": "DEMOPACS",
                "documents": ["sr", "sc", "map"],
            },
            {"kind": "hl7", "name": "demo-ris", "host": "127.0.0.1", "port": ris_port},
        ],
    }
    path = folder / "cxrnode.toml"
    path.write_text("# The demo node's settings; `cxrnode init` explains every option.\n" + tomlkit.dumps(document))
    return path


def own_settings(file: Path) -> Settings:
    """Read the settings as the demo node does: without the environment, whose settings and database are another's."""
    hidden = {name: os.environ.pop(name) for name in tuple(os.environ) if name.startswith(PREFIX)}
    try:
        return load_settings(file)
    finally:
        os.environ.update(hidden)


@contextmanager
def _node(settings: Settings, settings_file: Path, timeout_seconds: float, progress: Progress) -> Iterator[None]:
    """Run ``cxrnode serve`` until the block ends; its logs go to a file."""
    log = settings_file.with_name("node.log")
    with _running("serve", settings_file, log) as process:
        _await_start(settings, process, log, timeout_seconds, progress)
        yield


@contextmanager
def _running(command: str, settings_file: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command of ours until the block ends, without the settings in the environment, which are another node's."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as sink:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-P", "-m", "cxrnode", "--config", str(settings_file), command],
            stdout=sink,
            stderr=sink,
            env=environment,
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except (subprocess.TimeoutExpired, KeyboardInterrupt):
                process.kill()  # its services end with it
                process.wait()


def _await_start(
    settings: Settings, process: subprocess.Popen[bytes], log: Path, timeout_seconds: float, progress: Progress
) -> None:
    """Wait until the node answers; a busy machine may need minutes, and a node that cannot start ends by itself."""
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline and process.poll() is None:
        progress("starting the node", 0, 1)
        try:
            send.echo(_target(settings))
        except CxrnodeError:
            time.sleep(0.1)
        else:
            progress("starting the node", 1, 1)
            return
    msg = f"the node did not start; its log is {log}"
    raise PermanentError(msg)


def _target(settings: Settings) -> Target:
    return Target(
        host="127.0.0.1", port=settings.receive.port, called_ae=settings.node.ae_title, calling_ae="DEMOMODALITY"
    )


def _send(files: Sequence[Path], settings: Settings, progress: Progress) -> list[StoreOutcome]:
    """Send as modalities do: an association a file."""
    sent: list[StoreOutcome] = []
    for number, path in enumerate(files):
        progress("sending over DICOM", number, len(files))
        sent += send.store([path], _target(settings))
    progress("sending over DICOM", len(files), len(files))
    return sent


def _wait(
    settings: Settings, sent: Sequence[StoreOutcome], timeout_seconds: float, progress: Progress
) -> list[StudySummary]:
    """Wait until every study is delivered, not analysed, or waits for a person; return them in order of arrival."""
    database = Database.open(settings.database_url())
    instances = {outcome.instance_uid for outcome in sent if outcome.stored}
    try:
        deadline = time.monotonic() + timeout_seconds
        while True:
            with database.reading() as read:
                studies = worklist.list_studies(read, limit=len(instances) + 1)
            settled = [study for study in studies if study.status in _SETTLED]
            arrived = sum(study.instances + study.conflicts for study in studies)
            progress("analysing, reporting, delivering", len(settled), max(1, len(studies)))
            if (len(settled) == len(studies) and arrived >= len(instances)) or time.monotonic() > deadline:
                return studies[::-1]
            time.sleep(0.05)
    finally:
        database.close()


def _check(outcome: Outcome, settings: Settings, pacs: DemoPacs, ris: DemoRis) -> Iterator[Expectation]:
    """Compare what had to happen with what the other side got."""
    stored = sum(sent.stored for sent in outcome.sent)
    yield Expectation("every file answered with success over DICOM", stored == len(outcome.sent),
                      f"{stored} of {len(outcome.sent)}")  # fmt: skip
    settled = [study for study in outcome.studies if study.status in {"delivered", "not-analysed"}]
    yield Expectation("every study delivered, or not analysed for a stated reason",
                      bool(outcome.studies) and len(settled) == len(outcome.studies),
                      f"{len(settled)} of {len(outcome.studies)}")  # fmt: skip
    documents = [document for study in outcome.studies for document in study.documents]
    for kind, label, arrived in (
        ("sr", "structured reports", pacs.times_received),
        ("sc", "secondary captures", pacs.times_received),
        ("map", "score maps", pacs.times_received),
        ("hl7", "HL7 messages", ris.times_received),
    ):
        expected = _expected(outcome.studies, kind, settings)
        got = [document for document in documents if document.kind == kind and arrived.get(document.uid) == 1]
        yield Expectation(f"{label} arrived exactly once", len(got) == expected, f"{len(got)} of {expected}")
    bad = list(_nonconforming(documents, settings))
    yield Expectation("every document passes its conformance check", not bad, "; ".join(bad) or f"{len(documents)}")
    database = Database.open(settings.database_url())
    with database.reading() as read:
        verdict = audit.verify(read)
    database.close()
    yield Expectation("the audit log is intact", verdict.intact, f"{verdict.lines} lines")


def _expected(studies: Sequence[StudySummary], kind: str, settings: Settings) -> int:
    """Count documents that must exist: one SR and one message a study with findings, one capture an image.

    Of score maps there is one for each finding that is claimed and has one.
    """
    analysed = [study for study in studies if study.findings]
    if kind == "map":
        return _maps_on_record(analysed, settings)
    if kind == "sc":
        return sum(len({finding.instance_uid for finding in study.findings}) for study in analysed)
    return len(analysed)


def _maps_on_record(studies: Sequence[StudySummary], settings: Settings) -> int:
    """Count the findings that are claimed and have a score map."""
    database = Database.open(settings.database_url())
    try:
        with database.reading() as read:
            analyses = [study_page.standing_analysis(read, study.study_uid) for study in studies]
    finally:
        database.close()
    outcomes = [outcome for analysis in analyses if analysis is not None for outcome in analysis.outcomes]
    return sum(len(mapped_of([finding_from_json(record.detail) for record in found.findings])) for found in outcomes)


def _nonconforming(documents: Sequence[DocumentSummary], settings: Settings) -> Iterator[str]:
    """Read back every document from the node's disk and check it once more."""
    from reporting.registry import check_file

    for document in documents:
        problem = document.quarantined or check_file(settings.document_dir / document.path, document.kind)
        if problem:
            yield f"{document.kind} {document.uid}: {problem}"


def _files_of_instances(source: Path | None, sent: Sequence[StoreOutcome]) -> dict[str, list[Path]]:
    """Return the files that brought each SOP Instance UID, in the order they were sent, relative to ``source``."""
    files: dict[str, list[Path]] = {}
    for outcome in sent:
        if outcome.stored:
            within = source is not None and source.is_dir()
            path = outcome.path.relative_to(source) if source is not None and within else Path(outcome.path.name)
            files.setdefault(outcome.instance_uid, []).append(path)
    return files


def _tell_files(
    studies: Sequence[StudySummary], files_of: Mapping[str, Sequence[Path]], settings: Settings
) -> tuple[dict[str, list[str]], list[str]]:
    """Return the file names of each study, and a note for each SOP Instance UID that more than one file brought."""
    names: dict[str, list[str]] = {}
    notes = []
    database = Database.open(settings.database_url())
    try:
        with database.reading() as read:
            images = {study.study_uid: queries.instances(read, study.study_uid) for study in studies}
    finally:
        database.close()
    for study_uid, instances in images.items():
        for image in instances:
            files = [str(path) for path in files_of.get(image.instance_uid, ())]
            names.setdefault(study_uid, []).extend(files)
            if len(files) > 1:
                notes.append(_shared(files, image.conflicts, image.duplicates))
    return names, notes


def _shared(files: Sequence[str], conflicts: int, duplicates: int) -> str:
    """Say what became of files that share a SOP Instance UID."""
    parts = [f"{', '.join(files)} share one SOP Instance UID: {files[0]} stands"]
    if conflicts:
        parts.append(f"{conflicts} with other bytes {'were' if conflicts > 1 else 'was'} kept aside")
    if duplicates:
        parts.append(f"{duplicates} with the same bytes changed nothing")
    return ", ".join(parts)
