"""Structured logs on standard error: UIDs, names and numbers, never patient data.

Every event is a short name and key-value pairs. Third-party loggers pass through the same processors, and those
that echo data set values (pynetdicom, pydicom, highdicom) are kept at warning and stripped of their arguments.
"""

import logging
import re
import sys
import warnings
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from config.settings import LogSettings

_ECHOING = ("pynetdicom", "pydicom", "highdicom", "hl7apy", "PIL")
_WARNING = re.compile(r"^[^\n]*?:\d+: (\w*Warning): ")
"""How :func:`warnings.formatwarning` begins."""
_TAG = re.compile(r"\(([0-9A-Fa-f]{4}), ?([0-9A-Fa-f]{4})\)")
_WORD = re.compile(r"\b[A-Z][a-z]\w+\b")
_VR = re.compile(r"\bVR(?: of)? ['\"]?([A-Z]{2})\b")
_MOST_ATTRIBUTES = 3
ALLOWED_KEYS = frozenset(
    {
        "event", "level", "timestamp", "service", "logger", "exception",
        "study_uid", "series_uid", "instance_uid", "sop_class", "transfer_syntax", "document", "document_uid",
        "analysis", "revision", "kind", "destination", "peer", "calling_ae", "called_ae", "address", "host", "port",
        "status", "reason", "error", "job", "queue", "attempt", "crashes", "worker", "delay_s", "due_s", "count",
        "bytes", "seconds", "path", "package", "version", "engine", "threads", "pid", "signal", "exit_code",
        "outcome", "duplicates", "database", "dialect", "control_id", "association", "cure",
    }
)  # fmt: skip


def configure_logs(settings: LogSettings, service: str) -> None:
    """Send this process's logs to standard error, as JSON lines or as readable lines on a terminal."""
    as_json = settings.format == "json" or (settings.format == "auto" and not sys.stderr.isatty())

    def name_service(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {"service": service, **event}  # a context variable would be known to this thread only

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        name_service,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _drop_unknown_keys,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer(sort_keys=True)
        if as_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            *shared,
            _exception_type_and_place,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_withhold_foreign_message, *shared, _exception_type_and_place],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    for name in (*_ECHOING, "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    warnings.filterwarnings("ignore", module=r"pydicom(\.|$)")


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return a logger for one module."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def _drop_unknown_keys(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Keep only keys that are known to hold no patient data; a new key must be added on purpose."""
    return {
        key: value for key, value in event.items() if key in ALLOWED_KEYS or key.startswith("_") or key == "exc_info"
    }


def _withhold_foreign_message(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Libraries put data set values into their messages: keep where they speak and of what, not what they say."""
    record: logging.LogRecord | None = event.get("_record")
    if record is not None and record.name.split(".")[0] in {*_ECHOING, "py"}:
        kind = _kind_of_message(record, str(event.get("event", "")))
        event["event"] = f"message of {record.name} withheld (line {record.lineno} of {record.module}){kind}"
        event.pop("exc_info", None)
    return event


def _kind_of_message(record: logging.LogRecord, text: str) -> str:
    """Return the class of a warning or error, and the attributes and Value Representations that a message names.

    Only words of the Standard's data dictionary are repeated: no value can get through.
    """
    from pydicom.datadict import dictionary_has_tag, keyword_for_tag, tag_for_keyword
    from pydicom.valuerep import VR

    raised = record.exc_info[0] if record.exc_info else None
    named = _WARNING.search(text) if record.name == "py.warnings" else None
    kind = raised.__name__ if raised else named[1] if named else ""
    tags = [int(f"{group}{element}", 16) for group, element in _TAG.findall(text)]
    tags += [tag for word in _WORD.findall(text) if (tag := tag_for_keyword(word)) is not None]
    attributes = [
        f"{keyword_for_tag(tag)} ({tag >> 16:04X},{tag & 0xFFFF:04X})"
        for tag in dict.fromkeys(tags)
        if dictionary_has_tag(tag)
    ]
    attributes += [f"VR {name}" for name in dict.fromkeys(_VR.findall(text)) if name in VR.__members__]
    parts = [kind, *([f"about {', '.join(attributes[:_MOST_ATTRIBUTES])}"] if attributes else [])]
    words = " ".join(filter(None, parts))
    return f": {words}" if words else ""


def _exception_type_and_place(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Log an exception as its type and where it came from: messages of libraries may echo patient data."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    if isinstance(info, BaseException):
        info = (type(info), info, info.__traceback__)
    if isinstance(info, tuple) and info[1] is not None:
        frames = []
        trace = info[2]
        while trace is not None:
            frames.append(f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}")
            trace = trace.tb_next
        event["exception"] = f"{type(info[1]).__name__} at {' < '.join(reversed(frames[-6:]))}"
    return event
