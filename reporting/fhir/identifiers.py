"""Identifiers, and what follows from them: the entry's fullUrl and the criteria of conditional requests.

All are derived, like the UIDs of the other documents: the same result gives the same bytes on every rebuild, and a
server that gets it twice finds what it has already.
"""

import re
import uuid
from urllib.parse import quote

from fhir.resources.R4B.coding import Coding
from fhir.resources.R4B.identifier import Identifier

from tracking.engine.derived import derived_uid

URI_SYSTEM = "urn:ietf:rfc:3986"
"""Of identifiers, and of tags, that are URIs themselves."""
DICOM_UID_SYSTEM = "urn:dicom:uid"
"""Of DICOM UIDs (FHIR R4, ImagingStudy)."""
_SPECIAL = re.compile(r"([\\|,$])")
"""Characters that a search parameter escapes with a backslash (FHIR R4, 3.1.1.4)."""


def urn(uid: str) -> str:
    """Return a UID as a URI (RFC 3061)."""
    return f"urn:oid:{uid}"


def own_identifier(uid: str) -> Identifier:
    """Return a UID that this node derived, as an identifier."""
    return Identifier(system=URI_SYSTEM, value=urn(uid))


def dicom_identifier(uid: str) -> Identifier:
    """Return the UID of a DICOM study, instance or tracked finding as an identifier."""
    return Identifier(system=DICOM_UID_SYSTEM, value=urn(uid))


def report_identifier(study_uid: str) -> Identifier:
    """Return the identifier of a study's DiagnosticReport: the same in every revision, so that there is one."""
    return own_identifier(derived_uid("fhir", "DiagnosticReport", study_uid))


def document_tag(document_uid: str) -> Coding:
    """Return the tag that a Provenance is known by, which has no identifier in R4."""
    return Coding(system=URI_SYSTEM, code=urn(document_uid))


def full_url(resource_type: str, *parts: str) -> str:
    """Return the fullUrl of an entry, a UUID that follows from what the resource is of."""
    number = int(derived_uid("fhir", resource_type, *parts).removeprefix("2.25."))
    return f"urn:uuid:{uuid.UUID(int=number)}"


def by_identifier(identifier: Identifier) -> str:
    """Return the criteria that find a resource by its identifier; without a system, only one without."""
    return f"identifier={_token(identifier.system, identifier.value)}"


def by_tag(tag: Coding) -> str:
    """Return the criteria that find a resource by its tag."""
    return f"_tag={_token(tag.system, tag.code)}"


def _token(system: str | None, value: str | None) -> str:
    system, value = (_SPECIAL.sub(r"\\\1", part or "") for part in (system, value))
    return quote(f"{system}|{value}", safe=":/")
