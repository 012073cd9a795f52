"""The gate before a Bundle leaves: our own check of the finished bytes, by reading them back.

Reasons name elements, codes and UIDs, never a patient's values.
"""

import json
from collections.abc import Iterable, Sequence

from fhir.resources.R4B.bundle import Bundle
from pydantic import ValidationError

from config.destinations import FhirDestination
from config.errors import DocumentRejected
from config.language.translation import gettext as _
from reporting import codes
from reporting.account import Account
from reporting.claims import Claim, study_claims
from reporting.fhir.bundle import BuiltBundle
from reporting.fhir.identifiers import urn
from reporting.fhir.observation import missing_uid, observed_findings
from reporting.fhir.status import AMENDED, CANCELLED, ENTERED_IN_ERROR, PRELIMINARY, status_of
from reporting.fhir.superseded import Entry, linked_urls, load_entries
from reporting.finding_codes import finding_codes
from reporting.gate import demand
from reporting.words import DISCLAIMER

_STATUSES = {PRELIMINARY, AMENDED, CANCELLED, ENTERED_IN_ERROR}


def check_bundle(built: BuiltBundle, account: Account, destination: FhirDestination) -> None:
    """Check a Bundle against its account. Raises DocumentRejected with the first thing wrong."""
    entries = check_bundle_alone(built.content)
    demand(json.loads(built.content)["identifier"]["value"] == urn(built.uid), "the Bundle has another identifier")
    report = _resources(entries, "DiagnosticReport")[0]
    standing = [entry for entry in _resources(entries, "Observation") if entry["status"] != ENTERED_IN_ERROR]
    demand({entry["status"] for entry in (report, *standing)} == {status_of(account)}, "a status is wrong")
    demand(str(report["conclusion"]).startswith(_(DISCLAIMER)), "the conclusion does not begin with what it is")
    missing = () if account.analysed else account.skipped
    expected: dict[str, str | None] = {urn(missing_uid(account, skipped)): None for skipped in missing}
    expected |= {
        urn(observed.tracking_uid): code.value if (code := codes.presence(observed.entry.claim)) else None
        for observed in observed_findings(account, scored_only=destination.scored_only)
    }
    demand(
        {entry["identifier"][0]["value"]: _claimed(entry) for entry in standing} == expected,
        "the Observations do not claim what the reading does",
    )
    claims = study_claims(finding for image in account.analysed for finding in image.findings)
    present = [finding_codes(entry.finding, destination)[0].value for entry in claims if entry.claim is Claim.PRESENT]
    concluded = [concept["coding"][0]["code"] for concept in report.get("conclusionCode", [])]
    demand(concluded == present, "a conclusion code is not of a finding that is stated as present")


def check_bundle_alone(content: bytes) -> Sequence[Entry]:
    """Check a Bundle without its analysis, and return its entries. Raises DocumentRejected."""
    try:
        bundle = Bundle.model_validate_json(content)
        entries = load_entries(content)
    except (ValidationError, ValueError, KeyError) as error:
        msg = f"the Bundle does not validate as FHIR R4 ({type(error).__name__})"
        raise DocumentRejected(msg) from None
    demand(bundle.type == "transaction", "the Bundle is no transaction")
    urls = [entry["fullUrl"] for entry in entries]
    demand(len(set(urls)) == len(urls), "a fullUrl is used twice")
    for entry in entries:
        request = entry["request"]
        conditional = "ifNoneExist" in request if request["method"] == "POST" else "?" in request["url"]
        demand(request["method"] in {"POST", "PUT"} and conditional, "a request is not conditional")
        demand(set(linked_urls(entry["resource"])) <= set(urls), "a reference leads nowhere")
    reports, observations = (_resources(entries, kind) for kind in ("DiagnosticReport", "Observation"))
    demand(len(reports) == 1, "there is not one DiagnosticReport")
    demand(all(entry["status"] in _STATUSES for entry in (*reports, *observations)), "a status is unknown")
    standing = [
        entry["fullUrl"]
        for entry in entries
        if entry["resource"]["resourceType"] == "Observation" and entry["resource"]["status"] != ENTERED_IN_ERROR
    ]
    results = [reference["reference"] for reference in reports[0].get("result", [])]
    withdrawn = reports[0]["status"] == ENTERED_IN_ERROR
    demand(withdrawn or results == standing, "the report's results are not the Observations that stand")
    demand(not (withdrawn and standing), "an Observation stands although its report is withdrawn")
    for entry in observations:
        empty = not {"valueCodeableConcept", "interpretation", "component"} & set(entry)
        demand(entry["status"] != ENTERED_IN_ERROR or empty, "an Observation in error still claims something")
    return entries


def _claimed(observation: Entry) -> str | None:
    """Return the code of the presence that an Observation claims, or None."""
    concept = observation.get("valueCodeableConcept")
    return None if concept is None else str(concept["coding"][0]["code"])


def _resources(entries: Iterable[Entry], kind: str) -> list[Entry]:
    return [entry["resource"] for entry in entries if entry["resource"]["resourceType"] == kind]
