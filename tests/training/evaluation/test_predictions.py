"""Predictions through the code that serves: what a node would say, kept so that figures never need the model again."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from config.errors import DataError
from inference.ensemble import draft
from inference.model import Model
from inference.package import BUILT_IN, load_network, write_ensemble
from training.data.examples import Example
from training.data.image_files import read_picture
from training.evaluation.figures import figures
from training.evaluation.predict import predict
from training.evaluation.predictions import Predictions, load_predictions, save_predictions
from training.evaluation.record import record_of

Make = Callable[..., Predictions]


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.open("chest-default")


@pytest.fixture
def pictures(tmp_path: Path) -> tuple[Example, ...]:
    """Two pictures of different shapes with a bright blob."""
    examples = []
    for number, (rows, columns) in enumerate(((200, 240), (260, 180))):
        ys, xs = np.mgrid[0:rows, 0:columns] / max(rows, columns)
        grey = 0.2 + 0.7 * np.exp(-(((xs - 0.3) / 0.15) ** 2) - ((ys - 0.4) / 0.15) ** 2)
        path = tmp_path / f"{number}.png"
        Image.fromarray((255 * grey).astype(np.uint8)).save(path)
        examples.append(Example(file=path.name, path=path, patient=str(number), truths={"normal": bool(number)}))
    return tuple(examples)


def test_predictions_are_what_a_node_would_say(model: Model, pictures: tuple[Example, ...]) -> None:
    told: list[int] = []
    said = predict(model, pictures, told.append)
    assert told == [1, 2]
    for index, example in enumerate(pictures):
        picture = read_picture(example.path)
        for finding in model.findings(picture):
            assert said.scores(finding.label)[index] == pytest.approx(finding.score, abs=1e-7)
            asked = said.asked(finding.label)
            assert (asked.sensitive, asked.specific) == (finding.points.sensitive, finding.points.specific)
            corners, scores = said.found(index, finding.label)
            served = [(box.x0, box.y0, box.x1, box.y1) for box in finding.boxes]
            size = np.asarray([picture.columns, picture.rows] * 2)
            assert np.allclose(corners[: len(served)] * size, np.reshape(served, (-1, 4)), atol=1e-3)
            assert (np.diff(scores) <= 0).all()
    assert said.heads[0].classes == ("normal", "not_normal", "lung_opacity")
    assert said.probabilities("reads").sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_boxes_are_read_down_to_nothing(model: Model, pictures: tuple[Example, ...]) -> None:
    said = predict(model, pictures)
    detector = model.package.manifest.detector("lung_opacity")
    assert detector is not None
    assert said.asked("lung_opacity").box_points == (detector.points.sensitive, detector.points.specific)
    assert min(said.found(0, "lung_opacity")[1]) < detector.points.sensitive


def test_a_file_gives_back_what_was_said_and_the_same_figures(make: Make, tmp_path: Path) -> None:
    predictions = make()
    path = tmp_path / "p.json.gz"
    save_predictions(path, predictions)
    back = load_predictions(path)
    assert back.said == predictions.said
    assert back.package == predictions.package
    assert [one.truths for one in back.examples] == [one.truths for one in predictions.examples]
    assert figures(back, resamples=20) == figures(predictions, resamples=20)
    again = tmp_path / "again.json.gz"
    save_predictions(again, predictions)
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("text", [b"{}", b'{"schema": 9}'])
def test_a_file_of_another_kind_is_refused_by_name(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "odd.json.gz"
    path.write_bytes(gzip.compress(text))
    with pytest.raises(DataError, match=r"odd\.json\.gz"):
        load_predictions(path)


@pytest.mark.parametrize("content", [b"", b"no gzip"])
def test_a_file_that_holds_no_predictions_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.json.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"odd\.json\.gz"):
        load_predictions(path)


def test_answers_must_belong_to_the_examples(make: Make) -> None:
    predictions = make(20)
    with pytest.raises(DataError, match="cannot belong"):
        Predictions(
            predictions.package, predictions.findings, predictions.heads, predictions.examples, predictions.said[:-1]
        )


def test_a_picture_that_cannot_be_read_is_named(model: Model, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"broken\.jpg"):
        predict(model, [Example(file="broken.jpg", path=broken, patient="a")])


def test_an_ensemble_is_asked_as_one_model(pictures: tuple[Example, ...], tmp_path: Path) -> None:
    network = load_network(BUILT_IN / "chest-default" / "members" / "1")
    shared = draft(
        [network.manifest] * 2, name="pair", version="1.0.0", title="Twice the same", summary="For a test.",
        licence="Apache-2.0", intended_use="None.",
    )  # fmt: skip
    pair = Model.open(write_ensemble(tmp_path / "pair", shared, [network.folder, network.folder]))
    alone, together = predict(Model.open(network), pictures), predict(pair, pictures)
    assert together.package.name == "pair"
    assert together.scores("normal") == pytest.approx(alone.scores("normal"), abs=1e-6)
    assert together.probabilities("reads") == pytest.approx(alone.probabilities("reads"), abs=1e-6)
    assert record_of(pair.package).folds["training"] == {1, 2, 3, 4}
