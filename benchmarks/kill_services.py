"""Services as forks of a process that has imported them: a kill costs a tenth of a second, not three, and meets work.

Each is the whole service, as its command runs it, and dies by SIGKILL like any process. Only its imports are made once.
"""

import multiprocessing
import os
import sys
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path

import ai_edge_litert.interpreter  # noqa: F401
import psycopg  # noqa: F401
import scipy.ndimage  # noqa: F401
import sqlalchemy.dialects.postgresql.psycopg
import sqlalchemy.dialects.sqlite.pysqlite  # noqa: F401

import migrations  # noqa: F401
import reporting.compose
import reporting.delivery.deliver
import reporting.registry  # noqa: F401
from config.load import load_settings
from cxrnode.service import SERVICES, run


def context() -> ForkServerContext:
    """Return the context in which services are started."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload([__name__])
    return made


def start(made: ForkServerContext, name: str, settings_file: Path, log: Path) -> BaseProcess:
    """Start a service, which adds to a log file."""
    process = made.Process(target=_serve, args=(name, settings_file, log), name=name)
    process.start()
    return process


def _serve(name: str, settings_file: Path, log: Path) -> None:
    opened = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(opened, stream.fileno())
    run(name, load_settings(settings_file), SERVICES[name], lambda: load_settings(settings_file))
