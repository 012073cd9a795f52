"""The model as a Device: which software spoke, enough to find the very bytes again."""

from fhir.resources.R4B.annotation import Annotation
from fhir.resources.R4B.codeableconcept import CodeableConcept
from fhir.resources.R4B.device import Device, DeviceDeviceName, DeviceVersion

from config.language.translation import gettext as _
from config.language.translation import marked
from inference.findings import ModelIdentity
from reporting import codes
from reporting.account import MANUFACTURER
from reporting.fhir.coding import concept
from reporting.fhir.identifiers import full_url, own_identifier
from reporting.identity import device_uid

_USE = marked("Results are those of AI, not verified by a radiologist, for research use only.")


def device_url(model: ModelIdentity) -> str:
    """Return the fullUrl of the Device's entry."""
    return full_url("Device", device_uid(model))


def build_device(model: ModelIdentity) -> Device:
    """Return the Device of a model: a new one for each name, version and content."""
    return Device(
        identifier=[own_identifier(device_uid(model))],
        status="active",
        manufacturer=MANUFACTURER,
        deviceName=[DeviceDeviceName(name=model.name, type="model-name")],
        type=concept(codes.ARTIFICIAL_INTELLIGENCE),
        version=[
            DeviceVersion(type=CodeableConcept(text="software version"), value=model.version),
            DeviceVersion(type=CodeableConcept(text="SHA-256 of the model package"), value=model.digest),
        ],
        note=[Annotation(text=_(_USE))],
    )
