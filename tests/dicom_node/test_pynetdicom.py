"""The private part of pynetdicom that is used is still there: a release that moves it has to be looked at."""

import inspect

import pytest
from pynetdicom import _config


@pytest.mark.parametrize("name", ["LOG_HANDLER_LEVEL", "LOG_REQUEST_IDENTIFIERS", "LOG_RESPONSE_IDENTIFIERS"])
def test_what_keeps_patients_out_of_the_log_is_a_setting_of_pynetdicom(name: str) -> None:
    assert f"\n{name}: " in inspect.getsource(_config)
