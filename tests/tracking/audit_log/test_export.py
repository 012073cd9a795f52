"""The audit log for others: every event has a meaning in DICOM's vocabulary, and the XML holds it."""

import json
import xml.etree.ElementTree as ET
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from config.errors import SettingsError
from tracking.audit_log import export
from tracking.audit_log.audit import AuditEventType, Line


def line(event: AuditEventType, **detail: str | int) -> Line:
    return Line(1, 1_700_000_000_123, event, "success", "receive", "1.2.3", dict(detail), "0" * 64)


@pytest.mark.parametrize("event", list(AuditEventType))
def test_every_event_reads_as_a_dicom_audit_message(event: AuditEventType) -> None:
    message = ET.fromstring(export.to_atna(line(event, calling_ae="PACS", address="127.0.0.1"), "CXRNODE"))
    identification = message.find("EventIdentification")
    assert identification is not None
    assert identification.get("EventDateTime") == "2023-11-14T22:13:20.123+00:00"
    event_id = identification.find("EventID")
    assert event_id is not None
    assert str(event_id.get("csd-code")).startswith("1101")
    assert {participant.get("UserID") for participant in message.iter("ActiveParticipant")} >= {"CXRNODE/receive"}
    study = message.find("ParticipantObjectIdentification")
    assert study is not None
    assert study.get("ParticipantObjectID") == "1.2.3"


def test_a_received_instance_names_its_source_first_and_us_as_destination() -> None:
    event = line(AuditEventType.INSTANCE_RECEIVED, calling_ae="PACS", address="127.0.0.1", sop_class="1.2.840")
    message = ET.fromstring(export.to_atna(event, "CXRNODE"))
    roles = [
        (participant.get("UserID"), role.get("csd-code"))
        for participant in message.iter("ActiveParticipant")
        for role in participant.iter("RoleIDCode")
    ]
    assert roles == [("PACS", "110153"), ("CXRNODE/receive", "110152")]
    assert [item.get("UID") for item in message.iter("SOPClass")] == ["1.2.840"]


def test_a_message_has_the_parts_that_the_schema_wants_in_its_order() -> None:
    event = line(AuditEventType.INSTANCE_RECEIVED, calling_ae="PÄCS", bytes=7, sop_class="1.2.840")
    message = ET.fromstring(export.to_atna(event, "CXRNODE"))
    source = message.find("AuditSourceIdentification")
    study = message.find("ParticipantObjectIdentification")
    assert source is not None
    assert study is not None
    assert source.attrib == {"AuditSourceID": "CXRNODE"}
    assert [(part.tag, part.attrib) for part in source] == [("AuditSourceTypeCode", {"csd-code": "4"})]
    assert [part.tag.removeprefix("ParticipantObject") for part in study] == [
        "IDTypeCode", "Name", "Detail", "Detail", "Detail", "Description",
    ]  # fmt: skip
    details = {part.get("type"): b64decode(part.get("value", "")).decode() for part in study if "type" in part.attrib}
    assert details == {"bytes": "7", "calling_ae": "PÄCS", "sop_class": "1.2.840"}


def test_hostile_text_cannot_break_out_of_the_xml() -> None:
    text = export.to_atna(line(AuditEventType.DELIVERY_FAILED, destination='"><x/>&\n', error="<y>"), "CXRNODE")
    assert "\n" not in text
    assert ET.fromstring(text).find(".//x") is None


def test_lines_are_written_to_a_new_file_only(tmp_path: Path) -> None:
    target = tmp_path / "log.jsonl"
    event = line(AuditEventType.AUDIT_READ)
    assert export.write([event, event], target, "jsonl", node="CXRNODE") == 2
    assert [json.loads(text)["node"] for text in target.read_text().splitlines()] == ["CXRNODE", "CXRNODE"]
    with pytest.raises(SettingsError, match="exists already"):
        export.write([event], target, "jsonl", node="CXRNODE")
    assert len(target.read_text().splitlines()) == 2


def test_an_export_that_breaks_off_leaves_no_half_of_a_file(tmp_path: Path) -> None:
    target = tmp_path / "log.jsonl"

    def lines_until_the_database_is_gone() -> Iterator[Line]:
        yield line(AuditEventType.AUDIT_READ)
        raise OperationalError("SELECT", {}, Exception("server closed the connection"))

    with pytest.raises(OperationalError):
        export.write(lines_until_the_database_is_gone(), target, "jsonl", node="CXRNODE")
    assert not target.exists()
