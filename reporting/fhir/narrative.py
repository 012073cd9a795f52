"""The text of a resource for people, as limited XHTML (FHIR R4, Narrative)."""

from collections.abc import Iterable
from html import escape

from fhir.resources.R4B.narrative import Narrative


def narrative(lines: Iterable[str]) -> Narrative:
    """Return lines as paragraphs."""
    paragraphs = "".join(f"<p>{escape(line, quote=False)}</p>" for line in lines)
    return Narrative(status="generated", div=f'<div xmlns="http://www.w3.org/1999/xhtml">{paragraphs}</div>')
