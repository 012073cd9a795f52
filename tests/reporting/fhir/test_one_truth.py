"""The node's whole way to a FHIR server: one current truth at every moment, whatever is revised, lost or taken back."""

from collections import Counter
from typing import Any

from inference.findings import Finding
from reporting.registry import check_file
from tests.accounts import finding
from tests.fhir_server import LOST, Answer, FhirServer
from tests.reporting.way import USER, Way, other_model
from tracking.outbox.deliveries import retry_deliveries
from tracking.outbox.reasons import Reason
from tracking.outbox.resending import resend_study
from tracking.outbox.withdrawal import withdraw_study
from tracking.results.reanalysis import reanalyse_study

OTHER = (finding("effusion", 0.8), finding("normal", 0.1, abnormal=False))


def withdraw(way: Way) -> None:
    with way.database.transaction() as tx:
        withdraw_study(tx, way.study, reason=Reason.SAFETY, why="wrong side", told=way.told, user=USER)


def statuses(server: FhirServer, kind: str) -> Counter[str]:
    return Counter(resource["status"] for resource in server.store.current(kind))


def assert_one_truth(server: FhirServer, status: str) -> dict[str, Any]:
    """The server has one report, and no Observation stands beside those that it names."""
    (report,) = server.store.current("DiagnosticReport")
    assert report["status"] == status
    standing = {
        f"Observation/{resource['id']}"
        for resource in server.store.current("Observation")
        if resource["status"] != "entered-in-error"
    }
    named = {reference["reference"] for reference in report.get("result", [])}
    assert standing == (set() if status == "entered-in-error" else named)
    assert len(server.store.current("ImagingStudy")) == 1
    return report


def test_a_result_arrives_and_is_sent_again_without_doubling(
    way: Way, fhir_server: FhirServer, opacity_findings: tuple[Finding, ...]
) -> None:
    way.receive(1, opacity_findings)
    way.work()
    assert way.states("fhir") == ["delivered"]
    assert_one_truth(fhir_server, "preliminary")
    (document,) = way.documents("fhir")
    path = way.settings.document_dir / document.path
    assert path.suffix == ".json"
    assert check_file(path, "fhir") is None
    with way.database.transaction() as tx:
        assert resend_study(tx, way.study, user=USER).queued == {"ehr": 1}
    way.work()
    assert len(fhir_server.received) == 2
    assert fhir_server.received[0] == fhir_server.received[1]
    assert_one_truth(fhir_server, "preliminary")
    assert len(fhir_server.store.current("Provenance")) == 1


def test_an_answer_that_is_lost_doubles_nothing(
    way: Way, fhir_server: FhirServer, opacity_findings: tuple[Finding, ...]
) -> None:
    fhir_server.answers += [LOST, Answer(503), Answer(409)]
    way.receive(1, opacity_findings)
    for _ in range(4):
        way.work()
        with way.database.transaction() as tx:
            retry_deliveries(tx, destination="ehr", user=USER)
    assert way.states("fhir") == ["delivered"]
    assert len(fhir_server.received) == 4
    assert_one_truth(fhir_server, "preliminary")
    assert len(fhir_server.store.current("Provenance")) == 1


def test_a_second_image_amends_the_report(
    way: Way, fhir_server: FhirServer, opacity_findings: tuple[Finding, ...]
) -> None:
    way.receive(1, opacity_findings)
    way.work()
    way.receive(2, OTHER)
    way.work()
    report = assert_one_truth(fhir_server, "amended")
    assert len(report["result"]) == 4
    assert statuses(fhir_server, "Observation") == {"amended": 4}
    assert [resource["activity"]["coding"][0]["code"] for resource in fhir_server.store.current("Provenance")] == [
        "CREATE", "UPDATE",
    ]  # fmt: skip


def test_what_another_version_of_the_model_says_replaces_all_before(
    way: Way, fhir_server: FhirServer, opacity_findings: tuple[Finding, ...]
) -> None:
    way.receive(1, opacity_findings)
    way.work()
    way.model.identity = other_model("2.0.0")
    with way.database.transaction() as tx:
        reanalyse_study(tx, way.study, user=USER)
    way.work()
    assert_one_truth(fhir_server, "amended")
    assert statuses(fhir_server, "Observation") == {"amended": 2, "entered-in-error": 2}
    assert len(fhir_server.store.current("Device")) == 2


def test_an_older_result_is_not_sent_once_there_is_a_later_one(
    way: Way, fhir_server: FhirServer, opacity_findings: tuple[Finding, ...]
) -> None:
    way.receive(1, opacity_findings)
    way.work("analyse", "report")
    way.receive(2, OTHER)
    way.work("analyse", "report")
    way.work()
    assert way.states("fhir") == ["overtaken", "delivered"]
    assert len(fhir_server.received) == 1
    assert_one_truth(fhir_server, "amended")


def test_a_withdrawal_enters_all_of_it_in_error_once_until_a_later_result_stands(
    way: Way, fhir_server: FhirServer, opacity_findings: tuple[Finding, ...]
) -> None:
    way.receive(1, opacity_findings)
    way.work()
    withdraw(way)
    way.work()
    assert way.states("fhirnote") == ["delivered"]
    report = assert_one_truth(fhir_server, "entered-in-error")
    assert report["conclusion"] == "AI result withdrawn for patient safety reasons: do not use it."
    assert statuses(fhir_server, "Observation") == {"entered-in-error": 2}
    assert all("valueCodeableConcept" not in resource for resource in fhir_server.store.current("Observation"))
    withdraw(way)
    way.work()
    assert len(fhir_server.received) == 2
    with way.database.transaction() as tx:
        reanalyse_study(tx, way.study, user=USER)
    way.work()
    assert_one_truth(fhir_server, "amended")
    assert statuses(fhir_server, "Observation") == {"amended": 2}


def test_what_never_left_is_not_taken_back(
    way: Way, fhir_server: FhirServer, opacity_findings: tuple[Finding, ...]
) -> None:
    way.receive(1, opacity_findings)
    way.work("analyse", "report")
    withdraw(way)
    way.work()
    assert fhir_server.received == []
    assert way.states("fhir") == ["withheld"]


def test_a_refused_result_stops_and_says_why(
    way: Way, fhir_server: FhirServer, opacity_findings: tuple[Finding, ...]
) -> None:
    outcome = b'{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"value"}]}'
    fhir_server.answers.append(Answer(422, outcome))
    way.receive(1, opacity_findings)
    way.work()
    assert way.states("fhir") == ["stopped"]
    (delivery,) = (entry for entry in way.summary().deliveries if entry.destination == "ehr")
    assert delivery.error == "FHIR server answered HTTP 422 (value): it refuses the content; see its log"
