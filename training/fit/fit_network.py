"""One fit for every kind of network."""

from pathlib import Path

from config.errors import DataError
from training.data.examples import Split
from training.fit.result import FitResult, Progress, silent
from training.recipe.recipe import Recipe

IMAGENET = "imagenet"


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
    result: FitResult = recipe.network_kind.fit(recipe, split, start=start, work=work, progress=progress)
    return result


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
