"""The language in force: English where nobody speaks, another inside a block, each thread for itself."""

import threading

import pytest
from babel import numbers as cldr

from config.language.numbers import decimal, percentage
from config.language.translation import ENDONYMS, Language, gettext, language, marked, ngettext, pgettext, speaking


def test_english_is_in_force_and_says_what_stands_there() -> None:
    assert language() is Language.ENGLISH
    assert gettext("Worklist") == "Worklist"
    assert ngettext("%(num)s study", "%(num)s studies", 2) % {"num": 2} == "2 studies"


def test_a_language_is_in_force_inside_its_block_and_the_one_before_after_it() -> None:
    with speaking(Language.GERMAN):
        assert gettext("Pleural effusion") == "Pleuraerguss"
        with speaking(Language.FRENCH):
            assert gettext("Pleural effusion") == "Épanchement pleural"
        assert gettext("Pleural effusion") == "Pleuraerguss"
    assert gettext("Pleural effusion") == "Pleural effusion"


def test_an_error_ends_the_block_too() -> None:
    with pytest.raises(RuntimeError), speaking(Language.SPANISH):
        raise RuntimeError
    assert language() is Language.ENGLISH


def test_another_thread_speaks_english() -> None:
    heard: list[str] = []
    with speaking(Language.ITALIAN):
        thread = threading.Thread(target=lambda: heard.append(gettext("Worklist")))
        thread.start()
        thread.join()
    assert heard == ["Worklist"]


def test_what_no_catalogue_has_stands_as_it_is_and_nothing_stays_nothing() -> None:
    with speaking(Language.GERMAN):
        assert gettext("A finding of this site alone") == "A finding of this site alone"
        assert gettext("") == ""
        assert marked("Worklist") == "Worklist"


def test_one_word_may_mean_two_things() -> None:
    with speaking(Language.GERMAN):
        assert pgettext("date", "From") == "Von"


@pytest.mark.parametrize(("number", "words"), [(0, "0 examen"), (1, "1 examen"), (2, "2 examens")])
def test_french_counts_nothing_as_one(number: int, words: str) -> None:
    with speaking(Language.FRENCH):
        assert ngettext("%(num)s study", "%(num)s studies", number) % {"num": number} == words


@pytest.mark.parametrize("spoken", Language)
def test_numbers_are_written_as_cldr_says(spoken: Language) -> None:
    with speaking(spoken):
        assert decimal("0.52") == cldr.format_decimal("0.52", locale=spoken.value)
        ours, theirs = percentage("36.2"), cldr.format_percent(0.362, format=None, locale=spoken.value)
        assert ours.replace("36,2", "36").replace("36.2", "36") == theirs.replace("\N{NARROW NO-BREAK SPACE}", "\xa0")


def test_every_language_has_its_name() -> None:
    assert set(ENDONYMS) == set(Language)
