"""The names that a certificate stands for."""

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from dicom_node.upper_layer.peer_certificate import certificate_names
from tests.authority import Authority, Pair


def names(pair: Pair) -> frozenset[str]:
    certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    return certificate_names(certificate.public_bytes(Encoding.DER))


def test_subject_common_name_and_alternative_names(tmp_path: Path) -> None:
    pair = Authority(tmp_path).issue("PACS", "pacs.Example.org", "192.0.2.10", "urn://pacs")
    assert names(pair) == {"cn=pacs,o=test", "pacs", "pacs.example.org", "192.0.2.10", "urn://pacs"}


def test_no_common_name_passes_for_the_subject_of_another(tmp_path: Path) -> None:
    assert names(Authority(tmp_path).issue("CN=PACS,O=Test", file="sly")) == {r"cn=cn=pacs\,o=test,o=test"}


@given(st.binary(max_size=200))
def test_what_is_no_certificate_has_no_names(encoded: bytes) -> None:
    assert certificate_names(encoded) == frozenset()
