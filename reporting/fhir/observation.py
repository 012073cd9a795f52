"""A finding on an image as an Observation: what is claimed of it, in the words and numbers of the other documents."""

from dataclasses import dataclass

from fhir.resources.R4B.annotation import Annotation
from fhir.resources.R4B.observation import Observation, ObservationComponent
from fhir.resources.R4B.quantity import Quantity
from fhir.resources.R4B.reference import Reference

from config.destinations import FhirDestination
from config.language.translation import gettext as _
from config.language.translation import language
from inference.findings import Finding
from reporting import codes
from reporting.account import Account, AnalysedImage, SkippedImage
from reporting.claims import Claim, ClaimedFinding, claims_of, number
from reporting.fhir.coding import (
    DATA_ABSENT_REASON,
    INTERPRETATION,
    OBSERVATION_CATEGORY,
    SYSTEMS,
    concept,
    finding_concept,
    term,
)
from reporting.fhir.device import device_url
from reporting.fhir.identifiers import dicom_identifier, full_url
from reporting.fhir.imaging_study import study_url
from reporting.fhir.status import status_of
from reporting.fhir.text import study_time
from reporting.identity import tracking_uid
from reporting.words import DISCLAIMER, claim_words, finding_name, sentence

IMAGING = term(OBSERVATION_CATEGORY, "imaging", "Imaging")


@dataclass(frozen=True, slots=True)
class ObservedFinding:
    """One finding of one image of which an Observation is sent."""

    image: AnalysedImage
    entry: ClaimedFinding[Finding]
    tracking_uid: str

    @property
    def url(self) -> str:
        """Return the fullUrl of the Observation's entry."""
        return full_url("Observation", self.tracking_uid)


def observed_findings(account: Account, *, scored_only: bool) -> list[ObservedFinding]:
    """Return the findings of which Observations are sent, image by image, in the order of all documents.

    Parameters
    ----------
    account
        What to say.
    scored_only
        Whether findings that are scored only are sent, too.
    """
    return [
        ObservedFinding(
            image, entry, tracking_uid(account.model, image.source.sop_instance_uid, entry.finding.label, 0)
        )
        for image in account.analysed
        for entry in claims_of(image.findings)
        if entry.stated or scored_only
    ]


def build_observation(
    account: Account, observed: ObservedFinding, subject: Reference, destination: FhirDestination
) -> Observation:
    """Return the Observation of a finding, identified by its tracking UID: the same in every revision.

    Its value is the claim (CID 240), and its score a component. A finding that is scored only has no value and no
    interpretation, and what was not found has no score, unless the destination asks for all scores.
    """
    entry, source = observed.entry, observed.image.source
    presence = codes.presence(entry.claim)
    scored = entry.claim is not Claim.ABSENT or destination.scored_only
    return Observation(
        language=language().value,
        identifier=[dicom_identifier(observed.tracking_uid)],
        status=status_of(account),
        category=[IMAGING],
        code=finding_concept(entry.finding, destination),
        subject=subject,
        effectiveDateTime=study_time(source),
        issued=account.local_time(),
        valueCodeableConcept=concept(presence) if presence is not None else None,
        interpretation=_interpretation(entry),
        note=[Annotation(text=_note(entry))],
        bodySite=concept(codes.coded(entry.finding.site)),
        method=concept(codes.ARTIFICIAL_INTELLIGENCE),
        device=Reference(reference=device_url(account.model)),
        derivedFrom=[
            Reference(reference=study_url(account.lead.study_uid)),
            Reference(identifier=dicom_identifier(source.sop_instance_uid), display="Analysed image"),
        ],
        component=[_certainty(entry)] if scored else None,
    )


def build_missing_observation(account: Account, skipped: SkippedImage, subject: Reference) -> Observation:
    """Return the Observation that no finding could be looked for on an image, where none of a study was analysed.

    It is cancelled, has no value, and its note says why.
    """
    because = _("Image %(uid)s was not analysed because %(reason)s")
    words = because % {"uid": skipped.sop_instance_uid, "reason": skipped.words}
    return Observation(
        language=language().value,
        identifier=[dicom_identifier(missing_uid(account, skipped))],
        status=status_of(account),
        category=[IMAGING],
        code=concept(codes.PROCEDURE_FINDINGS),
        subject=subject,
        effectiveDateTime=study_time(account.lead),
        issued=account.local_time(),
        dataAbsentReason=term(DATA_ABSENT_REASON, "not-performed", "Not Performed"),
        note=[Annotation(text=f"{_(DISCLAIMER)}: {words}.")],
        method=concept(codes.ARTIFICIAL_INTELLIGENCE),
        device=Reference(reference=device_url(account.model)),
        derivedFrom=[
            Reference(reference=study_url(account.lead.study_uid)),
            Reference(identifier=dicom_identifier(skipped.sop_instance_uid), display="Image that was not analysed"),
        ],
    )


def missing_uid(account: Account, skipped: SkippedImage) -> str:
    """Return the UID of what could not be looked for on an image."""
    return tracking_uid(account.model, skipped.sop_instance_uid, "not-analysed", 0)


def missing_url(account: Account, skipped: SkippedImage) -> str:
    """Return the fullUrl of that Observation's entry."""
    return full_url("Observation", missing_uid(account, skipped))


def _interpretation(entry: ClaimedFinding[Finding]) -> list[object] | None:
    if entry.claim in {Claim.WITHHELD, Claim.SCORED_ONLY}:
        return None
    code, display = ("A", "Abnormal") if entry.found else ("N", "Normal")
    return [term(INTERPRETATION, code, display)]


def _certainty(entry: ClaimedFinding[Finding]) -> ObservationComponent:
    return ObservationComponent(
        code=concept(codes.PROBABILITY),
        valueQuantity=Quantity(value=number(entry.finding), unit="%", system=SYSTEMS["UCUM"], code="%"),
    )


def _note(entry: ClaimedFinding[Finding]) -> str:
    """Return what the Observation is and says, for a reader who sees it alone."""
    scored_only = f"{finding_name(entry.finding)}: {claim_words(entry.claim, abnormal=entry.finding.abnormal)}"
    return f"{_(DISCLAIMER)}: {sentence(entry) if entry.stated else scored_only}."
