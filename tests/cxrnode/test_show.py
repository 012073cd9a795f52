"""Tables for people: eleven findings in few lines, in the order and with the claims of every document."""

from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO

import pytest
from rich.console import Console

from cxrnode import show
from inference.findings import Finding
from reporting.claims import study_claims
from tests.accounts import CHESTS, chest
from tracking.lists.summaries import FindingSummary, KeptAside, StudySummary
from tracking.studies.patient import PatientIdentity


def summaries(*images: tuple[Finding, ...]) -> list[FindingSummary]:
    return [
        FindingSummary(
            f"1.{number}",
            one.label,
            one.code.meaning,
            one.score,
            one.level,
            one.abnormal,
            len(one.boxes),
            one.note,
            one.stated,
            one.marks,
        )
        for number, found in enumerate(images)
        for one in found
    ]


def printed(texts: list[str]) -> list[str]:
    output = StringIO()
    console = Console(file=output, width=200, color_system=None)
    for text in texts:
        console.print(text)
    return output.getvalue().rstrip("\n").split("\n")


def lines(*images: tuple[Finding, ...]) -> list[str]:
    return printed(show.findings_text(study_claims(summaries(*images))))


def test_a_list_of_studies_gives_each_claim_one_line() -> None:
    assert printed(show.gist(study_claims(summaries(chest())))) == [
        "present: Opacity 91%, Pleural effusion 71%, Cardiomegaly 55%",
        "undetermined: Pattern of COVID-19 pneumonia 48%, Atelectasis 31%, Infiltrate 22%, Nodule 8%, Pneumonia 6%",
        "Normal unlikely",
        "not found: Mass, Pneumothorax",
    ]


def test_eleven_findings_are_what_is_claimed_normal_and_one_line_of_what_was_not_found() -> None:
    assert lines(chest()) == [
        "Opacity 91% present · 2 regions",
        "Pleural effusion 71% present",
        "Cardiomegaly 55% present",
        "Pattern of COVID-19 pneumonia 48% undetermined",
        "  Only a pattern on top of an opacity, not a test for infection.",
        "Atelectasis 31% undetermined",
        "Infiltrate 22% undetermined",
        "Nodule 8% undetermined",
        "Pneumonia 6% undetermined",
        "Normal unlikely",
        "not found: Mass, Pneumothorax",
    ]


def test_normal_is_never_stated_beside_a_finding() -> None:
    assert "Normal not stated" in lines(CHESTS["eleven, all present"])
    assert lines(CHESTS["none abnormal"])[0] == "Normal 97% likely"


def test_several_images_give_the_worst_news_of_each_finding() -> None:
    both = lines(CHESTS["none abnormal"], chest())
    assert both == lines(chest())


def test_what_is_scored_only_is_named_nowhere() -> None:
    assert lines(CHESTS["only opacity stated"]) == [
        "Opacity 91% present · 2 regions",
        "nothing is said of any other finding",
    ]
    assert lines(CHESTS["nothing stated"]) == ["no finding is stated"]
    assert printed(show.gist(study_claims(summaries(CHESTS["only opacity stated, not found"])))) == [
        "not found: Opacity"
    ]


LONGEST = "1.2.826.0.1.3680043.8.498." + "8" * 38
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
STUDY = StudySummary(
    study_uid=LONGEST, accession_number="", revision=1, received_at=NOON, instances=1, conflicts=0, status="attention",
    model=None, analysed_at=None, findings=(), not_analysed=(), documents=(), deliveries=(), retrying=(),
    problems=(f"document {LONGEST} was refused",),
)  # fmt: skip
WAITING = KeptAside(
    "1.1", "3f" * 32, LONGEST, NOON, ("Patient ID",), PatientIdentity("PAT-B", "", "Roe^Mary", "", "F"), "1.9"
)


def table(width: int, *studies: StudySummary) -> str:
    output = StringIO()
    Console(file=output, width=width, color_system=None).print(show.StudiesTable(studies))
    return output.getvalue()


@pytest.mark.parametrize("width", [120, 200])
def test_a_study_s_uid_stands_in_one_line_and_long_words_beside_it_are_folded(width: int) -> None:
    printed_table = table(width, STUDY, replace(STUDY, study_uid="1.9"))
    assert f"\u2502 {LONGEST} " in printed_table
    lines_of_table = printed_table.splitlines()
    assert max(map(len, lines_of_table)) <= width
    assert {line[-1] for line in lines_of_table} <= set("┓┃┩│┤┘"), "the table ends where the console does"


def test_where_a_uid_has_no_room_in_a_line_all_of_it_is_there() -> None:
    printed_table = table(80, STUDY)
    assert max(map(len, printed_table.splitlines())) <= 80
    first = "".join(line.split("\u2502")[1].strip() for line in printed_table.splitlines() if "\u2502" in line)
    assert LONGEST in first


def test_a_file_that_waits_elsewhere_leads_to_its_decision_from_both_studies() -> None:
    waiting = replace(STUDY, status="waiting", instances=0, problems=(), kept_aside=(WAITING,))
    assert show.kept_aside_text(waiting, WAITING) == (
        "waits: image under a known UID, which stands for an image of study 1.9, of another patient (Patient ID differ)"
    )
    standing = replace(waiting, study_uid="1.9", status="received", instances=1)
    assert show.kept_aside_text(standing, WAITING) == (
        "1 file kept aside: same instance UID, other bytes of another patient (Patient ID differ) "
        f"of study {LONGEST}: PAT-B, Roe^Mary, F"
    )
    assert show.decisions([waiting, waiting]) == [
        f"cxrnode study accept {LONGEST} --instance 1.1 --sha256 3f3f3f3f3f3f",
        f"cxrnode study reject {LONGEST} --instance 1.1 --sha256 3f3f3f3f3f3f --kept-aside",
    ]
