"""A Bundle as people read it."""

import pytest

from config.errors import UnreadableInstance
from reporting.document_tree import DocumentItem
from reporting.fhir.bundle import build_bundle
from reporting.fhir.bundle_text import bundle_text
from tests.accounts import account
from tests.reporting.fhir.conftest import destination


def items(item: DocumentItem) -> list[tuple[str, str]]:
    return [(item.name, item.value), *(pair for child in item.children for pair in items(child))]


def test_entries_are_branches_and_codes_are_words() -> None:
    text = bundle_text(build_bundle(account(), destination()).content)
    assert dict(text.facts)["Class"] == "Bundle, transaction"
    assert dict(text.facts)["Status"] == "preliminary"
    assert [child.name for child in text.root.children] == [
        "Device", "ImagingStudy", "Observation", "Observation", "Observation", "DiagnosticReport", "Provenance",
    ]  # fmt: skip
    shown = items(text.root)
    assert ("valueCodeableConcept", "Present (52101004, http://snomed.info/sct)") in shown
    assert ("valueQuantity", "91.0 %") in shown
    assert any(name == "conclusion" and value.startswith("AI result, not verified") for name, value in shown)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"entry":[1]}', b"\xff"])
def test_what_is_no_bundle_is_an_error(content: bytes) -> None:
    with pytest.raises(UnreadableInstance):
        bundle_text(content)
