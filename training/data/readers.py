"""The registry of layouts that can be read, and the one door to all of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from config.errors import DataError, SettingsError
from training.data import (
    class_folders,
    coronahack,
    dicom,
    feedback,
    labels,
    manifest,
    nih,
    rsna,
    tfrecord,
    unlabelled,
    voc,
)
from training.data.examples import Example


@dataclass(frozen=True, slots=True)
class Reader:
    """One layout of a data folder."""

    name: str
    """As ``data.reader`` and ``--reader`` have it."""
    read: Callable[[Path], tuple[Example, ...]]
    """Reads a folder, or raises :class:`DataError` with file, line and cure."""
    needs: str
    """The files and columns it cannot do without."""
    also: str
    """What it takes besides, where it is there."""
    patients: str
    """Where it learns whose image it is."""


_READERS = (
    Reader(
        "labels",
        labels.read,
        "`labels.csv` (`file, patient, labels`) and its images, JPEG, PNG or DICOM",
        "`view, age, sex, fold, source, licence, read`; `boxes.csv` (`file, label, x, y, w, h`); DICOM headers",
        "a column",
    ),
    Reader(
        "unlabelled",
        unlabelled.read,
        "JPEG, PNG and DICOM files at any depth, without labels: for a site report",
        "DICOM headers",
        "each image is a patient",
    ),
    Reader(
        "manifest",
        manifest.read,
        "`manifest.csv` (`file, source, patient, fold, view, age, sex, nih_labels, rsna_class, covid_finding, width, "
        "height, licence`), `boxes.csv` (`file, label, x, y, w, h, source`), `images/`",
        "",
        "a column",
    ),
    Reader(
        "class-folders",
        class_folders.read,
        "a folder a class: `COVID/images/*.png` (COVID-19 Radiography) or `COVID/*.jpg`",
        "",
        "from file names",
    ),
    Reader(
        "coronahack",
        coronahack.read,
        "`Chest_xray_Corona_Metadata.csv` (`X_ray_image_name, Label, Dataset_type, Label_1_Virus_category, "
        "Label_2_Virus_category`) and its `train` and `test` folders",
        "",
        "from file names",
    ),
    Reader(
        "nih",
        nih.read,
        "`Data_Entry_2017*.csv` (`Image Index, Finding Labels, Patient ID, Patient Age, View Position`), images at any "
        "depth",
        "`BBox_List_2017.csv`; `Patient Gender` or `Patient Sex`",
        "a column",
    ),
    Reader(
        "rsna",
        rsna.read,
        "`stage_2_train_labels.csv`, `stage_2_detailed_class_info.csv`, `stage_2_train_images/`",
        "`pneumonia-challenge-dataset-mappings_2018.json`",
        "the organisers' mapping to NIH, else each image is a patient",
    ),
    Reader(
        "voc", voc.read, "LabelImg's XML files and their images", "`label_map.pbtxt`", "`<cxrnode>`, else file names"
    ),
    Reader(
        "tfrecord",
        tfrecord.read,
        "`*.tfrecord*` or `*.record*`, and `label_map.pbtxt`",
        "",
        "`cxrnode/patient`, else file names",
    ),
    Reader("dicom", dicom.read, "DICOM files and `index.csv` (`id, patient, rsna_class`)", "", "a column"),
    Reader(
        "feedback",
        feedback.read,
        "`manifest.csv`, `labels.csv`, `boxes.csv`, `images/`: what `cxrnode feedback export` writes",
        "",
        "a column",
    ),
)

READERS: Mapping[str, Reader] = MappingProxyType({reader.name: reader for reader in _READERS})
"""Every reader by its name."""


def open_data(root: Path, reader: str) -> tuple[Example, ...]:
    """Read a data folder by the name of its layout.

    Raises
    ------
    SettingsError
        When there is no such reader.
    DataError
        Naming what is wrong with the data and the cure.
    """
    if reader not in READERS:
        raise SettingsError(f"there is no reader {reader}: choose one of {', '.join(sorted(READERS))}")
    if not root.is_dir():
        raise DataError(f"{root} is no folder: give the folder that the data set was unpacked into")
    return READERS[reader].read(root)
