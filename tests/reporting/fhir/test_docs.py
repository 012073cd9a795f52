"""docs/fhir.md says what the code does, no more and no less."""

import json
import re
from dataclasses import replace
from pathlib import Path

from config.errors import PeerBusy, PeerUnavailable, RefusedByPeer
from reporting.fhir.answer import HttpAnswer, judge
from reporting.fhir.bundle import build_bundle
from reporting.fhir.coding import SYSTEMS
from reporting.fhir.withdrawal import build_withdrawal
from tests.accounts import account, good_header, not_analysed_account
from tests.reporting.fhir.conftest import ISSUER, SYSTEM, destination
from tracking.outbox.reasons import Reason
from tracking.outbox.rejections import Note

TEXT = (Path(__file__).parents[3] / "docs" / "fhir.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """The rows of the table that begins with a heading."""
    lines = TEXT[TEXT.index(f"| {heading}") :].split("\n\n", 1)[0].split("\n")[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]


def elements() -> set[tuple[str, str]]:
    to = destination(patient="create", patient_systems={ISSUER: SYSTEM})
    headers = [good_header(number, PlacerOrderNumberImagingServiceRequest=b"P1") for number in (1, 2)]
    first = build_bundle(account(*headers), to).content
    second = build_bundle(replace(account(headers[1]), revision=2, corrects=True), to, [first]).content
    note = Note("2.25.77", None, Reason.QUALITY, (), 0)
    none = build_bundle(not_analysed_account(), to).content
    bundles = (first, second, none, build_withdrawal(note, [first, second]).content)
    resources = [entry["resource"] for content in bundles for entry in json.loads(content)["entry"]]
    return {(resource["resourceType"], key) for resource in resources for key in resource if key != "resourceType"}


def test_the_table_of_elements_has_what_is_sent() -> None:
    assert [tuple(row[:2]) for row in rows("resource | element")] == sorted(
        elements(), key=[tuple(row[:2]) for row in rows("resource | element")].index
    )


def test_the_table_of_answers_is_what_they_are_taken_as() -> None:
    words = {PeerUnavailable: "away", PeerBusy: "busy", RefusedByPeer: "refused"}
    known = 0
    for answer, meaning in rows("answer | taken as"):
        for status in re.findall(r"\b[345]\d\d\b", answer):
            assert meaning.startswith(words[type(judge(HttpAnswer(int(status), b"")))]), status
            known += 1
    assert known == 19


def test_the_table_of_code_systems_is_theirs() -> None:
    assert {row[0]: row[1].strip("`") for row in rows("designator in DICOM")} == SYSTEMS
