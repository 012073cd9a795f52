"""What each document of a study costs: processor time to build it and to check it, and its bytes.

``python -m benchmarks.documents`` writes every document of one phantom with eleven findings, of which those are stated
that the shipped package may state, one of them with two regions, through the rooms' own functions. Then it runs the
whole report stage, database and flushes included, with the radiograph at hand as after an analysis; once more with the
radiograph drawn from the stored file; and once more with all eleven findings stated. Times are processor time of the
process, the least of several rounds, in milliseconds. Writes ``benchmarks/results/documents.json``;
``python -m benchmarks.performance_page`` makes the table of docs/performance.md of it.
"""

import argparse
import json
import logging
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import structlog

from config.destinations import DicomDestination, Hl7Destination
from config.settings import Settings
from cxrnode.phantom import phantom_dataset
from inference.evidence import may_be_stated
from inference.findings import Finding
from inference.package import load_package
from inference.pixels import Picture, read_picture
from reporting.account import Account
from reporting.assemble import assemble_account, load_subject
from reporting.capture.capture_gate import check_capture, check_map_capture
from reporting.capture.map_capture import build_map_capture
from reporting.capture.radiograph import Radiograph
from reporting.capture.secondary_capture import build_capture
from reporting.claims import mapped_of
from reporting.compose import LEAST_DECODED, ReportHandler
from reporting.hl7.message import build_message
from reporting.hl7.message_gate import check_message
from reporting.sr.report import build_report
from reporting.sr.report_gate import check_report
from tests.accounts import chest, hot_map
from tests.reporting.conftest import Studies
from tracking.engine import schema
from tracking.engine.database import Database
from tracking.jobs.queue import Job

RESULTS = Path(__file__).parent / "results" / "documents.json"
SIZE = 2048
"""Pixels of the phantom's longer side."""
GOAL_MS = 400
"""For the whole report stage of a study of one image."""


@dataclass(frozen=True)
class Row:
    """One document: processor time in milliseconds to build it and to check it, and its length."""

    document: str
    build_ms: float
    check_ms: float
    bytes: int


def with_map(finding: Finding) -> Finding:
    """Return a finding with a score map, where it is the one that has regions."""
    return replace(finding, map=hot_map()) if finding.boxes else finding


class Bench:
    """A node's store and database with one analysed phantom."""

    def __init__(self, folder: Path, stated: Collection[str]) -> None:
        here = "127.0.0.1"
        self.settings = Settings(
            node={"data_dir": folder / "node"},
            receive={"settle_seconds": 0, "settle_after_release_seconds": 0},
            destinations=(
                DicomDestination(kind="dicom", name="pacs", host=here, port=1, ae_title="PACS"),
                Hl7Destination(kind="hl7", name="ris", host=here, port=2),
            ),
        )
        self.settings.document_dir.mkdir(parents=True)
        self.database = Database.open(f"sqlite:///{folder / 'cxrnode.db'}")
        schema.upgrade(self.database)
        self.studies = Studies(self.settings, self.database)
        image = phantom_dataset(1, size=SIZE, opacity=True)
        uid = self.studies.receive(image)
        self.file = self.settings.instance_dir / f"{uid}.dcm"
        findings = tuple(with_map(finding) for finding in chest(stated=stated))
        self.job: Job = self.studies.analyse(str(image.StudyInstanceUID), {uid: findings})

    @property
    def account(self) -> Account:
        """Return the account of the analysis."""
        with self.database.reading() as read:
            subject = load_subject(read, self.job.payload["analysis_id"])
        return assemble_account(subject, self.settings)

    def decode(self) -> Picture:
        """Return the image as the report stage decodes it."""
        longest_side = self.settings.report.capture_longest_side
        return read_picture(self.file, self.settings.inference.max_pixels, max(longest_side, LEAST_DECODED))

    def draw(self) -> Radiograph:
        """Return the image as its captures show it."""
        return Radiograph.of(self.decode(), self.settings.report.capture_longest_side)

    def stage(self, at_hand: Radiograph | None) -> None:
        """Run the whole report stage, as the loop does."""
        for commit in ReportHandler(self.settings, self.database, lambda _: at_hand).run(self.job):
            with self.database.transaction() as tx:
                commit(tx)


def least(run: Callable[[], Any], rounds: int) -> tuple[float, Any]:
    """Return the least processor time of some runs in milliseconds, and what the last one returned."""
    best, result = float("inf"), None
    for _ in range(rounds):
        start = time.process_time()
        result = run()
        best = min(best, 1e3 * (time.process_time() - start))
    return round(best, 1), result


def documents(bench: Bench, rounds: int) -> list[Row]:
    """Return a row for each kind of document."""
    account = bench.account
    (image,) = account.analysed
    radiograph = bench.draw()
    (mapped,) = mapped_of(image.findings)
    ris = bench.settings.destinations[1]
    ways: dict[str, tuple[Callable[[], Any], Callable[[Any], None]]] = {
        "structured report": (lambda: build_report(account, 9001), lambda built: check_report(built, account)),
        "secondary capture": (
            lambda: build_capture(account, image, radiograph, 9002),
            lambda built: check_capture(built, account, image),
        ),
        "score map": (
            lambda: build_map_capture(account, image, mapped, radiograph, 9003),
            lambda built: check_map_capture(built, account, image, mapped.finding.label),
        ),
        "HL7 message": (
            lambda: build_message(account, ris, None),
            lambda built: check_message(built, account, ris.character_set),
        ),
    }
    rows = []
    for name, (build, check) in ways.items():
        build_ms, built = least(build, rounds)
        check_ms, _ = least(lambda check=check, built=built: check(built), rounds)
        rows.append(Row(name, build_ms, check_ms, len(built.content)))
    return rows


def shipped_stated() -> tuple[str, ...]:
    """Return the findings that the shipped package may state."""
    manifest = load_package("chest-default").manifest
    return tuple(
        finding.label
        for finding in manifest.findings
        if finding.evidence is not None
        and may_be_stated(finding.evidence.evidence(), finding.points.specific, abnormal=finding.abnormal)
    )


def main() -> None:
    """Measure, print a table and keep it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    busy = round(os.getloadavg()[0], 1)
    stated = shipped_stated()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder) / "shipped", stated)
        rows = documents(bench, arguments.rounds)
        radiograph_ms, radiograph = least(bench.draw, arguments.rounds)
        stage_ms, _ = least(lambda: bench.stage(radiograph), arguments.rounds)
        drawn_ms, _ = least(lambda: bench.stage(None), arguments.rounds)
        bench.database.close()
        worst = Bench(Path(folder) / "all", [finding.label for finding in chest()])
        worst_ms, _ = least(lambda: worst.stage(radiograph), arguments.rounds)
        worst.database.close()
    for row in rows:
        print(f"{row.document:20} build {row.build_ms:7.1f} ms  check {row.check_ms:7.1f} ms  {row.bytes:10,} bytes")
    print(f"radiograph {radiograph_ms} ms; stage {stage_ms} ms, drawn anew {drawn_ms} ms, all stated {worst_ms} ms")
    result = {
        "machine": {"processors": os.cpu_count(), "busy_at_start": busy},
        "rounds": arguments.rounds,
        "size": SIZE,
        "documents": [asdict(row) for row in rows],
        "radiograph_ms": radiograph_ms,
        "stage_ms": stage_ms,
        "stage_drawn_ms": drawn_ms,
        "stage_all_stated_ms": worst_ms,
        "stated": stated,
        "goal_ms": GOAL_MS,
    }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
