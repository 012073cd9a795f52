"""Command sets, from peers that are not to be believed."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_node.upper_layer import dimse
from dicom_node.upper_layer.pdus import ProtocolError


@given(st.binary(max_size=300))
@pytest.mark.fault(
    "a DIMSE command of any bytes",
    promise="decoded or refused, and nothing else",
    area="content",
)
def test_any_command_set_is_decoded_or_refused(encoded: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        dimse.decode_command(encoded)


@given(
    st.dictionaries(
        st.integers(1, 0xFFFF), st.one_of(st.integers(0, 0xFFFF), st.binary(max_size=70).map(lambda raw: raw + raw))
    )
)
def test_a_command_set_survives_encoding(elements: dict[int, int | bytes]) -> None:
    decoded = dimse.decode_command(dimse.encode_command(elements))
    assert int.from_bytes(decoded.pop(dimse.GROUP_LENGTH), "little") == len(dimse.encode_command(elements)) - 12
    expected = {tag: v.to_bytes(2, "little") if isinstance(v, int) else v for tag, v in elements.items()}
    assert decoded == expected
