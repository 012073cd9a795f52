"""Identities that are derived, never drawn: the same analysis gives the same UIDs and control IDs on every rebuild.

A crash between building a document and recording it must not leave two of it at a destination. So every identity
is a function of what the document says: the source instances, the model, the kind of document and the revision.
"""

from collections.abc import Iterable

from inference.findings import ModelIdentity
from tracking.engine.derived import CONTROL_ID_LENGTH, derived_control_id, derived_uid

__all__ = [
    "CONTROL_ID_LENGTH", "capture_uid", "control_id", "derived_uid", "device_uid", "document_uid", "tracking_uid",
]  # fmt: skip


def document_uid(kind: str, source_uids: Iterable[str], model: ModelIdentity, revision: int, *more: str) -> str:
    """Return the UID of one document, or of its series, of one analysis.

    Parameters
    ----------
    kind
        What is named, such as ``"sr"`` or ``"sr-series"``.
    source_uids
        SOP Instance UIDs of every instance of the analysed revision, in any order.
    model
        Which model spoke.
    revision
        The study's revision, counted from 1.
    more
        What else tells two documents of one kind apart, such as the pictured instance.
    """
    return derived_uid("document", kind, *_model(model), str(revision), *sorted(source_uids), "", *more)


def capture_uid(source_uids: Iterable[str], model: ModelIdentity, revision: int, sop_instance_uid: str) -> str:
    """Return the SOP Instance UID of the secondary capture of one image."""
    return document_uid("sc", source_uids, model, revision, sop_instance_uid)


def device_uid(model: ModelIdentity) -> str:
    """Return the Device UID (0018,1002) of a model: a new one for each name, version and content."""
    return derived_uid("device", *_model(model))


def tracking_uid(model: ModelIdentity, sop_instance_uid: str, label: str, position: int) -> str:
    """Return the Tracking Unique Identifier (112040, DCM) of one measurement group, the same in every revision.

    ``position`` is 0 for the finding itself and counts its regions from 1.
    """
    return derived_uid("tracking", *_model(model), sop_instance_uid, label, str(position))


def control_id(
    source_uids: Iterable[str], model: ModelIdentity, revision: int, destination: str, study_uid: str
) -> str:
    """Return MSH-10 of the message to one destination: 20 characters, letters A–Z and digits 2–7."""
    parts = ("message", *_model(model), str(revision), destination, study_uid, *sorted(source_uids))
    return derived_control_id(*parts)


def _model(model: ModelIdentity) -> tuple[str, str, str]:
    return model.name, model.version, model.digest
