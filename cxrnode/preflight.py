"""Settings that are well formed and yet cannot run: found before a service starts, each with its cure."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from config.errors import PackageError, SettingsError
from config.settings import Settings
from config.web_address import is_loopback
from tracking.engine.database import parse_url

_EVERY_ADDRESS = {"0.0.0.0", "::", ""}  # noqa: S104 - compared with, not listened on


def require_runnable(settings: Settings) -> None:
    """Refuse settings that cannot run.

    Raises
    ------
    SettingsError
        One line for each mistake: the key, what is wrong, and the cure.
    """
    checks: tuple[Callable[[Settings], Iterator[str]], ...] = (
        _data_dir, _database, _ports, _own_destinations, _packages, _console_tls, _tls, _canary,
    )  # fmt: skip
    problems = [problem for check in checks for problem in check(settings)]
    if problems:
        raise SettingsError("\n".join(problems))


def _data_dir(settings: Settings) -> Iterator[str]:
    folder = settings.node.data_dir.absolute()
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not nearest.is_dir():
        yield f"node.data_dir: {nearest} is no folder; name one, or move that file away"
    elif not os.access(nearest, os.W_OK | os.X_OK):
        yield f"node.data_dir: {nearest} cannot be written; give it to the user the node runs as, or name another"


def _database(settings: Settings) -> Iterator[str]:
    try:
        url = parse_url(settings.database_url())
    except SettingsError as error:
        yield str(error)
        return
    if url.get_backend_name() != "sqlite":
        return
    if not url.database or url.database == ":memory:":
        yield "database.url: a database in memory is each service's own; leave it out for a file in node.data_dir"
    elif Path(url.database).is_dir():
        yield f"database.url: {url.database} is a folder; name a file in it"


def _ports(settings: Settings) -> Iterator[str]:
    receive, console, tls_port = settings.receive, settings.console, settings.node.tls.port
    if tls_port == receive.port != 0:
        yield f"node.tls.port: {tls_port} is receive.port, too; leave it out, and receive.port speaks TLS alone"
    if console.enabled and tls_port == console.port != 0 and _overlap(receive.host, console.host):
        yield f"console.port: {console.port} is node.tls.port, too; give the console another one, such as 8480"
    if console.enabled and receive.port == console.port != 0 and _overlap(receive.host, console.host):
        yield f"console.port: {console.port} is receive.port, too; give the console another one, such as 8480"


def _own_destinations(settings: Settings) -> Iterator[str]:
    ours = [("receive", settings.receive.host, settings.receive.port)]
    if settings.node.tls.port is not None:
        ours.append(("node.tls", settings.receive.host, settings.node.tls.port))
    if settings.console.enabled:
        ours.append(("console", settings.console.host, settings.console.port))
    for destination in settings.destinations:
        for service, host, port in ours:
            if destination.port == port and _reaches(destination.host, host):
                yield (
                    f"destinations: {destination.name!r} at {destination.host}:{port} is this node itself ({service}."
                    f"port); give host and port of the system that results go to, or change {service}.port"
                )


def _packages(settings: Settings) -> Iterator[str]:
    from inference.package import load_anatomy, load_package, load_verdict, with_site_points

    inference = settings.inference
    try:
        with_site_points(load_package(inference.package), inference.operating_points)
    except PackageError as error:
        yield f"inference.package: {error}"
    except SettingsError as error:
        yield str(error)
    try:
        load_verdict(inference.verdict_package)
    except PackageError as error:
        yield f"inference.verdict_package: {error}"
    try:
        if inference.anatomy_package:
            load_anatomy(inference.anatomy_package)
    except PackageError as error:
        yield f"inference.anatomy_package: {error}"


def _tls(settings: Settings) -> Iterator[str]:
    from config.certificates import client_context, client_tls, server_context, server_tls

    try:
        tls = server_tls(settings)
        if tls is not None:
            server_context(tls)
    except SettingsError as error:
        yield str(error)
    for destination in settings.destinations:
        try:
            to = client_tls(destination)
            if to is not None:
                client_context(to)
        except SettingsError as error:
            yield f"destinations: {destination.name!r}: {error}"


def _console_tls(settings: Settings) -> Iterator[str]:
    if settings.console.enabled:
        from console.tls import make_context

        try:
            make_context(settings.console)
        except SettingsError as error:
            yield str(error)


def _overlap(first: str, second: str) -> bool:
    """Say whether two services that listen on these hosts would want the same port of one address."""
    return first == second or bool({first, second} & _EVERY_ADDRESS) or (is_loopback(first) and is_loopback(second))


def _reaches(host: str, listening: str) -> bool:
    """Say whether whoever connects to ``host`` meets the service of this machine that listens there."""
    if host == listening or (is_loopback(host) and (is_loopback(listening) or listening in _EVERY_ADDRESS)):
        return True
    return listening in _EVERY_ADDRESS and host.lower() in _own_names()


def _own_names() -> set[str]:
    addresses = {entry.address.split("%")[0] for found in psutil.net_if_addrs().values() for entry in found}
    return addresses | {socket.gethostname().lower()}


def _canary(settings: Settings) -> Iterator[str]:
    if settings.canary.every_minutes is None:
        return
    title = settings.canary.calling_ae_title
    if settings.node.tls.certificate is not None and settings.node.tls.port is None:
        yield "canary.every_minutes: the receiver speaks TLS alone, which the canary does not; give node.tls.port"
    if settings.receive.known_peers_only and all(peer.ae_title != title for peer in settings.peers):
        yield (
            f"canary.calling_ae_title: {title} is none of [[peers]], and receive.known_peers_only keeps it out; add a "
            "peer of that AE title with this machine's address"
        )
