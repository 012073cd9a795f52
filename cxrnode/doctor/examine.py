"""Try out everything the node depends on, and say what to do about what fails."""

from collections.abc import Callable, Iterator
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from config.errors import CxrnodeError
from config.settings import Settings
from cxrnode.doctor import machine, records, sending, studies, upkeep
from cxrnode.doctor.check import Check

_OF_THE_DATABASE = {
    "queue", "patients", "withdrawn results", "pauses", "retention", "canary", "store", "documents", "refusals",
    "console",
}  # fmt: skip
"""Checks that say nothing where the database is away."""


def examine(settings: Settings, *, quick: bool = False) -> Iterator[Check]:
    """Run every check, one after the other; a check that breaks is itself a finding.

    ``quick`` is for a health check every minute: it decodes nothing, loads no model, calls no destination, walks
    neither the audit log nor the store nor documents nor refusals, and takes a receiver that does not answer for a
    failure, as the node ought to be running.
    """
    checks: list[tuple[str, Callable[[Settings], Iterator[Check]]]] = [
        ("disk", machine.disk),
        ("database", partial(records.database, quick=quick)),
        *([] if quick else [("decoders", machine.decoders), ("model", machine.model_packages)]),
        ("receiver", partial(machine.receiver, needed=quick)),
        *([] if quick else [("certificates", machine.certificates), ("destinations", sending.destinations)]),
        ("queue", sending.queue_depth),
        ("patients", studies.patients),
        ("withdrawn results", studies.withdrawn_results),
        ("pauses", sending.pauses),
        *([] if quick else [("retention", upkeep.retention), ("canary", upkeep.last_canary), ("store", records.store)]),
        *([] if quick else [("documents", studies.quarantined_documents), ("refusals", studies.recent_refusals)]),
        *([("console", upkeep.console_users)] if settings.console.enabled else []),
        *([] if quick or settings.console.openid is None else [("login provider", upkeep.login_provider)]),
    ]
    no_database = False
    for name, check in checks:
        if name in _OF_THE_DATABASE and no_database:
            continue
        try:
            for entry in check(settings):
                no_database = no_database or (entry.name == "database" and entry.state == "failed")
                yield entry
        except CxrnodeError as error:
            no_database = no_database or name == "database"
            yield Check(name, "failed", str(error))
        except ImportError as error:
            cure = "install cxrnode again, into the environment that the node runs in"
            yield Check(name, "failed", f"{error.name or 'a part of it'} is not installed", cure)
        except (OSError, SQLAlchemyError) as error:
            yield Check(name, "failed", type(error).__name__, "run `cxrnode doctor` as the user the node runs as")
