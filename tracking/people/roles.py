"""What users of the console may do, and what API tokens are good for."""

from enum import StrEnum


class Role(StrEnum):
    """What a user may do, each more than the one before."""

    VIEWER = "viewer"
    RADIOLOGIST = "radiologist"
    ADMINISTRATOR = "administrator"

    def includes(self, other: "Role") -> bool:
        """Say whether this role may do what the other may."""
        order = tuple(Role)
        return order.index(self) >= order.index(other)


class Scope(StrEnum):
    """What a token is good for."""

    READ = "read"
    """Read over `/api/v1`, and have a file analysed there."""
    ACT = "act"
    """Act on studies and destinations over `/api/v1`."""
    FEEDBACK = "feedback"
    """Answer to findings over `/api/v1`."""
    DICOMWEB = "dicomweb"
    """Query and retrieve over DICOMweb."""
    STORE = "store"
    """Store instances over DICOMweb."""
    METRICS = "metrics"
    """Read `/metrics`."""
