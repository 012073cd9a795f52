"""The SR storage classes, and which a destination gets: what the site fixed, else what the peer accepts."""

from collections.abc import Mapping
from enum import StrEnum

from config.destinations import DicomDestination


class ReportClass(StrEnum):
    """The SR storage classes that a TID 1500 report may take (PS3.4 B.5); viewers differ in which they draw."""

    ENHANCED = "1.2.840.10008.5.1.4.1.1.88.22"
    COMPREHENSIVE = "1.2.840.10008.5.1.4.1.1.88.33"
    COMPREHENSIVE_3D = "1.2.840.10008.5.1.4.1.1.88.34"


ORDER = (ReportClass.COMPREHENSIVE_3D, ReportClass.COMPREHENSIVE, ReportClass.ENHANCED)
"""What is offered where the site fixed nothing, the class liked best first."""
_BY_SETTING = {
    "comprehensive-3d": ReportClass.COMPREHENSIVE_3D,
    "comprehensive": ReportClass.COMPREHENSIVE,
    "enhanced": ReportClass.ENHANCED,
}


def offered_classes(destination: DicomDestination) -> tuple[ReportClass, ...]:
    """Return the classes that a destination is offered, in order: the one that the site fixed, or all."""
    fixed = _BY_SETTING.get(destination.report_class)
    return ORDER if fixed is None else (fixed,)


def expected_class(destination: DicomDestination, taken: Mapping[str, str | None]) -> ReportClass:
    """Return the class to build a destination's report in.

    Parameters
    ----------
    destination
        The destination.
    taken
        The SOP Class UID that each destination took last, None for one that took none.
    """
    offered = offered_classes(destination)
    remembered = taken.get(destination.name)
    return next((kind for kind in offered if kind.value == remembered), offered[0])
