"""Judging one image before any finding is looked for: accepted, refused, or put right first."""

from dataclasses import dataclass
from typing import Protocol

from inference.findings import Finding, NotAnalysed, Reason, Remark, RemarkKind
from inference.pixels import Picture
from inference.verdict.decide import Verdict, accepted, refusal
from inference.verdict.mend import Mending

_MIRRORED = Remark(RemarkKind.MIRRORED, "The heart seems to lie on the right: the image may be stored mirrored")


class SeesImages(Protocol):
    """Whatever gives verdicts; :class:`inference.verdict.network.VerdictNetwork` does."""

    def verdict(self, picture: Picture) -> Verdict:
        """Return what an image says about itself."""


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """What was decided on one image."""

    verdict: Verdict
    """On the image as it is stored."""
    picture: Picture
    """What the model is to be shown: the stored image, or the one put right."""
    refusal: NotAnalysed | None = None
    mending: Mending | None = None
    remarks: tuple[Remark, ...] = ()

    def on_stored(self, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
        """Return findings on :attr:`picture` with their boxes on the stored image."""
        return findings if self.mending is None else self.mending.stored_findings(findings)


def judge(network: SeesImages, picture: Picture, *, doubt: NotAnalysed | None, mend: bool) -> Judgement:
    """Judge an image by its pixels.

    Parameters
    ----------
    network
        What gives the verdict.
    picture
        The decoded image.
    doubt
        Why the header leaves open whether this is a frontal chest (see :mod:`inference.eligibility`); None where it
        says so. Only a sure verdict settles a doubt.
    mend
        Whether a turned or negative image is put right and analysed (``inference.mend_orientation``). The image put
        right must pass by itself.
    """
    verdict = network.verdict(picture)
    if accepted(verdict, header_agrees=doubt is None):
        return Judgement(verdict, picture, remarks=_mirrored(verdict))
    if mend and verdict.mendable:
        mending = Mending.of(verdict, picture)
        upright = mending.apply(picture)
        second = network.verdict(upright)
        if accepted(second, header_agrees=doubt is None):
            said = Remark(RemarkKind.ORIENTATION_MENDED, mending.words)
            return Judgement(verdict, upright, mending=mending, remarks=(said, *_mirrored(second)))
    if doubt is not None and verdict.frontal_upright:
        return Judgement(verdict, picture, refusal=doubt)
    return Judgement(verdict, picture, refusal=NotAnalysed(Reason.VERDICT, refusal(verdict)))


def _mirrored(verdict: Verdict) -> tuple[Remark, ...]:
    return (_MIRRORED,) if verdict.mirrored else ()
