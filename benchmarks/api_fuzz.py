"""Mutated requests to ``/api/v1``, made by schemathesis from its description: no server error, no broken promise.

``python -m benchmarks.api_fuzz`` runs against a console on a database of its own with a study, its documents and a
refusal. The same is asked briefly in the tests. A run with the same seed asks the same.
"""

import argparse
import hashlib
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest import SkipTest

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import ignored_auth
from starlette.types import ASGIApp

from config.settings import Settings
from console.app import make_app
from tracking.audit_log import refusals
from tracking.audit_log.refusals import Refusal, RefusalKind
from tracking.engine import schema
from tracking.engine.database import Database
from tracking.outbox.documents import DocumentRecord, record_documents
from tracking.people import api_tokens, users
from tracking.people.roles import Role, Scope
from tracking.people.users import Actor
from tracking.results.analyses import AnalysisRecord, FindingRecord, OutcomeRecord, record_analysis
from tracking.studies.instances import IncomingInstance, StudyHeader, register_instance

DESCRIPTION = "/api/v1/openapi.json"
RESULTS = Path(__file__).parent / "results" / "api_fuzz.json"
KNOWN_UIDS = ("1.2.3.9", "2.25.1")
"""A study and a document that are there: guesses alone would always end in 404."""
KNOWN_DESTINATION = "pacs"

KNOWN_LABEL = "lung_opacity"
"""A finding of the package that ships."""


@dataclass(slots=True)
class Outcome:
    """What came of one operation: answers by status, and what was not as promised, in words."""

    operation: str
    answers: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


def fuzz(app: ASGIApp, token: str, *, examples: int, number: int) -> list[Outcome]:
    """Ask every operation of the description, and judge the answers.

    Parameters
    ----------
    app
        The console.
    token
        An API token of an administrator.
    examples
        Requests for each operation and kind: such as the description allows, and such as it does not.
    number
        The seed: the same number asks the same.
    """
    headers = {"Authorization": f"Bearer {token}"}
    description = schemathesis.openapi.from_asgi(DESCRIPTION, app, headers=headers)
    return [_ask(result.ok(), headers, examples, number) for result in description.get_all_operations()]


def _ask(operation: Any, headers: dict[str, str], examples: int, number: int) -> Outcome:
    outcome = Outcome(operation.label)
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        strategy = operation.as_strategy(generation_mode=mode)
        ask = partial(_judge, outcome, headers, is_allowed=mode is GenerationMode.POSITIVE)
        try:
            _repeat(strategy, ask, examples, number)
        except (Unsatisfiable, SkipTest):  # nothing that the description forbids
            continue
    return outcome


def _repeat(strategy: Any, ask: Callable[[schemathesis.Case], None], examples: int, number: int) -> None:
    @seed(number)
    @settings(
        max_examples=examples, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=strategy)
    def run(case: schemathesis.Case) -> None:
        ask(case)

    run()


def _judge(outcome: Outcome, headers: dict[str, str], case: schemathesis.Case, *, is_allowed: bool) -> None:
    if is_allowed and "uid" in case.path_parameters and sum(outcome.answers.values()) % 2:
        case.path_parameters["uid"] = KNOWN_UIDS["/documents/" in case.path]
    if is_allowed and "name" in case.path_parameters:
        case.path_parameters["name"] = KNOWN_DESTINATION
    if is_allowed and "label" in case.path_parameters and sum(outcome.answers.values()) % 2:
        case.path_parameters["label"] = KNOWN_LABEL
        for given in (case.query, case.body):
            if isinstance(given, dict) and "sensitive" in given:
                given.update(sensitive=0.25, specific=0.75)  # guesses are in the wrong order half of the time
    if is_allowed and isinstance(case.body, dict) and sum(outcome.answers.values()) % 2:
        case.body.pop("model", None)  # a guess is no package's name
    response = case.call(headers=headers, timeout=300)
    outcome.answers[response.status_code] += 1
    try:
        case.validate_response(response, headers=headers, excluded_checks=[ignored_auth])
    except (AssertionError, FailureGroup) as failure:
        outcome.failures.append(str(failure))


@contextmanager
def console() -> Iterator[tuple[ASGIApp, str]]:
    """Make a console with some records and a model that needs no loading; return it with an administrator's token."""
    with tempfile.TemporaryDirectory() as folder:
        settings_ = Settings(node={"data_dir": Path(folder)}, console={"upload_files": 2})
        database = Database.open(settings_.database_url())
        try:
            schema.upgrade(database)
            _fill(settings_, database)
            with database.transaction() as tx:
                users.add(tx, "fuzz", Role.ADMINISTRATOR, "no password", by=Actor("fuzz"))
                token = api_tokens.add(tx, "fuzz", set(Scope), by=Actor("fuzz"))
            yield make_app(settings_, database), token
        finally:
            database.close()


def _fill(settings_: Settings, database: Database) -> None:
    study, document = KNOWN_UIDS
    incoming = IncomingInstance(
        instance_uid="1.2.3.1", sop_class_uid="1.2.840.10008.5.1.4.1.1.1", series_uid="1.2.3.8",
        transfer_syntax_uid="1.2.840.10008.1.2.1", modality="CR", sha256="a" * 64, size=7, path="a/b/c.dcm",
        calling_ae="MODALITY", called_ae="CXRNODE", address="192.0.2.7", study=StudyHeader(study, "ACC", "PAT"),
    )  # fmt: skip
    detail = {"stated": True, "points": {"sensitive": 0.25, "specific": 0.75}}
    found = FindingRecord("lung_opacity", "112001", "DCM", "Opacity", 0.8, "present", True, detail)
    outcome = OutcomeRecord("1.2.3.1", None, None, (found,))
    content = b"a report"
    file = settings_.document_dir / "sr.dcm"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    record = DocumentRecord(
        "sr", document, "2.25.8", "1.2.840.10008.5.1.4.1.1.88.33", file.name, hashlib.sha256(content).hexdigest(),
        len(content), None,
    )  # fmt: skip
    with database.transaction() as tx:
        register_instance(tx, incoming, settle_seconds=0)
        record_analysis(tx, AnalysisRecord(study, 1, "opacity", "1.0", "d" * 64, "litert", 0.1, (outcome,), {}))
    with database.transaction() as tx:
        record_documents(tx, 1, [record], [(document, KNOWN_DESTINATION)])
        refusals.add(tx, {Refusal(RefusalKind.ASSOCIATION, "calling AE title is not known", "add a peer"): 3})


def main() -> int:
    """Ask, print a table and keep the results; the exit code says whether all answers were as promised."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    start = time.perf_counter()
    with console() as (app, token):
        outcomes = fuzz(app, token, examples=arguments.examples, number=arguments.seed)
    failures = sum(len(outcome.failures) for outcome in outcomes)
    requests = sum(sum(outcome.answers.values()) for outcome in outcomes)
    for outcome in outcomes:
        print(f"{outcome.operation:45} {dict(sorted(outcome.answers.items()))} {len(outcome.failures)} failures")
        for failure in outcome.failures[:3]:
            print(f"    {failure}")
    report = {
        "schemathesis": schemathesis.SCHEMATHESIS_VERSION, "seed": arguments.seed, "examples": arguments.examples,
        "requests": requests, "failures": failures, "seconds": round(time.perf_counter() - start, 1),
        "operations": [
            {"operation": o.operation, "answers": dict(sorted(o.answers.items())), "failures": o.failures[:10]}
            for o in outcomes
        ],
    }  # fmt: skip
    RESULTS.write_text(json.dumps(report, indent=2) + "\n")
    print(f"{requests} requests, {failures} answers that were not as promised")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
