"""The catalogues: complete, with the placeholders and the markup of their sources, and compiled from what is there."""

import io
import re
import runpy
from collections.abc import Iterator
from gettext import GNUTranslations
from pathlib import Path
from typing import Any

import pytest

from config.language.translation import CATALOGUES, Language

ROOT = Path(__file__).parents[3]
TRANSLATED = [language for language in Language if language is not Language.ENGLISH]
TEMPLATES = ROOT / "console/templates"
DOCUMENT_ROOMS = ("inference/", "reporting/")


@pytest.fixture(scope="module")
def tool() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "scripts/languages"), run_name="languages")


@pytest.fixture(scope="module")
def wanted(tool: dict[str, Any]) -> dict[Path, bytes]:
    files: dict[Path, bytes] = tool["files"]()
    return files


def test_the_catalogues_are_what_the_sources_say_and_compiled(wanted: dict[Path, bytes]) -> None:
    assert {file.name for file in CATALOGUES.iterdir()} == {file.name for file in wanted}
    stale = [file.name for file, content in wanted.items() if said(file, file.read_bytes()) != said(file, content)]
    assert stale == [], "run scripts/languages, and translate what is new"


def said(file: Path, content: bytes) -> Any:
    """Return a source as it is, and the messages of what is compiled: its header names the compiler's version."""
    if file.suffix == ".po":
        return content
    compiled = GNUTranslations(io.BytesIO(content))
    return {source: text for source, text in vars(compiled)["_catalog"].items() if source}


def forms(tool: dict[str, Any], language: Language) -> Iterator[tuple[Any, str, str]]:
    """Return each message with each of its forms and what it is a form of."""
    for message in tool["read"](language.value):
        if message.id:
            sources = (message.id,) if isinstance(message.id, str) else message.id
            texts = (message.string,) if isinstance(message.id, str) else message.string
            assert len(sources) == len(texts), message.id
            for source, text in zip(sources, texts, strict=True):
                yield message, source, text


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_message_is_translated(tool: dict[str, Any], language: Language) -> None:
    empty = [source for _, source, text in forms(tool, language) if not text.strip()]
    assert empty == []
    assert [message.id for message, _, _ in forms(tool, language) if message.fuzzy] == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_has_the_placeholders_and_the_markup_of_its_source(
    tool: dict[str, Any], language: Language
) -> None:
    for _, source, text in forms(tool, language):
        assert placeholders(text) == placeholders(source), text
        assert re.sub(r"%\(\w+\)s|%%", "", text).count("%") == re.sub(r"%\(\w+\)s|%%", "", source).count("%"), text
        assert sorted(re.findall(r"</?\w+[^>]*>", text)) == sorted(re.findall(r"</?\w+[^>]*>", source)), text
        assert '"' not in re.sub(r"<[^>]*>", "", text), "it may stand in an attribute"
        assert source[-1:] != "." or text.endswith("."), text


def placeholders(text: str) -> list[str]:
    return sorted(re.findall(r"%\(\w+\)s|%%", text))


@pytest.mark.parametrize("language", TRANSLATED)
def test_what_documents_say_can_be_written_in_latin_1(tool: dict[str, Any], language: Language) -> None:
    for message, _, text in forms(tool, language):
        if any(place.startswith(DOCUMENT_ROOMS) for place, _ in message.locations):
            text.encode("latin-1")


def test_templates_translate_literals_as_markup_and_values_as_text() -> None:
    for template in TEMPLATES.glob("*.html"):
        for call in re.findall(r"\b(?:_|n?gettext|np?gettext|pgettext)\((.)", template.read_text("utf-8")):
            assert call == '"', f"{template.name}: a value goes through translate(), which leaves it to be escaped"
