"""Documents in the language of the site: texts speak it, codes stay those of the Standard, bytes stay the same."""

from dataclasses import replace
from io import BytesIO
from unittest.mock import patch

import pydicom
import pytest
from PIL import ImageDraw
from pydicom import Dataset

from config.destinations import Hl7Destination
from config.language.translation import Language, speaking
from reporting.account import Account
from reporting.capture.radiograph import Radiograph
from reporting.capture.secondary_capture import build_capture
from reporting.fhir.bundle import build_bundle
from reporting.fhir.bundle_gate import check_bundle
from reporting.hl7.message import build_message
from reporting.hl7.message_gate import check_message
from reporting.impression import summarise
from reporting.sr.report import build_report
from reporting.sr.report_gate import check_report
from tests.accounts import account, good_header, lateral, mapped_account, picture, walk
from tests.reporting.fhir.conftest import destination

RESEARCH = {
    Language.ENGLISH: "AI result, not verified by a radiologist, research use only: ",
    Language.GERMAN: "KI-Ergebnis, von keinem Radiologen geprüft, nur für Forschungszwecke: ",
    Language.FRENCH: "Résultat d'IA, non vérifié par un radiologue, réservé à la recherche\xa0: ",
    Language.SPANISH: "Resultado de IA, no verificado por un radiólogo, solo para investigación: ",
    Language.ITALIAN: "Risultato di IA, non verificato da un radiologo, solo per ricerca: ",
    Language.PORTUGUESE: "Resultado de IA, não verificado por um radiologista, somente para pesquisa: ",
}
FINDING = {
    Language.ENGLISH: "Lung opacity present", Language.GERMAN: "Lungenverschattung: vorhanden",
    Language.FRENCH: "Opacité pulmonaire\xa0: présent", Language.SPANISH: "Opacidad pulmonar: presente",
    Language.ITALIAN: "Opacità polmonare: presente", Language.PORTUGUESE: "Opacidade pulmonar: presente",
}  # fmt: skip
HEADLINES = {language: RESEARCH[language] + FINDING[language] for language in Language}
OTHERS = [language for language in Language if language is not Language.ENGLISH]


def spoken_of() -> Account:
    return mapped_account(good_header(1), good_header(2), skipped=(lateral(),), corrects=True, revision=2)


def with_letters(made: Account) -> Account:
    """Return an account as it is assembled for a site that does not speak English."""
    return replace(made, analysed=tuple(replace(one, source=one.source.with_letters()) for one in made.analysed))


def texts(document: Dataset) -> list[str]:
    return [str(item.TextValue) for item in walk(document) if item.get("ValueType") == "TEXT"]


@pytest.mark.parametrize("language", Language)
def test_the_headline_is_in_the_language_in_force(language: Language) -> None:
    with speaking(language):
        assert summarise(spoken_of())[0].startswith(HEADLINES[language])


@pytest.mark.parametrize("language", OTHERS)
def test_a_report_speaks_and_keeps_its_codes(language: Language) -> None:
    made = with_letters(spoken_of())
    english = pydicom.dcmread(BytesIO(build_report(spoken_of(), 9001).content))
    with speaking(language):
        built = build_report(made, 9001)
        check_report(built, made)
        assert build_report(made, 9001).content == built.content
    document = pydicom.dcmread(BytesIO(built.content))
    assert any(text.startswith(HEADLINES[language].replace("\xa0", " ")) for text in texts(document))
    meant = {str(element.value) for element in document.iterall() if element.keyword == "CodeMeaning"}
    before = {str(element.value) for element in english.iterall() if element.keyword == "CodeMeaning"}
    assert len(meant - before) == 1, "only the language itself is another"
    assert "Lung opacity" in meant
    assert document.PatientName == english.PatientName


@pytest.mark.parametrize("language", [Language.GERMAN, Language.FRENCH])
@pytest.mark.parametrize("character_set", ["UNICODE UTF-8", "8859/1", "ASCII"])
def test_a_message_speaks_in_every_character_set(language: Language, character_set: str) -> None:
    destination = Hl7Destination(kind="hl7", name="ris", host="h", port=1, character_set=character_set)
    made = spoken_of()
    with speaking(language):
        built = build_message(made, destination, None)
        check_message(built, made, character_set)
    text = built.content.decode({"UNICODE UTF-8": "utf-8", "8859/1": "latin-1", "ASCII": "ascii"}[character_set])
    assert "?" not in text
    assert "|121071^Finding^DCM|" in text
    assert "^Lung opacity^" in text


@pytest.mark.parametrize("language", [Language.GERMAN, Language.PORTUGUESE])
def test_a_capture_speaks(language: Language) -> None:
    drawn: list[str] = []
    original = ImageDraw.ImageDraw.text

    def listen(draw: ImageDraw.ImageDraw, xy: tuple[float, float], text: str, **options: object) -> None:
        drawn.append(text)
        original(draw, xy, text, **options)  # type: ignore[arg-type]

    made = with_letters(spoken_of())
    with speaking(language), patch.object(ImageDraw.ImageDraw, "text", listen):
        built = build_capture(made, made.analysed[0], Radiograph.of(picture(), 1280), 9002)
    assert "NOT VERIFIED BY A RADIOLOGIST" not in drawn
    assert "Not found" not in drawn
    described = pydicom.dcmread(BytesIO(built.content), stop_before_pixels=True)
    assert "AI findings" not in described.SeriesDescription
    assert len(described.SeriesDescription) <= 64


def test_a_source_in_another_script_gets_words_without_accents() -> None:
    header = good_header(1)
    header.SpecificCharacterSet = "ISO_IR 144"
    made = account(header)
    with speaking(Language.GERMAN):
        built = build_report(made, 9001)
        check_report(built, made)
    document = pydicom.dcmread(BytesIO(built.content))
    assert document.SpecificCharacterSet == "ISO_IR 144"
    assert any("von keinem Radiologen gepruft" in text for text in texts(document))


def test_a_bundle_speaks_and_keeps_its_codes() -> None:
    made, to = spoken_of(), destination(scored_only=True)
    with speaking(Language.FRENCH):
        built = build_bundle(made, to)
        check_bundle(built, made, to)
    text = built.content.decode()
    assert "AI result" not in text
    assert "Résultat d'IA, non vérifié par un radiologue" in text
    assert '"display":"Lung opacity"' in text.replace('": "', '":"')
