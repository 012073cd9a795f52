"""The whole way among systems that nobody here wrote: DCMTK sends, Orthanc keeps, ``hl7``'s listener acknowledges."""

import asyncio
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hl7
import pytest
from hl7.mllp import start_hl7_server
from pydicom import dcmread
from pydicom.uid import JPEG2000Lossless

from cxrnode.demo_peers import DemoRis
from cxrnode.phantom import View
from tests.codestreams import compress
from tests.phantoms import phantom_dataset

pytestmark = [pytest.mark.peers, pytest.mark.timeout(300)]
IDENTITY = ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "AccessionNumber")


class Listener:
    """``hl7``'s MLLP server in a thread, answering AA and keeping what it got."""

    def __init__(self) -> None:
        self.messages: list[hl7.Message] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> int:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(
            start_hl7_server(self._serve, host="127.0.0.1", port=0, encoding="utf-8"), self._loop
        ).result(10)
        return int(self._server.sockets[0].getsockname()[1])

    async def _serve(self, reader: Any, writer: Any) -> None:
        try:
            while not writer.is_closing():
                message = await reader.readmessage()
                self.messages.append(message)
                writer.writemessage(message.create_ack("AA"))
                await writer.drain()
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    def stop(self) -> None:
        async def close() -> None:
            self._server.close()
            for task in asyncio.all_tasks():
                if task is not asyncio.current_task():
                    task.cancel()

        asyncio.run_coroutine_threadsafe(close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    """A running HL7 listener."""
    running = Listener()
    yield running
    running.stop()


@pytest.fixture
def variants(tmp_path: Path, dcmtk: Callable[[str], str]) -> dict[str, Path]:
    """One phantom study for each way DCMTK can send it: the option of storescu, and the file."""
    made = {}
    for seed, (option, encode) in enumerate(
        {
            "-xe": [],
            "-xs": ["dcmcjpeg", "+e1"],
            "-xy": ["dcmcjpeg", "+eb", "+ua"],
            "-xt": ["dcmcjpls"],
            "-xr": ["dcmcrle"],
            "-xv": [],
        }.items()
    ):
        path = tmp_path / f"variant{option}.dcm"
        data = phantom_dataset(70 + seed, size=512, opacity=bool(seed % 2), patient=f"VARIANT^{seed}")
        if option == "-xv":
            compress(data, JPEG2000Lossless)
        if option == "-xy":  # JPEG baseline holds 8 bits
            data.PixelData = (data.pixel_array >> 4).astype("uint8").tobytes()
            data.BitsAllocated = data.BitsStored = 8
            data.HighBit = 7
            data.WindowCenter, data.WindowWidth = 128, 256
        data.save_as(path, enforce_file_format=True)
        if encode:
            program, *options = encode
            subprocess.run([dcmtk(program), *options, str(path), str(path)], check=True, capture_output=True)
        made[option] = path
    return made


def test_dcmtk_sends_orthanc_keeps_and_a_foreign_listener_acknowledges(
    variants: dict[str, Path],
    dcmtk: Callable[[str], str],
    start_node: Callable[..., Any],
    orthanc: Any,
    listener: Listener,
) -> None:
    node = start_node(orthanc.dicom_port, ris_port=listener.start())
    node.await_ready()
    port = str(node.settings.receive.port)
    for option, path in variants.items():
        subprocess.run([dcmtk("storescu"), option, "127.0.0.1", port, str(path)], check=True, capture_output=True)
        subprocess.run(
            [dcmtk("storescu"), option, "127.0.0.1", str(orthanc.dicom_port), str(path)],
            check=True,
            capture_output=True,
        )
    studies = node.await_settled(len(variants))
    assert {study.status for study in studies} == {"delivered"}
    for path in variants.values():
        source = dcmread(path, stop_before_pixels=True)
        instances = orthanc.find("Instance", StudyInstanceUID=source.StudyInstanceUID)
        tags = [orthanc.tags(instance["ID"]) for instance in instances]
        assert sorted(tag["Modality"] for tag in tags) == sorted([source.Modality, "OT", "SR"])
        for keyword in IDENTITY:
            assert {tag[keyword] for tag in tags} == {str(source[keyword].value)}, keyword
        assert len(orthanc.find("Patient", PatientID=source.PatientID)) == 1
        assert len(orthanc.find("Study", StudyInstanceUID=source.StudyInstanceUID)) == 1
    assert len(listener.messages) == len(variants)
    assert {str(message.segment("MSH")[9]) for message in listener.messages} == {"ORU^R01^ORU_R01"}
    acknowledged = [way for study in studies for way in study.deliveries if way.kind == "hl7"]
    assert {str(message.segment("MSH")[10]) for message in listener.messages} == {
        way.document_uid for way in acknowledged
    }


def test_many_images_on_one_association_all_come_back(
    dcmtk: Callable[[str], str],
    start_node: Callable[..., Any],
    orthanc: Any,
    phantoms: Callable[[int], list[Path]],
) -> None:
    folder = phantoms(6)[0].parent
    node = start_node(orthanc.dicom_port)
    node.await_ready()
    command = [dcmtk("storescu"), "+sd", "127.0.0.1", str(node.settings.receive.port), str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    assert {study.status for study in node.await_settled(6)} == {"delivered"}
    assert len(orthanc.get("/instances")) == 12


def test_several_of_each_service_share_one_postgresql(
    tmp_path: Path,
    start_node: Callable[..., Any],
    orthanc: Any,
    ris: DemoRis,
    phantoms: Callable[[int], list[Path]],
    postgresql: Any,
) -> None:
    postgresql.command("CREATE DATABASE whole_way")
    services = ("receive", "work-1", "work-2", "deliver-1", "deliver-2")
    node = start_node(orthanc.dicom_port, services, database_url=postgresql.url("whole_way"))
    node.await_ready()
    paths = phantoms(8)
    for path in paths:
        node.send_until_acknowledged(path)
    assert {study.status for study in node.await_settled(len(paths))} == {"delivered"}
    assert node.audit_is_intact()
    node.stop()
    assert len(orthanc.get("/instances")) == 2 * len(paths)
    assert list(ris.times_received.values()) == [1] * len(paths)
    postgresql.command("DROP DATABASE whole_way")


SECRETS = ("Geheimnis", "Quux", "PID-4711-X", "19340506", "ACC-8812")


def private_files(folder: Path) -> int:
    """Write studies whose every identity is a secret: good ones, and those that make libraries complain."""
    kinds: dict[str, dict[str, str]] = {
        "good": {},
        "broken-birth-date": {"PatientBirthDate": "19340506x"},
        "strange-character-set": {"SpecificCharacterSet": "ISO_IR 999"},
        "cut-short": {},
        "lateral": {},
    }
    for number, (name, changes) in enumerate(kinds.items()):
        view = View.LATERAL if name == "lateral" else View.PA
        data = phantom_dataset(200 + number, size=512, view=view, patient="Geheimnis^Quux", patient_id="PID-4711-X")
        data.PatientBirthDate, data.AccessionNumber = "19340506", "ACC-8812"
        for keyword, value in changes.items():
            setattr(data, keyword, value)
        if name == "cut-short":
            data.PixelData = data.PixelData[: len(data.PixelData) // 2]
        data.save_as(folder / f"{name}.dcm", enforce_file_format=True)
    return len(kinds)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.fault(
    "a radiograph goes all the way round",
    promise="no line of log or audit log holds patient data",
    area="secret",
)
def test_no_log_line_and_no_audit_line_holds_patient_data(
    tmp_path: Path, dcmtk: Callable[[str], str], start_node: Callable[..., Any], orthanc: Any
) -> None:
    folder = tmp_path / "private"
    folder.mkdir()
    count = private_files(folder)
    node = start_node(orthanc.dicom_port)
    node.await_ready()
    command = [dcmtk("storescu"), "+sd", "127.0.0.1", str(node.settings.receive.port), str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    statuses = {study.status for study in node.await_settled(count)}
    assert statuses == {"delivered", "not-analysed"}
    node.stop()
    written = "".join(path.read_text() for path in node.folder.glob("*.log")) + node.audit_text()
    assert written.count("instance-received") == count
    for secret in SECRETS:
        assert secret not in written
