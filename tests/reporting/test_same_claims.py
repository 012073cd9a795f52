"""Report, capture, message, page and table say the same of every finding, whatever the findings are."""

import re
from dataclasses import dataclass
from io import BytesIO, StringIO
from typing import Any
from unittest.mock import patch

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageDraw
from rich.console import Console

from config.destinations import Hl7Destination
from config.language.translation import Language, speaking
from console import words
from console.page_templates import page_templates
from cxrnode import show
from inference.evidence import may_be_stated
from inference.findings import Box, Code, Finding, OperatingPoints, finding_to_json
from inference.pixels import Picture
from reporting import codes
from reporting.account import AnalysedImage
from reporting.capture.drawing import Caption
from reporting.capture.overlay import draw_capture
from reporting.capture.radiograph import Radiograph
from reporting.claims import Claim, claims_of, percent, region_number, regions_of
from reporting.hl7.message import build_message
from reporting.hl7.message_gate import check_message
from reporting.sr.report import build_report
from reporting.sr.report_gate import check_report
from reporting.words import DISCLAIMER
from tests.accounts import COLUMNS, EVIDENCE, LUNG, ROWS, account, told, walk
from tracking.lists.study_page import FindingDetail
from tracking.lists.summaries import FindingSummary
from tracking.lists.summarise import marks_of

CAPTION = Caption("opacity 1.0.0", "2026-01-02 03:04:05 UTC", ())
RIS = Hl7Destination(kind="hl7", name="ris", host="ris.example", port=2575)
NAMES = ("Alfa", "Bravo", "Charlie", "Delta", "Echo", "Foxtrot", "Golf")
_PRESENCE = {"Present": Claim.PRESENT, "Undetermined": Claim.UNDETERMINED, "Absent": Claim.ABSENT}
_probability = st.floats(0.001, 0.999).map(lambda value: round(value, 4))


@st.composite
def images(draw: st.DrawFn) -> tuple[Finding, ...]:
    """Draw the findings of an image: any scores, points and regions; evidence for some of them."""
    made = []
    for name in NAMES[: draw(st.integers(1, len(NAMES)))]:
        points = OperatingPoints(*sorted((draw(_probability), draw(_probability))))
        score = draw(st.one_of(_probability, st.sampled_from([points.sensitive, points.specific])))
        boxes = draw(st.lists(_probability, max_size=3)) if score >= points.sensitive else []
        abnormal = name != "Golf"
        evidence = EVIDENCE if draw(st.booleans()) else None
        stated = may_be_stated(evidence, EVIDENCE.point, abnormal=abnormal)
        made.append(
            Finding(
                name.lower(), Code(f"C-{name}", "99TEST", name), LUNG, score, points.level(score), points, abnormal,
                tuple(Box(9.0 * n, 9, 9.0 * n + 40, 70, value, points.level(value)) for n, value in enumerate(boxes)),
                stated=stated, evidence=evidence,
            )
        )  # fmt: skip
    return tuple(made)


@dataclass(frozen=True)
class Said:
    """What a document or a screen says of a finding: its claim in a word and, if it gives one, its number."""

    claim: str
    number: str


def expected(found: tuple[Finding, ...]) -> dict[str, Said]:
    return {
        entry.finding.code.meaning: Said(words.claim(entry), percent(entry.finding) if entry.claimed else "")
        for entry in claims_of(found)
        if entry.stated
    }


def report_of(found: tuple[Finding, ...]) -> tuple[dict[str, Claim | None], list[str]]:
    """Return the coded claims of a report's findings, and its impression; regions are checked on the way."""
    made = account(analysed=(AnalysedImage(account().lead, found),))
    built = build_report(made, 9001)
    check_report(built, made)
    document = pydicom.dcmread(BytesIO(built.content))
    entries = {entry.finding.code.meaning: entry for entry in claims_of(found)}
    claims: dict[str, Claim | None] = {}
    for item in told(document):
        name, value = item.name, item.value
        entry = entries[name]
        claim = _PRESENCE[item.presence] if item.presence else None
        assert item.outline is None or entry.claimed
        if item.region:
            assert value == region_number(entry, regions_of(entry)[item.region - 1])
            assert value <= float(percent(entry.finding))
            assert claim in {entry.claim, Claim.UNDETERMINED}
        else:
            claims[name] = claim
            if claim in {Claim.PRESENT, Claim.UNDETERMINED} and entries[name].claimed:
                assert value == float(percent(entries[name].finding))
    impression = next(c for c in walk(document) if c.ConceptNameCodeSequence[0].get("CodeValue") == "C0034375")
    return claims, [item.TextValue for item in impression.ContentSequence if item.ValueType == "TEXT"]


def message_of(found: tuple[Finding, ...]) -> tuple[dict[str, Said], str]:
    made = account(analysed=(AnalysedImage(account().lead, found),))
    built = build_message(made, RIS, None)
    check_message(built, made, "UNICODE UTF-8")
    groups: dict[str, dict[str, str]] = {}
    words: list[str] = []
    for line in built.content.decode().split("\r"):
        fields = line.split("|")
        if fields[0] != "OBX":
            continue
        if fields[3].startswith("59776-5^"):
            words.append(fields[5])
        elif fields[4]:
            groups.setdefault(fields[4], {})[fields[3].split("^")[0]] = fields[5]
    return {
        group["121071"].split("^")[1]: Said(group["121052"].split("^")[1], group.get("111012", ""))
        for group in groups.values()
    }, " ".join(words)


def capture_of(found: tuple[Finding, ...]) -> list[str]:
    """Return every text that is drawn on a capture."""
    drawn: list[str] = []
    original = ImageDraw.ImageDraw.text

    def listen(draw: ImageDraw.ImageDraw, xy: tuple[float, float], text: str, **options: Any) -> None:
        drawn.append(text)
        original(draw, xy, text, **options)

    with patch.object(ImageDraw.ImageDraw, "text", listen):
        draw_capture(Radiograph.of(Picture(np.zeros((ROWS, COLUMNS), np.float32)), 1280), found, CAPTION)
    return drawn


def page_of(found: tuple[Finding, ...]) -> str:
    """Return what the worklist says of a study."""
    details = [
        FindingDetail("1.1", one.label, one.code.meaning, one.score, one.level, one.abnormal, finding_to_json(one))
        for one in found
    ]
    template = page_templates().from_string(
        '{% import "parts.html" as parts with context %}{{ parts.chips(findings) }}'
    )
    text = re.sub(r"<[^>]+>", " ", template.render(findings=details))
    return re.sub(r"\s+", " ", text)


def study_page_of(found: tuple[Finding, ...]) -> str:
    """Return what a study's page says of an image."""
    details = [
        FindingDetail("1.1", one.label, one.code.meaning, one.score, one.level, one.abnormal, finding_to_json(one))
        for one in found
    ]
    template = page_templates().from_string(
        '{% import "parts.html" as parts with context %}'
        '{{ parts.image_findings(words.image_claims(findings, "1.1"), {}) }}'
    )
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", template.render(findings=details))).partition("Scored only")[0]


def table_of(found: tuple[Finding, ...]) -> str:
    summaries = [
        FindingSummary("1.1", one.label, one.code.meaning, one.score, one.level, one.abnormal, len(one.boxes), "",
                       one.stated, marks_of(finding_to_json(one)))
        for one in found
    ]  # fmt: skip
    output = StringIO()
    Console(file=output, width=500, color_system=None).print("\n".join(show.findings_text(claims_of(summaries))))
    return output.getvalue()


@pytest.mark.timeout(600)
@settings(max_examples=25, deadline=None)
@given(found=images())
def test_every_document_and_screen_makes_the_same_claims(found: tuple[Finding, ...]) -> None:
    said = expected(found)
    unsaid = [one.code.meaning for one in found if one.code.meaning not in said]
    entries = {entry.finding.code.meaning: entry for entry in claims_of(found)}
    presence = {name: None if (code := codes.presence(entry.claim)) is None else _PRESENCE[code.meaning]
                for name, entry in entries.items()}  # fmt: skip
    claims, impression = report_of(found)
    coded, text = message_of(found)
    drawn, page, table = capture_of(found), page_of(found), table_of(found)
    study_page = study_page_of(found)
    joined = " ".join(drawn)

    assert claims == presence
    assert {name: value.claim for name, value in coded.items()} == {
        name: claim.value.capitalize() for name, claim in presence.items() if claim is not None
    }
    assert impression[0].startswith(DISCLAIMER)
    assert text.startswith(DISCLAIMER)
    for name, expectation in said.items():
        entry = entries[name]
        if entry.claimed:
            number = expectation.number
            assert coded[name].number == f"{float(number):g}"
            line = f"{name}: {expectation.claim} ({number} %)"
            assert any(comment.startswith(line) for comment in impression)
            assert line in text
            assert f"{name} {number}% {expectation.claim}" in page
            assert f"{name} {number}% {expectation.claim}" in table
            assert f"{name} {expectation.claim} {number}%" in study_page
            assert name in drawn
            assert f"{number} %" in drawn
            assert expectation.claim in drawn
        elif entry.absent:
            assert coded[name].number == ""
            assert any(comment.startswith("Not found: ") and name in comment for comment in impression)
            assert re.search(rf"not found: .*{name}", table)
            assert re.search(rf"Not found.* {name}", study_page)
            assert name in drawn
    for name in unsaid:
        assert not any(name in place for place in (" ".join(impression), text, page, study_page, table, joined))
        assert name not in coded
    if not any(entry.claim is Claim.PRESENT for entry in entries.values()):
        said_of_findings = re.sub(r"present from [0-9.]+%", "", study_page)  # the point, not a claim
        assert not any("present" in place for place in (" ".join(impression), page, said_of_findings, table))


def without_no_break(text: str) -> str:
    """Return a text with the spaces that hold a number and its unit together as plain ones."""
    return text.replace("\xa0", " ").replace("\u202f", " ")


@pytest.mark.timeout(600)
@settings(max_examples=5, deadline=None)
@given(found=images())
def test_every_document_and_page_makes_the_same_claims_in_german(found: tuple[Finding, ...]) -> None:
    english, _ = report_of(found)
    with speaking(Language.GERMAN):
        claims, impression = report_of(found)
        coded, text = message_of(found)
        drawn, page, study_page = capture_of(found), page_of(found), study_page_of(found)
        impression, drawn = [without_no_break(line) for line in impression], [without_no_break(word) for word in drawn]
        text, page, study_page = map(without_no_break, (text, page, study_page))
        entries = {
            entry.finding.code.meaning: (entry, words.claim(entry)) for entry in claims_of(found) if entry.stated
        }
    assert claims == english, "codes are those of every language"
    assert set(coded) <= set(entries)
    said = " ".join(impression)
    for name, (entry, claim) in entries.items():
        if entry.claimed:
            number = f"{percent(entry.finding).replace('.', ',')} %"  # as German writes it
            assert f"{name}: {claim} ({number})" in said
            assert f"{name}: {claim} ({number})" in text
            assert f"{name} {number} {claim}" in page
            assert f"{name} {claim} {number}" in study_page
            assert {name, number, claim} <= set(drawn)
        elif entry.absent:
            assert all(name in place for place in (said, study_page, " ".join(drawn)))
    for one in found:
        if one.code.meaning not in entries:
            assert not any(one.code.meaning in place for place in (said, text, page, " ".join(drawn)))
