"""``cxrnode doctor``: try out everything the node depends on, and say what to do about what fails."""

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session

from config.certificates import EXPIRES_SOON_DAYS, expiries
from config.errors import CxrnodeError
from config.settings import Settings
from cxrnode import prune
from tracking.audit_log import anchor, audit, refusals
from tracking.audit_log.refusals import RefusalCount, RefusalKind
from tracking.engine import schema
from tracking.engine.clock import now_ms, to_datetime
from tracking.engine.database import Database, in_words
from tracking.jobs import canary, queue, schedules
from tracking.lists import queries, standing
from tracking.outbox import documents
from tracking.outbox.left_behind import void_and_left
from tracking.outbox.pauses import paused_destinations
from tracking.outbox.taken_classes import TAKES_NONE, report_words, taken_classes
from tracking.people import users
from tracking.people.roles import Role

DECODER = "decode "
"""How the name of every check of a decoder begins."""

_SLOW_FSYNC_SECONDS = 0.05
_CLOCK_SKEW_SECONDS = 2.0
_REFUSAL_DAYS = 7
_STUDIES_CHECKED = 1000
_MOST_REFUSALS = 10


@dataclass(frozen=True, slots=True)
class Check:
    """The outcome of one check, and the cure if it is not ``ok``.

    ``stopped`` says that something waits for a person for good: it never goes on by itself.
    """

    name: str
    state: Literal["ok", "warning", "failed"]
    found: str
    cure: str = ""
    stopped: bool = False


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
        ("disk", _disk),
        ("database", partial(_database, quick=quick)),
        *([] if quick else [("decoders", _decoders), ("model", _model)]),
        ("receiver", partial(_receiver, needed=quick)),
        *([] if quick else [("certificates", _certificates), ("destinations", _destinations)]),
        ("queue", _queue),
        ("patients", _patients),
        ("withdrawn results", _withdrawn),
        ("pauses", _paused),
        *([] if quick else [("retention", _retention), ("canary", _canary), ("store", _store)]),
        *([] if quick else [("documents", _documents), ("refusals", _refusals)]),
        *([("console", _console)] if settings.console.enabled else []),
        *([] if quick or settings.console.openid is None else [("login provider", _login_provider)]),
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


def _disk(settings: Settings) -> Iterator[Check]:
    folder = settings.node.data_dir
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        seconds = _fsync_seconds(folder)
    except OSError as error:
        cure = "create it and give it to the user the node runs as, or change node.data_dir"
        yield Check("data folder", "failed", f"{folder}: {error.strerror}", cure)
        return
    slow = seconds > _SLOW_FSYNC_SECONDS
    yield Check(
        "data folder",
        "warning" if slow else "ok",
        f"{folder} is writable, fsync takes {seconds * 1000:.1f} ms",
        "every stored instance waits for it three times: use a faster disk" if slow else "",
    )
    free, reserve = shutil.disk_usage(folder).free, settings.receive.min_free_disk_bytes
    low = free < 2 * reserve
    yield Check(
        "free disk",
        "failed" if free < reserve else "warning" if low else "ok",
        f"{free / 2**30:.1f} GiB free, {reserve / 2**30:.1f} GiB reserved",
        "free some space: below the reserve every image is answered A700" if low else "",
    )


def _fsync_seconds(folder: Path) -> float:
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"\0" * 65536)
        file.flush()
        start = time.perf_counter()
        os.fsync(file.fileno())
        return time.perf_counter() - start


def _database(settings: Settings, *, quick: bool) -> Iterator[Check]:
    database = Database.open(settings.database_url())
    try:
        found = schema.current(database)
        if found is None and not quick:
            schema.ensure(database)
            found = schema.current(database)
        current = found == schema.head()
        yield Check(
            "database",
            "ok" if current else "failed",
            f"{database.dialect}, schema {found or 'none yet'}",
            "" if current else f"back it up, then `cxrnode db upgrade` (this version needs {schema.head()})",
        )
        if not current:
            return
        with database.reading() as read:
            yield _clock(to_datetime(read.scalars(select(now_ms())).one()))
            if not quick:
                yield _lists(list(standing.drift(read, newest=_STUDIES_CHECKED)))
                yield _audit_log(audit.verify(read))
                yield from _anchors(settings, read)
    except DBAPIError as error:
        cure = "is it running, is database.url right, may this user connect?"
        yield Check("database", "failed", f"{database.dialect}: {in_words(error)}", cure)
    finally:
        database.close()


def _lists(differing: list[str]) -> Check:
    """Compare the rows that lists read with what follows from the other tables, for the studies that came last."""
    if not differing:
        return Check("lists", "ok", f"the rows of the last {_STUDIES_CHECKED} studies are as they should be")
    found = f"{len(differing)} studies stand elsewhere than the lists say ({_first_of(differing)})"
    return Check("lists", "failed", found, "`cxrnode db check --repair` makes their rows anew; please report this")


def _clock(theirs: datetime) -> Check:
    ours = datetime.now(UTC)
    skew = abs((ours - theirs).total_seconds())
    right = skew < _CLOCK_SKEW_SECONDS and 2024 <= ours.year < 2100
    return Check(
        "clock",
        "ok" if right else "warning",
        f"{ours:%Y-%m-%d %H:%M:%S} UTC, {skew:.2f} s from the database's",
        "" if right else "run NTP on this machine and on the database's",
    )


def _audit_log(verdict: audit.Verdict) -> Check:
    return Check(
        "audit log",
        "ok" if verdict.intact else "failed",
        f"{verdict.lines} line{'s' if verdict.lines != 1 else ''} intact" if verdict.intact else str(verdict.problem),
        "" if verdict.intact else "keep the database as it is and call your security officer",
    )


def _anchors(settings: Settings, read: Session) -> Iterator[Check]:
    """Say whether the audit log has every line that was noted outside the database."""
    from cxrnode.verify import known_anchors, lost_in_words

    try:
        lost = anchor.lost(read, known_anchors(settings))
    except CxrnodeError as error:
        yield Check("audit anchors", "failed", str(error))
        return
    if lost is not None:
        yield Check("audit anchors", "failed", lost_in_words(lost))


def _store(settings: Settings) -> Iterator[Check]:
    """Compare the files on disk with the database, by presence and size."""
    from cxrnode.verify import store_counts
    from dicom_node.instance_store import store_check

    with _reading(settings) as read:
        found = store_check.compare(read, settings.instance_dir)
    if found.matches:
        yield Check("store", "ok", f"{found.rows} rows, {found.files} files: each image has its file")
    else:
        yield Check("store", "failed", store_counts(found), "`cxrnode audit verify --store` names them")


def _decoders(_: Settings) -> Iterator[Check]:
    from dicom_node.format.syntaxes import decoder_report

    for entry in decoder_report():
        yield Check(
            f"{DECODER}{entry.name}",
            "ok" if entry.available else "warning",
            entry.decoder or "none, so it is not accepted",
            entry.cure,
        )


def _model(settings: Settings) -> Iterator[Check]:
    import numpy as np

    from inference.model import Model
    from inference.package import load_anatomy, load_package, load_verdict, with_site_points

    package = with_site_points(load_package(settings.inference.package), settings.inference.operating_points)
    manifest, members = package.manifest, len(package.members)
    kind = "" if members == 1 else f", an ensemble of {members} networks"
    yield Check("model package", "ok", f"{manifest.name} {manifest.version}{kind}, every file as it was made")
    verdict = load_verdict(settings.inference.verdict_package).manifest
    yield Check("verdict package", "ok", f"{verdict.name} {verdict.version}, every file as it was made")
    if settings.inference.anatomy_package:
        anatomy = load_anatomy(settings.inference.anatomy_package).manifest
        yield Check("anatomy package", "ok", f"{anatomy.name} {anatomy.version}, every file as it was made")
    model = Model.open(package, settings.inference)
    inputs = model.inputs(np.zeros((512, 512), np.float32))
    start = time.perf_counter()
    model.forward(inputs)
    yield Check("engine", "ok", f"{model.identity.engine}, forward pass {1000 * (time.perf_counter() - start):.0f} ms")


def _receiver(settings: Settings, *, needed: bool) -> Iterator[Check]:
    """Ask our own receiver with C-ECHO; where it would refuse a stranger like us, see only that it listens."""
    only_tls = settings.node.tls.certificate is not None and settings.node.tls.port is None
    from dicom_node.storage_scu.send import Target, echo

    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(settings.receive.host, settings.receive.host)  # noqa: S104
    where = f"{host}:{settings.receive.port}"
    known = any(peer.ae_title == settings.node.ae_title for peer in settings.peers)
    try:
        if only_tls or (settings.receive.known_peers_only and not known):
            with socket.create_connection((host, settings.receive.port), timeout=10):
                pass
            why = "it speaks TLS alone" if only_tls else "receive.known_peers_only keeps us out"
            yield Check("receiver", "ok", f"{where} listens; no C-ECHO, as {why}")
            return
        seconds = echo(Target(host=host, port=settings.receive.port, called_ae=settings.node.ae_title,
                              calling_ae=settings.node.ae_title)).seconds  # fmt: skip
        yield Check("receiver", "ok", f"{where} answers C-ECHO in {seconds * 1000:.0f} ms")
    except (CxrnodeError, OSError) as error:
        cure = "start it with `cxrnode serve`; if it runs, look whether another program has the port"
        found = str(error) if isinstance(error, CxrnodeError) else f"nobody listens on {where}"
        yield Check("receiver", "failed" if needed else "warning", found, cure)


def _certificates(settings: Settings) -> Iterator[Check]:
    """Say for how many days each certificate is valid that we show."""
    for entry in expiries(settings):
        name, days = f"certificate {entry.use}", entry.days_left()
        if days is None:
            yield Check(name, "failed", f"{entry.path} holds no certificate that can be read", "put one there, in PEM")
            continue
        found = f"{entry.path}: {'expired' if days < 0 else 'expires'} {entry.not_after:%Y-%m-%d}"
        state: Literal["ok", "warning", "failed"]
        state = "failed" if days < 0 else "warning" if days < EXPIRES_SOON_DAYS else "ok"
        cure = "have a new one issued and replace certificate and key; the next connection gets it"
        yield Check(name, state, found, "" if state == "ok" else cure)


def _destinations(settings: Settings) -> Iterator[Check]:
    from reporting.delivery import destination_echo

    if not settings.destinations:
        cure = "add a [[destinations]] table; until then results stay on this machine"
        yield Check("destinations", "warning", "none are configured", cure)
    for destination in settings.destinations:
        name = f"destination {destination.name}"
        try:
            answer = destination_echo.ask(destination, settings.node.ae_title)
            yield Check(name, "ok", f"{answer.words} in {1000 * answer.seconds:.0f} ms")
        except CxrnodeError as error:
            cure = "check host, port and AE titles on both sides, and the firewall between them"
            yield Check(name, "failed", str(error), cure)


@contextmanager
def _reading(settings: Settings) -> Iterator[Session]:
    """Open the database for one reading transaction."""
    database = Database.open(settings.database_url())
    try:
        with database.reading() as read:
            yield read
    finally:
        database.close()


def _queue(settings: Settings) -> Iterator[Check]:
    with _reading(settings) as read:
        depth = queue.depth(read)
        waiting = queries.destinations(read)
        taken = taken_classes(read)
        halted = {entry.name: entry.stopped for entry in waiting if entry.stopped}
        latest = queries.stopped_deliveries(read, limit=1) if halted else []
    stopped = sum(count for (name, state), count in depth.items() if state == "stopped" and name != "deliver")
    due = sum(count for (_, state), count in depth.items() if state == "open")
    yield Check(
        "queue",
        "warning" if stopped else "ok",
        f"{due} waiting, {stopped or 'none'} stopped",
        "`cxrnode studies` shows them with status attention; `cxrnode retry` starts them again" if stopped else "",
        stopped=bool(stopped),
    )
    yield _deliveries(halted, latest)
    yield from _reports(settings, taken)
    for entry in waiting:
        if entry.failures:
            yield Check(
                f"queue to {entry.name}",
                "warning",
                f"{entry.waiting} waiting after {entry.failures} failures: {entry.error}",
                f"it is tried again by itself; `cxrnode retry --destination {entry.name}` does it now",
            )


def _reports(settings: Settings, taken: Mapping[str, str | None]) -> Iterator[Check]:
    """Say in which class each destination gets structured reports; none at all is worth a look."""
    for destination in settings.destinations:
        words = report_words(destination, taken)
        if not words:
            continue
        cure = 'allow Comprehensive SR Storage there, or leave "sr" out of its documents' if words == TAKES_NONE else ""
        yield Check(f"reports to {destination.name}", "warning" if cure else "ok", words, cure)


def _patients(settings: Settings) -> Iterator[Check]:
    """Say which studies wait for a decision on whose images they hold; whose, only the commands that it names say."""
    with _reading(settings) as read:
        in_conflict = queries.studies_in_conflict(read)
        kept_aside = queries.studies_with_files_kept_aside(read)
    yield Check(
        "patients",
        "warning" if in_conflict else "ok",
        f"{len(in_conflict)} in conflict: images of two patients in one study, so no result ({_first_of(in_conflict)})"
        if in_conflict
        else "no study names two",
        f"`cxrnode study {in_conflict[0]}` says whom it names and the ways out" if in_conflict else "",
    )
    if kept_aside:
        count = sum(kept_aside.values())
        yield Check(
            "corrected images",
            "warning",
            f"{count} kept aside: other bytes came under a known UID ({_first_of(list(kept_aside))})",
            f"`cxrnode study {next(iter(kept_aside))}` says what differs and how to accept or dismiss it",
        )


def _paused(settings: Settings) -> Iterator[Check]:
    """Say which destinations somebody has paused: what is due there waits."""
    with _reading(settings) as read:
        paused = paused_destinations(read)
    for name, since in paused.items():
        cure = f"`cxrnode destination resume {name}` sends what waits"
        found = f"paused since {since:%Y-%m-%d %H:%M} UTC; nothing is sent to it"
        yield Check(f"destination {name}", "warning", found, cure)


def _retention(settings: Settings) -> Iterator[Check]:
    """Say what is deleted by rule, what it came to the last time, and when it is looked at next."""
    rules = settings.retention
    if not prune.is_set(settings):
        yield Check("retention", "ok", "nothing is deleted by rule")
        return
    with _reading(settings) as read:
        last = schedules.last_run(read, prune.SCHEDULE)
    found = [f"studies go after {days:g} days" for days in (rules.study_days,) if days is not None]
    found += [f"those not analysed after {days:g}" for days in (rules.not_analysed_days,) if days is not None]
    if rules.keep_free_bytes:
        found.append(f"the oldest while less than {rules.keep_free_bytes / 2**30:.1f} GiB are free")
    if last is None:
        yield Check("retention", "ok", f"{', '.join(found)}; not looked at yet")
        return
    due = last.begun_at + prune.EVERY
    late = datetime.now(UTC) - due > prune.EVERY
    went = last.outcome if last.ended_at is not None else "runs, or was broken off"
    words = f"{', '.join(found)}; {last.begun_at:%Y-%m-%d %H:%M} UTC: {went}; next {due:%Y-%m-%d %H:%M} UTC"
    cure = "`cxrnode work` does it: look whether one runs" if late else ""
    yield Check("retention", "warning" if late else "ok", words, cure)


def _canary(settings: Settings) -> Iterator[Check]:
    """Say whether the last canary came round in time and with the result that it ought to have."""
    if settings.canary.every_minutes is None:
        return
    with _reading(settings) as read:
        last = canary.last_canary(read)
        now = read.scalar(select(now_ms())) or 0
    if last is None:
        yield Check("canary", "ok", "none was sent yet")
        return
    wrong = canary.trouble(last, settings.canary, now)
    good = (
        f"the last came round {to_datetime(last.good_at):%Y-%m-%d %H:%M} UTC" if last.good_at else "none came round yet"
    )
    cure = f"`cxrnode study {last.study_uid}` shows how far it came; `cxrnode work` sends it" if wrong else ""
    yield Check("canary", "failed" if wrong else "ok", f"{wrong}; {good}" if wrong else good, cure)


def _withdrawn(settings: Settings) -> Iterator[Check]:
    """Say which results destinations still have that do not hold any more: somebody has to remove them there."""
    with _reading(settings) as read:
        left = void_and_left(read)
    if left:
        uids = list(left)
        yield Check(
            "withdrawn results",
            "warning",
            f"{sum(left.values())} documents could not be taken back from their destinations ({_first_of(uids)})",
            f"`cxrnode study {uids[0]}` names them: wait for the notes that are due, or have them removed there",
        )


def _first_of(uids: list[str]) -> str:
    return f"study {uids[0]}" + (f" and {len(uids) - 1} more" if len(uids) > 1 else "")


def _deliveries(halted: dict[str, int], latest: list[queries.StoppedDelivery]) -> Check:
    """Say how much nobody tries again, by destination, and why the latest of it stopped."""
    if not latest:
        return Check("deliveries", "ok", "none stopped for good")
    by_destination = ", ".join(f"{count} to {name}" for name, count in halted.items())
    commands = ", ".join(f"`cxrnode retry --destination {name}`" for name in halted)
    return Check(
        "deliveries",
        "warning",
        f"{sum(halted.values())} stopped for good ({by_destination}), the latest because: {latest[0].error}",
        f"`cxrnode study {latest[0].study_uid}` shows the latest; mend the cause, then {commands}",
        stopped=True,
    )


def _documents(settings: Settings) -> Iterator[Check]:
    with _reading(settings) as read:
        quarantined = documents.quarantined_by_study(read)
        left_out = queries.left_out_by_study(read)
    if left_out:
        study_uid = next(iter(left_out))
        yield Check(
            "attributes",
            "warning",
            f"{len(left_out)} {'study holds' if len(left_out) == 1 else 'studies hold'} attributes that are not legal "
            f"in DICOM and are empty in the documents (the latest: {study_uid})",
            f"`cxrnode study {study_uid}` names them; have the sender shorten or mend them",
        )
    if not quarantined:
        yield Check("documents", "ok", "none quarantined")
        return
    count, study_uid = sum(quarantined.values()), next(iter(quarantined))
    more = f" and {len(quarantined) - 1} more" if len(quarantined) > 1 else ""
    yield Check(
        "documents",
        "warning",
        f"{count} quarantined: built, but refused by {'its' if count == 1 else 'their'} own conformance check "
        f"(study {study_uid}{more})",
        f"`cxrnode study {study_uid}` says why; mend it (a newer version may), then `cxrnode retry {study_uid}` "
        "builds its documents again",
        stopped=True,
    )


def _refusals(settings: Settings) -> Iterator[Check]:
    """Say what the receiver refused lately; contexts beside which images came are only counted."""
    with _reading(settings) as read:
        recent = refusals.latest(read, limit=refusals.MOST_ROWS, days=_REFUSAL_DAYS)
    named = [entry for entry in recent if entry.refusal.kind is not RefusalKind.SPARE_CONTEXT][:_MOST_REFUSALS]
    for entry in named:
        yield Check(f"refused {entry.refusal.kind}", "warning", _refused(entry), entry.refusal.cure)
    more = len(recent) - len(named)
    if more:
        found = f"{more} more kinds in {_REFUSAL_DAYS} days; the console's page Refusals lists them"
        yield Check("refusals", "ok", found)
    elif not named:
        yield Check("refusals", "ok", f"none in {_REFUSAL_DAYS} days")


def _console(settings: Settings) -> Iterator[Check]:
    """Say whether anybody can administer the node on the web pages, and whether TLS can be spoken."""
    from console.tls import make_context

    make_context(settings.console)
    with _reading(settings) as read:
        known = users.every(read)
    able = [user for user in known if not user.disabled]
    if not any(user.role is Role.ADMINISTRATOR for user in able):
        cure = "`cxrnode user add NAME --role administrator`"
        yield Check("console", "warning", "no administrator can log in to the web pages", cure)
        return
    waiting = sum(user.waits_seconds > 0 for user in able)
    found = f"{len(able)} of {len(known)} users may log in"
    yield Check("console", "ok", found + (f", {waiting} of them after a wait for failed logins" if waiting else ""))


def _login_provider(settings: Settings) -> Iterator[Check]:
    """Say whether the OpenID provider answers, and is the one of the settings."""
    from console.access.openid.provider import Provider

    if settings.console.openid is not None:
        Provider(settings.console.openid).check()
        yield Check("login provider", "ok", f"{settings.console.openid.issuer} answers with its keys")


def _refused(entry: RefusalCount) -> str:
    from pydicom.uid import UID

    refusal = entry.refusal
    details = (
        UID(refusal.sop_class_uid).name,
        UID(refusal.transfer_syntax_uid).name,
        f"calling {refusal.calling_ae}" if refusal.calling_ae else "",
        f"called {refusal.called_ae}" if refusal.called_ae else "",
        f"from {refusal.address}" if refusal.address else "",
    )
    times = f"{entry.count} time{'s' if entry.count != 1 else ''}"
    return f"{refusal.reason} ({', '.join(filter(None, details))}), {times}, last {entry.last_at:%Y-%m-%d %H:%M} UTC"
