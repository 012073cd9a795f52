"""The private parts of pynetdicom that are used are still there: a release that moves them has to be looked at."""

import inspect

import pytest
from pynetdicom import AE, _config
from pynetdicom.transport import AssociationSocket


@pytest.mark.parametrize(
    "name",
    ["LOG_HANDLER_LEVEL", "LOG_REQUEST_IDENTIFIERS", "LOG_RESPONSE_IDENTIFIERS", "STORE_SEND_CHUNKED_DATASET"],
)
def test_what_is_switched_is_a_setting_of_pynetdicom(name: str) -> None:
    assert f"\n{name}: " in inspect.getsource(_config)


def test_the_socket_of_an_association_can_be_ours() -> None:
    assert list(inspect.signature(AE._create_socket).parameters) == ["self", "assoc", "address", "tls_args"]
    assert "self._create_socket(assoc, " in inspect.getsource(AE.associate)
    assert list(inspect.signature(AssociationSocket._create_socket).parameters) == ["self", "address"]
    assert "self._create_socket(" in inspect.getsource(AssociationSocket.__init__)


def test_a_connection_is_opened_as_ours_is() -> None:
    opening = inspect.getsource(AssociationSocket.connect)
    steps = (
        "self._is_connected = True",
        "self.provider_queue.put(primitive)",
        "self._ready.set()",
        '"Evt2"',
        '"Evt17"',
    )
    assert all(step in opening for step in steps)
    assert 'self.event_queue.put("Evt17")' in inspect.getsource(AssociationSocket.send)
