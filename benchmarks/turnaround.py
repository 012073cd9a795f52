"""From the last C-STORE response to report, capture and HL7 message at their destinations, and where the time goes.

One run starts the real node (``cxrnode serve``, SQLite) and sends it radiographs one at a time. Images are examined
while the study settles, so that work is measured beside the way, not on it. Each document is delivered as soon as it
is built: the last stage is what is left to deliver when the last document is built. Each stage is set beside its
kernel: the same work done bare, in the same run, on the same machine. Run from the repository's root:

    .venv/bin/python -m benchmarks.turnaround [--studies 40] [--input FOLDER] [--quick]
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tomlkit
from pydicom import dcmread
from rich.console import Console
from rich.table import Table
from sqlalchemy import func, select

from config.errors import CxrnodeError
from config.load import load_settings
from config.settings import Settings
from cxrnode.demo_peers import DemoPacs, DemoRis
from cxrnode.phantom import phantom_dataset
from dicom_node.storage_scu import send
from dicom_node.storage_scu.target import Target
from inference.analyse import STAGES
from tracking.engine.database import Database
from tracking.tables.models import Analysis, Delivery, Document, ImageResult, Instance

RESULTS = Path(__file__).parent / "results" / "turnaround.json"
EXAMINED = "examined after the response"
"""From the C-STORE response to the image's result on record; it ends within the settle time, or the study waits."""
SETTLE, GATHER = "settle", "pick up, gather, record"
REPORT, DELIVER, WHOLE = "report (SR, capture, HL7)", "deliver (2 C-STORE, 1 MLLP)", "whole"
WAY = (SETTLE, GATHER, REPORT, DELIVER, WHOLE)
DELIVERIES = 3
"""Report and capture to the PACS, message to the RIS."""
LOOK_EVERY_SECONDS = 0.1
"""Seldom: the database's own times are what is measured, and looking takes the processor from the node."""
GOAL_MS = {"median": 400.0, "p95": 1000.0}
"""At most this much beyond the settle time."""


@dataclass
class Times:
    """Seconds by stage, one entry a study."""

    stages: dict[str, list[float]] = field(default_factory=dict)

    def add(self, stage: str, seconds: float) -> None:
        """Note one measurement."""
        self.stages.setdefault(stage, []).append(seconds)

    def median(self, stage: str) -> float:
        """Return a stage's median in milliseconds."""
        return 1000 * statistics.median(self.stages[stage])

    def p95(self, stage: str) -> float:
        """Return a stage's 95th percentile in milliseconds."""
        return 1000 * float(np.percentile(self.stages[stage], 95))


def main() -> None:
    """Run the benchmark; print a table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=40)
    parser.add_argument("--input", type=Path, help="folder of DICOM radiographs; phantoms without it")
    parser.add_argument("--quick", action="store_true", help="a few studies, nothing written")
    options = parser.parse_args()
    count = 6 if options.quick else options.studies
    folder = Path(tempfile.mkdtemp(prefix="cxrnode-turnaround-"))
    try:
        files = prepare(options.input, folder, count)
        times, kernels, settings = run(files, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    report = summarise(times, kernels, settings, files, "phantoms" if options.input is None else "real radiographs")
    show(report)
    if not options.quick:
        RESULTS.write_text(json.dumps(report, indent=2) + "\n")


def prepare(source: Path | None, folder: Path, count: int) -> list[Path]:
    """Return files of different studies: phantoms of 2048 × 2048, or the user's own, with fresh UIDs if repeated."""
    out = folder / "sent"
    out.mkdir()
    originals = sorted(source.rglob("*.dcm"))[:count] if source is not None else []
    paths = []
    for number in range(count):
        if originals:
            data = dcmread(originals[number % len(originals)])
            suffix = f".{number}"
            data.StudyInstanceUID = f"2.25.9{number:04}1"
            data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = f"2.25.9{number:04}3{suffix[1:]}"
        else:
            data = phantom_dataset(5000 + number, opacity=number % 2 == 1)
        path = out / f"{number:03}.dcm"
        data.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def run(files: Sequence[Path], folder: Path) -> tuple[Times, Times, Settings]:
    """Start node and peers, send the files one at a time, and time kernels in between."""
    peers = folder / "peers"
    peers.mkdir()
    pacs, ris = DemoPacs(peers), DemoRis(peers)
    settings_file = folder / "cxrnode.toml"
    document: dict[str, Any] = {
        "node": {"data_dir": str(folder / "node")},
        "receive": {"port": free_port(), "accept": ["CR", "DX", "SC"], "min_free_disk_bytes": 0},
        "destinations": [
            {"kind": "dicom", "name": "pacs", "host": "127.0.0.1", "port": pacs.start(), "ae_title": "DEMOPACS"},
            {"kind": "hl7", "name": "ris", "host": "127.0.0.1", "port": ris.start()},
        ],
    }
    settings_file.write_text(tomlkit.dumps(document))
    settings = load_settings(settings_file)
    log = (folder / "node.log").open("wb")
    command = [sys.executable, "-P", "-m", "cxrnode", "--config", str(settings_file), "serve"]
    node = subprocess.Popen(command, stdout=log, stderr=log)
    times, kernels = Times(), Times()
    try:
        await_node(settings)
        warm_up = files[0]
        database = Database.open(settings.database_url())
        for path in files:
            measure(path, settings, database, times, warm_up=path == warm_up)
        database.close()
        measure_kernels(files[1:6], settings, kernels)
    finally:
        node.terminate()
        node.wait(60)
        log.close()
        pacs.stop()
        ris.stop()
    return times, kernels, settings


def free_port() -> int:
    """Return a free loopback port."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def target(settings: Settings) -> Target:
    """Return the node as a modality sees it."""
    return Target(host="127.0.0.1", port=settings.receive.port, called_ae="CXRNODE", calling_ae="BENCH")


def await_node(settings: Settings, seconds: float = 180) -> None:
    """Wait until the node answers C-ECHO."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            send.echo(target(settings))
        except CxrnodeError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the node did not start")


def measure(path: Path, settings: Settings, database: Database, times: Times, *, warm_up: bool) -> None:
    """Send one study and wait for the last of its deliveries; the database's times say when each stage ended."""
    (outcome,) = send.store([path], target(settings))
    sent = time.time()
    outcome.raise_for_status()
    study_uid = dcmread(path, stop_before_pixels=True).StudyInstanceUID
    deadline = time.monotonic() + 60
    while not is_delivered(database, study_uid):
        if time.monotonic() > deadline:
            raise SystemExit(f"{path.name} was not delivered within a minute")
        time.sleep(LOOK_EVERY_SECONDS)
    if warm_up:
        return
    with database.reading() as read:
        analysis = read.scalars(select(Analysis).where(Analysis.study_uid == study_uid)).one()
        documents = read.scalars(select(Document).where(Document.analysis_id == analysis.id)).all()
        deliveries = read.scalars(
            select(Delivery).where(Delivery.document_id.in_([document.id for document in documents]))
        ).all()
        examined = read.scalars(
            select(ImageResult.completed_at).join(Instance).where(Instance.study_uid == study_uid)
        ).one()
    settle = settings.receive.settle_after_release_seconds
    analysed = analysis.completed_at / 1000
    built = max(document.built_at for document in documents) / 1000
    delivered = max(delivery.finished_at or 0 for delivery in deliveries) / 1000
    for stage in STAGES:
        times.add(stage, analysis.timings.get(stage, 0.0))
    times.add(EXAMINED, examined / 1000 - sent)
    times.add(SETTLE, settle)
    times.add(GATHER, analysed - sent - settle)
    times.add(REPORT, built - analysed)
    times.add(DELIVER, delivered - built)
    times.add(WHOLE, delivered - sent)


def is_delivered(database: Database, study_uid: str) -> bool:
    """Tell whether all that is due of a study's analysis has arrived."""
    delivered = (
        select(func.count())
        .select_from(Delivery)
        .join(Document, Document.id == Delivery.document_id)
        .join(Analysis, Analysis.id == Document.analysis_id)
        .where(Analysis.study_uid == study_uid, Delivery.state == "delivered")
    )
    with database.reading() as read:
        return read.scalar(delivered) == DELIVERIES


def measure_kernels(files: Sequence[Path], settings: Settings, kernels: Times) -> None:
    """Time the bare work of each stage: pydicom's decode, the interpreter's call, the encoders, the wire."""
    from inference.model import Model
    from reporting.hl7.mllp import MllpPeer, send_message

    model = Model.open(settings.inference.package, settings.inference)
    inputs = model.inputs(np.random.default_rng(1).random((512, 512), np.float32))
    documents = sorted(path for path in settings.document_dir.rglob("*") if path.is_file())
    captures = [path for path in documents if is_capture(path)]
    reports = [path for path in documents if path.suffix == ".dcm" and path not in captures]
    messages = [path for path in documents if path.suffix != ".dcm"]
    pacs, ris = settings.destinations
    peer = Target(host=pacs.host, port=pacs.port, called_ae="DEMOPACS", calling_ae="BENCH")
    message = messages[0].read_bytes()
    for path in files:
        kernels.add("decode", timed(lambda path=path: dcmread(path).pixel_array))
        kernels.add("forward", timed(lambda: model.forward(inputs)))
        kernels.add("encode", timed(lambda: [reencode(captures[0]), reencode(reports[0])]))
        kernels.add("send", timed(lambda: (
            send.store([reports[0], captures[0]], peer),
            send_message(MllpPeer(ris.host, ris.port), message, message.split(b"|")[9].decode()),
        )))  # fmt: skip


def is_capture(path: Path) -> bool:
    """Say whether a document is a secondary capture."""
    return path.suffix == ".dcm" and str(dcmread(path, stop_before_pixels=True).Modality) != "SR"


def reencode(path: Path) -> None:
    """Write a finished document once more, as bytes in memory."""
    from io import BytesIO

    dcmread(path).save_as(BytesIO(), enforce_file_format=True)


def timed(work: Callable[[], object]) -> float:
    """Return the seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def summarise(times: Times, kernels: Times, settings: Settings, files: Sequence[Path], what: str) -> dict[str, Any]:
    """Return the figures as plain values; times in milliseconds."""
    settle = 1000 * settings.receive.settle_after_release_seconds
    beyond = {"median": times.median(WHOLE) - settle, "p95": times.p95(WHOLE) - settle}
    return {
        "what": what,
        "studies": len(files) - 1,
        "settings": "defaults, SQLite, one worker; C-STORE response to SR and capture stored and HL7 acknowledged",
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "python": platform.python_version(),
            "busy_at_end": round(os.getloadavg()[0], 1),
        },
        "settle_ms": settle,
        "whole_ms": {"median": round(times.median(WHOLE), 1), "p95": round(times.p95(WHOLE), 1)},
        "beyond_settle_ms": {name: round(value, 1) for name, value in beyond.items()},
        "goal_beyond_settle_ms": GOAL_MS,
        "goals_met": {name: beyond[name] <= most for name, most in GOAL_MS.items()},
        "way": {stage: row(stage, times, kernels) | share(stage, times) for stage in WAY},
        "meanwhile": {stage: row(stage, times, kernels) for stage in (EXAMINED, *STAGES)},
    }


def row(stage: str, times: Times, kernels: Times) -> dict[str, Any]:
    """Return a stage's figures, beside its kernel's where it has one."""
    kernel = {"decode": "decode", "forward": "forward", REPORT: "encode", DELIVER: "send"}.get(stage)
    return {
        "median_ms": round(times.median(stage), 1),
        "p95_ms": round(times.p95(stage), 1),
        "kernel_ms": None if kernel is None else round(kernels.median(kernel), 1),
        "ratio_to_kernel": None if kernel is None else round(times.median(stage) / kernels.median(kernel), 2),
    }


def share(stage: str, times: Times) -> dict[str, float]:
    """Return which part of the whole a stage is, by the medians."""
    return {"share": round(times.median(stage) / times.median(WHOLE), 3)}


def show(report: dict[str, Any]) -> None:
    """Print the figures."""
    console = Console()
    for title in ("way", "meanwhile"):
        table = Table("stage", "median ms", "p95 ms", "share", "kernel alone ms", "× kernel", title=title)
        for stage, figures in report[title].items():
            table.add_row(
                stage, str(figures["median_ms"]), str(figures["p95_ms"]),
                f"{figures['share']:.0%}" if "share" in figures else "–",
                "–" if figures["kernel_ms"] is None else str(figures["kernel_ms"]),
                "–" if figures["ratio_to_kernel"] is None else str(figures["ratio_to_kernel"]),
            )  # fmt: skip
        console.print(table)
    console.print(f"{report['studies']} studies, {report['what']}")
    for name, value in report["beyond_settle_ms"].items():
        verdict = "met" if report["goals_met"][name] else "missed"
        goal = report["goal_beyond_settle_ms"][name]
        console.print(f"{name}: the settle time + {value:.0f} ms; goal {goal:.0f} ms: {verdict}")


if __name__ == "__main__":
    main()
