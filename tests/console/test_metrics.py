"""Metrics for Prometheus: read back by Prometheus' own parser, cheap for the database, and for those who may."""

from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from config.settings import Settings
from console.app import make_app
from console.measured import Measured
from tests.console.visitors import begin_session
from tests.tracking.books import JANE, Books
from tracking.audit_log import refusals
from tracking.audit_log.refusals import Refusal, RefusalKind
from tracking.engine.database import Database
from tracking.lists.measures import Measures, measure
from tracking.people import api_tokens
from tracking.people.roles import Role, Scope
from tracking.people.users import Actor

sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
Samples = dict[tuple[str, ...], float]


def read(answer: str) -> Samples:
    """Return values by name and the values of the labels, in the order of the labels' names."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer)
        for sample in family.samples
    }


def test_measures_count_work_documents_studies_and_refusals(database: Database) -> None:
    books = Books(database)
    books.receive("1.1", JANE)
    books.analyse()
    books.report()
    books.receive("1.2", JANE, study="1.8")
    with database.transaction() as tx:
        refusals.add(tx, {Refusal(RefusalKind.ASSOCIATION, "unknown", "x", calling_ae=ae): 2 for ae in ("A", "B")})
    with database.reading() as reading:
        found = measure(reading)
    waiting = {(entry.queue, entry.destination): entry for entry in found.waiting}
    assert {key: entry.count for key, entry in waiting.items()} == {
        ("analyse", ""): 1, ("deliver", "pacs"): 1, ("examine", ""): 2,
    }  # fmt: skip
    assert all(0 <= entry.oldest_seconds < 600 for entry in waiting.values())
    assert found.deliveries == {("pacs", "waiting"): 1}
    assert found.refusals == {("association", "unknown"): 4}
    assert found.studies == {"received": 1, "reported": 1}
    assert found.stopped == {}


@sqlite
def test_prometheus_reads_them_and_no_patient_is_in_them(browser: TestClient, database: Database) -> None:
    Books(database).receive("1.1", JANE)
    answer = browser.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = read(answer.text)
    assert samples["cxrnode_studies", "received"] == 1
    assert samples["cxrnode_waiting", "", "examine"] == 1
    assert {key[3] for key in samples if key[0] == "cxrnode_model_info"} == {"chest-default", "verdict", "anatomy"}
    for word in ("PAT", "Doe", "1.9", "MODALITY"):
        assert word not in answer.text


@sqlite
def test_they_are_for_a_token_with_the_scope_and_for_this_machine(
    browse: Callable[..., TestClient], settings: Settings, database: Database
) -> None:
    begin_session(database, Role.VIEWER)
    with database.transaction() as tx:
        token = api_tokens.add(tx, "dr.viewer", {Scope.METRICS}, by=Actor("root"))
    stranger = browse(role=None)
    assert stranger.get("/metrics").status_code == 401
    assert stranger.get("/metrics", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert stranger.get("/api/v1/studies", headers={"Authorization": f"Bearer {token}"}).status_code == 403
    here = TestClient(make_app(settings, database), base_url="http://127.0.0.1", client=("127.0.0.1", 4000))
    assert here.get("/metrics").status_code == 200
    assert here.get("/api/v1/studies").status_code == 401
    for name in ("X-Forwarded-For", "Forwarded", "Via"):
        assert here.get("/metrics", headers={name: "192.0.2.9"}).status_code == 401, "a proxy passes it on"
    assert here.get("/metrics", headers={"Host": "rebound.example"}).status_code == 401


def test_a_reading_is_kept_the_longer_the_more_it_costs() -> None:
    now, asked = [0.0], []

    def reading() -> Measures:
        asked.append(now[0])
        now[0] += 2.0
        return Measures((), {}, {}, {}, {})

    measured = Measured(reading, lambda: now[0])
    for moment in (0.0, 5.0, 30.0, 41.9, 42.0, 50.0):
        now[0] = max(now[0], moment)
        measured.get()
    assert asked == [0.0, 42.0]
