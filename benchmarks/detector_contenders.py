"""The two detectors that ``benchmarks.detectors`` holds against each other, behind one face.

Both stand on the same MobileNetV2 with the same start, the same frozen lower third and so the same trunk maps; what
differs is all that a detector is: pyramid, heads, targets, losses, and how boxes are read off.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import keras
import numpy as np
from numpy.typing import NDArray

from inference.detector import decode_boxes, overlap, sigmoid
from inference.findings import Box, Level
from inference.manifest import BoxCalibration, DetectorSpec, PointsSpec
from inference.placement import Placement
from training.data.examples import Example
from training.data.model_boxes import ModelBox
from training.fit import detector_targets, head_targets
from training.networks import mobilenet
from training.networks.backbone import INPUT_OFFSET, INPUT_SCALE, Weights, mobilenet_v2, set_weights
from training.packaging.package_manifest import BOX_OVERLAP, MAX_BOXES
from training.recipe.recipe import Recipe

PRIOR = 0.01
"""The probability that a RetinaNet's anchors start from (Lin et al. 2017, "Focal Loss for Dense Object Detection")."""
MOST_ANCHORS = 400
"""So many of a picture's surest anchors are looked at: the six boxes that stay are far among them."""
Boxes = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Corners (n, 4) as x0, y0, x1, y1 in the picture's own pixels, and scores (n)."""


class Contender(Protocol):
    """A detector that can be fitted on trunk maps and asked about whole pictures."""

    name: str
    network: keras.Model
    """(n, side, side, 1) grey 0..1 to a list of outputs."""
    trunk: keras.Model
    rest: keras.Model
    """Trunk maps to the network's outputs."""

    def targets(self, members: NDArray[np.intp], drawn: Sequence[Sequence[ModelBox]]) -> list[Any]:
        """Return what these training pictures' copies, with these boxes, should teach."""

    def loss(self, targets: Sequence[Any], outputs: Sequence[Any]) -> Any:
        """Return one number for a batch."""

    def boxes(self, outputs: Sequence[NDArray[np.float32]], placement: Placement) -> Boxes:
        """Return the boxes of one picture, however unsure, at most as many as the package shows."""


class CentrePoint:
    """The project's own: the network, targets and losses of a recipe as they are."""

    def __init__(self, recipe: Recipe, weights: Weights, training: Sequence[Example]) -> None:
        self.name = "centre-point"
        self._recipe = recipe
        self.network = mobilenet.build(recipe, weights)
        self.trunk, self.rest = mobilenet.split(self.network)
        self._heads = [head_targets.targets(training, head) for head in recipe.heads]
        self._known = detector_targets.boxes_known(training, recipe.maps)
        self._cells = recipe.network.side // mobilenet.STRIDE
        self._spec = DetectorSpec(
            finding="lung_opacity", channel="lung_opacity", max_boxes=MAX_BOXES, iou=BOX_OVERLAP,
            calibration=BoxCalibration(scale=1.0), points=PointsSpec(sensitive=0.0, specific=0.0),
        )  # fmt: skip

    def targets(self, members: NDArray[np.intp], drawn: Sequence[Sequence[ModelBox]]) -> list[Any]:
        """Return the heads' truths, heat and boxes."""
        return [
            *(head[members] for head in self._heads),
            *detector_targets.batch(drawn, self._known[members], self._cells),
        ]

    def loss(self, targets: Sequence[Any], outputs: Sequence[Any]) -> Any:
        """Return the recipe's loss."""
        terms = [(head_targets.loss(head), head.weight) for head in self._recipe.heads]
        terms += [
            (detector_targets.heat_loss, self._recipe.fit.heat_weight),
            (detector_targets.box_loss, self._recipe.fit.box_weight),
        ]
        return sum(
            keras.ops.mean(term(target, output)) * factor
            for (term, factor), target, output in zip(terms, targets, outputs, strict=True)
        )

    def boxes(self, outputs: Sequence[NDArray[np.float32]], placement: Placement) -> Boxes:
        """Return the heat map's peaks with their boxes."""
        found = decode_boxes(outputs[-2][0], outputs[-1][0], self._spec, placement, sensitive=0.0)
        corners = np.asarray([(box.x0, box.y0, box.x1, box.y1) for box in found], np.float64).reshape(-1, 4)
        return corners, np.asarray([box.score for box in found], np.float64)


class RetinaNet:
    """keras-hub's RetinaNet, its own layers, anchors, label encoder and losses, on the same backbone.

    Two of its initial biases are put right: keras-hub 0.32 gives the prior probability to the box head and none to
    the classification head, which would begin with every anchor at one half.
    """

    def __init__(self, recipe: Recipe, weights: Weights, *, levels: tuple[int, int], convolutions: int) -> None:
        import keras_hub

        self.name = f"RetinaNet P{levels[0]}–P{levels[1]}, {convolutions} convolutions a head"
        self._side = recipe.network.side
        encoder = _encoder(recipe, weights, levels[1])
        backbone = keras_hub.models.RetinaNetBackbone(
            image_encoder=encoder, min_level=levels[0], max_level=levels[1], use_p5=False,
            image_shape=(self._side, self._side, 1),
        )  # fmt: skip
        detector = keras_hub.models.RetinaNetObjectDetector(
            backbone=backbone, num_classes=1, bounding_box_format="xyxy", pre_logits_num_conv_layers=convolutions,
        )  # fmt: skip
        _right_biases(detector)
        detector.compile(box_loss="auto", classification_loss="auto")  # Huber and focal, summed, a positive anchor
        self._detector = detector
        levels_ = detector.anchor_generator(np.zeros((1, self._side, self._side, 1), np.float32))
        self._anchors = np.concatenate([np.asarray(level) for level in levels_.values()])
        named = detector.output
        self.network = keras.Model(detector.input, [named["bbox_regression"], named["cls_logits"]], name="retinanet")
        seam = encoder.get_layer(mobilenet.TRUNK_END).output
        self.trunk = keras.Model(encoder.input, seam, name="trunk")
        self.rest = _rest(detector, encoder, seam)

    def targets(self, members: NDArray[np.intp], drawn: Sequence[Sequence[ModelBox]]) -> list[Any]:  # noqa: ARG002
        """Return boxes as corners and classes, padded with -1 as keras-hub wants it."""
        most = max(4, *(len(boxes) for boxes in drawn))
        corners = np.full((len(drawn), most, 4), -1, np.float32)
        labels = np.full((len(drawn), most), -1, np.float32)
        for row, boxes in enumerate(drawn):
            for column, one in enumerate(boxes):
                across, down = one.w / 2, one.h / 2
                corners[row, column] = (one.cx - across, one.cy - down, one.cx + across, one.cy + down)
                corners[row, column] *= self._side
                labels[row, column] = 0
        return [corners, labels]

    def loss(self, targets: Sequence[Any], outputs: Sequence[Any]) -> Any:
        """Return keras-hub's own loss; of the pictures it wants to know the size alone."""
        pictures = keras.ops.zeros((keras.ops.shape(targets[0])[0], self._side, self._side, 1))
        return self._detector.compute_loss(
            pictures,
            {"boxes": targets[0], "labels": targets[1]},
            {"bbox_regression": outputs[0], "cls_logits": outputs[1]},
            None,
        )

    def boxes(self, outputs: Sequence[NDArray[np.float32]], placement: Placement) -> Boxes:
        """Return the surest anchors' boxes, none over another, by the same rules as ours."""
        logits = np.asarray(outputs[1], np.float64)[0, :, 0]
        surest = np.argsort(-logits, kind="stable")[:MOST_ANCHORS]
        decoded = keras.utils.bounding_boxes.decode_deltas_to_boxes(
            anchors=self._anchors[surest], boxes_delta=np.asarray(outputs[0])[0, surest], anchor_format="xyxy",
            encoded_format="center_xywh", box_format="xyxy", image_shape=(self._side, self._side, 1),
        )  # fmt: skip
        limits = (placement.picture_columns, placement.picture_rows) * 2
        kept: list[Box] = []
        for (x0, y0, x1, y1), logit in zip(np.asarray(decoded, np.float64), logits[surest], strict=True):
            corners = np.clip((*placement.to_stored(x0, y0), *placement.to_stored(x1, y1)), 0, limits)
            box = Box(*corners.tolist(), sigmoid(logit), Level.ABSENT)
            if box.x1 - box.x0 >= 1 and box.y1 - box.y0 >= 1 and all(overlap(box, one) <= BOX_OVERLAP for one in kept):
                kept.append(box)
            if len(kept) == MAX_BOXES:
                break
        return np.asarray([(one.x0, one.y0, one.x1, one.y1) for one in kept]).reshape(-1, 4), np.asarray(
            [one.score for one in kept]
        )


def _encoder(recipe: Recipe, weights: Weights, top: int) -> Any:
    """Return the backbone as keras-hub takes it: a model with a dictionary of levels."""
    from keras_hub.models import FeaturePyramidBackbone

    side = recipe.network.side
    picture = keras.Input((side, side, 1), name="picture")
    levels = mobilenet_v2(keras.layers.Rescaling(INPUT_SCALE, INPUT_OFFSET, name="normalise")(picture))
    outputs = {"P3": levels.trunk, "P4": levels.middle, "P5": levels.top}
    outputs = {name: level for name, level in outputs.items() if int(name[1]) <= top}
    encoder = FeaturePyramidBackbone(inputs=picture, outputs=outputs, name="mobilenet_v2")
    encoder.pyramid_outputs = outputs
    set_weights(encoder, weights)
    mobilenet.freeze(encoder, mobilenet.trunk_names())
    return encoder


def _right_biases(detector: Any) -> None:
    classes, box = (head.prediction_layer for head in (detector.classification_head, detector.box_head))
    box.bias.assign(np.zeros(box.bias.shape))
    classes.bias.assign(np.full(classes.bias.shape, -np.log((1 - PRIOR) / PRIOR)))


def _rest(detector: Any, encoder: Any, seam: Any) -> keras.Model:
    """Return trunk maps to outputs, of the detector's own layers."""
    backbone = detector.backbone
    names = [f"P{level}" for level in range(backbone.min_level, min(5, backbone.max_level) + 1)]
    levels = backbone.feature_pyramid({name: encoder.pyramid_outputs[name] for name in names})
    parts = [
        keras.layers.Concatenate(axis=1)([keras.layers.Reshape((-1, width))(head(level)) for level in levels.values()])
        for head, width in ((detector.box_head, 4), (detector.classification_head, 1))
    ]
    return keras.Model(seam, parts, name="rest")
