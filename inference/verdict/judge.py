"""Judging one image before any finding is looked for: accepted, refused, or put right first."""

from dataclasses import dataclass
from typing import Protocol

from config.language.translation import marked
from inference.anatomy.assess import Anatomy
from inference.eligibility import HeaderAnswer
from inference.findings import Finding, Remark, RemarkKind
from inference.not_analysed import NotAnalysed
from inference.pixels import Picture
from inference.verdict.decide import Verdict, accepted, refusal
from inference.verdict.mend import Mending

_HEART = Remark(RemarkKind.MIRRORED, marked("The heart seems to lie on the right: the image may be stored mirrored"))

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

    def on_stored_anatomy(self, anatomy: Anatomy) -> Anatomy:
        """Return what was measured on :attr:`picture` with its lines on the stored image."""
        return anatomy if self.mending is None else anatomy.moved(self.mending.to_stored)


def judge(network: SeesImages, picture: Picture, header: HeaderAnswer, *, mend: bool) -> Judgement:
    """Judge an image by its pixels.

    Parameters
    ----------
    network
        What gives the verdict.
    picture
        The decoded image.
    header
        What the header says, no refusal. Only a sure verdict settles its doubt, and a remark then says so. That it says
        mirrored is not believed of an image that is turned, for the header calls it upright, nor where the heart
        surely lies on the other side.
    mend
        Whether a turned, negative or mirrored image is put right and analysed (``inference.mend_orientation``). The
        image put right must pass by itself.
    """
    verdict = network.verdict(picture)
    agrees, settled = header.doubt is None, _settled(header)
    passed = accepted(verdict, header_agrees=agrees)
    flip = header.mirrored and not verdict.turned and verdict.mirrored is not False
    if mend and (verdict.mendable or (passed and flip)):
        mending = Mending.of(verdict, picture, mirrored=flip)
        upright = mending.apply(picture)
        second = network.verdict(upright)
        if accepted(second, header_agrees=agrees):
            mended = Remark(RemarkKind.ORIENTATION_MENDED, mending.words)
            sides = _sides_mended(second, stated=header.mirrored, flipped=flip)
            return Judgement(verdict, upright, mending=mending, remarks=(*settled, mended, *sides))
    if passed:
        return Judgement(verdict, picture, remarks=(*settled, *_sides(verdict, stated=header.mirrored)))
    if verdict.frontal_upright and header.doubt is not None:
        return Judgement(verdict, picture, refusal=header.doubt)
    return Judgement(verdict, picture, refusal=refusal(verdict, is_dicom=header.is_dicom))


def _settled(header: HeaderAnswer) -> tuple[Remark, ...]:
    return (Remark(RemarkKind.FROM_IMAGE, header.from_image),) if header.from_image else ()


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
