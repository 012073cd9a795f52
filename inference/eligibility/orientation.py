"""Patient Orientation: which view it implies and how the image lies (PS3.3 C.7.6.1.1.1).

Values that the Standard does not have say nothing.
"""

from inference.eligibility.answer import View
from inference.not_analysed import NotAnalysed, ReasonCode

_AXES = {"L": "x", "R": "x", "A": "y", "P": "y", "F": "z", "H": "z"}
"""What the letters run along: left and right, anterior and posterior, feet and head."""


def view_of(orientation: tuple[str, ...]) -> View | None:
    """Return frontal for rows and columns along left-right and head-feet, lateral where one runs front to back."""
    directions = _directions(orientation)
    axes = {_AXES[direction] for direction in directions}
    if "y" in axes:
        return View.LATERAL
    return View.FRONTAL if axes == {"x", "z"} else None


def not_upright(orientation: tuple[str, ...]) -> NotAnalysed | None:
    """Return how a frontal image lies where it is not upright; mirrored ones (R and F) are upright."""
    along, down = _directions(orientation) or ("", "")
    if along in {"F", "H"} and down in {"L", "R"}:
        return NotAnalysed(ReasonCode.ON_ITS_SIDE)
    return NotAnalysed(ReasonCode.UPSIDE_DOWN) if along in {"L", "R"} and down == "H" else None


def mirrored(orientation: tuple[str, ...]) -> bool:
    """Tell whether a frontal image is stored upright with the patient's right on its right.

    Only Patient Orientation says so. Image Laterality names the side of a paired part, and Field of View Horizontal
    Flip (0018,7034) what a detector's image went through before Patient Orientation was written.
    """
    return tuple(_directions(orientation)) == ("R", "F")


def _directions(orientation: tuple[str, ...]) -> tuple[str, str] | tuple[()]:
    """Return the chief direction of rows and of columns, or nothing where they are not two different axes."""
    if len(orientation) != 2 or not all(map(_is_direction, orientation)):
        return ()
    along, down = (text[0] for text in orientation)
    return (along, down) if _AXES[along] != _AXES[down] else ()


def _is_direction(text: str) -> bool:
    """Tell whether ``text`` is one to three letters, the chief direction first, each of another axis."""
    axes = [_AXES.get(letter) for letter in text]
    return bool(axes) and None not in axes and len(set(axes)) == len(axes)
