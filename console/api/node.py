"""The node itself: destinations, refusals, the audit log, installed packages."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request

from console.api.models import node_models, package_models
from console.api.prefix import PREFIX
from console.api.studies import history_lines
from console.site import Site, visitor
from tracking.audit_log import audit, refusals
from tracking.audit_log.audit import AuditEventType
from tracking.lists import queries
from tracking.lists.summaries import DestinationSummary
from tracking.outbox import pauses

if TYPE_CHECKING:
    from inference.installed import InstalledPackage

MOST_ROWS = 200
_HIGHEST_LINE = 2**62

Limit = Annotated[int, Query(ge=1, le=MOST_ROWS)]


def routes(site: Site) -> APIRouter:
    """Return the routes of the node."""
    pages = Node(site)
    router = APIRouter(prefix=PREFIX, tags=["node"])
    router.get("/destinations", response_model=node_models.DestinationList)(pages.destinations)
    router.get("/refusals", response_model=node_models.RefusalList)(pages.refusals)
    router.get("/audit", response_model=node_models.AuditLines)(pages.audit)
    router.get("/models", response_model=package_models.PackageList)(pages.models)
    return router


class Node:
    """What is answered about the node."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def destinations(self) -> node_models.DestinationList:
        """List the destinations with what waits for them, and the deliveries that wait for a person."""
        with self._site.database.reading() as read:
            summaries = {summary.name: summary for summary in queries.destinations(read)}
            errors = queries.last_errors(read)
            stopped = queries.stopped_deliveries(read)
            held = pauses.paused_destinations(read)
        kinds = {entry.name: entry.kind for entry in self._site.settings.destinations}
        return node_models.DestinationList(
            destinations=tuple(
                _destination(name, summaries.get(name), kinds.get(name), errors.get(name), held.get(name))
                for name in sorted({*summaries, *kinds})
            ),
            stopped=tuple(map(node_models.StoppedDelivery.model_validate, stopped)),
        )

    def refusals(self, limit: Limit = 100) -> node_models.RefusalList:
        """List what the receiver refused, the latest first, with the setting that would change it."""
        with self._site.database.reading() as read:
            entries = refusals.latest(read, limit=limit)
        names = ("reason", "cure", "calling_ae", "called_ae", "address", "sop_class_uid", "transfer_syntax_uid")
        return node_models.RefusalList(
            refusals=tuple(
                node_models.Refusal(
                    kind=entry.refusal.kind.value, count=entry.count, first_at=entry.first_at, last_at=entry.last_at,
                    **{name: getattr(entry.refusal, name) for name in names},
                )
                for entry in entries
            )
        )  # fmt: skip

    def audit(
        self, request: Request, study: Annotated[str, Query(pattern=r"^[A-Za-z0-9._-]{0,64}$")] = "",
        before: Annotated[int | None, Query(ge=1, le=_HIGHEST_LINE)] = None, limit: Limit = 100,
    ) -> node_models.AuditLines:  # fmt: skip
        """List the newest lines of the audit log, of one study or of all; reading it is noted in it."""
        with self._site.database.reading() as read:
            lines = audit.last_lines(read, limit, study_uid=study or None, before=before)
        with self._site.database.transaction() as tx:
            detail: audit.Detail = {"how": "api", "lines": len(lines), "verified": False}
            about = study if study and lines else None  # what was typed and is no study on record is in no line
            audit.append(tx, AuditEventType.AUDIT_READ, study_uid=about, detail=detail | visitor(request))
        return node_models.AuditLines(
            lines=history_lines(lines), before=lines[0].seq if len(lines) == limit and lines[0].seq > 1 else None
        )

    def models(self) -> package_models.PackageList:
        """List the installed model packages: what each may state, what it only scores, its card."""
        from inference.installed import installed_packages

        packages = installed_packages(self._site.inference())
        return package_models.PackageList(
            packages=tuple(_package(entry) for entry in packages if entry.package is not None)
        )


def _package(installed: "InstalledPackage") -> package_models.Package:
    package = installed.package
    if package is None:
        raise ValueError(installed.problem)
    manifest = package.manifest
    return package_models.Package(
        name=manifest.name, version=manifest.version, kind=manifest.kind, digest=package.digest, title=manifest.title,
        summary=manifest.summary, licence=manifest.licence, intended_use=manifest.intended_use,
        card=installed.card, in_use=installed.in_use,
        findings=tuple(
            package_models.PackageFinding(
                label=finding.spec.label,
                code=package_models.Code.model_validate(finding.spec.code.code()),
                abnormal=finding.spec.abnormal,
                stated=finding.stated,
                points=package_models.OperatingPoints.model_validate(finding.points),
                evidence=finding.evidence and package_models.Evidence.model_validate(finding.evidence),
            )
            for finding in installed.findings
        ),
    )  # fmt: skip


def _destination(
    name: str, summary: DestinationSummary | None, kind: str | None, last_error: str | None, held: datetime | None
) -> node_models.Destination:
    found = summary or DestinationSummary(name, 0, 0, 0, 0, None, None)
    return node_models.Destination(
        name=name, kind=kind, waiting=found.waiting, stopped=found.stopped,
        delivered=min(found.delivered, queries.COUNTED_UP_TO), not_taken=min(found.not_taken, queries.COUNTED_UP_TO),
        failures=found.failures, paused_until=found.paused_until, held_since=held, error=found.error,
        last_error=last_error,
    )  # fmt: skip
