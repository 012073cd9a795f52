"""The patient: a reference by identifier, or a Patient that the server creates where it has none."""

import re

from fhir.resources.R4B.identifier import Identifier
from fhir.resources.R4B.patient import Patient
from fhir.resources.R4B.reference import Reference

from config.destinations import FhirDestination
from reporting.fhir.identifiers import full_url, urn
from reporting.fhir.text import clean, date_of, human_names
from reporting.source import SourceImage, is_uid

_URI = re.compile(r"(urn:|https?://)\S+")
_GENDERS = {"M": "male", "F": "female", "O": "other"}
UNKNOWN = "The image names no Patient ID"


def patient_identifier(source: SourceImage, destination: FhirDestination) -> Identifier | None:
    """Return the Patient ID, None where the source has none.

    Its system is what the settings say for the Issuer of Patient ID, else the issuer itself where it is a UID or a URI.
    Any other issuer is named as the assigner.
    """
    value, issuer = clean(source.text("PatientID")), clean(source.text("IssuerOfPatientID"))
    if value is None:
        return None
    system = destination.patient_systems.get(issuer or "")
    if system is None and issuer is not None:
        system = urn(issuer) if is_uid(issuer) else issuer if _URI.fullmatch(issuer) else None
    assigner = Reference(display=issuer) if issuer is not None and system is None else None
    return Identifier(system=system, value=value, assigner=assigner)


def is_created(identifier: Identifier | None, destination: FhirDestination) -> bool:
    """Say whether a Patient is sent: not without a system, since the same number may be another patient's there."""
    return destination.patient == "create" and identifier is not None and identifier.system is not None


def subject(source: SourceImage, destination: FhirDestination) -> Reference:
    """Return the reference to the patient that each resource carries."""
    identifier = patient_identifier(source, destination)
    if identifier is None:
        return Reference(type="Patient", display=UNKNOWN)
    if is_created(identifier, destination):
        return Reference(reference=patient_url(identifier))
    return Reference(type="Patient", identifier=identifier)


def patient_url(identifier: Identifier) -> str:
    """Return the fullUrl of the Patient's entry."""
    return full_url("Patient", identifier.system or "", identifier.value or "")


def build_patient(source: SourceImage, identifier: Identifier) -> Patient:
    """Return the Patient as the image's header names it; what the header lacks is left out."""
    return Patient(
        identifier=[identifier],
        name=human_names(source.text("PatientName")) or None,
        gender=_GENDERS.get(source.text("PatientSex")),
        birthDate=date_of("PatientBirthDate", source),
    )
