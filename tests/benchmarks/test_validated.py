"""The validators over many documents: each kind has its own, and what is broken is an error."""

from pathlib import Path

import pytest

from benchmarks.validated import CHECKS, validate_text
from benchmarks.validated_page import KINDS
from reporting.hl7.message import build_message
from tests.accounts import account
from tests.reporting.test_same_claims import RIS
from tracking.outbox import document_kinds


def test_every_kind_of_document_has_a_validator_and_a_name() -> None:
    texts = {kind.split()[0] for kind in KINDS} - set(CHECKS)
    assert set(CHECKS) | texts == set(document_kinds.KINDS)


@pytest.mark.parametrize(("damage", "errors"), [(b"", 0), (b"OBX|x\r", 1)])
def test_a_message_is_validated_whole(damage: bytes, errors: int, tmp_path: Path) -> None:
    file = tmp_path / "x.hl7"
    file.write_bytes(build_message(account(), RIS, None).content + damage)
    assert len(validate_text("hl7", file)) == errors


def test_what_is_no_bundle_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_text('{"resourceType": "Bundle"}')
    assert len(validate_text("fhir", file)) == 1
