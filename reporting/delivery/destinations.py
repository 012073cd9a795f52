"""The registry of kinds of destinations, by the class of their settings: a new kind is one line here.

Light, so that who only asks whether a destination is there loads no builder of documents.
"""

from config.destinations import DicomDestination, FhirDestination, Hl7Destination
from reporting.delivery.carrier import DestinationKind
from reporting.delivery.dicom_carrier import DicomCarrier, c_echo
from reporting.delivery.fhir_carrier import FhirCarrier, metadata_echo
from reporting.delivery.hl7_carrier import Hl7Carrier, mllp_echo

DESTINATIONS: dict[type, DestinationKind] = {
    DicomDestination: DestinationKind(DicomCarrier, c_echo),
    Hl7Destination: DestinationKind(Hl7Carrier, mllp_echo),
    FhirDestination: DestinationKind(FhirCarrier, metadata_echo),
}
