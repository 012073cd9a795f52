"""Why documents are taken back."""

from enum import StrEnum


class Reason(StrEnum):
    """Why documents are taken back; the values are stored."""

    QUALITY = "quality"
    """Rejected for Quality Reasons (113001, DCM): what replaces it says it better, or nobody should rely on it."""
    SAFETY = "safety"
    """Rejected for Patient Safety Reasons (113037, DCM): it was never true of this patient."""
