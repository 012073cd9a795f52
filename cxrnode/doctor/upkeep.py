"""Checks of what runs by itself, and of the web pages: retention, canary, users, login provider."""

from collections.abc import Iterator
from datetime import UTC, datetime

from sqlalchemy import select

from config.settings import Settings
from cxrnode import prune
from cxrnode.doctor.check import Check, reading
from tracking.engine.clock import now_ms, to_datetime
from tracking.jobs import canary, schedules
from tracking.people import users
from tracking.people.roles import Role


def retention(settings: Settings) -> Iterator[Check]:
    """Say what is deleted by rule, what it came to the last time, and when it is looked at next."""
    rules = settings.retention
    if not prune.is_set(settings):
        yield Check("retention", "ok", "nothing is deleted by rule")
        return
    with reading(settings) as read:
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


def last_canary(settings: Settings) -> Iterator[Check]:
    """Say whether the last canary came round in time and with the result that it ought to have."""
    if settings.canary.every_minutes is None:
        return
    with reading(settings) as read:
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


def console_users(settings: Settings) -> Iterator[Check]:
    """Say whether anybody can administer the node on the web pages, and whether TLS can be spoken."""
    from console.tls import make_context

    make_context(settings.console)
    with reading(settings) as read:
        known = users.every(read)
    able = [user for user in known if not user.disabled]
    if not any(user.role is Role.ADMINISTRATOR for user in able):
        cure = "`cxrnode user add NAME --role administrator`"
        yield Check("console", "warning", "no administrator can log in to the web pages", cure)
        return
    waiting = sum(user.waits_seconds > 0 for user in able)
    found = f"{len(able)} of {len(known)} users may log in"
    yield Check("console", "ok", found + (f", {waiting} of them after a wait for failed logins" if waiting else ""))


def login_provider(settings: Settings) -> Iterator[Check]:
    """Say whether the OpenID provider answers, and is the one of the settings."""
    from console.access.openid.provider import Provider

    if settings.console.openid is not None:
        Provider(settings.console.openid).check()
        yield Check("login provider", "ok", f"{settings.console.openid.issuer} answers with its keys")
