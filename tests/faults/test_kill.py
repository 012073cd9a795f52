"""Kill -9 of any service at any time: every acknowledged instance ends with its documents delivered exactly once."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import AE, evt

from cxrnode.demo_peers import DemoRis
from tracking.lists.summaries import StudySummary

pytestmark = [pytest.mark.faults, pytest.mark.peers, pytest.mark.timeout(300)]
SR, SC = "1.2.840.10008.5.1.4.1.1.88.34", "1.2.840.10008.5.1.4.1.1.7"
COMPREHENSIVE = "1.2.840.10008.5.1.4.1.1.88.33"


def in_orthanc(orthanc: Any) -> Counter[tuple[str, str]]:
    """Count the instances in Orthanc by study and SOP class."""
    found: Counter[tuple[str, str]] = Counter()
    for instance in orthanc.get("/instances"):
        tags = orthanc.tags(instance)
        found[tags["StudyInstanceUID"], tags["SOPClassUID"]] += 1
    return found


def assert_everything_is_there_once(studies: list[StudySummary], orthanc: Any, ris: DemoRis) -> None:
    stored = in_orthanc(orthanc)
    for study in studies:
        kinds = Counter(document.kind for document in study.documents)
        assert kinds == {"sr": 1, "sc": 1, "hl7": 1}, study
        assert stored[study.study_uid, SR] == 1
        assert stored[study.study_uid, SC] == 1
    assert sum(stored.values()) == 2 * len(studies)
    assert set(ris.received) == {d.uid for study in studies for d in study.documents if d.kind == "hl7"}


@pytest.mark.parametrize(
    ("service", "point"),
    [
        ("receive", "dicom_node.storage_scp.reception:register_instance:before"),
        ("receive", "dicom_node.storage_scp.reception:Reception.finish:after"),
        ("work", "inference.worker:record_image_results:before"),
        ("work", "inference.worker:record_analysis:before"),
        ("work", "reporting.compose:record_documents:after"),
        ("work", "reporting.capture.capture_drafts:build_capture:before"),
        ("deliver", "reporting.delivery.dicom_carrier:record_delivered:before"),
    ],
    ids=[
        "received-not-committed", "committed-not-answered", "examined-not-recorded", "analysed-not-recorded",
        "built-not-committed", "report-on-its-way", "delivered-not-recorded",
    ],
)  # fmt: skip
def test_death_at_the_worst_moment_loses_and_doubles_nothing(
    service: str,
    point: str,
    start_node: Callable[..., Any],
    orthanc: Any,
    ris: DemoRis,
    phantoms: Callable[[int], list[Path]],
) -> None:
    node = start_node(orthanc.dicom_port, [name for name in ("receive", "work", "deliver") if name != service])
    node.start(service, die_at=point)
    (path,) = phantoms(1)
    if service == "receive":
        sender = threading.Thread(target=node.send_until_acknowledged, args=(path,))
        sender.start()
        node.await_death(service)
        node.start(service, die_at=point)
        sender.join(60)
    else:
        node.send_until_acknowledged(path)
        node.await_death(service)
        node.start(service, die_at=point)
    assert_everything_is_there_once(node.await_settled(1), orthanc, ris)
    assert node.audit_is_intact()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_death_while_a_report_changes_its_class_leaves_one_report_in_the_class_that_is_taken(
    moment: str, start_node: Callable[..., Any], phantoms: Callable[[int], list[Path]]
) -> None:
    received: list[tuple[str, str]] = []

    def store(event: evt.Event) -> int:
        received.append((str(event.request.AffectedSOPClassUID), str(event.request.AffectedSOPInstanceUID)))
        return 0

    archive, point = AE("ORTHANC"), f"reporting.delivery.dicom_carrier:replace_document:{moment}"
    for uid in (COMPREHENSIVE, SC):
        archive.add_supported_context(uid)
    server = archive.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
    try:
        node = start_node(server.socket.getsockname()[1], ["receive", "work"])
        node.start("deliver", die_at=point)
        (path,) = phantoms(1)
        node.send_until_acknowledged(path)
        node.await_death("deliver")
        assert [uid for uid, _ in received if uid != SC] == []
        node.start("deliver", die_at=point)
        (study,) = node.await_settled(1)
    finally:
        server.shutdown()
    assert sorted(uid for uid, _ in received) == [SC, COMPREHENSIVE]
    sent = [way for way in study.deliveries if way.kind == "sr"]
    assert [(way.state, way.document_uid) for way in sent] == [("delivered", dict(received)[COMPREHENSIVE])]
    assert node.audit_is_intact()


@pytest.mark.timeout(900)
def test_random_kills_of_all_services_lose_and_double_nothing(
    start_node: Callable[..., Any], orthanc: Any, ris: DemoRis, phantoms: Callable[[int], list[Path]]
) -> None:
    node = start_node(orthanc.dicom_port)
    paths = phantoms(10)
    chance = random.Random(20)

    def send_all() -> None:
        for path in paths:
            node.send_until_acknowledged(
                path, seconds=600
            )  # a busy machine starts a receiver in the time of some kills
            time.sleep(0.5)

    sender = threading.Thread(target=send_all)
    sender.start()
    kills = 0
    while sender.is_alive() or kills < 9:
        time.sleep(chance.uniform(0.3, 1.8))
        name = chance.choice(("receive", "work", "deliver"))
        node.kill(name)
        node.start(name)
        kills += 1
        if kills > 40:
            break
    sender.join(600)
    assert_everything_is_there_once(node.await_settled(len(paths), seconds=300), orthanc, ris)
    assert node.audit_is_intact()


def test_killing_the_supervisor_takes_its_services_along_and_a_new_one_goes_on(
    start_node: Callable[..., Any], orthanc: Any, ris: DemoRis, phantoms: Callable[[int], list[Path]]
) -> None:
    node = start_node(orthanc.dicom_port, ["serve"])
    first, second = phantoms(2)
    node.send_until_acknowledged(first)
    node.kill("serve")
    node.start("serve")
    node.send_until_acknowledged(second)
    assert_everything_is_there_once(node.await_settled(2), orthanc, ris)
    assert node.audit_is_intact()
