"""The impression of a study: what its documents say of it in words, a line each."""

from collections.abc import Callable

from config.language.translation import gettext as _
from inference.findings import Finding
from reporting.account import Account, AnalysedImage
from reporting.claims import ClaimedFinding, study_claims
from reporting.words import headline, headline_not_analysed, summary
from reporting.zones import finding_place, study_place


def summarise(account: Account) -> list[str]:
    """Return the impression in lines without full stops.

    First the study's headline, with the place of each finding; then of each image what is claimed, what was not found,
    and how it was read; last which images were not analysed, and why. Where none was, that
    is the headline, and the package is named.
    """
    if not account.analysed:
        package = _("AI package: %(name)s %(version)s")
        said = package % {"name": account.model.name, "version": account.model.version}
        return [headline_not_analysed(), *_skipped(account), said]
    several = len(account.analysed) > 1
    claims = study_claims(finding for image in account.analysed for finding in image.findings)
    lines = [headline(claims, [study_place(entry, account.analysed) for entry in claims])]
    for number, image in enumerate(account.analysed, 1):
        stated = any(finding.stated for finding in image.findings)  # else the headline says it all of a single image
        image_lines = summary(image.findings, _places(image)) if several or stated else []
        image_lines += [_(remark.text).rstrip(".") for remark in image.remarks]
        lines += [
            _("Image %(number)s: %(words)s") % {"number": number, "words": line} if several else line
            for line in image_lines
        ]
    return [*lines, *_skipped(account)]


def _places(image: AnalysedImage) -> Callable[[ClaimedFinding[Finding]], str]:
    return lambda entry: finding_place(entry, image)


def _skipped(account: Account) -> list[str]:
    """Return of each image that was not analysed why."""
    words = _("Image %(uid)s was not analysed because %(reason)s")
    return [words % {"uid": image.sop_instance_uid, "reason": image.words} for image in account.skipped]
