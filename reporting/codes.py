"""The coded concepts of the outputs, each with where the Standard defines it."""

from functools import cache

from pydicom.sr.codedict import codes as known
from pydicom.sr.coding import Code

from config.language.translation import Language
from inference import findings
from reporting.claims import Claim

IMAGING_MEASUREMENT_REPORT = Code("126000", "DCM", "Imaging Measurement Report")
"""CID 7021; the root that viewers look for."""
IMAGING_PROCEDURE = Code("363679005", "SCT", "Imaging procedure")
"""CID 100. A LOINC radiography code would say more, but validators know only the context group."""
PROBABILITY = Code("111012", "DCM", "Certainty of Finding")
PERCENT = Code("%", "UCUM", "Percent")
PRESENCE = Code("121052", "DCM", "Presence of property")
PRESENT = Code("52101004", "SCT", "Present")
ABSENT = Code("272519000", "SCT", "Absent")
UNDETERMINED = Code("373068000", "SCT", "Undetermined")
"""With Present and Absent in CID 240: between the two operating points, and where good news stands beside a finding
that is present, neither is claimed."""
FINDING = Code("121071", "DCM", "Finding")
TRACKING_IDENTIFIER = Code("112039", "DCM", "Tracking Identifier")
TRACKING_UNIQUE_IDENTIFIER = Code("112040", "DCM", "Tracking Unique Identifier")
MEASUREMENT_GROUP = Code("125007", "DCM", "Measurement Group")
IMAGING_MEASUREMENTS = Code("126010", "DCM", "Imaging Measurements")
IMAGE_LIBRARY = Code("111028", "DCM", "Image Library")
LANGUAGE = Code("121049", "DCM", "Language of Content Item and Descendants")
PROCEDURE_REPORTED = Code("121058", "DCM", "Procedure reported")
FINDING_SITE = Code("363698007", "SCT", "Finding Site")
SOURCE = Code("260753009", "SCT", "Source")
SOURCE_OF_MEASUREMENT = Code("121112", "DCM", "Source of Measurement")
PIXELS = Code("{pixels}", "UCUM", "Pixels")
IMAGE_REGION = Code("111030", "DCM", "Image Region")
ORIGINAL_SOURCE = Code("111040", "DCM", "Original Source")
COMMENT = Code("121106", "DCM", "Comment")
QUALITATIVE_EVALUATIONS = Code("C0034375", "UMLS", "Qualitative Evaluations")
PROCESSING_ALGORITHM = Code("Newcode1", "99IHE", "Processing Algorithm")
"""What IHE AI Results (trial implementation) asks for in Contributing Equipment; no code of DCM means it yet."""
ARTIFICIAL_INTELLIGENCE = Code("123110", "DCM", "Artificial Intelligence")
SOURCE_FOR_PROCESSING = Code("121322", "DCM", "Source Image for Image Processing Operation")

PROCEDURE_FINDINGS = Code("59776-5", "LN", "Procedure findings")
PROCESSING_SUMMARY = Code("111017", "DCM", "CAD Processing and Findings Summary")
NOT_ANALYSED = Code("111245", "DCM", "No algorithms succeeded; without findings")
"""CID 6047."""

MODALITY = Code("121139", "DCM", "Modality")
_RADIOGRAPHY = {
    "CR": Code("CR", "DCM", "Computed Radiography"),
    "DX": Code("DX", "DCM", "Digital Radiography"),
    "RG": Code("RG", "DCM", "Radiographic imaging"),
}
_LANGUAGES = {
    Language.ENGLISH: Code("en-US", "RFC5646", "English (United States)"),
    Language.GERMAN: Code("de", "RFC5646", "German"),
    Language.FRENCH: Code("fr", "RFC5646", "French"),
    Language.SPANISH: Code("es", "RFC5646", "Spanish"),
    Language.ITALIAN: Code("it", "RFC5646", "Italian"),
    Language.PORTUGUESE: Code("pt-BR", "RFC5646", "Portuguese (Brazil)"),
}
"""CID 5000; the catalogue of Portuguese is that of Brazil."""
_PRESENCE = {
    Claim.PRESENT: PRESENT, Claim.UNDETERMINED: UNDETERMINED, Claim.ABSENT: ABSENT, Claim.WITHHELD: UNDETERMINED
}  # fmt: skip


def presence(claim: Claim) -> Code | None:
    """Return how a claim is coded in CID 240; None for a finding that is scored only, of which nothing is said."""
    return _PRESENCE.get(claim)


def language_of(language: Language) -> Code:
    """Return the language of a document's texts, whose code meanings stay those of the Standard."""
    return _LANGUAGES[language]


def modality(text: str) -> Code | None:
    """Return a Modality (0008,0060) in CID 29, None where the context group does not have it."""
    return _RADIOGRAPHY.get(text) or _modalities().get(text)


@cache
def _modalities() -> dict[str, Code]:
    group = (getattr(known.cid29, name) for name in known.cid29.dir())
    return {code.value: Code(code.value, code.scheme_designator, code.meaning) for code in group}


def radiography(modality: str) -> Code:
    """Return a source's Modality (0008,0060) in CID 29; what is pictured is a radiograph whatever it says."""
    return _RADIOGRAPHY.get(modality, _RADIOGRAPHY["RG"])


def coded(code: findings.Code) -> Code:
    """Return a model package's code as pydicom's; meaning cut to its 64 characters (PS3.5 6.2, LO)."""
    return Code(code.value, code.scheme, code.meaning[:64])
