"""Files that a visitor had analysed, or keeps as studies."""

from typing import Any

from pydantic import ConfigDict, Field

from console.api.models.answer import Answer
from console.api.models.package_models import Model


class AnsweredFinding(Answer):
    """One finding of an image that belongs to no study, whole."""

    model_config = ConfigDict(extra="allow")

    claim: str
    label: str
    score: float
    level: str
    abnormal: bool
    stated: bool


class AnsweredFile(Answer):
    """The answer to one file, as ``cxrnode analyse --json`` prints it."""

    file: str
    kind: str | None
    analysed: bool
    reason: str | None
    because: str | None
    code: str | None
    values: dict[str, Any] | None
    lines: tuple[str, ...]
    findings: tuple[AnsweredFinding, ...]
    remarks: tuple[dict[str, Any], ...]
    verdict: dict[str, Any] | None
    distance: float | None
    overlay: str | None = None
    maps: dict[str, str] = Field(default={})
    seconds: float


class FileAnswers(Answer):
    """The answers to the files of one request."""

    disclaimer: str
    model: Model | None
    """Null where no file was small enough to be looked at."""
    files: tuple[AnsweredFile, ...]


class KeptFile(AnsweredFile):
    """The answer to one file, and the study that it became."""

    study_uid: str | None
    """Null where nothing was kept: ``because`` says why."""
    model: Model | None
    """Null where no model was asked."""


class KeptFiles(Answer):
    """The answers to the files of one upload."""

    disclaimer: str
    files: tuple[KeptFile, ...]
