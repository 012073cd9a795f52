"""A data set in numbers, and what is wrong with it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from training.data.readers import open_data
from training.data.survey import survey


def test_labels_boxes_folds_and_sources_are_counted(manifest: Callable[..., Path]) -> None:
    found = survey(open_data(manifest(), "manifest"))
    opacity, covid = found.labels["lung_opacity"], found.labels["covid19"]
    assert (opacity.yes, opacity.no, opacity.unknown, opacity.read, opacity.boxes, opacity.boxed) == (
        5,
        10,
        25,
        15,
        5,
        15,
    )
    assert (covid.yes, covid.no, covid.read) == (5, 10, 0)
    assert (found.pictures, found.patients, found.folds["3"]) == (40, 40, 8)
    assert found.sources == {"ieee8023": 20, "nih": 15, "rsna": 5}
    assert found.licences == {"drawn here": 40}
    assert found.problems == ()
    assert any("its own patient" in note for note in found.notes)
    assert any(note.startswith("no picture shows atelectasis") for note in found.notes)


def test_broken_pictures_twins_and_patients_in_two_folds_are_problems(manifest: Callable[..., Path]) -> None:
    examples = list(open_data(manifest(), "manifest"))
    examples[1].path.write_bytes(examples[0].path.read_bytes())
    examples[2].path.write_bytes(examples[2].path.read_bytes()[:700])
    examples[3] = replace(examples[3], patient=examples[-1].patient)
    counted: list[int] = []
    problems = survey(examples, progress=counted.append).problems
    assert problems[0].startswith("1 patients stand in two folds: deal folds out by patient")
    assert problems[1].startswith("02.jpg cannot be read as a picture")
    assert problems[2].startswith("nih/00.jpg, nih/01.jpg are one picture under different patients: remove all but")
    assert counted[-1] == len(examples)
    assert len(survey(examples, decode=False).problems) == 1


@pytest.mark.data
def test_the_real_manifest_has_no_problem_that_its_rows_show(cxr_data: Path) -> None:
    assert survey(open_data(cxr_data, "manifest"), decode=False).problems == ()
