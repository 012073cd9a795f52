"""The output of pooled features, on which likeness is measured; weights stay as they are."""

import keras

from config.errors import PackageError
from training.networks.mobilenet import POOLED


def with_features(network: keras.Model, outputs: int) -> keras.Model:
    """Return the network with what its heads answer from as one more output, (n, features), after the others.

    Parameters
    ----------
    network
        A network as ``model.keras`` holds it; one that has the output already is returned as it is.
    outputs
        How many outputs its heads and maps are.

    Raises
    ------
    PackageError
        When it has no layer of that name: only networks of the kind ``mobilenet`` have one.
    """
    if len(network.outputs) == outputs + 1:
        return network
    try:
        pooled = network.get_layer(POOLED).output
    except ValueError:
        raise PackageError(
            f"{network.name} has no layer {POOLED!r}, so likeness cannot be measured on it: give a package of a "
            "network of the kind mobilenet"
        ) from None
    return keras.Model(network.inputs, [*network.outputs[:outputs], pooled], name=network.name)
