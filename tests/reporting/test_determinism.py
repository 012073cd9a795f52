"""Another process at another time builds the same bytes: nothing comes from the clock or from chance."""

import hashlib
import os
import subprocess
import sys
import time

import pytest

from config.destinations import Hl7Destination
from reporting.capture.map_capture import build_map_capture
from reporting.capture.radiograph import Radiograph
from reporting.capture.secondary_capture import build_capture
from reporting.claims import mapped_of
from reporting.hl7.message import build_message
from reporting.sr.report import build_report
from tests.accounts import good_header, lateral, mapped_account, picture


def build() -> list[bytes]:
    """Build one document of each kind, with everything that a document may hold."""
    made = mapped_account(good_header(1), good_header(2), skipped=(lateral(),), corrects=True, revision=2)
    (mapped,) = mapped_of(made.analysed[0].findings)
    destination = Hl7Destination(kind="hl7", name="ris", host="h", port=1)
    return [
        build_report(made, 9001).content,
        build_capture(made, made.analysed[0], Radiograph.of(picture(), 800), 9002).content,
        build_map_capture(made, made.analysed[0], mapped, Radiograph.of(picture(), 800), 9003).content,
        build_message(made, destination, None).content,
    ]


def digests() -> str:
    return " ".join(hashlib.sha256(content).hexdigest() for content in build())


@pytest.mark.fault(
    "documents are built again, by another process at another time",
    promise="the same bytes under the same UIDs",
    area="killed",
)
def test_another_process_at_another_time_builds_the_same() -> None:
    script = "from tests.reporting.test_determinism import digests; print(digests())"
    others = {
        subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert others == {digests()}


def test_no_document_holds_the_day_it_was_built() -> None:
    today = time.strftime("%Y%m%d").encode()
    report, *captures, message = build()
    # among pixels, any eight bytes may be found
    headers = [capture.partition(b"\xe0\x7f\x10\x00OB")[0] for capture in captures]
    for content in (report, *headers, message):
        assert today not in content
        assert b"20260102" in content
