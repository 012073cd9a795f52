"""The files that runs leave: what is written is what is read, and nonsense is refused."""

import math
from pathlib import Path

import pytest

from config.errors import DataError
from training.evaluation.metric import Metric
from training.evaluation.run_file import RunFile, plain, read_run, read_runs, write_run


def _run(**changes: object) -> RunFile:
    entries: dict[str, object] = {
        "recipe": "a-recipe",
        "kind": "crossvalidation",
        "by": "patient",
        "folds": 5,
        "figures": {
            "accuracy": Metric(0.9, 0.85, 0.94),
            "auroc:covid19": Metric(0.8, 0.7, 0.9),
            "parameters": plain(7),
        },
        "protocol": {"pictures": 1119, "patients": 900, "seed": 1, "list": "darkcovidnet.csv"},
    }
    return RunFile(**{**entries, **changes})  # type: ignore[arg-type]


def test_a_run_reads_back_as_it_was_written(tmp_path: Path) -> None:
    path = write_run(tmp_path / "models", _run())
    assert path.name == "a-recipe-crossvalidation-by-patient.json"
    (back,) = read_runs(path.parent)
    assert back.figures["accuracy"] == Metric(0.9, 0.85, 0.94)
    assert math.isnan(back.figures["parameters"].low)
    assert back.protocol == _run().protocol
    assert (back.recipe, back.kind, back.by, back.folds, back.quick) == (
        "a-recipe", "crossvalidation", "patient", 5, False,
    )  # fmt: skip


def test_a_quick_run_never_replaces_a_full_one(tmp_path: Path) -> None:
    assert write_run(tmp_path, _run(quick=True)) != write_run(tmp_path, _run())


def test_a_figure_without_words_is_refused() -> None:
    with pytest.raises(DataError, match="no figure wonder"):
        _run(figures={"wonder": plain(1)})


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"schema": 9}', '{"schema": 1, "figures": {"accuracy": 3}}'])
def test_a_file_that_is_no_run_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "odd.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"odd\.json"):
        read_run(path)


def test_a_folder_that_is_not_there_has_no_runs(tmp_path: Path) -> None:
    assert read_runs(tmp_path / "nowhere") == ()
