"""Networks that start from a file: their own weights, or those of a network that they are built on."""

from pathlib import Path

import keras

from config.errors import DataError

OWN_WEIGHTS = "a Keras weights file of this very network, with the recipe's width, side and heads"


def start_from(network: keras.Model, weights: Path, what: str) -> None:
    """Give a network the weights of a file.

    Parameters
    ----------
    network
        What the weights are for.
    weights
        A file of Keras's: ``.weights.h5``, ``.h5`` or ``.keras``.
    what
        What the file should hold, as a message says it.

    Raises
    ------
    DataError
        When the file cannot be read, or holds the weights of another network.
    """
    try:
        network.load_weights(weights)
    except Exception as error:  # what is wrong with a file Keras and HDF5 say in many ways
        raise refusal(weights, what, error) from error


def refusal(weights: Path, what: str, error: Exception) -> DataError:
    """Return what to say of weights that cannot be taken."""
    return DataError(
        f"the weights {weights.name} cannot be taken ({type(error).__name__}): give {what} with --weights or in the "
        "recipe, or weights of no name to start at random"
    )
