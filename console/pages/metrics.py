"""Metrics for Prometheus: what waits, what was delivered and refused, which model speaks. Nothing about a patient."""

import importlib.metadata
import shutil
from collections.abc import Iterable, Iterator

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from config.certificates import expiries
from console.measured import Measured
from console.site import READ, Site
from tracking.jobs.canary import trouble
from tracking.lists.measures import Measures, measure


def routes(site: Site) -> APIRouter:
    """Return the route of the metrics."""
    registry = CollectorRegistry()
    registry.register(NodeCollector(site))

    def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    router = APIRouter()
    router.api_route("/metrics", **READ)(metrics)
    return router


class NodeCollector(Collector):
    """Makes metrics of a node's measures when somebody asks."""

    def __init__(self, site: Site) -> None:
        self._settings = site.settings
        database = site.database

        def read() -> Measures:
            with database.reading() as reading:
                return measure(reading)

        self._measured = Measured(read)

    def describe(self) -> Iterable[Metric]:
        """Return nothing: the names are fixed, and to find them out would ask the database."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        measures = self._measured.get()
        yield InfoMetricFamily("cxrnode", "The node.", {"version": importlib.metadata.version("cxrnode")})
        yield from _work(measures)
        yield from _totals(measures)
        yield self._paused(measures)
        yield from self._canary(measures)
        yield self._unconfirmed(measures)
        yield self._models()
        yield self._certificate()
        yield from self._disk()
        seconds = [((), self._measured.seconds)]
        yield _gauge("cxrnode_measuring_seconds", "How long the database took for the last reading.", seconds)

    def _paused(self, measures: Measures) -> Metric:
        known = {entry.name for entry in self._settings.destinations} | {name for name, _ in measures.deliveries}
        values = [((name,), float(name in measures.paused)) for name in sorted(known | measures.paused)]
        return _gauge("cxrnode_destination_paused", "Whether somebody has paused it.", values, ("destination",))

    def _canary(self, measures: Measures) -> Iterator[Metric]:
        settings, last = self._settings.canary, measures.canary
        sent = last is not None and settings.every_minutes is not None
        wrong = [((), float(bool(trouble(last, settings, measures.at))))] if sent else []
        age = [((), (measures.at - last.good_at) / 1000)] if sent and last is not None and last.good_at else []
        yield _gauge("cxrnode_canary_failed", "Whether the last canary is late or has another result.", wrong)
        yield _gauge("cxrnode_canary_age_seconds", "Since a canary came round.", age)

    def _unconfirmed(self, measures: Measures) -> Metric:
        names = {entry.name for entry in self._settings.destinations if getattr(entry, "confirm", "stored") != "stored"}
        values = [
            ((name,), float(measures.unconfirmed.get(name, 0))) for name in sorted(names | {*measures.unconfirmed})
        ]
        words = "Documents that were delivered and are not confirmed yet."
        return _gauge("cxrnode_deliveries_unconfirmed", words, values, ("destination",))

    def _models(self) -> Metric:
        from inference.installed import installed_packages

        family = GaugeMetricFamily(
            "cxrnode_model_info", "A model package in use.", labels=("name", "version", "kind", "digest")
        )
        for installed in installed_packages(self._settings.inference):
            if installed.in_use and installed.package is not None:
                manifest = installed.package.manifest
                family.add_metric((manifest.name, manifest.version, manifest.kind, installed.package.digest), 1)
        return family

    def _disk(self) -> Iterator[Metric]:
        """Yield the disk of ``data_dir``, without its values while it cannot be asked."""
        reserved = [((), self._settings.receive.min_free_disk_bytes)]
        try:
            disk = shutil.disk_usage(self._settings.node.data_dir)
        except OSError:
            free, total = [], []
        else:
            free, total = [((), disk.free)], [((), disk.total)]
        yield _gauge("cxrnode_disk_free_bytes", "Free on the disk of data_dir.", free)
        yield _gauge("cxrnode_disk_size_bytes", "Size of the disk of data_dir.", total)
        yield _gauge("cxrnode_disk_reserved_bytes", "With less free, images are refused.", reserved)

    def _certificate(self) -> Metric:
        name, words = "cxrnode_certificate_days_left", "Until a TLS certificate of this node expires."
        days = [((entry.use,), left) for entry in expiries(self._settings) if (left := entry.days_left()) is not None]
        return _gauge(name, words, days, ("use",))


def _work(measures: Measures) -> Iterator[Metric]:
    labels = ("queue", "destination")
    oldest = [((entry.queue, entry.destination), entry.oldest_seconds) for entry in measures.waiting]
    yield _gauge("cxrnode_oldest_waiting_seconds", "Age of the oldest open work.", oldest, labels)
    counts = [((entry.queue, entry.destination), entry.count) for entry in measures.waiting]
    yield _gauge("cxrnode_waiting", "Open work, also what is under way.", counts, labels)
    stopped = [((queue,), count) for queue, count in measures.stopped.items()]
    yield _gauge("cxrnode_stopped", "Work that waits for a person.", stopped, ("queue",))


def _totals(measures: Measures) -> Iterator[Metric]:
    deliveries = measures.deliveries.items()
    yield _gauge("cxrnode_deliveries", "Documents by destination and state.", deliveries, ("destination", "state"))
    studies = [((status,), count) for status, count in measures.studies.items()]
    yield _gauge("cxrnode_studies", "Studies by status.", studies, ("status",))
    turnaround = [((step, f"{share:g}"), seconds) for (step, share), seconds in measures.turnaround.items()]
    words = "Seconds from a study's last image, below which a share of the last hour's lie."
    yield _gauge("cxrnode_turnaround_seconds", words, turnaround, ("step", "share"))
    refused = CounterMetricFamily("cxrnode_refusals", "What the receiver refused.", labels=("kind", "reason"))
    for key, count in measures.refusals.items():
        refused.add_metric(key, count)
    yield refused


def _gauge(
    name: str, words: str, values: Iterable[tuple[tuple[str, ...], float]], labels: tuple[str, ...] = ()
) -> Metric:
    family = GaugeMetricFamily(name, words, labels=labels)
    for key, value in values:
        family.add_metric(key, value)
    return family
