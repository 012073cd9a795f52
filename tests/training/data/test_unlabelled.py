"""Images without labels are listed, at any depth; headers say what they can."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from config.errors import DataError
from tests.phantoms import phantom_dataset
from training.data.readers import open_data


def test_images_are_found_at_any_depth(tmp_path: Path) -> None:
    for folder in (tmp_path / "deep" / "er", tmp_path / ".hidden"):
        folder.mkdir(parents=True)
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / "a.PNG")
    dataset = phantom_dataset(1, size=64)
    dataset.ViewPosition, dataset.PatientAge = "LL", "040Y"
    dataset.save_as(tmp_path / "b.dcm", enforce_file_format=True)
    (tmp_path / "notes.txt").write_text("x")
    lateral, found = open_data(tmp_path, "unlabelled")
    assert (found.file, found.patient, dict(found.truths)) == ("deep/er/a.PNG", "deep/er/a.PNG", {})
    assert (lateral.view.value, lateral.age) == ("L", 40)


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no JPEG, PNG or DICOM file"):
        open_data(tmp_path, "unlabelled")
