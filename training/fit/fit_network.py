"""One fit for every kind of network."""

from pathlib import Path

from config.errors import DataError
from config.logs import get_logger
from training.data.examples import Split
from training.fit.result import FitResult, Progress, silent
from training.recipe.recipe import Recipe

IMAGENET = "imagenet"
_log = get_logger(__name__)


def fit_network(
    recipe: Recipe,
    split: Split,
    data: Path,
    work: Path,
    *,
    weights: Path | None = None,
    progress: Progress = silent,
) -> FitResult:
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
    weights
        What to start from in place of the recipe's weights file.
    progress
        Told how far each step is.

    Raises
    ------
    DataError
        When the weights file is missing, or nothing is left to learn from.
    """
    start = starting_weights(recipe, data, weights)
    if recipe.network.kind in {"mobilenet", "levels"}:
        from training.fit.frozen_trunk import fit_frozen_trunk
        from training.fit.linear_probe import fit_linear_probe
        from training.networks.backbone import load_imagenet_weights
        from training.networks.keras_weights import is_keras, read_keras

        known = None
        if start is not None:
            known = read_keras(start) if is_keras(start) else load_imagenet_weights(start, work)
        if recipe.network.kind == "levels":
            return fit_linear_probe(recipe, split.training, weights=known, work=work, progress=progress)

        def epoch_done(epoch: int, of: int, losses: dict[str, float]) -> None:
            progress("epochs", epoch, of)
            words = " ".join(f"{name} {value:.4f}" for name, value in losses.items())
            _log.info(f"epoch {epoch} of {of}", outcome=words)

        return fit_frozen_trunk(
            recipe, split.training, weights=known, work=work, progress=progress, epoch_done=epoch_done
        )
    from training.fit.end_to_end import fit_end_to_end

    return fit_end_to_end(recipe, split, weights=start, work=work, progress=progress)


def starting_weights(recipe: Recipe, data: Path, given: Path | None = None) -> Path | None:
    """Return the file that a recipe's network starts from: the one given, else the recipe's; None starts at random.

    Raises :class:`DataError` when there is no such file.
    """
    named = recipe.network.weights
    if given is None and not named:
        return None
    if given is None and named == IMAGENET:
        return Path(IMAGENET)
    file = data / named if given is None else given
    if not file.is_file():
        where = f"{file} is not there" if given is not None else f"{named} is not in the data folder"
        raise DataError(f"the weights file {where}: put it there, or name another with --weights")
    return file
