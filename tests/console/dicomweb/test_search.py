"""QIDO-RS: what is found, by what, and what is never shown."""

from collections.abc import Callable
from typing import Any

import pytest
from pydicom.dataset import Dataset
from starlette.testclient import TestClient

from console.dicomweb.query import STUDY_KEYS, read_search
from tests.console.dicomweb.conftest import IMAGE, SERIES, STUDY
from tests.logins import noted
from tracking.audit_log.audit import AuditEventType
from tracking.engine.database import Database

Hold = Callable[..., Dataset]
Record = Callable[..., None]
WEB = "/dicom-web"
STUDY_UID, PATIENT_NAME, MODALITIES = "0020000D", "00100010", "00080061"


def uids(answer: Any) -> list[str]:
    assert answer.headers["content-type"] == "application/dicom+json"
    return [study[STUDY_UID]["Value"][0] for study in answer.json()]


def test_studies_are_found_by_every_key_that_is_offered(browser: TestClient, hold: Hold, database: Database) -> None:
    hold("1.1", "1.1.1", study_date="20200101", study_time="101010", patient_name="Doe^Jane", accession_number="A_1")
    hold("1.2", "1.2.1", study_date="20210101", study_time="202020", patient_name="Roe^Mary", patient_id="P%2")

    def found(**keys: str) -> list[str]:
        return uids(browser.get(f"{WEB}/studies", params=keys))

    assert found() == ["1.2", "1.1"]
    assert found(StudyInstanceUID="1.1,1.9") == ["1.1"]
    assert found(PatientName="*doe*") == found(PatientName="DOE^JA?E") == found(**{"00100010": "Doe*"}) == ["1.1"]
    assert found(PatientName="Doe") == []
    assert found(PatientID="P%2") == ["1.2"]
    assert found(PatientID="P_2") == found(PatientID="P%") == []
    assert found(AccessionNumber="A?1") == ["1.1"]
    assert found(StudyDate="20200101") == found(StudyDate="-20201231") == ["1.1"]
    assert found(StudyDate="20200102-20220101") == found(StudyDate="20210101-") == ["1.2"]
    assert found(StudyTime="1000-1200") == ["1.1"]
    assert found(ModalitiesInStudy="DX") == ["1.2", "1.1"]
    assert found(ModalitiesInStudy="SR") == []
    assert found(limit="1", offset="1") == ["1.1"]
    assert found(StudyID="*", ReferringPhysicianName="") == ["1.2", "1.1"]
    lines = noted(database, AuditEventType.STUDIES_LISTED)
    assert lines[0] == {
        "what": "studies", "how": "dicomweb", "rows": 2, "user": "dr.administrator", "address": "192.0.2.55",
    }  # fmt: skip


@pytest.mark.parametrize(
    "query",
    ["StudyID=1", "00101010=3", "StudyDate=2020-01-01", "StudyTime=x", "limit=-1", "offset=x", "PatientID=a%0Ab",
     "nonsense=1"],
)  # fmt: skip
def test_what_cannot_be_looked_for_is_refused_and_never_ignored(browser: TestClient, query: str) -> None:
    answer = browser.get(f"{WEB}/studies?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")


def test_the_settings_may_take_it_away(browse: Callable[..., TestClient]) -> None:
    assert browse(dicomweb=False).get(f"{WEB}/studies").status_code == 404


def test_options_of_the_standard_are_no_keys() -> None:
    search = read_search(
        [("fuzzymatching", "true"), ("includefield", "00081030,Rows,x"), ("limit", "9000")], STUDY_KEYS
    )
    assert (search.keys, search.fields, search.limit) == ({}, {0x00081030, 0x00280010}, 200)


def test_a_study_says_what_its_documents_add(browser: TestClient, hold: Hold, analyse: Record, build: Record) -> None:
    hold()
    analyse(STUDY, 1, IMAGE)
    build(1, kind="sr", uid="2.25.1")
    build(1, kind="sc", uid="2.25.2", quarantined="its check failed")
    build(1, kind="hl7", uid="2.25.3")
    (study,) = browser.get(f"{WEB}/studies").json()
    assert study[MODALITIES]["Value"] == ["DX", "SR"]
    assert study["00201208"]["Value"] == [2]
    assert study[PATIENT_NAME]["Value"] == [{"Alphabetic": "Doe^Jane"}]
    assert uids(browser.get(f"{WEB}/studies", params={"ModalitiesInStudy": "SR"})) == [STUDY]
    series = browser.get(f"{WEB}/studies/{STUDY}/series").json()
    assert [entry["00080060"]["Value"] for entry in series] == [["DX"], ["SR"]]
    assert series[0]["00200011"]["Value"] == [1]
    instances = browser.get(f"{WEB}/studies/{STUDY}/series/{SERIES}/instances").json()
    assert [(entry["00080018"]["Value"], entry["00280010"]["Value"]) for entry in instances] == [([IMAGE], [64])]
    everything = browser.get(f"{WEB}/studies/{STUDY}/instances", params={"includefield": "all", "Modality": "DX"})
    assert everything.json()[0]["00280100"]["Value"] == [16]


def test_rejected_void_and_conflicting_things_are_not_shown(
    browser: TestClient, hold: Hold, analyse: Record, build: Record, database: Database
) -> None:
    from tracking.studies import corrections

    hold()
    hold(instance="1.2.3.2")
    analyse(STUDY, 1, IMAGE)
    build(1, kind="sr", uid="2.25.1")
    with database.transaction() as tx:
        corrections.reject_instance(tx, STUDY, "1.2.3.2", user="op")
    found = browser.get(f"{WEB}/studies/{STUDY}/instances").json()
    assert [entry["00080018"]["Value"][0] for entry in found] == [IMAGE]
    hold(instance="1.2.3.3", patient_id="OTHER", patient_name="Roe^Mary")
    assert uids(browser.get(f"{WEB}/studies")) == []
    for place in ("/instances", "/series", "/metadata", ""):
        assert browser.get(f"{WEB}/studies/{STUDY}{place}").status_code == 404
