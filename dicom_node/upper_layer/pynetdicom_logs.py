"""The private part of pynetdicom that is used: the switches that keep identifiers out of its log.

Its standard handlers put identifiers, and at debug level whole requests, into the log. Import this before pynetdicom
opens or accepts an association; ``tests/dicom_node/test_pynetdicom.py`` fails where a release moves them.
"""

from pynetdicom import _config


def keep_quiet() -> None:
    """Switch pynetdicom's own log handlers off, for the whole process."""
    _config.LOG_HANDLER_LEVEL = "none"
    _config.LOG_REQUEST_IDENTIFIERS = False
    _config.LOG_RESPONSE_IDENTIFIERS = False
