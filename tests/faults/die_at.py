"""Run ``cxrnode`` so that it dies by SIGKILL at one named point, once.

``DIE_AT=module:name:before`` (or ``after``) names a function or method; ``DIE_FLAG`` is a file that remembers that it
happened, so that the next process goes on. The product knows nothing of this.
"""

import importlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any


def arm(point: str, flag: Path) -> None:
    """Wrap the named function."""
    module_name, dotted, when = point.split(":")
    owner: Any = importlib.import_module(module_name)
    *path, name = dotted.split(".")
    for part in path:
        owner = getattr(owner, part)
    original: Callable[..., Any] = getattr(owner, name)

    def wrapped(*args: Any, **options: Any) -> Any:
        if when == "before":
            die_once(flag)
        result = original(*args, **options)
        if when == "after":
            die_once(flag)
        return result

    setattr(owner, name, wrapped)


def die_once(flag: Path) -> None:
    """End this process as a power cut would, unless that has happened before."""
    try:
        flag.touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    arm(os.environ["DIE_AT"], Path(os.environ["DIE_FLAG"]))
    from cxrnode.cli import main

    main()
