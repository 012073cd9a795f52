"""Mutated headers and codestreams cost one image each; ``python -m benchmarks.fuzz_pixels`` runs 100,000 of them."""

from pathlib import Path

import pytest

from benchmarks.fuzz_pixels import fuzz
from inference.codec.task import HEADROOM

pytestmark = [pytest.mark.faults, pytest.mark.filterwarnings("ignore")]


@pytest.mark.fault(
    "headers and codestreams of radiographs are altered at random",
    promise="an image or a reason; the decoder's memory is bounded",
    area="content",
)
def test_mutated_files_are_images_or_reasons(tmp_path: Path) -> None:
    report = fuzz(600, 20261128, tmp_path)
    assert report.faults == []
    assert report.images > 0
    assert report.images + sum(report.reasons.values()) == report.count == 600
    assert report.most_decoder_memory_mib < 2 * (HEADROOM >> 20)
