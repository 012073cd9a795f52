"""Every recipe trains from the command line and is served: sent over DICOM, its package's findings stand in the SR.

A detector, a classifier and their ensemble on drawn images are tried at every run; the shipped recipes, on real
radiographs, are long tests.
"""

import csv
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from pydicom import Dataset, dcmread

from config.load import load_settings
from cxrnode.cli import main
from cxrnode.demo_peers import DemoPacs
from inference.model import Model
from inference.package import FIGURES, load_package
from inference.pixels import read_picture
from tests.accounts import told
from tests.phantoms import phantom_dataset
from training.recipe.shipped_recipes import load_recipe, shipped_recipes

pytestmark = [
    pytest.mark.timeout(600),
    # TensorFlow's and Keras's own, while networks are built and exported
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
]


def run_command(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> None:
    """Run ``cxrnode`` in this process, which saves TensorFlow's start-up, and expect success."""
    monkeypatch.setattr(sys, "argv", ["cxrnode", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all trainings keep trunk maps and converted weights."""
    return tmp_path_factory.mktemp("work")


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[DemoPacs]:
    folder = tmp_path / "pacs"
    folder.mkdir()
    pacs = DemoPacs(folder)
    yield pacs
    pacs.stop()


@pytest.fixture
def serve(tmp_path: Path, start_node: Callable[..., Any], pacs: DemoPacs) -> Callable[[Path], tuple[Path, Dataset]]:
    """A function that sends a phantom to a node with this package; the picture and the SR that came out."""

    def served(package: Path) -> tuple[Path, Dataset]:
        node = start_node(pacs.start(), ("receive", "deliver"))
        document = tomlkit.parse(node.settings_file.read_text())
        document["inference"] = {"package": str(package)}
        node.settings_file.write_text(tomlkit.dumps(document))
        node.settings = load_settings(node.settings_file)
        node.start("work")
        picture = tmp_path / "phantom.dcm"
        phantom_dataset(7, size=512, opacity=True).save_as(picture, enforce_file_format=True)
        node.send_until_acknowledged(picture)
        (study,) = node.await_settled(1)
        assert not study.problems
        (report,) = (path for path in pacs.received.values() if path.name.startswith("report-"))
        return picture, dcmread(report)

    return served


def scores_in(report: Dataset) -> dict[tuple[str, str], float]:
    """Return the probability, 0 to 100, of each coded finding as a whole."""
    return {item.code: item.value for item in told(report) if not item.region}


def assert_served(package: Path, labels: Sequence[str], serve: Callable[[Path], tuple[Path, Dataset]]) -> None:
    """Hold what a node reported against what the package says, finding by finding."""
    loaded = load_package(package)
    assert [spec.label for spec in loaded.manifest.findings] == list(labels)
    picture, report = serve(package)
    expected = {
        (finding.code.value, finding.code.scheme): round(100 * finding.score, 1)
        for finding in Model.open(loaded).findings(read_picture(picture, 10**8))
    }
    assert len(expected) == len(labels)
    assert scores_in(report) == pytest.approx(expected, abs=0.11)


def assert_whole(package: Path, recipe: str) -> dict[str, Any]:
    """See that the files say what they should of a quick run; return the figures."""
    figures: dict[str, Any] = json.loads((package / FIGURES).read_text(encoding="utf-8"))
    assert figures["package"]["name"] == recipe
    assert figures["protocol"]["quick"] is True
    networks = figures.get("members", [figures])
    assert all(network["losses"] for network in networks)
    card = (package / "card.md").read_text(encoding="utf-8")
    assert "quick run" in card
    assert recipe in card
    return figures


@pytest.fixture(scope="module")
def covid_boxes(cxr_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The COVID-19 detector's TFRecords, made by the commands that the user guide names."""
    folder = tmp_path_factory.mktemp("covid")
    with pytest.MonkeyPatch.context() as patch:
        for arguments in (
            ["data", "export", cxr_data, "--package", "chest-default", "--out", folder / "voc"],
            ["data", "convert", folder / "voc", "--reader", "voc", "--to", "tfrecord", "--out", folder / "tfrecord"],
        ):
            run_command(patch, *arguments)
    return folder / "tfrecord"


@pytest.fixture(scope="module")
def coronahack(cxr_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few pictures of the DarkCovidNet list in the layout of CoronaHack, whose own are not at hand."""
    folder = tmp_path_factory.mktemp("coronahack")
    labels = {"no_finding": ("Normal", ""), "pneumonia": ("Pnemonia", ""), "covid19": ("Pnemonia", "COVID-19")}
    left = dict.fromkeys(labels, 20)
    (folder / "train").mkdir()
    lines = ["X_ray_image_name,Label,Dataset_type,Label_1_Virus_category,Label_2_Virus_category"]
    with (cxr_data / "darkcovidnet.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            if row["file"] and left[row["label"]]:
                left[row["label"]] -= 1
                label, virus = labels[row["label"]]
                name = Path(row["file"]).name
                shutil.copyfile(cxr_data / "images" / row["file"], folder / "train" / name)
                lines.append(f"{name},{label},TRAIN,,{virus}")
    (folder / "Chest_xray_Corona_Metadata.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.mark.data
@pytest.mark.parametrize(
    "recipe",
    [pytest.param(name, marks=pytest.mark.long) for name in sorted(shipped_recipes())],
)
def test_a_recipe_trains_and_is_served(
    recipe: str,
    cxr_data: Path,
    work: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    serve: Callable[[Path], tuple[Path, Dataset]],
    request: pytest.FixtureRequest,
) -> None:
    data, more = cxr_data, []
    loaded = load_recipe(recipe)
    if loaded.data.reader == "tfrecord":
        data = request.getfixturevalue("covid_boxes")
        more = ["--weights", cxr_data / loaded.network.weights]
    elif loaded.data.reader == "coronahack":
        data = request.getfixturevalue("coronahack")
    out = tmp_path / "package"
    run_command(monkeypatch, "train", recipe, "--quick", "--data", data, "--out", out, "--cache", work, *more)
    figures = assert_whole(out, loaded.package.name)
    used = [network["weights"] or {"file": ""} for network in figures.get("members", [figures])]
    assert {one["file"] for one in used} == {Path(loaded.network.weights).name}
    assert_served(out, [finding.label for finding in loaded.findings], serve)


# --- the same without real radiographs: a drawn data set, a detector, a classifier, and both as an ensemble -----------

_HEADS = """
[[heads]]
name = "reads"
activation = "softmax"
classes = ["normal", "not_normal", "lung_opacity"]

[quick]
pictures = 12
epochs = 1
side = 64
"""
_DETECTOR = f"""
maps = ["lung_opacity"]
package = {{ name = "drawn-detector", version = "1.0.0", title = "Drawn, with boxes", summary = "For tests." }}
data = {{ only = ["normal", "not_normal", "lung_opacity"] }}
network = {{ kind = "mobilenet", width = 16 }}
findings = [
    {{ label = "lung_opacity", head = "reads", heat = true, boxes = true }},
    {{ label = "normal", head = "reads" }},
]
{_HEADS}"""
_CLASSIFIER = f"""
package = {{ name = "drawn-classifier", version = "1.0.0", title = "Drawn", summary = "For tests." }}
data = {{ only = ["normal", "not_normal", "lung_opacity"] }}
network = {{ kind = "cnn", width = 8 }}
findings = [{{ label = "normal", head = "reads" }}, {{ label = "lung_opacity", head = "reads" }}]
{_HEADS}"""
DRAWN = {
    "drawn-detector": ["lung_opacity", "normal"],
    "drawn-classifier": ["normal", "lung_opacity"],
    "drawn-ensemble": ["lung_opacity", "normal"],
}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory, write_data_to: Callable[..., Path]) -> Path:
    """A folder with the packages of both recipes and of their ensemble, each made by its command."""
    folder = tmp_path_factory.mktemp("drawn")
    data = write_data_to(folder, per_class=4)
    with pytest.MonkeyPatch.context() as patch:
        for name, text in (("drawn-detector", _DETECTOR), ("drawn-classifier", _CLASSIFIER)):
            recipe = folder / f"{name}.toml"
            recipe.write_text(text, encoding="utf-8")
            options = ["--quick", "--data", data, "--out", folder / name, "--cache", folder / "work"]
            run_command(patch, "train", recipe, *options)
        members = [folder / "drawn-detector", folder / "drawn-classifier"]
        options = ["--data", data, "--name", "drawn-ensemble", "--title", "Both"]
        run_command(patch, "ensemble", folder / "drawn-ensemble", *members, *options)
    return folder


@pytest.mark.parametrize("name", DRAWN)
def test_what_is_trained_on_a_drawn_data_set_is_served(
    name: str, drawn: Path, serve: Callable[[Path], tuple[Path, Dataset]]
) -> None:
    package = drawn / name
    assert json.loads((package / FIGURES).read_text(encoding="utf-8"))["protocol"]["quick"] is True
    assert "quick run" in (package / "card.md").read_text(encoding="utf-8")
    assert_served(package, DRAWN[name], serve)
