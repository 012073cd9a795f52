"""The kinds of networks that a recipe may name: a registry of what each allows, how it is built and how it is fitted.

Builders and fits are entry points, loaded when they are first asked for: Keras takes seconds, and most commands that
read a recipe need no network.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from types import MappingProxyType
from typing import Any, Literal

from config.errors import SettingsError

_GROUP = "cxrnode.networks"


@dataclass(frozen=True, slots=True)
class NetworkKind:
    """One kind of network."""

    name: str
    """As ``network.kind`` has it."""
    fitter: str
    """Entry point of a function (recipe, split, *, start, work, progress) -> FitResult, where ``start`` is the weights
    file or None."""
    builder: str = ""
    """Entry point of a function (network settings, heads, weights file or None) -> network; of kinds that are fitted
    end to end."""
    has_maps: bool = False
    """Whether it can have a detector's maps, and so boxes."""
    ridge_heads: Literal["sigmoid", "softmax"] | None = None
    """The activation of heads whose last layer ``refit`` may fit by ridge regression; None without such heads."""
    only_heads: bool = False
    """Whether nothing but the heads is fitted, at once: there are no epochs, and every head needs ``refit``."""
    measures_known_parts: bool = True
    """Whether a run also measures the training and validation images, which published classifiers report."""
    shares_features: bool = False
    """Whether its frozen layers' features, kept in files, serve fits with other learning rates too."""

    def build(self, *arguments: Any) -> Any:
        """Return a new network; parameters as ``builder`` takes them."""
        return self._load(self.builder)(*arguments)

    def fit(self, *arguments: Any, **named: Any) -> Any:
        """Fit a recipe's network; parameters and result as ``fitter`` has them."""
        return self._load(self.fitter)(*arguments, **named)

    def _load(self, value: str) -> Callable[..., Any]:
        loaded: Callable[..., Any] = EntryPoint(self.name, value, _GROUP).load()
        return loaded


_END_TO_END = "training.fit.end_to_end:fit_network"
_KINDS = (
    NetworkKind(
        name="mobilenet",
        fitter="training.fit.frozen_trunk:fit_network",
        has_maps=True,
        ridge_heads="sigmoid",
        measures_known_parts=False,
        shares_features=True,
    ),
    NetworkKind(
        name="levels",
        fitter="training.fit.linear_probe:fit_network",
        ridge_heads="softmax",
        only_heads=True,
    ),
    NetworkKind("cnn", _END_TO_END, "training.networks.cnn:build"),
    NetworkKind("cnn-dropout", _END_TO_END, "training.networks.cnn:build_with_dropout"),
    NetworkKind("vgg16", _END_TO_END, "training.networks.vgg16:build"),
    NetworkKind("darkcovidnet", _END_TO_END, "training.networks.darkcovidnet:build"),
)

NETWORK_KINDS: Mapping[str, NetworkKind] = MappingProxyType({kind.name: kind for kind in _KINDS})
"""Every kind by its name."""


def network_kind(name: str) -> NetworkKind:
    """Return a kind by its name. Raises :class:`SettingsError` for a name that no kind has."""
    if name not in NETWORK_KINDS:
        raise SettingsError(f"there is no network kind {name}: choose one of {', '.join(NETWORK_KINDS)}")
    return NETWORK_KINDS[name]
