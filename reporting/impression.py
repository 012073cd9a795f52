"""The impression of a study: what its documents say of it in words, a line each."""

from config.language.translation import gettext as _
from reporting.account import Account
from reporting.claims import study_claims
from reporting.words import headline, summary


def summarise(account: Account) -> list[str]:
    """Return the impression in lines without full stops.

    First the study's headline; then of each image what is claimed, what was not found, and how it was read; last
    which images were not analysed, and why.
    """
    several = len(account.analysed) > 1
    lines = [headline(study_claims(finding for image in account.analysed for finding in image.findings))]
    for number, image in enumerate(account.analysed, 1):
        stated = any(finding.stated for finding in image.findings)  # else the headline says it all of a single image
        image_lines = summary(image.findings) if several or stated else []
        image_lines += [_(remark.text).rstrip(".") for remark in image.remarks]
        lines += [
            _("Image %(number)s: %(words)s") % {"number": number, "words": line} if several else line
            for line in image_lines
        ]
    return [
        *lines,
        *(
            _("Image %(uid)s was not analysed because %(reason)s")
            % {"uid": image.sop_instance_uid, "reason": image.words}
            for image in account.skipped
        ),
    ]
