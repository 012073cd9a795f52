"""Addresses of the interface (PS3.18 10.1): relative to the host, so that they hold behind any proxy."""

from typing import Annotated

from fastapi import Path

PREFIX = "/dicom-web"
Uid = Annotated[str, Path(pattern=r"^[A-Za-z0-9._-]{1,64}$")]


def study_address(study: str) -> str:
    """Return where a study is."""
    return f"{PREFIX}/studies/{study}"


def series_address(study: str, series: str) -> str:
    """Return where a series is."""
    return f"{study_address(study)}/series/{series}"


def instance_address(study: str, series: str, instance: str) -> str:
    """Return where an instance is."""
    return f"{series_address(study, series)}/instances/{instance}"
