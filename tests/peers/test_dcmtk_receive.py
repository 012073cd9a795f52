"""DCMTK's own programs send to the receiver, in the encodings hospitals use."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from sqlalchemy import select

from config.settings import Settings
from dicom_node.format.syntaxes import decodable_syntaxes
from dicom_node.storage_scp.receive import Receiver
from dicom_node.storage_scu.send import store
from dicom_node.storage_scu.target import Target
from tracking.engine import schema
from tracking.engine.database import Database
from tracking.tables.models import Instance

pytestmark = pytest.mark.peers


def dcmtk(program: str) -> str:
    """Return DCMTK's program; pynetdicom installs scripts of the same names elsewhere."""
    path = shutil.which(program, path="/usr/bin:/usr/local/bin:/opt/homebrew/bin")
    if path is None:
        pytest.skip(f"DCMTK's {program} is not installed")
    return path


class Node:
    """A receiver for every storage class, and what it recorded."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(
            node={"data_dir": folder},
            receive={"port": 0, "accept": ["any-image"], "min_free_disk_bytes": 0},
        )
        self.database = Database.open(self.settings.database_url(), service="receive")
        schema.upgrade(self.database)
        self.receiver = Receiver(self.settings, self.database)
        self.receiver.start()

    def syntaxes(self) -> dict[str, str]:
        with self.database.reading() as read:
            rows = read.execute(select(Instance.instance_uid, Instance.transfer_syntax_uid))
            return {row.instance_uid: row.transfer_syntax_uid for row in rows}

    def send(self, *options: str) -> None:
        command = [dcmtk("storescu"), *options]
        result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert result.returncode == 0, result.stderr


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path / "node")
    yield node
    node.receiver.stop(1)
    node.database.close()


@pytest.fixture
def radiographs(tmp_path: Path) -> Callable[[int], list[Path]]:
    def make(count: int, bits: int = 12) -> list[Path]:
        paths = []
        for index in range(count):
            ds = Dataset()
            ds.file_meta = FileMetaDataset()
            ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
            ds.SOPInstanceUID, ds.StudyInstanceUID, ds.SeriesInstanceUID = (generate_uid() for _ in range(3))
            ds.PatientName, ds.PatientID, ds.Modality = "Test^Pat", "P1", "CR"
            ds.Rows = ds.Columns = 256
            ds.SamplesPerPixel, ds.PixelRepresentation, ds.PhotometricInterpretation = 1, 0, "MONOCHROME2"
            ds.BitsAllocated, ds.BitsStored, ds.HighBit = (16, bits, bits - 1) if bits > 8 else (8, 8, 7)
            ramp = np.add.outer(np.arange(256), np.arange(256)) * ((1 << bits) // 512)
            ds.PixelData = ramp.astype(np.uint16 if bits > 8 else np.uint8).tobytes()
            ds["PixelData"].VR = "OW" if bits > 8 else "OB"
            path = tmp_path / f"cr{bits}-{index}.dcm"
            ds.save_as(path, enforce_file_format=True)
            paths.append(path)
        return paths

    return make


def test_echoscu_is_answered(node: Node) -> None:
    subprocess.run([dcmtk("echoscu"), "127.0.0.1", str(node.receiver.port)], check=True, timeout=30)


def test_many_images_on_one_association(node: Node, radiographs: Callable[[int], list[Path]]) -> None:
    node.send("127.0.0.1", str(node.receiver.port), *map(str, radiographs(20)))
    assert len(node.syntaxes()) == 20


def test_an_association_an_image_from_eight_senders(node: Node, radiographs: Callable[[int], list[Path]]) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda path: node.send("127.0.0.1", str(node.receiver.port), str(path)), radiographs(24)))
    assert len(node.syntaxes()) == 24


@pytest.mark.parametrize("pdu_bytes", ["4096", "131072"])
def test_any_pdu_length(node: Node, radiographs: Callable[[int], list[Path]], pdu_bytes: str) -> None:
    node.send("--max-send-pdu", pdu_bytes, "127.0.0.1", str(node.receiver.port), *map(str, radiographs(3)))
    assert len(node.syntaxes()) == 3


@pytest.mark.parametrize(
    ("converter", "option", "propose", "syntax", "bits"),
    [
        ("dcmcjpeg", "+eb", "-xy", "1.2.840.10008.1.2.4.50", 8),
        ("dcmcjpeg", "+ee", "-xx", "1.2.840.10008.1.2.4.51", 12),
        ("dcmcjpeg", "+e1", "-xs", "1.2.840.10008.1.2.4.70", 12),
        ("dcmcjpls", "+el", "-xt", "1.2.840.10008.1.2.4.80", 12),
        ("dcmcjpls", "+en", "-xu", "1.2.840.10008.1.2.4.81", 12),
        ("dcmcrle", "+un", "-xr", "1.2.840.10008.1.2.5", 12),
        ("dcmconv", "+ti", "-xi", "1.2.840.10008.1.2", 12),
        ("dcmconv", "+tb", "-xb", "1.2.840.10008.1.2.2", 12),
        ("dcmconv", "+td", "-xd", "1.2.840.10008.1.2.1.99", 12),
        ("dcmconv", "+te", "-xe", "1.2.840.10008.1.2.1", 12),
    ],
)
def test_every_encoding_dcmtk_can_write_is_stored_as_it_came(
    node: Node,
    radiographs: Callable[..., list[Path]],
    tmp_path: Path,
    converter: str,
    option: str,
    propose: str,
    syntax: str,
    bits: int,
) -> None:
    if syntax not in decodable_syntaxes():
        pytest.skip(f"no decoder for {syntax} here, so it is not accepted")
    [source] = radiographs(1, bits)
    encoded = tmp_path / "encoded.dcm"
    keep_uid = ["+un"] if converter in {"dcmcjpeg", "dcmcjpls"} else []
    options = [option] if option != "+un" else []
    subprocess.run([dcmtk(converter), *keep_uid, *options, str(source), str(encoded)], check=True, timeout=60)
    node.send(propose, "127.0.0.1", str(node.receiver.port), str(encoded))
    assert list(node.syntaxes().values()) == [syntax]
    [stored] = node.settings.instance_dir.rglob("*.dcm")
    before, after = dcmread(encoded), dcmread(stored)
    if "PixelData" in before:
        assert before.PixelData == after.PixelData


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "propose", "syntax"),
    [
        ("chest/RG1_J2KI.dcm", "-xw", "1.2.840.10008.1.2.4.91"),
        ("chest/RG1_JLSN.dcm", "-xu", "1.2.840.10008.1.2.4.81"),
        ("chest/966_fixed.dcm", "-xv", "1.2.840.10008.1.2.4.90"),
        ("other/JPEG-LL.dcm", "-xs", None),
        ("other/bad_sequence.dcm", "-xs", None),
    ],
)
def test_real_radiographs_in_their_own_encoding(
    node: Node, cxr_data: Path, name: str, propose: str, syntax: str | None
) -> None:
    node.send(propose, "127.0.0.1", str(node.receiver.port), str(cxr_data / "dicom" / name))
    [stored] = node.syntaxes().values()
    assert syntax is None or stored == syntax


def test_our_sender_delivers_to_storescp(tmp_path: Path, radiographs: Callable[[int], list[Path]]) -> None:
    import socket
    import time

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    out = tmp_path / "out"
    out.mkdir()
    process = subprocess.Popen([dcmtk("storescp"), "+xa", "-od", str(out), str(port)])
    try:
        target = Target("127.0.0.1", port, "STORESCP", "CXRNODE")
        for _ in range(100):
            with socket.socket() as attempt:
                if attempt.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        assert all(outcome.stored for outcome in store(radiographs(3), target))
    finally:
        process.terminate()
        process.wait(10)
    assert len(list(out.iterdir())) == 3
