"""The prior study: the newest earlier one of the same patient with a result, and nobody else's."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.tracking.books import finding
from tracking.engine.database import Database
from tracking.lists.prior import prior_study
from tracking.results.analyses import AnalysisRecord, OutcomeRecord, record_analysis
from tracking.studies import corrections
from tracking.studies.instances import IncomingInstance, StudyHeader, register_instance

NOW: dict[str, Any] = {"patient_id": "P1", "issuer_of_patient_id": "H", "patient_name": "Doe^Jane",
                       "patient_birth_date": "19600102", "study_date": "20260110", "study_time": "101500"}  # fmt: skip


@pytest.fixture
def add(database: Database) -> Callable[..., None]:
    """Return a function that stores a study of one image, analysed unless ``result`` is false."""

    def store(uid: str, *, result: bool = True, **header: str) -> None:
        incoming = IncomingInstance(
            instance_uid=f"{uid}.1", sop_class_uid="1.2.840.10008.5.1.4.1.1.1", series_uid=f"{uid}.2",
            transfer_syntax_uid="1.2.840.10008.1.2.1", modality="CR", sha256="a" * 64, size=7, path=uid,
            calling_ae="M", called_ae="C", address="127.0.0.1", study=StudyHeader(uid, **NOW | header),
        )  # fmt: skip
        outcome = OutcomeRecord(f"{uid}.1", None if result else "view", None, (finding(),) if result else ())
        with database.transaction() as tx:
            register_instance(tx, incoming, settle_seconds=0)
            record_analysis(tx, AnalysisRecord(uid, 1, "m", "1.0", "d" * 64, "litert", 0.1, (outcome,), {}))

    return store


def prior(database: Database, uid: str = "1.9") -> str | None:
    with database.reading() as read:
        return prior_study(read, uid)


def test_the_newest_earlier_study_with_a_result_is_the_prior_one(database: Database, add: Callable[..., None]) -> None:
    add("1.1", study_date="20240101")
    add("1.2", study_date="2025.06.01")
    add("1.3", study_date="20251201", result=False)
    add("1.4", study_date="20260110", study_time="090000")
    add("1.9")
    add("1.5", study_date="20260111")
    assert prior(database) == "1.4"
    assert prior(database, "1.4") == "1.2"
    assert prior(database, "1.1") is None
    assert prior(database, "9.9") is None


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # the rule is Python's, not the database's
@pytest.mark.parametrize(
    "other",
    [
        {"patient_id": "P2"}, {"patient_id": "p1"}, {"issuer_of_patient_id": "K"}, {"issuer_of_patient_id": ""},
        {"patient_name": "Roe^Jane"}, {"patient_birth_date": "19600103"}, {"patient_sex": "M"},
    ],
)  # fmt: skip
def test_what_may_be_another_patients_is_no_prior_study(
    other: dict[str, str], database: Database, add: Callable[..., None]
) -> None:
    add("1.1", **{"study_date": "20240101"} | other)
    add("1.9", patient_sex="F")
    assert prior(database) is None


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_nobody_has_a_prior_study_without_a_patient_id(database: Database, add: Callable[..., None]) -> None:
    add("1.1", study_date="20240101", patient_id=" ")
    add("1.9", patient_id=" ")
    assert prior(database) is None


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_without_a_date_the_arrival_counts(database: Database, add: Callable[..., None]) -> None:
    add("1.1", study_date="")
    add("1.9", study_date="")
    assert {prior(database), prior(database, "1.1")} <= {None, "1.1"}


def test_a_result_that_does_not_hold_is_none(database: Database, add: Callable[..., None]) -> None:
    add("1.1", study_date="20240101")
    add("1.9")
    assert prior(database) == "1.1"
    with database.transaction() as tx:
        corrections.reject_instance(tx, "1.1", "1.1.1", user="admin")
    assert prior(database) is None
