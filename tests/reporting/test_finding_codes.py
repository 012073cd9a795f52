"""The codes of findings by destination, in messages and Bundles, and the table of docs/hl7.md."""

import json
from pathlib import Path
from typing import Any

import pytest

from config.destinations import FhirDestination, Hl7Destination
from inference.findings import Code
from reporting.account import AnalysedImage
from reporting.fhir.bundle import build_bundle
from reporting.fhir.bundle_gate import check_bundle
from reporting.finding_codes import EQUIVALENTS, finding_codes
from reporting.hl7.message import build_message
from reporting.hl7.message_gate import check_message
from tests.accounts import account, chest, finding

DOCS = Path(__file__).parents[2] / "docs" / "hl7.md"
SYSTEMS = {"snomed": "SCT", "loinc": "LN", "radlex": "RADLEX"}
URLS = {
    "SCT": "http://snomed.info/sct", "LN": "http://loinc.org", "RADLEX": "http://radlex.org",
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
}  # fmt: skip


def ris(**changes: Any) -> Hl7Destination:
    return Hl7Destination(kind="hl7", name="ris", host="ris.example", port=2575, **changes)


def ehr(**changes: Any) -> FhirDestination:
    return FhirDestination(kind="fhir", name="ehr", url="http://127.0.0.1:1/fhir", **changes)


CHEST = account(analysed=(AnalysedImage(account().lead, chest()),))
EFFUSION = finding("effusion", 0.9, code=Code("60046008", "SCT", "Pleural effusion"))


def test_the_packages_code_stands_alone_where_no_other_is_asked_for_or_known() -> None:
    assert [code.value for code in finding_codes(EFFUSION, ris())] == ["60046008"]
    assert [code.value for code in finding_codes(EFFUSION, ris(code_system="snomed"))] == ["60046008"]
    assert [code.value for code in finding_codes(EFFUSION, ehr(code_system="loinc"))] == ["60046008"]


def test_the_receivers_own_code_comes_before_its_code_system() -> None:
    own = ris(code_system="radlex", codes={"effusion": ("E", "99RIS", "Effusion")})
    assert [code.value for code in finding_codes(EFFUSION, own)] == ["E", "60046008"]


@pytest.mark.parametrize("version", ["2.5.1", "2.3.1"])
@pytest.mark.parametrize("system", SYSTEMS)
def test_a_message_has_the_code_of_the_system_and_the_packages_as_the_alternate(system: str, version: str) -> None:
    built = build_message(CHEST, ris(code_system=system, version=version), None)
    check_message(built, CHEST, "UNICODE UTF-8")
    lines = [line.split("|") for line in built.content.decode().split("\r") if "|121071^Finding^DCM|" in line]
    coded = {fields[5] for fields in lines}
    for each in CHEST.analysed[0].findings:
        package = f"{each.code.value}^{each.code.meaning}^{each.code.scheme}"
        equivalent = EQUIVALENTS.get((each.code.scheme, each.code.value), {}).get(system)
        chosen = equivalent and f"{equivalent.value}^{equivalent.meaning}^{SYSTEMS[system]}^{package}"
        assert (chosen or package) in coded


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_bundle_has_the_code_of_the_system_first(system: str) -> None:
    to = ehr(code_system=system, codes={"mass": ("M", "https://ehr.example/findings", "Mass")})
    built = build_bundle(CHEST, to)
    check_bundle(built, CHEST, to)
    resources = [entry["resource"] for entry in json.loads(built.content)["entry"]]
    observed = [each["code"]["coding"] for each in resources if each["resourceType"] == "Observation"]
    assert {
        tuple((coding.get("system"), coding["code"]) for coding in codings) for codings in observed if len(codings) > 1
    } == {(("https://ehr.example/findings", "M"), (URLS["SCT"], "4147007"))} | {
        ((URLS[SYSTEMS[system]], code[system].value), (URLS[scheme], value))
        for (scheme, value), code in EQUIVALENTS.items()
        if system in code and value not in {"4147007", "95436008"}
    }  # fmt: skip
    (report,) = (each for each in resources if each["resourceType"] == "DiagnosticReport")
    assert [concept["coding"] for concept in report["conclusionCode"]] == [
        codings for codings in observed if codings in [concept["coding"] for concept in report["conclusionCode"]]
    ]


def test_no_code_of_a_system_is_used_twice_and_each_is_of_it() -> None:
    for system, scheme in SYSTEMS.items():
        found = [codes[system] for codes in EQUIVALENTS.values() if system in codes]
        assert {code.scheme_designator for code in found} == {scheme}
        assert len({code.value for code in found}) == len(found)


def test_the_table_of_the_docs_is_the_codes() -> None:
    text = DOCS.read_text(encoding="utf-8")
    lines = text[text.index("| package | SNOMED CT") :].split("\n\n", 1)[0].split("\n")[2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    expected = []
    for (scheme, value), codes in EQUIVALENTS.items():
        row = [f"{scheme} {value}"]
        for system, designator in SYSTEMS.items():
            own = "as it is" if designator == scheme else "–"
            row.append(f"{codes[system].value} {codes[system].meaning}" if system in codes else own)
        expected.append(row)
    assert rows == expected
