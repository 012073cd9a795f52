"""Judging one image before any finding is looked for: accepted, refused, or put right first."""

from dataclasses import dataclass
from typing import Protocol

from inference.findings import Finding, NotAnalysed, Reason, Remark, RemarkKind
from inference.pixels import Picture
from inference.verdict.decide import Verdict, accepted, refusal
from inference.verdict.mend import Mending

_HEART = Remark(RemarkKind.MIRRORED, "The heart seems to lie on the right: the image may be stored mirrored")

_STATED = "Its Patient Orientation says that the image is stored mirrored"
_HEADER = Remark(RemarkKind.MIRRORED, f"{_STATED}: the patient's right is on the right of the stored image")
_UNCERTAIN = Remark(RemarkKind.MIRRORED, f"{_STATED}, but the image shows otherwise: right and left are uncertain")


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


def judge(
    network: SeesImages, picture: Picture, *, doubt: NotAnalysed | None, mend: bool, mirrored: bool = False
) -> Judgement:
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
        Whether a turned, negative or mirrored image is put right and analysed (``inference.mend_orientation``). The
        image put right must pass by itself.
    mirrored
        Whether the header says that the image is stored mirrored. It is not believed of an image that is turned, for
        the header calls it upright, nor where the heart surely lies on the other side.
    """
    verdict = network.verdict(picture)
    passed = accepted(verdict, header_agrees=doubt is None)
    flip = mirrored and not verdict.turned and verdict.mirrored is not False
    if mend and (verdict.mendable or (passed and flip)):
        mending = Mending.of(verdict, picture, mirrored=flip)
        upright = mending.apply(picture)
        second = network.verdict(upright)
        if accepted(second, header_agrees=doubt is None):
            mended = Remark(RemarkKind.ORIENTATION_MENDED, mending.words)
            sides = _sides_mended(second, stated=mirrored, flipped=flip)
            return Judgement(verdict, upright, mending=mending, remarks=(mended, *sides))
    if passed:
        return Judgement(verdict, picture, remarks=_sides(verdict, stated=mirrored))
    if doubt is not None and verdict.frontal_upright:
        return Judgement(verdict, picture, refusal=doubt)
    return Judgement(verdict, picture, refusal=NotAnalysed(Reason.VERDICT, refusal(verdict)))


def _sides(verdict: Verdict, *, stated: bool) -> tuple[Remark, ...]:
    """Return what is said of right and left on an image analysed as stored; ``stated``: mirrored, says its header."""
    if stated:
        return (_UNCERTAIN,) if verdict.mirrored is False else (_HEADER,)
    return (_HEART,) if verdict.mirrored else ()


def _sides_mended(verdict: Verdict, *, stated: bool, flipped: bool) -> tuple[Remark, ...]:
    """Return what is said of right and left on an image put right; the verdict is on that one."""
    if stated:
        return () if flipped and not verdict.mirrored else (_UNCERTAIN,)
    return (_HEART,) if verdict.mirrored else ()
