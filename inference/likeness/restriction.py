"""What is said of an image that is unlike those the model learnt from. Pure."""

from dataclasses import replace

from config.language.translation import marked
from inference.findings import Finding, Remark, RemarkKind

UNLIKE = Remark(RemarkKind.UNLIKE_LEARNT, marked("Unlike the images the model learnt from"))


def restrict(
    findings: tuple[Finding, ...], *, unlike: bool, holds: frozenset[str] = frozenset()
) -> tuple[Finding, ...]:
    """Return the findings, of an image unlike the learnt ones stated only where they were shown to hold there.

    Parameters
    ----------
    findings
        What the model found; scores stay as they are, and what is not stated has no map.
    unlike
        Whether the image is unlike those that the model learnt from; if not, nothing changes.
    holds
        Labels of the findings that were shown to hold on such images.
    """
    if not unlike:
        return findings
    return tuple(
        finding if finding.label in holds else replace(finding, stated=False, map=None) for finding in findings
    )
