"""The demonstration with files as users have them: the same twice, two under one UID, none, and an impatient user."""

import os
import signal
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

import psutil
import pytest
from PIL import Image

from config.errors import PermanentError
from config.settings import Settings
from cxrnode import demo, demo_phantoms
from cxrnode.phantom import View
from dicom_node.storage_scu.answers import StoreOutcome
from tests.phantoms import phantom_dataset
from tracking.engine import schema
from tracking.engine.database import Database
from tracking.studies.instances import IncomingInstance, StudyHeader, register_instance


def run(source: Path, folder: Path) -> demo.Outcome:
    return demo.run(source, folder, timeout_seconds=120, progress=lambda *_: None)


def write(path: Path, seed: int, *, uid: str | None = None, view: View = View.PA) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset = phantom_dataset(seed, size=512, view=view)
    if uid is not None:
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
        dataset.StudyInstanceUID = f"{uid}.1"
    dataset.save_as(path, enforce_file_format=True)


def assert_private(folder: Path) -> None:
    """See that nobody but the owner reads what a node has: store, database, documents, anchor, log."""
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    found = [folder / "node.log", folder / "node", *(folder / "node").rglob("*")]
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in found}
    assert {path: mode for path, mode in modes.items() if mode != (0o700 if path.is_dir() else 0o600)} == {}
    kinds = {path.suffix for path in found}
    assert kinds >= {".db", ".dcm", ".anchor", ".log"}


def test_files_under_one_uid_are_told_apart_by_name_and_the_folder_may_hold_anything(tmp_path: Path) -> None:
    source, folder = tmp_path / "my files", tmp_path / "what came out"
    uid = "2.25.123456789"
    write(source / "day 1" / "first.dcm", 1, uid=uid)
    (source / "second.dcm").write_bytes((source / "day 1" / "first.dcm").read_bytes())
    write(source / "third.dcm", 2, uid=uid)
    write(source / "[red]lateral.dcm", 3, view=View.LATERAL)
    (source / "notes.txt").write_text("no DICOM")
    before = os.umask(0)
    try:
        outcome = run(source, folder)
    finally:
        os.umask(before)
    assert outcome.good, outcome.expectations
    assert_private(folder)
    assert outcome.ignored == 1
    assert sorted(outcome.names.values()) == [["[red]lateral.dcm"], ["day 1/first.dcm", "second.dcm", "third.dcm"]]
    assert outcome.notes == [
        "day 1/first.dcm, second.dcm, third.dcm share one SOP Instance UID: day 1/first.dcm stands, "
        "1 with other bytes was kept aside, 1 with the same bytes changed nothing"
    ]
    assert [path.name for path in outcome.captures] == ["capture-first.png"]


def test_a_folder_that_holds_the_users_own_files_is_not_made_fresh(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    demo.prepare_folder(folder)
    write(folder / "sent" / "mine.dcm", 1)
    for source in (folder, folder / "sent", folder / "sent" / "mine.dcm"):
        with pytest.raises(PermanentError, match="--out"):
            run(source, folder)
    assert (folder / "sent" / "mine.dcm").exists()
    with pytest.raises(PermanentError, match="--out"):
        run(tmp_path, folder / "sent" / "mine.dcm")


def test_it_does_not_look_into_the_database_of_the_node_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXRNODE_DATABASE__URL", f"sqlite:///{tmp_path / 'in service.db'}")
    monkeypatch.setenv("CXRNODE_NODE__DATA_DIR", str(tmp_path / "in service"))
    file = tmp_path / "cxrnode.toml"
    file.write_text(f'[node]\ndata_dir = "{tmp_path / "node"}"\n')
    assert demo.own_settings(file).database_url() == f"sqlite:///{tmp_path / 'node' / 'cxrnode.db'}"
    assert os.environ["CXRNODE_NODE__DATA_DIR"] == str(tmp_path / "in service")


@pytest.mark.faults
def test_ctrl_c_ends_the_demonstration_and_every_process_of_it(tmp_path: Path) -> None:
    source, folder = tmp_path / "files", tmp_path / "out"
    for number in range(3):
        write(source / f"{number}.dcm", number)
    environment = {**os.environ, "COLUMNS": "80"}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "cxrnode", "demo", str(source), "--out", str(folder)],
        start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment,
        preexec_fn=_hear_ctrl_c,  # noqa: PLW1509 - nothing runs here beside it
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 150
        log = folder / "node.log"
        while not (log.exists() and "service-started" in log.read_text()):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        said, _ = process.communicate(timeout=150)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert [other.pid for other in psutil.process_iter() if _group(other.pid) == process.pid] == []


def _hear_ctrl_c() -> None:
    """Undo what a shell does to commands it runs in the background: they, and so these tests, ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def test_its_pages_run_until_ctrl_c(tmp_path: Path) -> None:
    settings_file = demo._write_settings(tmp_path, 1, 2)
    database = Database.open(demo.own_settings(settings_file).database_url())
    schema.ensure(database)
    database.close()
    name, password = demo.add_user(tmp_path)
    seen: list[str] = []
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())

    def look(address: str) -> None:
        deadline = time.monotonic() + 150
        form = urlencode({"user": name, "password": password, "next": "/analyse"}).encode()
        login = urllib.request.Request(f"{address}/login", form, {"Sec-Fetch-Site": "same-origin"})
        while not seen and time.monotonic() < deadline:
            try:
                seen.append(browser.open(login, timeout=5).read().decode())
            except urllib.error.HTTPError as error:
                pytest.fail(f"{error.code}")
            except OSError:
                time.sleep(0.1)
        raise KeyboardInterrupt

    demo.serve_pages(tmp_path, look)
    assert "<h1>Analyse</h1>" in seen[0]
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(demo.pages_address(demo.own_settings(settings_file)), timeout=5)


def test_one_phantom_is_also_written_as_png(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = next(scene for scene in demo_phantoms.SCENES if scene.name == demo_phantoms.AS_PNG)
    monkeypatch.setattr(demo_phantoms, "SCENES", (scene,))
    (path,) = demo_phantoms.write(tmp_path / "sent", lambda *_: None)
    with Image.open(path.with_suffix(".png")) as png:
        assert (png.format, png.mode) == ("PNG", "L")


def test_a_study_of_two_patients_is_not_waited_for(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(database={"url": database_url})
    for uid, patient in (("1.1", "PAT-A"), ("1.2", "PAT-B")):
        incoming = IncomingInstance(
            instance_uid=uid, sop_class_uid="1.2.840.10008.5.1.4.1.1.1", series_uid="1.8",
            transfer_syntax_uid="1.2.840.10008.1.2.1", modality="CR", sha256="a" * 64, size=7, path="ab/cd",
            calling_ae="MODALITY", called_ae="CXRNODE", address="127.0.0.1", study=StudyHeader("1.9", "", patient),
        )  # fmt: skip
        with database.transaction() as tx:
            register_instance(tx, incoming, settle_seconds=0)

    def wait(_: float) -> None:
        pytest.fail("waits for what nothing will change")

    monkeypatch.setattr(demo.time, "sleep", wait)
    sent = [StoreOutcome(Path("x.dcm"), uid, 0, "") for uid in ("1.1", "1.2")]
    (study,) = demo._wait(settings, sent, 600, lambda *_: None)
    assert study.status == "conflict"
