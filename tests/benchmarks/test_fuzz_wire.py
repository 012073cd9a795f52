"""What the last run of the wire's fuzz found: as many inputs as are promised, and nothing that grows."""

import json

import pytest

from benchmarks import fuzz_wire

LEAST = 100_000
KINDS = json.loads(fuzz_wire.RESULTS.read_text(encoding="utf-8"))["kinds"]


def test_every_kind_was_run() -> None:
    assert {row["what"] for row in KINDS} == set(fuzz_wire.KINDS)


@pytest.mark.parametrize("row", KINDS, ids=[row["what"] for row in KINDS])
def test_nothing_ended_grew_or_reached_a_last_resort(row: dict[str, object]) -> None:
    first, last = row["at_a_tenth"], row["at_the_end"]
    assert isinstance(first, dict)
    assert isinstance(last, dict)
    assert row["inputs"] == LEAST
    assert (row["last_resorts"], row["alive"]) == (0, True)
    assert last["memory_mib"] <= 1.05 * first["memory_mib"]
    assert last["descriptors"] <= first["descriptors"] + fuzz_wire.CLIENTS
    assert last["threads"] <= first["threads"] + fuzz_wire.CLIENTS
