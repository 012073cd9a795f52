"""TensorBoard's log of a fit that Keras's own callback does not see: the mean losses of each epoch."""

from collections.abc import Callable, Mapping
from pathlib import Path

from training.recipe.recipe import Recipe

FOLDER = "tensorboard"


def log_folder(work: Path, recipe: Recipe) -> Path:
    """Return where the logs of a recipe's fits stand in a work folder."""
    return work / FOLDER / recipe.package.name


def loss_writer(work: Path, recipe: Recipe) -> Callable[[int, Mapping[str, float]], None]:
    """Return a function that writes an epoch's losses, called with (epoch from 1 on, losses by name)."""
    import tensorflow as tf

    writer = tf.summary.create_file_writer(str(log_folder(work, recipe)))

    def write(epoch: int, losses: Mapping[str, float]) -> None:
        with writer.as_default(step=epoch):
            for name, value in losses.items():
                tf.summary.scalar(f"epoch_{name}", value)
        writer.flush()

    return write
