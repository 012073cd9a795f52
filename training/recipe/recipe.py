"""Recipes: one TOML file says what is learnt from what, and how; two runs of one recipe give one package."""

from typing import Annotated, Literal, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from config.errors import SettingsError
from training.recipe.network_kinds import NETWORK_KINDS, NetworkKind, network_kind

Fraction = Annotated[float, Field(ge=0, le=1)]
Label = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PackageSettings(_Part):
    """What the package is called."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    title: Annotated[str, Field(min_length=1, max_length=64)]
    summary: Annotated[str, Field(min_length=1)]
    """One paragraph: what the model does and how it is built."""


class DataSettings(_Part):
    """Which pictures are used for what."""

    reader: str = "manifest"
    """The layout of the data folder, one of :data:`training.data.readers.READERS`; a command's own choice wins."""
    list: str = ""
    """CSV file with the columns ``file`` and ``label``, relative to the data folder: only these pictures, and these
    labels, exclusive of one another."""
    only: tuple[Label, ...] = ()
    """Only pictures of which one of these labels is true; all without any."""
    frontal_adults: bool = True
    """Only frontal pictures of adults, which is what the node analyses."""
    accept_unknown_view: bool = False
    """With ``frontal_adults``: whether an image counts as frontal whose view nobody stated."""
    accept_unknown_age: bool = True
    """With ``frontal_adults``: whether an image counts as an adult's whose age nobody stated."""
    folds: Annotated[int, Field(ge=0)] = 0
    """0 takes the data set's own patient-grouped folds; a number deals pictures out into so many, stratified."""
    by: Literal["patient", "image"] = "patient"
    """What stays whole when folds are dealt. By image is how many figures were published; it flatters, because two
    pictures of one patient look alike."""
    test_fold: Annotated[int, Field(ge=0)] = 0
    """Reported on; never trained on, never tuned on."""
    validation_fold: Annotated[int, Field(ge=0)] = 1
    """Calibration and operating points."""
    test_history: str = ""
    """Sentences for the card: how often the test fold was measured before, and what came of it."""
    dicom_check: str = ""
    """Folder of DICOM files with an index.csv, relative to the data folder, that the package is also tried on."""
    remember_patients: bool = True
    """Whether the package's figures keep a salted hash of each patient, by which ``evaluate`` tells later whom the
    package learnt from. Leave them out for a hospital's own patients: who knows which numbers there may be can try them
    all."""
    retrain_on_all: Annotated[bool, Field(validation_alias=AliasChoices("retrain_on_all", "again"))] = False
    """Whether the networks are fitted once more, from the validation pictures, too, when probabilities and operating
    points have been chosen by networks that had not seen them (:mod:`training.pipelines.retrain_on_all`)."""
    kept_apart: tuple[str, ...] = ()
    """Starts of file names of one place that is kept out of every fold and only reported on: an outside hospital."""


class HeadSettings(_Part):
    """One vector of answers: exclusive classes (softmax) or independent ones (sigmoid)."""

    name: Label
    activation: Literal["softmax", "sigmoid"]
    classes: Annotated[tuple[Label, ...], Field(min_length=1)]
    weight: Annotated[float, Field(ge=0)] = 1.0
    """Of this head's loss."""
    mined_weight: Fraction = 1.0
    """Loss weight of a truth that no radiologist read, relative to one that was."""
    balance: Fraction = 0.0
    """0 lets every picture weigh the same, 1 lets every class weigh the same."""
    refit: Annotated[float, Field(ge=0)] = 0.0
    """Inverse strength of the ridge with which a sigmoid head's last layer is fitted anew when the network is done
    (mobilenet), 0 leaves it as it is; or with which a softmax head, all that is fitted, is fitted (levels)."""


class FindingSettings(_Part):
    """One finding of the package; its words and codes are the catalogue's."""

    label: Label
    head: Label
    class_: Annotated[Label | None, Field(alias="class")] = None
    """The class in that head; the finding's own label without it."""
    given: Label | None = None
    """An earlier finding on top of which alone this one is seen: below that one's sensitive point, this one's
    probability falls with it."""
    even: bool = False
    """Calibrated as if half of the pictures had it: where pictures were collected for the finding, how many of them
    have it says nothing about a hospital."""
    heat: bool = False
    """Whether the probability also follows from the surest box centre."""
    boxes: bool = False
    most_false: Fraction = 1.0
    """Share of the pictures without the finding that its sensitive point may call at most, whatever that costs in
    sensitivity: a weak finding that is possible on every second picture helps nobody."""

    @property
    def source(self) -> str:
        """The class that its probability follows from."""
        return self.class_ or self.label


class NetworkSettings(_Part):
    """The network's kind and free numbers."""

    kind: str = "mobilenet"
    """One of :data:`training.recipe.network_kinds.NETWORK_KINDS`."""
    side: Annotated[int, Field(multiple_of=32, ge=64)] = 384
    """Input side in pixels."""
    contrast: Literal["stored", "stretched"] = "stored"
    """``stretched`` spreads the middle 98 % of a picture's grey levels from black to white before the network."""
    weights: str = ""
    """What the backbone starts from: a full-integer MobileNetV2 TFLite file or a Keras weights file, relative to the
    data folder; ``imagenet`` for Keras's own download; empty starts at random."""
    width: Annotated[int, Field(ge=8)] = 128
    """Channels of the neck (mobilenet) or of the first convolution (cnn)."""
    dropout: Fraction = 0.3
    """Share of pooled features hidden from the heads in training."""
    map_dropout: Fraction = 0.1
    """Share of neck maps hidden from the detector in training."""
    l2: Annotated[float, Field(ge=0)] = 0.0
    """Of convolution and dense kernels (cnn, vgg16, darkcovidnet)."""

    @field_validator("kind")
    @classmethod
    def _registered(cls, kind: str) -> str:
        if kind not in NETWORK_KINDS:
            raise ValueError(f"there is no network kind {kind}: choose one of {', '.join(NETWORK_KINDS)}")
        return kind


class AugmentSettings(_Part):
    """How far a training picture may be moved. Never upside down; mirrored only where a recipe says so."""

    variants: Annotated[int, Field(ge=1)] = 8
    """Altered copies of a picture that are kept for networks whose trunk is frozen, one an epoch in turn."""
    rotation_degrees: Annotated[float, Field(ge=0, le=30)] = 7
    shift: Fraction = 0.05
    zoom: Fraction = 0.1
    gamma: Fraction = 0.3
    """Largest natural logarithm of the exponent."""
    contrast: Fraction = 0.2
    brightness: Fraction = 0.08
    bars: Fraction = 0.12
    """Widest black bar on each of two opposite sides, as other aspect ratios have when letterboxed."""
    mirror: bool = False
    """Mirror left and right half of the time. Off by default: the heart has a side."""


class FitSettings(_Part):
    """How the weights are found."""

    batch: Annotated[int, Field(ge=1)] = 16
    epochs: Annotated[int, Field(ge=1)] = 6
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    schedule: Literal["cosine", "constant", "one-cycle"] = "cosine"
    learning_rate: Annotated[float, Field(gt=0)] = 2e-4
    """Of the backbone above the trunk, or of the whole network where nothing is frozen."""
    head_learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    """Of new layers on a backbone (mobilenet)."""
    last_epochs: Annotated[int, Field(ge=0)] = 0
    """Epochs after those at ``last_learning_rate``."""
    last_learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    weight_decay: Annotated[float, Field(ge=0)] = 1e-3
    read_repeats: Annotated[int, Field(ge=1)] = 1
    """How often a picture that radiologists read is seen in an epoch; others once."""
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"] = "auto"
    """What is computed in (not mobilenet): half precision on GPUs and float32 elsewhere, or as it says."""
    average: Annotated[float, Field(ge=0, lt=1)] = 0.99
    """Momentum of the moving average of the weights that is shipped; 0 ships the last weights."""
    heat_weight: Annotated[float, Field(ge=0)] = 1.0
    box_weight: Annotated[float, Field(ge=0)] = 1.0


class PointSettings(_Part):
    """What the operating points are chosen for, on validation pictures."""

    sensitivity: Fraction = 0.95
    specificity: Fraction = 0.95
    box_false_sensitive: Annotated[float, Field(gt=0)] = 0.5
    """False boxes a picture (overlap below 0.4) that the sensitive box point may have."""
    box_false_specific: Annotated[float, Field(gt=0)] = 0.1
    """... and the specific one."""


class TuneSettings(_Part):
    """The ranges that ``cxrnode tune`` searches: (low, high) of each number; rates are searched on a log scale."""

    learning_rate: tuple[float, float] | None = None
    head_learning_rate: tuple[float, float] | None = None
    weight_decay: tuple[float, float] | None = None
    dropout: tuple[float, float] | None = None
    rotation_degrees: tuple[float, float] | None = None
    zoom: tuple[float, float] | None = None


class QuickSettings(_Part):
    """What ``--quick`` cuts the recipe down to: a run to see that everything works, not a model."""

    pictures: Annotated[int, Field(ge=3)] = 48
    """Pictures in each part of the split."""
    epochs: Annotated[int, Field(ge=1)] = 1
    side: Annotated[int, Field(multiple_of=32, ge=64)] = 192


class Recipe(_Part):
    """A whole recipe, as its file has it."""

    seed: int = 1
    members: Annotated[int, Field(ge=1, le=9)] = 1
    """How many networks, of this seed and the next ones, are averaged into one package."""
    package: PackageSettings
    data: DataSettings = DataSettings()
    network: NetworkSettings = NetworkSettings()
    heads: Annotated[tuple[HeadSettings, ...], Field(min_length=1)]
    maps: tuple[Label, ...] = ()
    """The labels whose boxes a centre-point detector learns, one heat channel each; none without a detector."""
    findings: Annotated[tuple[FindingSettings, ...], Field(min_length=1)]
    augment: AugmentSettings = AugmentSettings()
    fit: FitSettings = FitSettings()
    points: PointSettings = PointSettings()
    tune: TuneSettings = TuneSettings()
    quick: QuickSettings = QuickSettings()
    experiments: dict[str, dict[str, dict[str, float | int | str]]] = {}
    """Variations of the recipe by name: changed values by table, such as ``experiments.adam.fit.optimizer``."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        heads = {head.name: head for head in self.heads}
        seen: set[str] = set()
        if self.members > 1 and self.data.folds:
            # Their seeds would deal different folds, so that one network's test pictures were another's lessons.
            raise ValueError(
                "several members need folds that the data set itself has: take members = 1, or folds = 0 in data"
            )
        kind = self.network_kind
        if self.maps and not kind.has_maps:
            others = ", ".join(other.name for other in NETWORK_KINDS.values() if other.has_maps)
            raise ValueError(f"{kind.name} has no maps: boxes need {others}")
        for head in self.heads:
            if head.refit and head.activation != kind.ridge_heads:
                can = ", ".join(
                    f"{one.ridge_heads} heads of {one.name}" for one in NETWORK_KINDS.values() if one.ridge_heads
                )
                raise ValueError(f"head {head.name}: refit is for {can}")
            if kind.only_heads and not head.refit:
                raise ValueError(
                    f"head {head.name}: {kind.name} needs {kind.ridge_heads} heads with refit, their ridge's strength"
                )
        for finding in self.findings:
            if finding.head not in heads or finding.source not in heads[finding.head].classes:
                raise ValueError(f"finding {finding.label}: there is no class {finding.source} in head {finding.head}")
            if finding.given is not None and finding.given not in seen:
                raise ValueError(f"finding {finding.label}: given = {finding.given} is no finding before it")
            if (finding.heat or finding.boxes) and finding.label not in self.maps:
                raise ValueError(f"finding {finding.label}: heat and boxes need {finding.label} among maps")
            seen.add(finding.label)
        return self

    @property
    def network_kind(self) -> NetworkKind:
        """The kind of its network, from the registry."""
        return network_kind(self.network.kind)

    @property
    def epochs(self) -> int:
        """How often every training picture is seen in a fit; 0 where only a last layer is fitted, at once."""
        return 0 if self.network_kind.only_heads else self.fit.epochs + self.fit.last_epochs

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of all heads, in order."""
        return tuple(name for head in self.heads for name in head.classes)

    def head(self, name: str) -> HeadSettings:
        """Return a head by its name."""
        return next(head for head in self.heads if head.name == name)

    def cut_down(self) -> "Recipe":
        """Return the recipe that ``--quick`` runs."""
        return self.model_copy(
            update={
                "members": min(self.members, 2),
                "network": self.network.model_copy(update={"side": self.quick.side}),
                "augment": self.augment.model_copy(update={"variants": 1}),
                "fit": self.fit.model_copy(update={"epochs": self.quick.epochs, "last_epochs": 0}),
            }
        )

    def member(self, number: int) -> "Recipe":
        """Return the recipe of one of its networks, counted from 1."""
        package = self.package.model_copy(update={"name": f"{self.package.name}-{number}"})
        return self.model_copy(update={"seed": self.seed + number - 1, "members": 1, "package": package})

    def experiment(self, name: str) -> "Recipe":
        """Return the recipe with one of its experiments' changes.

        Raises :class:`SettingsError` for a name that it does not have.
        """
        if name not in self.experiments:
            known = ", ".join(sorted(self.experiments)) or "none"
            raise SettingsError(f"recipe {self.package.name} has no experiment {name}; it has {known}")
        document = self.model_dump(mode="json", by_alias=True)
        for table, values in self.experiments[name].items():
            document[table] = {**document[table], **values}
        document["package"]["name"] = experiment_name(self.package.name, name)
        document["experiments"] = {}
        return parse_recipe(document, f"{self.package.name}, experiment {name}")


def experiment_name(recipe: str, experiment: str) -> str:
    """Return the package name of a recipe's experiment."""
    return f"{recipe}-{experiment}".replace(".", "-")


def parse_recipe(document: dict[str, object], name: str) -> Recipe:
    """Check a recipe's values; ``name`` is what a message calls it.

    Raises
    ------
    SettingsError
        Naming the key and what is wrong with it.
    """
    try:
        return Recipe.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "recipe"
        raise SettingsError(f"{name}: {key}: {first['msg']}") from None
