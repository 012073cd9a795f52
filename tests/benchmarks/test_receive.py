"""What the receive benchmark compares with, and what it concludes."""

import threading
from pathlib import Path

import pytest

from benchmarks.floors import DurableWrites, Sink
from benchmarks.images import SMALL, Images
from benchmarks.receive import FLOORS, Sample, summarise
from dicom_node.storage_scu.send import store
from dicom_node.storage_scu.target import Target


def test_the_sink_acknowledges_everything_and_serves_senders_side_by_side(tmp_path: Path) -> None:
    paths = Images(tmp_path).make(SMALL, 6)
    sink = Sink()
    stored: list[bool] = []

    def send(share: list[Path]) -> None:
        stored.extend(outcome.stored for outcome in store(share, Target("127.0.0.1", sink.port, "ANY", "TEST")))

    senders = [threading.Thread(target=send, args=(paths[n::2],)) for n in range(2)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    sink.close()
    assert stored == [True] * 6


def test_the_durable_write_leaves_every_byte_under_its_final_name(tmp_path: Path) -> None:
    writes = DurableWrites(tmp_path / "writes")
    contents = [(f"{n}.dcm", bytes([n]) * 100_000) for n in range(20)]
    writes(contents, 4)
    assert {path.name: path.read_bytes() for path in (tmp_path / "writes" / "final").iterdir()} == dict(contents)
    writes.clear()
    writes(contents[:1], 1)
    writes.close()
    assert (tmp_path / "writes" / "final" / "0.dcm").read_bytes() == contents[0][1]


@pytest.mark.parametrize(
    ("ours", "floor", "verdict"),
    [(1.0, 0.5, "met"), (2.5, 1.0, "missed"), (2.5, 2.2, "out of reach")],
)
def test_a_goal_is_met_or_missed_or_beyond_what_the_slowest_floor_allows(
    ours: float, floor: float, verdict: str
) -> None:
    times = {"DCMTK storescp": 4.0, "Orthanc": 7.0, "cxrnode": ours, FLOORS[0]: floor, FLOORS[1]: 0.1, FLOORS[2]: 0.2}
    samples = [Sample(name, "load", "lean", 1, seconds, 0.0) for _ in range(3) for name, seconds in times.items()]
    [row] = summarise(samples)
    assert row["goal"] == verdict
    assert row["cxrnode_times_faster"] == {"DCMTK storescp": 4.0 / ours, "Orthanc": 7.0 / ours}
    assert row["floor_times_faster"]["Orthanc"] == round(7.0 / floor, 2)


def test_a_passing_load_slows_no_floor() -> None:
    quiet = {"DCMTK storescp": 4.0, "Orthanc": 7.0, "cxrnode": 3.0, FLOORS[0]: 1.0, FLOORS[1]: 1.0, FLOORS[2]: 1.0}
    busy = {**quiet, FLOORS[2]: 50.0}
    samples = [
        Sample(name, "load", "lean", 1, seconds, 0.0)
        for times in (quiet, busy, busy)
        for name, seconds in times.items()
    ]
    assert summarise(samples)[0]["goal"] == "missed"
