"""DICOM over TLS with DCMTK and Orthanc, in both directions, with certificates on both sides."""

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from sqlalchemy import func, select

from config.certificates import ClientTls
from config.errors import CxrnodeError, PeerUnavailable
from config.settings import Settings
from dicom_node.storage_scp.receive import Receiver
from dicom_node.storage_scu.send import echo, store
from dicom_node.storage_scu.target import Target
from tests.authority import Authority, Pair
from tests.phantoms import phantom_dataset
from tracking.engine.database import Database
from tracking.tables.models import Instance

pytestmark = pytest.mark.peers

Options = list[str | Path]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def ours(authority: Authority) -> Pair:
    return authority.issue("node", "127.0.0.1", "localhost")


@pytest.fixture(scope="module")
def theirs(authority: Authority) -> Pair:
    return authority.issue("pacs", "127.0.0.1", "localhost")


@pytest.fixture
def database(tmp_path: Path, sqlite_template: Path) -> Iterator[Database]:
    path = tmp_path / "cxrnode.db"
    path.write_bytes(sqlite_template.read_bytes())
    opened = Database.open(f"sqlite:///{path}")
    yield opened
    opened.close()


@pytest.fixture
def receiver(tmp_path: Path, database: Database, authority: Authority, ours: Pair) -> Iterator[Receiver]:
    settings = Settings(
        node={"data_dir": tmp_path / "node", "tls": ours.options() | {"client_ca": authority.certificate}},
        receive={"port": 0, "min_free_disk_bytes": 0},
        peers=[{"name": "pacs", "ae_title": "PACS", "certificate_names": ["pacs"]}],
    )
    receiver = Receiver(settings, database)
    receiver.start()
    yield receiver
    receiver.stop(drain_seconds=1)


@pytest.fixture
def radiograph(tmp_path: Path) -> Path:
    path = tmp_path / "radiograph.dcm"
    phantom_dataset(1, size=256).save_as(path, enforce_file_format=True)
    return path


def stored(database: Database) -> int:
    with database.reading() as read:
        return read.scalar(select(func.count()).select_from(Instance)) or 0


def shown(authority: Authority, pair: Pair) -> Options:
    """Return DCMTK's options for a certificate of one's own and the authority of the other side's."""
    return ["+tls", pair.key, pair.certificate, "+cf", authority.certificate]


def target(port: int, authority: Authority, pair: Pair) -> Target:
    tls = ClientTls("localhost", authority.certificate, pair.certificate, pair.key)
    return Target("127.0.0.1", port, "PACS", "CXRNODE", tls=tls)


def send(storescu: str, port: int, radiograph: Path, options: Options) -> int:
    command = [storescu, *options, "-aet", "PACS", "-aec", "CXRNODE", "127.0.0.1", str(port), radiograph]
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode


@pytest.mark.parametrize("profile", ["--profile-bcp195-nd", "--profile-bcp195", "--profile-bcp195-ex"])
def test_storescu_sends_over_tls(
    receiver: Receiver, database: Database, dcmtk: Callable[[str], str], authority: Authority, theirs: Pair,
    radiograph: Path, profile: str,
) -> None:  # fmt: skip
    assert send(dcmtk("storescu"), receiver.tls_port, radiograph, [*shown(authority, theirs), profile]) == 0
    assert stored(database) == 1


def test_storescu_with_another_certificate_or_none_is_refused(
    receiver: Receiver, database: Database, dcmtk: Callable[[str], str], authority: Authority, radiograph: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    stranger = Authority(tmp_path / "other", "Other authority").issue("pacs")
    another = authority.issue("another")
    for options in (
        shown(authority, stranger), shown(authority, another), ["+tla", "+cf", authority.certificate], [],
    ):  # fmt: skip
        assert send(dcmtk("storescu"), receiver.tls_port, radiograph, options) != 0
    assert stored(database) == 0


@pytest.fixture
def storescp(
    tmp_path: Path, dcmtk: Callable[[str], str], free_port: Callable[[], int], authority: Authority, theirs: Pair
) -> Iterator[int]:
    folder, port = tmp_path / "storescp", free_port()
    folder.mkdir()
    command = [dcmtk("storescp"), *shown(authority, theirs), "-od", folder, str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield port
    process.kill()
    process.wait()


def until_it_answers(ask: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            ask()
            return
        except CxrnodeError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@pytest.mark.fault(
    "a destination shows another certificate",
    promise="it is told nothing, and everything for it waits",
    area="tls",
)
def test_we_send_to_storescp_over_tls(
    storescp: int, authority: Authority, ours: Pair, radiograph: Path, tmp_path: Path
) -> None:
    peer = target(storescp, authority, ours)
    until_it_answers(lambda: echo(peer))
    [outcome] = store([radiograph], peer)
    assert outcome.stored
    [copy] = (tmp_path / "storescp").iterdir()
    assert dcmread(copy).PixelData == dcmread(radiograph).PixelData
    stranger = Authority(tmp_path / "other", "Other authority")
    with pytest.raises(PeerUnavailable):
        echo(target(storescp, authority, stranger.issue("node")))
    with pytest.raises(PeerUnavailable, match="its certificate is not accepted"):
        echo(target(storescp, stranger, ours))


def test_orthanc_over_tls_in_both_directions(
    start_orthanc: Callable[..., Any], receiver: Receiver, database: Database, authority: Authority, ours: Pair,
    theirs: Pair, radiograph: Path,
) -> None:  # fmt: skip
    orthanc = start_orthanc(
        "PACS", DicomTlsEnabled=True, DicomTlsCertificate=str(theirs.certificate), DicomTlsPrivateKey=str(theirs.key),
        DicomTlsTrustedCertificates=str(authority.certificate), DicomTlsRemoteCertificateRequired=True,
        DicomModalities={
            "node": {"AET": "CXRNODE", "Host": "127.0.0.1", "Port": receiver.tls_port, "UseDicomTls": True}
        },
    )  # fmt: skip
    [outcome] = store([radiograph], target(orthanc.dicom_port, authority, ours))
    assert outcome.stored
    [instance] = orthanc.find("Instance")
    orthanc.post("/modalities/node/store", [instance["ID"]])
    assert stored(database) == 1
