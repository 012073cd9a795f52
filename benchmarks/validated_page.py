"""Write what the validators found into docs/conformance.md, between its markers; no figure is typed.

.venv/bin/python -m benchmarks.validated_page
"""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "conformance.md"
RESULTS = Path(__file__).parent / "results" / "validated.json"
BEGIN, END = "<!-- validated: python -m benchmarks.validated_page -->", "<!-- /validated -->"
DICOM, REPORT, NOTE = "dciodvfy", "dciodvfy, dsrdump, PixelMed", "dciodvfy, dsrdump"
HL7, FHIR = "hl7apy, strict and whole", "`fhir.resources` (R4B)"
KINDS = {
    "sr": ("structured report, in three SR classes", REPORT), "sc": ("secondary capture", DICOM),
    "sc-grey": ("secondary capture in greyscale", DICOM), "map": ("score map", DICOM),
    "summary": ("summary page", DICOM),
    "pr": ("presentation state", "dciodvfy, dcmpschk"), "note": ("rejection note", NOTE),
    "hl7 2.5.1": ("HL7 v2.5.1 result", HL7), "hl7 2.3.1": ("HL7 v2.3.1 result", HL7),
    "hl7-note 2.5.1": ("HL7 v2.5.1 withdrawal", HL7), "hl7-note 2.3.1": ("HL7 v2.3.1 withdrawal", HL7),
    "fhir": ("FHIR result", FHIR), "fhirnote": ("FHIR withdrawal", FHIR),
}  # fmt: skip
"""What a kind of document is called, and what validates it."""


def section(result: dict[str, Any]) -> str:
    """Return the text between the markers."""
    studies = ", ".join(f"{number} of {group}" for group, number in result["studies"].items())
    lines = [
        f"{result['validated']} documents of {sum(result['studies'].values())} studies ({studies}), in "
        f"{result['languages']} languages by turns: {result['errors']} errors. PixelMed, which takes seconds for each, "
        f"judged {result['reports_by_pixelmed']} of the reports.",
        "",
        "| document | validated by | documents |",
        "|---|---|---|",
    ]
    lines += [
        f"| {name} | {validator} | {result['documents'][kind]} |"
        for kind, (name, validator) in KINDS.items()
        if kind in result["documents"]
    ]
    return "\n".join([BEGIN, *lines, END])


def replaced(page: str, table: str) -> str:
    """Return the page with its table exchanged."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + table + after


if __name__ == "__main__":
    result = json.loads(RESULTS.read_text(encoding="utf-8"))
    PAGE.write_text(replaced(PAGE.read_text(encoding="utf-8"), section(result)), encoding="utf-8")
