"""What is held, found by the keys of DICOM on both databases."""

from dataclasses import replace

import pytest

from tests.tracking.books import JANE, MARY, Books
from tracking.engine.database import Database
from tracking.lists.holdings import StudyMatch, find_held_studies, held_study
from tracking.outbox.reasons import Reason
from tracking.outbox.rejections import Told
from tracking.outbox.withdrawal import withdraw_study


@pytest.fixture
def books(database: Database) -> Books:
    return Books(database)


def test_studies_are_found_as_ps34_matches(books: Books) -> None:
    books.receive("1.1", JANE, study="1.9", accession="A_1%")
    books.receive("1.2", replace(MARY, patient_name="Roe^Mary=露"), study="1.8", modality="CR")
    books.receive("1.3", JANE, study="1.7")
    books.receive("1.4", MARY, study="1.7")  # two patients: a conflict

    def found(match: StudyMatch, limit: int = 10, offset: int = 0) -> list[str]:
        with books.database.reading() as read:
            return [held.header.study_uid for held in find_held_studies(read, match, limit=limit, offset=offset)]

    assert found(StudyMatch()) == ["1.9", "1.8"]
    assert found(StudyMatch(), limit=1, offset=1) == ["1.8"]
    assert found(StudyMatch(study_uids=("1.8", "1.7"))) == ["1.8"]
    assert found(StudyMatch(patient_name="do*")) == found(StudyMatch(patient_name="Doe^Jan?")) == ["1.9"]
    assert found(StudyMatch(patient_name="Doe")) == []
    assert found(StudyMatch(accession_number="A_1%")) == found(StudyMatch(accession_number="*_1%")) == ["1.9"]
    assert found(StudyMatch(accession_number="A__1%")) == []
    assert found(StudyMatch(patient_id="pat-b")) == ["1.8"]
    assert found(StudyMatch(modality="CR")) == ["1.9", "1.8"]
    assert found(StudyMatch(modality="SR")) == found(StudyMatch(date=("20200101", ""))) == []


def test_the_report_that_stands_is_held_beside_the_image_and_an_earlier_one_is_not(books: Books) -> None:
    books.receive("1.1", JANE)
    books.analyse()
    first = books.report()
    books.receive("1.2", JANE)
    books.analyse()
    second = books.report()
    assert first != second
    with books.database.reading() as read:
        held = held_study(read, "1.9")
        assert held is not None
        assert [entry.instance_uid for entry in held.instances] == ["1.1", "1.2", f"2.25.{second}"]
        assert [entry.is_document for entry in held.instances] == [False, False, True]
        assert find_held_studies(read, StudyMatch(modality="SR"), limit=5) == [held]
    books.reject("1.2")
    with books.database.reading() as read:
        held = held_study(read, "1.9")
        assert held is not None
        assert [entry.instance_uid for entry in held.instances] == ["1.1"]
        assert held_study(read, "1.99") is None


def test_a_study_of_which_no_image_stands_is_neither_found_nor_held(books: Books) -> None:
    books.receive("1.1", JANE, study="1.9")
    books.receive("1.1", MARY, study="1.10", sha256="b" * 64)  # kept aside: 1.10 has no image
    books.receive("1.2", MARY, study="1.8")
    books.reject("1.2", study="1.8")
    assert (books.study("1.10").status, books.study("1.8").status) == ("waiting", "rejected")
    with books.database.reading() as read:
        assert [held.header.study_uid for held in find_held_studies(read, StudyMatch(), limit=5)] == ["1.9"]
        assert find_held_studies(read, StudyMatch(patient_id="PAT-B"), limit=5) == []
        assert held_study(read, "1.10") is held_study(read, "1.8") is None


def test_a_withdrawn_report_is_no_modality_of_its_study(books: Books) -> None:
    books.receive("1.1", JANE)
    books.analyse()
    books.report()
    with books.database.transaction() as tx:
        withdraw_study(tx, "1.9", reason=Reason.SAFETY, why="wrong", told=Told(frozenset(), frozenset()), user="dr")
    with books.database.reading() as read:
        assert find_held_studies(read, StudyMatch(modality="SR"), limit=5) == []
        assert len(find_held_studies(read, StudyMatch(modality="CR"), limit=5)) == 1
