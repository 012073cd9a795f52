"""A node that has been busy for two weeks, for browsers: phantoms, invented people, every state a study can be in.

``python -m tests.peers.busy_node --into docs/images`` draws the images of the documentation anew.
"""

import argparse
import random
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image
from sqlalchemy import select, update

from config.settings import Settings
from console.server import Console
from cxrnode.phantom import View
from inference.findings import Finding, Level, finding_to_json
from tests.accounts import finding, mapped_findings
from tests.console.visitors import PASSWORD, begin_session
from tests.phantoms import phantom_dataset
from tracking.audit_log import refusals
from tracking.audit_log.refusals import Refusal, RefusalKind
from tracking.engine import schema
from tracking.engine.changes import study_changed
from tracking.engine.database import Database
from tracking.jobs import queue
from tracking.jobs.queue import RetryPolicy
from tracking.lists import saved_filters
from tracking.outbox import deliveries, documents
from tracking.outbox.documents import DocumentRecord
from tracking.outbox.taken_classes import record_taken
from tracking.people import api_tokens
from tracking.people.roles import Role, Scope
from tracking.people.users import Actor
from tracking.results.analyses import AnalysisRecord, FindingRecord, OutcomeRecord, record_analysis
from tracking.studies.instances import IncomingInstance, StudyHeader, register_instance
from tracking.tables.models import Analysis, Delivery, Document, Job, Study

PEOPLE = (
    "Doe^Jane", "Roe^Richard", "Muster^Max", "Garcia^Lucia", "Yamada^Hanako", "Okafor^Ngozi", "Novak^Petr",
    "Larsen^Ida", "Silva^Joao", "Kim^Minji",
)  # fmt: skip
CALLERS = ("DX-ROOM-1", "DX-ROOM-2", "PORTABLE-7")
DAY_MS = 86_400_000


def fill(settings: Settings, database: Database, studies: int = 40, days: int = 14) -> None:
    """Put the studies of some days into the database, the last of them with an image that can be looked at."""
    chance = random.Random(7)
    now = int(time.time() * 1000)
    for number in range(1, studies + 1):
        uid = f"1.2.826.0.1.{number}"
        _receive(settings, database, uid, number, chance, with_image=number == studies)
        _go_on(database, uid, number, chance, last=number == studies)
        ago = 0 if number == studies else int((studies - number) / studies * days * DAY_MS * chance.uniform(0.9, 1))
        _move(database, uid, now - ago, chance)
    _surroundings(database)


def _receive(
    settings: Settings, database: Database, uid: str, number: int, chance: random.Random, *, with_image: bool
) -> None:
    path = f"ab/{number}"
    if with_image:
        file = settings.instance_dir / path
        file.parent.mkdir(parents=True, exist_ok=True)
        phantom_dataset(1, view=View.PA, opacity=True, size=512).save_as(file, enforce_file_format=True)
    header = StudyHeader(
        uid, f"A{70_000 + number}", f"P{4_000 + number % 23}", patient_name=PEOPLE[number % len(PEOPLE)],
        patient_birth_date="19610412", patient_sex="FM"[number % 2], study_date="20260101",
        description="Chest PA",
    )  # fmt: skip
    incoming = IncomingInstance(
        instance_uid=f"{uid}.1", sop_class_uid="1.2.840.10008.5.1.4.1.1.1.1", series_uid=f"{uid}.0",
        transfer_syntax_uid="1.2.840.10008.1.2.1", modality="DX" if number % 3 else "CR", sha256=f"{number:064x}",
        size=7, path=path, calling_ae=chance.choice(CALLERS), called_ae="CXRNODE", address="192.0.2.7", study=header,
    )  # fmt: skip
    with database.transaction() as tx:
        register_instance(tx, incoming, settle_seconds=0)
        if number % 11 == 0:  # of somebody else: the study is in conflict
            other = replace(header, patient_name="Other^Person", patient_id="P1")
            register_instance(tx, replace(incoming, instance_uid=f"{uid}.2", study=other), settle_seconds=0)
        if number % 9 == 0:
            tx.execute(update(Study).where(Study.study_uid == uid).values(urgent=True))


def _findings(chance: random.Random, *, sure: bool) -> tuple[FindingRecord, ...]:
    made: list[Finding] = []
    for entry in mapped_findings():
        if sure:
            box = (325, 150, 425, 270, entry.score)  # where the phantom has its opacity
            made.append(finding(entry.label, entry.score, box, map=entry.map) if entry.abnormal else entry)
            continue
        score = min(max(chance.betavariate(1, 5), 0.01), 0.99)
        level = (
            Level.PRESENT if score >= entry.points.specific
            else Level.POSSIBLE if score >= entry.points.sensitive else Level.ABSENT
        )  # fmt: skip
        made.append(replace(entry, score=score, level=level, boxes=() if level is Level.ABSENT else entry.boxes))
    return tuple(
        FindingRecord(entry.label, entry.code.value, entry.code.scheme, entry.code.meaning, entry.score,
                      entry.level.value, entry.abnormal, finding_to_json(entry))
        for entry in made
    )  # fmt: skip


def _go_on(database: Database, uid: str, number: int, chance: random.Random, *, last: bool) -> None:
    """Let a study come as far as its number says."""
    if number % 11 == 0 or (number % 10 == 7 and not last):
        return
    refused = number % 8 == 3
    findings = () if refused else _findings(chance, sure=last)
    because = "it is a lateral view; the model reads frontal views"
    outcome = OutcomeRecord(f"{uid}.1", "view" if refused else None, because if refused else None, findings)
    with database.transaction() as tx:
        tx.execute(update(Job).where(Job.queue.in_(("analyse", "examine"))).values(state="done"))
        record_analysis(tx, AnalysisRecord(uid, 1, "chest-default", "1.3.0", "d" * 64, "litert", 0.6, (outcome,), {}))
        analysis_id = tx.scalars(select(Analysis.id).where(Analysis.study_uid == uid)).one()
        if number % 10 == 4:
            return
        made = [
            DocumentRecord(kind, f"2.25.{number}{place}", "2.25.1", "1.2", "x.dcm", "0" * 64, 1,
                           "the SR is not valid: no title" if number == 18 and kind == "sr" else None)
            for place, kind in enumerate(("sr", "hl7"))
        ]  # fmt: skip
        routes = [(document.uid, "ris" if document.kind == "hl7" else "archive") for document in made]
        documents.record_documents(tx, analysis_id, made, routes)
        tx.execute(update(Job).where(Job.key == f"report:{analysis_id}").values(state="done"))
    if number % 10 == 5 or last:
        return
    with database.transaction() as tx:
        ids = tx.scalars(select(Delivery.id).join(Document).where(Document.analysis_id == analysis_id)).all()
        for delivery_id in ids:
            if number == 22 and delivery_id == ids[-1]:
                deliveries.record_attempt_failed(tx, delivery_id, "ris refuses: AE, unknown patient", stopped=True)
            else:
                deliveries.record_delivered(tx, delivery_id, "0000, success")


def _move(database: Database, uid: str, at: int, chance: random.Random) -> None:
    """Let a study have come at another time, and all that followed with it."""
    with database.transaction() as tx:
        tx.execute(update(Study).where(Study.study_uid == uid).values(first_received_at=at, last_received_at=at))
        analysed = at + int(chance.uniform(2_000, 9_000))
        tx.execute(update(Analysis).where(Analysis.study_uid == uid).values(completed_at=analysed))
        analyses = select(Analysis.id).where(Analysis.study_uid == uid)
        ours = Delivery.document_id.in_(select(Document.id).where(Document.analysis_id.in_(analyses)))
        done = {"finished_at": analysed + int(chance.uniform(500, 15_000))}
        tx.execute(update(Delivery).where(ours, Delivery.state != "waiting").values(done))
        study_changed(tx, uid)


def _surroundings(database: Database) -> None:
    for role in Role:
        begin_session(database, role)
    by = Actor("dr.administrator")
    with database.transaction() as tx:
        refusals.add(tx, {
            Refusal(RefusalKind.ASSOCIATION, "calling AE title not recognized", "add a [[peers]] table", "1,1,3",
                    "STRANGER", "CXRNODE", "192.0.2.99"): 12,
            Refusal(RefusalKind.INSTANCE, "no pixel data", "none: the sender has to send images", "C000",
                    "DX-ROOM-2", "CXRNODE", "192.0.2.7", "1.2.840.10008.5.1.4.1.1.7"): 3,
        })  # fmt: skip
        queue.open_breaker(tx, "archive", "archive cannot be reached: connection refused", RetryPolicy(300, 900))
        record_taken(tx, "archive", "1.2.840.10008.5.1.4.1.1.88.33", assumed="")
        saved_filters.save(tx, "urgent today", "?urgent=1", by=by)
        saved_filters.save(tx, "portable, opacity", "?caller=PORTABLE-7&finding=lung_opacity", by=by)
        api_tokens.add(tx, "dr.viewer", {Scope.READ}, by=by, purpose="statistics of the department", days=90)


def busy_settings(folder: Path, port: int, **more: Any) -> Settings:
    """Return the settings of a node with two destinations."""
    there = [
        {"kind": "dicom", "name": "archive", "host": "127.0.0.1", "port": 11112, "ae_title": "ARCHIVE"},
        {"kind": "hl7", "name": "ris", "host": "127.0.0.1", "port": 2575},
    ]
    console = {"port": port, "enabled": True}
    return Settings(node={"data_dir": folder}, destinations=there, console=console, **more)  # type: ignore[arg-type]


SHOTS = (
    ("worklist", "/", 1280, "dark"), ("worklist-phone", "/", 390, "dark"), ("flow", "/flow", 1280, "light"),
    ("plots", "/plots", 1280, "light"), ("destinations", "/destinations", 1280, "dark"),
    ("models", "/models", 1280, "light"), ("users", "/users", 1280, "dark"), ("refusals", "/refusals", 1280, "dark"),
    ("study", "/study/1.2.826.0.1.40", 1280, "dark"), ("analyse", "/analyse", 1280, "dark"),
    ("audit", "/audit", 1280, "light"), ("login", "/login", 1280, "dark"), ("flow-phone", "/flow", 390, "dark"),
    ("users-phone", "/users", 390, "light"), ("models-phone", "/models", 390, "dark"),
    ("plots-phone", "/plots", 390, "dark"), ("destinations-phone", "/destinations", 390, "light"),
)  # fmt: skip


def shoot(address: str, into: Path, only: set[str], chromium: str = "/usr/bin/chromium") -> None:
    """Make images of the pages of a running console."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, place, width, scheme in SHOTS:
            if only and name not in only:
                continue
            page = browser.new_page(viewport={"width": width, "height": 860}, color_scheme=scheme)  # type: ignore[arg-type]
            page.goto(f"{address}/login")
            if place != "/login":
                page.fill("input[name=user]", "dr.administrator")
                page.fill("input[name=password]", PASSWORD)
                page.keyboard.press("Enter")
                page.wait_for_selector("#worklist")
                page.goto(address + place)
            if name == "worklist":
                page.click(".bell summary")
            if name == "analyse":
                phantom = into / "phantom.dcm"
                phantom_dataset(1, view=View.PA, opacity=True, size=512).save_as(phantom, enforce_file_format=True)
                page.set_input_files("input[type=file]", phantom)
                page.click(".upload button")
                page.wait_for_selector(".reading, .problem", timeout=120_000)
                phantom.unlink()
            page.wait_for_timeout(1500)
            file = into / f"console-{name}.png"
            page.screenshot(path=file)
            page.close()
            with Image.open(file) as drawn:  # 256 colours are enough, and a third of the bytes
                drawn.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(file, optimize=True)
        browser.close()


def main() -> None:
    """Fill a node, run its console and draw the images."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, default=Path("docs/images"))
    parser.add_argument("--port", type=int, default=8480)
    parser.add_argument("--only", nargs="*", default=[])
    asked = parser.parse_args()
    asked.into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        settings = busy_settings(Path(folder), asked.port)
        database = Database.open(settings.database_url())
        schema.ensure(database)
        fill(settings, database)
        console = Console(settings, database)
        console.start()
        shoot(f"http://127.0.0.1:{asked.port}", asked.into, set(asked.only))
        console.stop()
        database.close()


if __name__ == "__main__":
    main()
