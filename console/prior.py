"""The prior study beside the one on the page: what was stated before, what is stated now, and its radiograph."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import Request

from config.language.numbers import percentage
from console import radiographs, words
from console.radiographs import Radiograph
from console.site import Site
from reporting.claims import ClaimedFinding, study_claims
from tracking.lists import study_page
from tracking.lists.prior import prior_study
from tracking.lists.study_page import AnalysisDetail, FindingDetail, StudyPage, latest_result
from tracking.studies.instances import StudyHeader

NOTHING = "–"
"""Of a finding about which nothing was stated."""


@dataclass(frozen=True, slots=True)
class Change:
    """One finding, with what was and what is stated of it."""

    name: str
    before: str
    now: str

    @property
    def changed(self) -> bool:
        """Say whether both differ."""
        return self.before != self.now


@dataclass(frozen=True, slots=True)
class PriorBeside:
    """A prior study as the page of a later one shows it."""

    header: StudyHeader
    before: AnalysisDetail
    now: AnalysisDetail
    changes: tuple[Change, ...]
    radiographs: tuple[Radiograph, ...]


def changes_of(before: Sequence[FindingDetail], now: Sequence[FindingDetail]) -> tuple[Change, ...]:
    """Return the findings that are stated in either study, what is stated now first, with the words for both.

    Of several images the worst news counts, as in every list.
    """
    claims = [[entry for entry in study_claims(findings) if entry.stated] for findings in (before, now)]
    then, today = ({entry.finding.label: entry for entry in entries} for entries in claims)
    order = dict.fromkeys([*today, *then])
    return tuple(Change(words.name((today.get(label) or then[label]).finding), _said(then.get(label)),
                        _said(today.get(label))) for label in order)  # fmt: skip


def prior_beside(site: Site, request: Request, study: StudyPage) -> PriorBeside | None:
    """Return the prior study of a page's study, or None; that it is shown is noted before.

    Its radiograph is noted when it is asked for.
    """
    now = latest_result(study)
    with site.database.reading() as read:
        uid = prior_study(read, study.summary.study_uid) if now is not None else None
        result = study_page.result_of(read, uid) if uid is not None else None
        stored = study_page.standing_analysis(read, uid) if uid is not None else None
    if uid is None or result is None or now is None:
        return None
    header, before = result
    site.note_view(request, uid, {"what": "prior study", "beside": study.summary.study_uid})
    return PriorBeside(
        header=header,
        before=before,
        now=now,
        changes=changes_of(before.findings, now.findings),
        radiographs=tuple(radiographs.radiographs_of(site.settings, stored).values()),
    )


def _said(entry: ClaimedFinding[FindingDetail] | None) -> str:
    if entry is None:
        return NOTHING
    claim = words.claim(entry)
    return f"{claim} {percentage(words.percent(entry.finding), beside_words=True)}" if entry.claimed else claim
