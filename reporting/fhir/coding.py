"""Coded concepts: DICOM's coding scheme designators as the systems that FHIR knows them by."""

from fhir.resources.R4B.codeableconcept import CodeableConcept
from fhir.resources.R4B.coding import Coding
from pydicom.sr.coding import Code

SYSTEMS = {
    "SCT": "http://snomed.info/sct",
    "LN": "http://loinc.org",
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
    "UCUM": "http://unitsofmeasure.org",
    "RADLEX": "http://radlex.org",
}
"""By coding scheme designator (PS3.16 8). A designator without a system, such as a private one, has none in FHIR."""
DIAGNOSTIC_SERVICE = "http://terminology.hl7.org/CodeSystem/v2-0074"
IDENTIFIER_TYPE = "http://terminology.hl7.org/CodeSystem/v2-0203"
OBSERVATION_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
DATA_OPERATION = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
DATA_ABSENT_REASON = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
PARTICIPANT_TYPE = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"


def coding(code: Code) -> Coding:
    """Return one of DICOM's codes."""
    return Coding(system=SYSTEMS.get(code.scheme_designator), code=code.value, display=code.meaning)


def concept(code: Code, text: str = "") -> CodeableConcept:
    """Return one of DICOM's codes as a concept; ``text`` is what it is called here, else its meaning."""
    return CodeableConcept(coding=[coding(code)], text=text or code.meaning)


def term(system: str, code: str, display: str) -> CodeableConcept:
    """Return a concept of one of FHIR's own code systems."""
    return CodeableConcept(coding=[Coding(system=system, code=code, display=display)])
