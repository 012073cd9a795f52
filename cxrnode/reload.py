"""Settings that are read anew while services run, on SIGHUP: what changed, and what only a restart can change."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from config.settings import Settings
from cxrnode.preflight import require_runnable


@dataclass(frozen=True, slots=True)
class Reloaded:
    """Settings to go on with, the keys that are other in them, and those that stay as they are until a restart."""

    settings: Settings
    changed: tuple[str, ...]
    need_restart: tuple[str, ...]


def reload(running: Settings, read: Callable[[], Settings]) -> Reloaded:
    """Read the settings anew. Where files and database are stays as it is.

    Raises
    ------
    SettingsError
        The new settings are wrong, or cannot run.
    """
    wanted = read()
    different = tuple(changed_keys(running, wanted))
    need_restart = tuple(key for key in different if key == "node.data_dir" or key.startswith("database."))
    node = wanted.node.model_copy(update={"data_dir": running.node.data_dir})
    settings = wanted.model_copy(update={"node": node, "database": running.database})
    require_runnable(settings)
    return Reloaded(settings, tuple(key for key in different if key not in need_restart), need_restart)


def changed_keys(old: Settings, new: Settings) -> Iterator[str]:
    """Yield the keys in which two settings differ; a list, such as ``destinations``, is one key."""
    yield from _changed(old.model_dump(), new.model_dump(), "")


def on_hangup(stopping: threading.Event) -> threading.Event:
    """Return an event that SIGHUP sets; on a terminal, whose end sends SIGHUP, it asks to stop instead."""
    event = stopping if sys.stdin is not None and sys.stdin.isatty() else threading.Event()
    signal.signal(signal.SIGHUP, lambda *_: event.set())
    return event if event is not stopping else threading.Event()


def _changed(old: dict[str, Any], new: dict[str, Any], table: str) -> Iterator[str]:
    for name in sorted(old.keys() | new.keys()):
        before, after, key = old.get(name), new.get(name), f"{table}{name}"
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _changed(before, after, f"{key}.")
        elif before != after:
            yield key
