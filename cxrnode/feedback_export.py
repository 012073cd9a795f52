"""Answers of radiologists as a training set: images without the patient, labels, boxes, salted marks of patients."""

import hmac
import os
import secrets
from pathlib import Path

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from config.errors import ActionRefused, DataError, PermanentError
from config.settings import Settings
from cxrnode.deidentify import deidentified, has_burned_in_text
from cxrnode.feedback_card import OLDEST, Exported, Form, card
from tracking.answers.feedback import AnsweredImage, FeedbackFilter
from tracking.answers.reader_truth import ReaderTruth, truth_of
from training.data import feedback as layout
from training.data.examples import TruthBox
from training.data.feedback import FeedbackImage
from training.data.headers import read_header
from training.data.portable import portable
from training.data.whole_folder import whole_folder

_SALT = "feedback.salt"
_SALT_BYTES = 32
_MARK_BYTES = 8


class Marker:
    """Salted marks of patients and images: the same in every export of a node, and not to be computed elsewhere."""

    def __init__(self, salt: bytes) -> None:
        self._salt = salt

    def patient(self, image: AnsweredImage) -> str:
        """Return the mark of an image's patient; of a patient without an ID, that of the study."""
        study = image.study
        who = (
            ("patient", study.issuer_of_patient_id, study.patient_id)
            if study.patient_id
            else ("study", study.study_uid)
        )
        return self._mark(*who)

    def image(self, image: AnsweredImage) -> str:
        """Return the mark of an image, which its file is named by."""
        return self._mark("image", image.instance_uid)

    def _mark(self, *parts: str) -> str:
        return hmac.digest(self._salt, "\x1f".join(parts).encode(), "sha256")[:_MARK_BYTES].hex()


def node_salt(folder: Path) -> bytes:
    """Return the node's salt, which is made at the first export and readable by its owner alone.

    Raises DataError where it cannot be read or written.
    """
    path = folder / _SALT
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(_SALT_BYTES))
    except FileExistsError:
        pass
    except OSError as error:
        raise DataError(f"{path} cannot be written ({error.strerror}): give this user the right to") from None
    try:
        salt = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): give this user the right to") from None
    if len(salt) != _SALT_BYTES:
        raise DataError(
            f"{path} holds no salt of {_SALT_BYTES} bytes: restore it from the backup, or remove it for a new one"
        )
    return salt


def export(
    images: list[AnsweredImage], settings: Settings, out: Path, which: FeedbackFilter, form: Form = Form.PNG
) -> Exported:
    """Write a training set from answered images as a whole or not at all; return what is in it.

    Images that cannot be read, or say that text is burned in, are left out and counted.

    Raises
    ------
    DataError
        The folder is there already or cannot be written, or no image is left.
    """
    marker = Marker(node_salt(settings.node.data_dir))
    exported = Exported()
    with whole_folder(out) as folder:
        (folder / "images").mkdir()
        for image in images:
            try:
                exported.images.append(_write_image(folder, settings, image, marker, form, exported))
            except (PermanentError, OSError) as error:
                exported.left_out[_reason(error)] += 1
        if not exported.images:
            raise DataError("no answered image is left to export: `cxrnode feedback list` shows what was answered")
        layout.write(folder, exported.images)
        (folder / "card.md").write_text(card(exported, which, form), encoding="utf-8")
    return exported


def _write_image(
    folder: Path, settings: Settings, image: AnsweredImage, marker: Marker, form: Form, exported: Exported
) -> FeedbackImage:
    path = settings.instance_dir / image.path
    truth = truth_of(image)
    patient, file = marker.patient(image), f"{marker.image(image)}.{'png' if form is Form.PNG else 'dcm'}"
    try:
        header = dcmread(path, stop_before_pixels=form is Form.PNG)
        rows, columns = int(header.Rows), int(header.Columns)
    except (InvalidDicomError, AttributeError, ValueError, TypeError, RecursionError):
        raise ActionRefused("the image's file cannot be read: it is left out") from None
    if has_burned_in_text(header):
        raise ActionRefused("the image says that text is burned into its pixels: it is left out")
    content = portable(path).encoded if form is Form.PNG else deidentified(header, patient)
    (folder / "images" / file).write_bytes(content)
    view, age, sex = read_header(path)
    exported.answers += len(image.answers)
    exported.disputed += len(truth.disputed)
    exported.own_words += truth.own_words
    models = sorted({f"{answer.model.name} {answer.model.version}" for answer in image.answers})
    return FeedbackImage(
        file=file, patient=patient, view=view, age=None if age is None else min(age, OLDEST), sex=sex, width=columns,
        height=rows, readers=truth.readers, model=", ".join(models), truths=truth.truths,
        boxes=_boxes(truth, rows, columns), boxed=truth.complete,
    )  # fmt: skip


def _boxes(truth: ReaderTruth, rows: int, columns: int) -> tuple[TruthBox, ...]:
    return tuple(
        TruthBox(
            entry.label, entry.box.x0 / columns, entry.box.y0 / rows, (entry.box.x1 - entry.box.x0) / columns,
            (entry.box.y1 - entry.box.y0) / rows, layout.SOURCE,
        )
        for entry in truth.boxes
    )  # fmt: skip


def _reason(error: Exception) -> str:
    """Return why an image is left out, in words of this program: those of others may quote the header."""
    return str(error).partition(":")[0] if isinstance(error, ActionRefused) else "the image's file cannot be read"
