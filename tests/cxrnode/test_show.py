"""Tables for people: eleven findings in few lines, in the order and with the claims of every document."""

from io import StringIO

from rich.console import Console

from cxrnode import show
from inference.findings import Finding
from reporting.reading import study_claims
from tests.accounts import CHESTS, chest
from tracking.summaries import FindingSummary


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
