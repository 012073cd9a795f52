"""Random kills while studies get late images, are analysed anew, sent again and withdrawn: one current truth each."""

import random
from pathlib import Path

import pytest

from benchmarks.kills import Plan, run


@pytest.mark.faults
@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.fault(
    "services are killed at random while studies get late images, are analysed anew, sent again and withdrawn",
    promise="archive and RIS end with exactly one current result of each study, or none after a withdrawal",
    area="killed",
)
def test_random_kills_between_acts_leave_one_truth(tmp_path: Path) -> None:
    row = run(tmp_path, None, Plan(30, 1.5, 10, acts=True), random.Random(7))
    assert row["studies"] > 0
    assert row["audit_intact"]
    assert [row[name] for name in ("lost", "doubled", "stuck", "sent_though_rejected", "gave_up")] == [0, 0, 0, 0, 0]
