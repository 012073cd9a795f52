"""Coded concepts: DICOM's coding scheme designators as the systems that FHIR knows them by."""

import re

from fhir.resources.R4B.codeableconcept import CodeableConcept
from fhir.resources.R4B.coding import Coding
from pydicom.sr.coding import Code

from config.destinations import CodedDestination
from inference.findings import Finding
from reporting.finding_codes import finding_codes
from reporting.words import finding_name

SYSTEMS = {
    "SCT": "http://snomed.info/sct",
    "LN": "http://loinc.org",
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
    "UCUM": "http://unitsofmeasure.org",
    "RADLEX": "http://radlex.org",
}
"""By coding scheme designator (PS3.16 8). A designator without a system, such as a private one, has none in FHIR."""
_URI = re.compile(r"(https?://|urn:(oid|uuid):)\S+$")
DIAGNOSTIC_SERVICE = "http://terminology.hl7.org/CodeSystem/v2-0074"
IDENTIFIER_TYPE = "http://terminology.hl7.org/CodeSystem/v2-0203"
OBSERVATION_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
DATA_OPERATION = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
DATA_ABSENT_REASON = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
PARTICIPANT_TYPE = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"


def coding(code: Code) -> Coding:
    """Return one of DICOM's codes; a scheme that is a URI, as a destination may name its own, is its own system."""
    scheme = code.scheme_designator
    return Coding(
        system=SYSTEMS.get(scheme, scheme if _URI.match(scheme) else None), code=code.value, display=code.meaning
    )


def concept(code: Code, text: str = "", *others: Code) -> CodeableConcept:
    """Return one of DICOM's codes as a concept; ``text`` is what it is called here, else its meaning.

    ``others`` are codes of the same concept in other systems.
    """
    return CodeableConcept(coding=[coding(each) for each in (code, *others)], text=text or code.meaning)


def finding_concept(finding: Finding, destination: CodedDestination) -> CodeableConcept:
    """Return a finding as a destination wants it coded, under the name that all documents call it by."""
    first, *others = finding_codes(finding, destination)
    return concept(first, finding_name(finding), *others)


def term(system: str, code: str, display: str) -> CodeableConcept:
    """Return a concept of one of FHIR's own code systems."""
    return CodeableConcept(coding=[Coding(system=system, code=code, display=display)])
