"""Asking a peer whether it has an instance: C-FIND at the instance level of the Study Root model (PS3.4 C.6.2)."""

from pydicom import Dataset
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind  # type: ignore[attr-defined]

from dicom_node.storage_commitment.peer import associate, check_status
from dicom_node.storage_scu.target import Target

_STUDY_ROOT_FIND = str(StudyRootQueryRetrieveInformationModelFind)
_PENDING = frozenset({0xFF00, 0xFF01})


def has_instance(target: Target, study_uid: str, series_uid: str, instance_uid: str) -> bool:
    """Return whether a peer has an instance.

    Raises
    ------
    PeerUnavailable, PeerBusy
        It may answer later.
    RefusedByPeer
        It will not: the peer does not accept the query, or refuses it.
    """
    found = False
    with associate(target, _STUDY_ROOT_FIND) as association:
        final = Dataset()
        for status, match in association.send_c_find(_query(study_uid, series_uid, instance_uid), _STUDY_ROOT_FIND):
            if "Status" in status and status.Status in _PENDING:
                found = found or (match is not None and str(match.get("SOPInstanceUID", "")) == instance_uid)
            else:
                final = status
        if not found:
            check_status(target, "C-FIND", final)
    return found


def _query(study_uid: str, series_uid: str, instance_uid: str) -> Dataset:
    query = Dataset()
    query.QueryRetrieveLevel = "IMAGE"
    query.StudyInstanceUID = study_uid
    query.SeriesInstanceUID = series_uid
    query.SOPInstanceUID = instance_uid
    return query
