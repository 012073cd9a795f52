"""Asking a peer whether it keeps an instance: the N-ACTION, its answer on the same association, and the C-FIND."""

from collections.abc import Callable

import pytest

from config.errors import PeerBusy, PeerUnavailable, RefusedByPeer
from dicom_node.storage_commitment.instance_query import has_instance
from dicom_node.storage_commitment.request import request_commitment
from dicom_node.storage_scu.target import Target
from tests.committing_archive import NO_SUCH_INSTANCE, CommittingArchive, Way, open_committing_archive
from tracking.outbox.confirmations import CommitmentAnswer

CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def target_of(archive: CommittingArchive) -> Target:
    return Target("127.0.0.1", archive.port, archive.ae_title, "CXRNODE", connect_seconds=5, response_seconds=10)


def test_the_answer_on_the_same_association_says_what_is_kept_and_what_is_not() -> None:
    with open_committing_archive(Way.SAME_ASSOCIATION) as archive:
        archive.stored["1.5"] = 1
        kept = request_commitment(target_of(archive), CAPTURE, "1.5", "2.25.1", 10)
        missing = request_commitment(target_of(archive), CAPTURE, "1.6", "2.25.2", 10)
    assert kept == CommitmentAnswer("2.25.1", frozenset({"1.5"}))
    assert missing == CommitmentAnswer("2.25.2", frozenset(), {"1.6": NO_SUCH_INSTANCE})
    assert archive.statuses == [0, 0]
    [item] = archive.requests[0].ReferencedSOPSequence
    assert (item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID) == (CAPTURE, "1.5")


def test_where_no_answer_comes_here_there_is_none_yet() -> None:
    with open_committing_archive(Way.SILENT) as archive:
        assert request_commitment(target_of(archive), CAPTURE, "1.5", "2.25.1", 0.2) is None
    assert len(archive.requests) == 1


def test_what_a_peer_does_not_offer_or_refuses_is_told_apart() -> None:
    with (
        open_committing_archive(Way.SILENT, commits=False) as archive,
        pytest.raises(RefusedByPeer, match="does not offer Storage Commitment Push Model"),
    ):
        request_commitment(target_of(archive), CAPTURE, "1.5", "2.25.1", 0)
    with open_committing_archive(Way.REFUSED) as archive, pytest.raises(PeerBusy, match="N-ACTION with status 0110"):
        request_commitment(target_of(archive), CAPTURE, "1.5", "2.25.1", 0)


def test_nobody_there_is_unavailable(free_port: Callable[[], int]) -> None:
    target = Target("127.0.0.1", free_port(), "ORTHANC", "CXRNODE", connect_seconds=1, response_seconds=1)
    with pytest.raises(PeerUnavailable):
        request_commitment(target, CAPTURE, "1.5", "2.25.1", 0)


def test_a_query_at_the_instance_level_finds_what_is_there() -> None:
    with open_committing_archive(Way.SILENT) as archive:
        archive.stored["1.5"] = 1
        assert has_instance(target_of(archive), "1.9", "1.8", "1.5")
        assert not has_instance(target_of(archive), "1.9", "1.8", "1.6")
    query = archive.queries[0]
    assert query.QueryRetrieveLevel == "IMAGE"
    assert (query.StudyInstanceUID, query.SeriesInstanceUID, query.SOPInstanceUID) == ("1.9", "1.8", "1.5")


def test_a_peer_without_queries_is_named() -> None:
    with open_committing_archive(Way.SILENT, finds=False) as archive, pytest.raises(RefusedByPeer, match="Study Root"):
        has_instance(target_of(archive), "1.9", "1.8", "1.5")
