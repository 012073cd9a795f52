"""Identities follow from what a document says, from nothing else."""

import re
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from reporting.identity import control_id, derived_uid, device_uid, document_uid, tracking_uid
from reporting.source import is_uid
from tests.accounts import MODEL

TEXTS = st.text(max_size=80)


@given(st.lists(TEXTS, max_size=5))
def test_every_derived_uid_is_legal_and_short(parts: list[str]) -> None:
    uid = derived_uid(*parts)
    assert is_uid(uid)
    assert len(uid) <= 44


def test_the_order_of_the_sources_does_not_matter_but_which_they_are_does() -> None:
    assert document_uid("sr", ["1.2", "1.3"], MODEL, 1) == document_uid("sr", ["1.3", "1.2"], MODEL, 1)
    others = {
        document_uid("sr", ["1.2", "1.3"], MODEL, 1),
        document_uid("sr", ["1.2"], MODEL, 1),
        document_uid("sr", ["1.2", "1.3"], MODEL, 2),
        document_uid("sc", ["1.2", "1.3"], MODEL, 1),
        document_uid("sr", ["1.2", "1.3"], MODEL, 1, "1.2"),
        document_uid("sr", ["1.2", "1.3"], type(MODEL)("opacity", "1.0.1", MODEL.digest, MODEL.engine), 1),
        document_uid("sr", ["1.2", "1.3"], type(MODEL)("opacity", "1.0.0", "ff" * 32, MODEL.engine), 1),
    }
    assert len(others) == 7


def test_the_engine_that_computed_is_no_part_of_the_device() -> None:
    on_gpu = type(MODEL)(MODEL.name, MODEL.version, MODEL.digest, "tensorflow 2.19 gpu")
    assert device_uid(on_gpu) == device_uid(MODEL)


def test_boxes_are_tracked_apart_from_their_finding() -> None:
    assert len({tracking_uid(MODEL, "1.2", "opacity", position) for position in range(5)}) == 5


@given(TEXTS, st.integers(1, 9))
def test_a_control_id_fits_into_msh_10_and_differs_by_destination(destination: str, revision: int) -> None:
    ours = control_id(["1.2"], MODEL, revision, destination, "1")
    assert re.fullmatch(r"[A-Z2-7]{20}", ours)
    assert ours != control_id(["1.2"], MODEL, revision, destination + "x", "1")


def test_another_process_derives_the_same() -> None:
    script = (
        "from reporting.identity import control_id, document_uid\n"
        "from tests.accounts import MODEL\n"
        "print(document_uid('sr', ['1.2'], MODEL, 1), control_id(['1.2'], MODEL, 1, 'ris', '1'))"
    )
    other = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"}
    )
    assert other.stdout.split() == [document_uid("sr", ["1.2"], MODEL, 1), control_id(["1.2"], MODEL, 1, "ris", "1")]
