"""What can be decoded here is found out by decoding."""

import pytest

from config.settings import Settings
from dicom_node.format import syntaxes
from dicom_node.format.sop_classes import accepted_sop_classes, every_storage_class
from dicom_node.format.syntaxes import CANDIDATES, EXPLICIT_LITTLE, IMPLICIT_LITTLE, decodable_syntaxes, decoder_report
from dicom_node.storage_scp.receive import supported_contexts


def test_every_candidate_has_a_decoder_in_this_environment() -> None:
    assert [status.uid for status in decoder_report() if not status.available] == []
    assert decodable_syntaxes() == CANDIDATES


def test_explicit_little_endian_is_preferred_then_implicit() -> None:
    assert decodable_syntaxes()[:2] == (EXPLICIT_LITTLE, IMPLICIT_LITTLE)
    assert set(decodable_syntaxes()) <= set(CANDIDATES)


def test_an_installed_decoder_that_decodes_wrongly_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syntaxes, "probe_value", lambda row, column, bits: 0)
    status = syntaxes._try("1.2.840.10008.1.2.4.70")
    assert not status.available
    assert "failed on a known frame" in status.cure


def test_a_decoder_that_is_not_installed_is_reported_with_a_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(syntaxes.imagecodecs, "jpeg2k_decode")
    status = syntaxes._try("1.2.840.10008.1.2.4.90")
    assert (status.available, status.decoder) == (False, "")
    assert "reinstall imagecodecs" in status.cure


def test_the_policy_decides_the_sop_classes() -> None:
    assert accepted_sop_classes(("CR", "DX")) == ("1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1")
    assert "1.2.840.10008.5.1.4.1.1.7" in accepted_sop_classes(("SC",))
    everything = accepted_sop_classes(("CR", "any-image"))
    for uid in ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.2.1"):
        assert uid in everything
    assert len(everything) == len(set(everything)) == len(every_storage_class())


def test_verification_is_always_offered() -> None:
    offered = supported_contexts(Settings(receive={"accept": ["SC"]}))
    assert set(offered) == {b"1.2.840.10008.1.1", b"1.2.840.10008.5.1.4.1.1.7"}
