"""Who made a document's resources, when, and of what: one Provenance for each document."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from fhir.resources.R4B.codeableconcept import CodeableConcept
from fhir.resources.R4B.identifier import Identifier
from fhir.resources.R4B.meta import Meta
from fhir.resources.R4B.provenance import Provenance, ProvenanceAgent, ProvenanceEntity
from fhir.resources.R4B.reference import Reference

from reporting.fhir.coding import DATA_OPERATION, PARTICIPANT_TYPE, term
from reporting.fhir.identifiers import document_tag


class Activity(Enum):
    """What was done to the resources (v3-DataOperation)."""

    CREATE = ("CREATE", "create")
    UPDATE = ("UPDATE", "revise")
    NULLIFY = ("NULLIFY", "nullify")


@dataclass(frozen=True, slots=True)
class Origin:
    """What a Provenance tells."""

    document_uid: str
    activity: Activity
    recorded: datetime
    agent: Reference
    institution: str | None
    images: Sequence[Identifier] = ()
    """The images that the result was made from."""
    former: Sequence[Identifier] = ()
    """The Bundles that this one replaces or takes back."""
    reason: CodeableConcept | None = None


def build_provenance(origin: Origin, targets: Sequence[str]) -> Provenance:
    """Return the Provenance of some resources, named by the fullUrls of their entries."""
    code, display = origin.activity.value
    entities = [
        *(_entity("source", identifier, "Analysed image") for identifier in origin.images),
        *(_entity("revision", identifier, "Former result") for identifier in origin.former),
    ]
    return Provenance(
        meta=Meta(tag=[document_tag(origin.document_uid)]),
        target=[Reference(reference=target) for target in targets],
        recorded=origin.recorded,
        reason=[origin.reason] if origin.reason is not None else None,
        activity=term(DATA_OPERATION, code, display),
        agent=[
            ProvenanceAgent(
                type=term(PARTICIPANT_TYPE, "author", "Author"),
                who=origin.agent,
                onBehalfOf=Reference(display=origin.institution) if origin.institution else None,
            )
        ],
        entity=entities or None,
    )


def _entity(role: str, identifier: Identifier, display: str) -> ProvenanceEntity:
    return ProvenanceEntity(role=role, what=Reference(identifier=identifier, display=display))
