"""Operating points and what another one would change."""

from datetime import datetime

from pydantic import Field

from console.api.models.answer import Answer
from console.api.models.package_models import OperatingPoints


class FindingPoints(Answer):
    """The operating points of one finding here."""

    label: str
    stated: bool
    points: OperatingPoints
    """In force."""
    of_package: OperatingPoints
    source: str
    """``package``, ``settings`` (the settings file) or ``page`` (a person)."""
    changed_by: str | None
    changed_at: datetime | None


class WantedPoints(Answer):
    """Operating points to be set, 0 to 1, the sensitive one not above the specific one."""

    sensitive: float = Field(ge=0, le=1)
    specific: float = Field(ge=0, le=1)


class PointsList(Answer):
    """The operating points of the package in use."""

    package: str
    version: str
    findings: tuple[FindingPoints, ...]


class Proportion(Answer):
    """A share of counted cases with Wilson's 95 % interval; (0, 1) of no case."""

    cases: int
    of: int
    interval: tuple[float, float]


class CallValue(Answer):
    """What calls at a point are worth on images that readers answered about."""

    sensitivity: Proportion
    predictive_value: Proportion


class PointEffect(Answer):
    """What other points would have done on past studies."""

    studies: int
    """The newest received studies that were looked into."""
    changed: int
    """Those of them whose result would be of another class."""
    answered: int
    """Images of which readers said whether they show the finding."""
    sensitive: CallValue
    specific: CallValue
