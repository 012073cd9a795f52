"""Checks of what is under way: the queue, and each destination."""

from collections.abc import Iterator, Mapping

from config.errors import CxrnodeError
from config.settings import Settings
from cxrnode.doctor.check import Check, reading
from tracking.jobs import queue
from tracking.lists import queries
from tracking.outbox.pauses import paused_destinations
from tracking.outbox.taken_classes import TAKES_NONE, report_words, taken_classes


def queue_depth(settings: Settings) -> Iterator[Check]:
    """Say what waits, and what has stopped."""
    with reading(settings) as read:
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


def _reports(settings: Settings, taken: Mapping[str, str | None]) -> Iterator[Check]:
    """Say in which class each destination gets structured reports; none at all is worth a look."""
    for destination in settings.destinations:
        words = report_words(destination, taken)
        if not words:
            continue
        cure = 'allow Comprehensive SR Storage there, or leave "sr" out of its documents' if words == TAKES_NONE else ""
        yield Check(f"reports to {destination.name}", "warning" if cure else "ok", words, cure)


def destinations(settings: Settings) -> Iterator[Check]:
    """Ask each destination whether it is there."""
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


def pauses(settings: Settings) -> Iterator[Check]:
    """Say which destinations somebody has paused: what is due there waits."""
    with reading(settings) as read:
        paused = paused_destinations(read)
    for name, since in paused.items():
        cure = f"`cxrnode destination resume {name}` sends what waits"
        found = f"paused since {since:%Y-%m-%d %H:%M} UTC; nothing is sent to it"
        yield Check(f"destination {name}", "warning", found, cure)
