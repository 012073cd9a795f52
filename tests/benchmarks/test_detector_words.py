"""The developer's guide quotes the last contest of detectors, to the letter."""

import json

from benchmarks.detector_words import GUIDE, RESULTS, replaced, section


def test_the_guide_quotes_the_last_contest() -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    assert guide == replaced(guide, section(json.loads(RESULTS.read_text(encoding="utf-8"))))
