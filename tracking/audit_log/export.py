"""The audit log for others: our own lines as JSON, or DICOM audit messages (PS3.15 A.5) in XML, one a line.

The XML of one message stands on one line, ready to be the payload of an RFC 5424 syslog record with the message ID
``DICOM+RFC3881``. Patients are not named: a message points to its study, and its details are base 64, as the schema
of PS3.15 A.5.1 wants every such value.
"""

import json
import os
import xml.etree.ElementTree as ET
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from config.errors import SettingsError
from tracking.audit_log.audit import AuditEventType, Line
from tracking.engine.clock import to_datetime


@dataclass(frozen=True, slots=True)
class Meaning:
    """How an event of ours reads in DICOM's audit vocabulary; codes are of scheme DCM."""

    code: str
    text: str
    action: str
    kind: tuple[str, str] | None = None


_TRANSFER = Meaning("110104", "DICOM Instances Transferred", "C")
_AUTHENTICATION = ("110114", "User Authentication", "E")
_ALERT = ("110113", "Security Alert", "E")
MEANINGS: dict[str, Meaning] = {
    AuditEventType.SERVICE_STARTED: Meaning("110100", "Application Activity", "E", ("110120", "Application Start")),
    AuditEventType.SERVICE_STOPPED: Meaning("110100", "Application Activity", "E", ("110121", "Application Stop")),
    AuditEventType.ASSOCIATION_REJECTED: Meaning(*_ALERT, ("110126", "Node Authentication")),
    AuditEventType.CONTEXT_REFUSED: _TRANSFER,
    AuditEventType.INSTANCE_RECEIVED: _TRANSFER,
    AuditEventType.INSTANCE_RECOVERED: Meaning("110103", "DICOM Instances Accessed", "C"),
    AuditEventType.INSTANCE_DUPLICATE: Meaning("110104", "DICOM Instances Transferred", "R"),
    AuditEventType.INSTANCE_CONFLICT: _TRANSFER,
    AuditEventType.INSTANCE_REFUSED: _TRANSFER,
    AuditEventType.INSTANCE_REJECTED: Meaning("110103", "DICOM Instances Accessed", "U"),
    AuditEventType.INSTANCE_RESTORED: Meaning("110103", "DICOM Instances Accessed", "U"),
    AuditEventType.INSTANCE_ACCEPTED: Meaning("110103", "DICOM Instances Accessed", "U"),
    AuditEventType.INSTANCE_DISMISSED: Meaning("110103", "DICOM Instances Accessed", "U"),
    AuditEventType.STUDY_CONFLICT: Meaning("110100", "Application Activity", "E"),
    AuditEventType.STUDY_RESOLVED: Meaning("110103", "DICOM Instances Accessed", "U"),
    AuditEventType.STUDY_RESENT: Meaning("110103", "DICOM Instances Accessed", "R"),
    AuditEventType.STUDY_WITHDRAWN: Meaning("110103", "DICOM Instances Accessed", "U"),
    AuditEventType.REJECTION_DUE: Meaning("110103", "DICOM Instances Accessed", "U"),
    AuditEventType.STUDY_REANALYSED: Meaning("110103", "DICOM Instances Accessed", "U"),
    AuditEventType.STUDY_URGENT: Meaning("110103", "DICOM Instances Accessed", "U"),
    AuditEventType.STUDY_DELETED: Meaning("110105", "DICOM Study Deleted", "D"),
    AuditEventType.STUDY_UPLOADED: Meaning("110107", "Import", "C"),
    AuditEventType.UPLOAD_RELEASED: Meaning("110106", "Export", "E"),
    AuditEventType.POINTS_CHANGED: Meaning(*_ALERT, ("110129", "Node Configuration")),
    AuditEventType.DESTINATION_PAUSED: Meaning("110100", "Application Activity", "E"),
    AuditEventType.DESTINATION_RESUMED: Meaning("110100", "Application Activity", "E"),
    AuditEventType.RESULT_WITHHELD: Meaning("110100", "Application Activity", "E"),
    AuditEventType.ANALYSIS_RECORDED: Meaning("110103", "DICOM Instances Accessed", "R"),
    AuditEventType.ANALYSIS_STOPPED: Meaning("110103", "DICOM Instances Accessed", "R"),
    AuditEventType.DOCUMENTS_BUILT: Meaning("110103", "DICOM Instances Accessed", "C"),
    AuditEventType.DOCUMENT_QUARANTINED: Meaning("110103", "DICOM Instances Accessed", "C"),
    AuditEventType.DELIVERY_DONE: Meaning("110104", "DICOM Instances Transferred", "R"),
    AuditEventType.DELIVERY_FAILED: Meaning("110104", "DICOM Instances Transferred", "R"),
    AuditEventType.DELIVERY_STOPPED: Meaning("110104", "DICOM Instances Transferred", "R"),
    AuditEventType.REPORT_CLASS_CHANGED: Meaning("110100", "Application Activity", "E"),
    AuditEventType.JOB_STOPPED: Meaning("110100", "Application Activity", "E"),
    AuditEventType.JOB_RETRIED: Meaning("110100", "Application Activity", "E"),
    AuditEventType.CLOCK_SET_BACK: Meaning("110100", "Application Activity", "E"),
    AuditEventType.CONFIGURATION_CHANGED: Meaning(*_ALERT, ("110129", "Node Configuration")),
    AuditEventType.STORE_RECOVERED: Meaning("110100", "Application Activity", "E"),
    AuditEventType.AUDIT_READ: Meaning("110101", "Audit Log Used", "R"),
    AuditEventType.STUDIES_LISTED: Meaning("110112", "Query", "E"),
    AuditEventType.STUDY_VIEWED: Meaning("110103", "DICOM Instances Accessed", "R"),
    AuditEventType.INSTANCES_STORED: _TRANSFER,
    AuditEventType.FILES_ANALYSED: Meaning("110100", "Application Activity", "E"),
    AuditEventType.FEEDBACK_GIVEN: Meaning("110103", "DICOM Instances Accessed", "U"),
    AuditEventType.FEEDBACK_EXPORTED: Meaning("110106", "Export", "R"),
    AuditEventType.USER_LOGIN: Meaning(*_AUTHENTICATION, ("110122", "Login")),
    AuditEventType.USER_LOGOUT: Meaning(*_AUTHENTICATION, ("110123", "Logout")),
    AuditEventType.LOGIN_FAILED: Meaning(*_AUTHENTICATION, ("110122", "Login")),
    AuditEventType.USER_CHANGED: Meaning(*_ALERT, ("110137", "User security Attributes Changed")),
    AuditEventType.DESTINATION_ASKED: Meaning("110100", "Application Activity", "E"),
    AuditEventType.FILTER_CHANGED: Meaning("110100", "Application Activity", "E"),
}
_OUTCOMES = {"success": "0", "minor-failure": "4", "serious-failure": "8", "major-failure": "12"}


def to_jsonl(line: Line, node: str) -> str:
    """Return a line as one JSON object, with the node it comes from."""
    return json.dumps({**asdict(line), "node": node}, sort_keys=True, ensure_ascii=False)


def to_atna(line: Line, node: str) -> str:
    """Return a line as one DICOM audit message (PS3.15 A.5.1)."""
    meaning = MEANINGS[line.type]
    message = ET.Element("AuditMessage")
    event = ET.SubElement(
        message,
        "EventIdentification",
        EventActionCode=meaning.action,
        EventDateTime=to_datetime(line.at).isoformat(timespec="milliseconds"),
        EventOutcomeIndicator=_OUTCOMES.get(line.outcome, "4"),
    )
    _code(event, "EventID", meaning.code, meaning.text)
    if meaning.kind is not None:
        _code(event, "EventTypeCode", *meaning.kind)
    if line.outcome != "success":
        reason = line.detail.get("error") or line.detail.get("reason") or line.type
        ET.SubElement(event, "EventOutcomeDescription").text = str(reason)
    _participants(message, line, node)
    source = ET.SubElement(message, "AuditSourceIdentification", AuditSourceID=node)
    ET.SubElement(source, "AuditSourceTypeCode", {"csd-code": "4"})  # an application server
    if line.study_uid is not None:
        _study(message, line)
    return ET.tostring(message, encoding="unicode").replace("\n", " ")


def _participants(message: ET.Element, line: Line, node: str) -> None:
    """Add the other side first, if there is one: a peer, or the person who looked; then this node."""
    detail = line.detail
    if user := detail.get("user"):
        person = ET.SubElement(message, "ActiveParticipant", UserID=str(user), UserIsRequestor="true")
        _network(person, detail.get("address"))
    sends = line.type.startswith("delivery")
    other = detail.get("calling_ae") or detail.get("destination")
    if other:
        participant = ET.SubElement(
            message, "ActiveParticipant", UserID=str(other), UserIsRequestor="false" if sends else "true"
        )
        _network(participant, detail.get("address"))
        _code(
            participant, "RoleIDCode", *(("110152", "Destination Role ID") if sends else ("110153", "Source Role ID"))
        )
    own = ET.SubElement(
        message,
        "ActiveParticipant",
        UserID=f"{node}/{line.service}",
        AlternativeUserID=f"AETITLES={node}",
        UserIsRequestor="true" if sends or not (other or user) else "false",
    )
    role = ("110150", "Application")
    if other:
        role = ("110153", "Source Role ID") if sends else ("110152", "Destination Role ID")
    _code(own, "RoleIDCode", *role)


def _network(participant: ET.Element, address: object) -> None:
    if address:
        participant.set("NetworkAccessPointID", str(address))
        participant.set("NetworkAccessPointTypeCode", "2")


def _study(message: ET.Element, line: Line) -> None:
    study = ET.SubElement(
        message,
        "ParticipantObjectIdentification",
        ParticipantObjectID=str(line.study_uid),
        ParticipantObjectTypeCode="2",
        ParticipantObjectTypeCodeRole="3",
    )
    _code(study, "ParticipantObjectIDTypeCode", "110180", "Study Instance UID")
    ET.SubElement(study, "ParticipantObjectName").text = "Study"  # the schema wants a name, and gets nobody's
    for key, value in sorted(line.detail.items()):
        if value is not None:
            ET.SubElement(study, "ParticipantObjectDetail", type=key, value=b64encode(str(value).encode()).decode())
    if sop_class := line.detail.get("sop_class"):
        description = ET.SubElement(study, "ParticipantObjectDescription")
        ET.SubElement(description, "SOPClass", UID=str(sop_class), NumberOfInstances="1")


def _code(parent: ET.Element, tag: str, code: str, text: str) -> None:
    ET.SubElement(parent, tag, {"csd-code": code, "codeSystemName": "DCM", "originalText": text})


FORMATS: dict[str, Callable[[Line, str], str]] = {"jsonl": to_jsonl, "atna": to_atna}


def write(lines: Iterable[Line], to: Path, form: str, *, node: str) -> int:
    """Write lines to a new file, durable when this returns and gone when it fails; return how many.

    Raises
    ------
    SettingsError
        The file exists already (an export never overwrites an earlier one), or cannot be written.
    """
    count = 0
    try:
        descriptor = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file, _whole_or_gone(to):
            for line in lines:
                file.write(FORMATS[form](line, node) + "\n")
                count += 1
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        msg = f"{to}: this file exists already; an export never overwrites, give another name"
        raise SettingsError(msg) from None
    except OSError as error:
        msg = f"{to}: cannot be written: {error.strerror}; give another name"
        raise SettingsError(msg) from None
    return count


@contextmanager
def _whole_or_gone(file: Path) -> Iterator[None]:
    """Remove what was written when it breaks off: half an export looks whole, and stands in the next one's way."""
    try:
        yield
    except BaseException:
        file.unlink(missing_ok=True)
        raise
