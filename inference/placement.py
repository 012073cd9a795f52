"""Where a picture lies inside a model's input, and back."""

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Placement:
    """A letterbox: the whole picture, its shape kept, centred in a model's input.

    All coordinates are continuous: 0 is the outer edge of the first pixel, ``columns`` the outer edge of the
    last one; x runs along columns, y along rows.
    """

    picture_rows: int
    picture_columns: int
    rows: int
    columns: int
    top: int
    left: int
    height: int
    width: int
    """Height and width, in pixels of the model's input, of the part that the picture fills."""

    @classmethod
    def fit(cls, picture: tuple[int, int], model: tuple[int, int], pixel_aspect: float = 1.0) -> Self:
        """Return the largest centred placement of a picture (rows, columns) in an input (rows, columns).

        ``pixel_aspect`` is the height of a stored pixel over its width.
        """
        (rows, columns), (model_rows, model_columns) = picture, model
        tall = rows * pixel_aspect
        scale = min(model_rows / tall, model_columns / columns)
        height = min(model_rows, max(1, round(tall * scale)))
        width = min(model_columns, max(1, round(columns * scale)))
        return cls(
            picture_rows=rows,
            picture_columns=columns,
            rows=model_rows,
            columns=model_columns,
            top=(model_rows - height) // 2,
            left=(model_columns - width) // 2,
            height=height,
            width=width,
        )

    def to_stored(self, x: float, y: float) -> tuple[float, float]:
        """Map a point of the model's input to the stored picture; points in the border lie outside it."""
        return (
            (x - self.left) / self.width * self.picture_columns,
            (y - self.top) / self.height * self.picture_rows,
        )

    def to_model(self, x: float, y: float) -> tuple[float, float]:
        """Map a point of the stored picture to the model's input."""
        return (
            x / self.picture_columns * self.width + self.left,
            y / self.picture_rows * self.height + self.top,
        )
