"""One fit for every kind of network."""

from pathlib import Path

from config.errors import DataError
from config.logs import get_logger
from training.data.examples import Split
from training.learnt import Learnt, Progress, silent
from training.recipe import Recipe

IMAGENET = "imagenet"
_log = get_logger(__name__)


def fit_any(recipe: Recipe, split: Split, data: Path, work: Path, *, progress: Progress = silent) -> Learnt:
    """Fit a recipe's network on the training part of a split; a run that was stopped goes on.

    Parameters
    ----------
    recipe
        What to fit, and how.
    split
        Examples; the test part is never looked at.
    data
        The data folder, which the recipe's weights file is relative to.
    work
        A folder for what may be thrown away.
    progress
        Told how far each step is.

    Raises
    ------
    DataError
        When the weights file is missing, or nothing is left to learn from.
    """
    if recipe.network.kind == "mobilenet":
        from training.fit_trunk import fit_trunk
        from training.networks.backbone import load_imagenet_weights

        named = recipe.network.weights
        weights = load_imagenet_weights(data / named, work) if named else None
        return fit_trunk(recipe, split.training, weights=weights, work=work, progress=progress, epoch_done=_epoch_done)
    from training.fit_pictures import fit_pictures

    return fit_pictures(recipe, split, weights=_weights(recipe, data), work=work, progress=progress)


def _weights(recipe: Recipe, data: Path) -> Path | None:
    named = recipe.network.weights
    if not named:
        return None
    if named == IMAGENET:
        return Path(IMAGENET)
    if not (data / named).is_file():
        raise DataError(f"the weights file {named} is not in the data folder: put it there or name another")
    return data / named


def _epoch_done(epoch: int, of: int, losses: dict[str, float]) -> None:
    _log.info(f"epoch {epoch} of {of}", outcome=" ".join(f"{name} {value:.4f}" for name, value in losses.items()))
