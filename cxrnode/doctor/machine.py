"""Checks of the machine and what runs on it: disk, decoders, models, receiver, certificates."""

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from config.certificates import EXPIRES_SOON_DAYS, expiries
from config.errors import CxrnodeError
from config.settings import Settings
from cxrnode.doctor.check import Check

DECODER = "decode "
"""How the name of every check of a decoder begins."""
_SLOW_FSYNC_SECONDS = 0.05


def disk(settings: Settings) -> Iterator[Check]:
    """Say whether the data folder can be written, how fast, and how much room there is."""
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


def decoders(_: Settings) -> Iterator[Check]:
    """Say which transfer syntaxes can be read."""
    from dicom_node.format.syntaxes import decoder_report

    for entry in decoder_report():
        yield Check(
            f"{DECODER}{entry.name}",
            "ok" if entry.available else "warning",
            entry.decoder or "none, so it is not accepted",
            entry.cure,
        )


def model_packages(settings: Settings) -> Iterator[Check]:
    """Load each package in use, and have the model say something."""
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


def receiver(settings: Settings, *, needed: bool) -> Iterator[Check]:
    """Ask our own receiver with C-ECHO; where it would refuse a stranger like us, see only that it listens."""
    only_tls = settings.node.tls.certificate is not None and settings.node.tls.port is None
    from dicom_node.storage_scu.send import echo
    from dicom_node.storage_scu.target import Target

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


def certificates(settings: Settings) -> Iterator[Check]:
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
