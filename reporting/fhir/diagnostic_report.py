"""The result of a study as a DiagnosticReport: one for each study, which every revision updates."""

from collections.abc import Sequence

from fhir.resources.R4B.diagnosticreport import DiagnosticReport
from fhir.resources.R4B.identifier import Identifier
from fhir.resources.R4B.reference import Reference

from config.destinations import FhirDestination
from config.language.translation import language
from reporting import codes
from reporting.account import Account
from reporting.claims import Claim, study_claims
from reporting.fhir.coding import DIAGNOSTIC_SERVICE, IDENTIFIER_TYPE, concept, finding_concept, term
from reporting.fhir.identifiers import full_url, report_identifier
from reporting.fhir.imaging_study import study_url
from reporting.fhir.narrative import narrative
from reporting.fhir.status import status_of
from reporting.fhir.text import clean, study_time
from reporting.impression import summarise
from reporting.source import SourceImage

RADIOLOGY = term(DIAGNOSTIC_SERVICE, "RAD", "Radiology")
_ORDER = (
    ("AccessionNumber", "ACSN", "Accession ID"),
    ("PlacerOrderNumberImagingServiceRequest", "PLAC", "Placer Identifier"),
    ("FillerOrderNumberImagingServiceRequest", "FILL", "Filler Identifier"),
)
"""Attributes that name the order, with their types of identifier (HL7 table 0203)."""


def report_url(study_uid: str) -> str:
    """Return the fullUrl of the DiagnosticReport's entry."""
    return full_url("DiagnosticReport", study_uid)


def build_diagnostic_report(
    account: Account, results: Sequence[str], subject: Reference, destination: FhirDestination
) -> DiagnosticReport:
    """Return the DiagnosticReport; ``results`` are the fullUrls of its Observations.

    Its conclusion is the impression of all documents, which begins with what it is: AI, not verified. Only a stated
    finding that is present in the study is a conclusion code.
    """
    lead = account.lead
    lines = [f"{line}." for line in summarise(account)]
    return DiagnosticReport(
        language=language().value,
        text=narrative(lines),
        identifier=[report_identifier(lead.study_uid)],
        basedOn=_orders(lead) or None,
        status=status_of(account),
        category=[RADIOLOGY],
        code=concept(codes.coded(account.procedure)),
        subject=subject,
        effectiveDateTime=study_time(lead),
        issued=account.local_time(),
        performer=[Reference(display=account.institution)] if clean(account.institution) else None,
        result=[Reference(reference=url) for url in results] or None,
        imagingStudy=[Reference(reference=study_url(lead.study_uid))],
        conclusion="\n".join(lines),
        conclusionCode=_conclusions(account, destination) or None,
    )


def _conclusions(account: Account, destination: FhirDestination) -> list[object]:
    claims = study_claims(finding for image in account.analysed for finding in image.findings)
    present = (entry.finding for entry in claims if entry.claim is Claim.PRESENT)
    return [finding_concept(finding, destination) for finding in present]


def _orders(source: SourceImage) -> list[Reference]:
    """Return the order by its numbers, which only the ordering system can resolve."""
    return [
        Reference(type="ServiceRequest", identifier=Identifier(type=term(IDENTIFIER_TYPE, code, display), value=value))
        for keyword, code, display in _ORDER
        if (value := clean(source.text(keyword)))
    ]
