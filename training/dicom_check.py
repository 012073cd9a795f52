"""The finished model on DICOM files, read as the node reads them: a check of the format, not of another hospital."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from inference.engines import Engine
from inference.pixels import read_picture
from training import measures
from training.dataset import Radiograph, Read
from training.dicom_folder import DicomRow, read_index
from training.package import OPACITY, Calibration
from training.pictures import read_grey
from training.recipe import Recipe
from training.scores import finding_inputs, score_picture

_MAX_PIXELS = 100_000_000


def dicom_check(
    recipe: Recipe,
    everything: Sequence[Radiograph],
    used: Collection[str],
    engine: Engine,
    data: Path,
    calibration: Calibration,
) -> dict[str, Any] | None:
    """Score a folder of DICOM files; return its figures, or None where the recipe or the data have no such folder.

    ``used`` are the patients that anything was fitted or chosen on: figures stand for all files and for the files of
    other patients. Where a file is also a picture of the data set (its name ends with the file's id), the two
    probabilities are compared.
    """
    folder = data / recipe.data.dicom_check
    if not recipe.data.dicom_check or not folder.is_dir():
        return None
    index = read_index(folder)
    side = recipe.model.side
    answers = [score_picture(engine, read_picture(row.path, _MAX_PIXELS), side) for row in index]
    scores = calibration.opacity.logistic(finding_inputs(answers, OPACITY))
    pictures = {radiograph.path.stem.rpartition("rsna-")[2]: radiograph for radiograph in everything}
    differences = []
    for row, score in zip(index, scores, strict=True):
        if row.path.stem in pictures:
            again = score_picture(engine, read_grey(pictures[row.path.stem].path), side)
            other = calibration.opacity.logistic(finding_inputs([again], OPACITY))[0]
            differences.append(abs(float(score) - float(other)))
    return {
        "all_files": _figures(index, scores, recipe.seed),
        "patients_never_used": _figures(
            [row for row in index if row.patient not in used],
            np.asarray([score for row, score in zip(index, scores, strict=True) if row.patient not in used]),
            recipe.seed,
        ),
        "same_picture": {
            "pictures": len(differences),
            "median_difference": round(float(np.median(differences)), 4) if differences else None,
            "largest_difference": round(max(differences), 4) if differences else None,
        },
    }


def _figures(rows: Sequence[DicomRow], scores: measures.Numbers, seed: int) -> dict[str, Any]:
    truth = np.asarray([row.read is Read.OPACITY for row in rows], bool)
    where = np.asarray([k for k, row in enumerate(rows) if row.read is not Read.OTHER], np.intp)
    figure = measures.Figure(float("nan"), float("nan"), float("nan"))
    if len(where):
        figure = measures.bootstrap(
            lambda k: measures.auroc(scores[where[k]], truth[where[k]]), [rows[k].patient for k in where], seed
        )
    return {
        "files": len(rows),
        "classes": {read.value: sum(row.read is read for row in rows) for read in Read},
        "opacity_against_normal": figure.as_json(),
    }
