"""Operating points for programs: what holds, what a move would have done, the move, and the way back."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.exceptions import HTTPException

from config.errors import ActionRefused
from console.api.models import package_models, point_models
from console.api.prefix import PREFIX
from console.site import Site, actor_of
from inference.point_effect import CallValue, Proportion
from inference.point_preview import SetFinding, SetPackage, package_in_use, pair_of_settings, preview
from tracking.results import site_points

Label = Annotated[str, Path(pattern=r"^[a-z0-9_]{1,64}$")]
Share = Annotated[float, Query(ge=0, le=1)]


def routes(site: Site) -> APIRouter:
    """Return the routes of the points."""
    pages = Points(site)
    router = APIRouter(prefix=PREFIX, tags=["points"])
    router.get("/points", response_model=point_models.PointsList)(pages.every)
    router.get("/points/{label}/effect", response_model=point_models.PointEffect)(pages.effect)
    router.post("/points/{label}", response_model=point_models.FindingPoints)(pages.change)
    router.post("/points/{label}/reset", response_model=point_models.FindingPoints)(pages.reset)
    return router


class Points:
    """The points of the package in use."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def every(self) -> point_models.PointsList:
        """List the findings of the package in use with the points in force, and who set them."""
        package = self._package()
        return point_models.PointsList(
            package=package.name, version=package.version, findings=tuple(map(_points, package.findings))
        )

    def effect(self, label: Label, sensitive: Share, specific: Share) -> point_models.PointEffect:
        """Say what other points of a finding would have done on this site's past studies. Nothing is set."""
        package = self._package()
        _find(package, label)
        try:
            site_points.check_points((sensitive, specific))
        except ActionRefused as refused:
            raise HTTPException(409, f"{refused}.") from None
        with self._site.database.reading() as read:
            effect = preview(read, package, label, (sensitive, specific))
        return point_models.PointEffect(
            studies=effect.studies, changed=effect.changed, answered=effect.answered,
            sensitive=_value(effect.sensitive), specific=_value(effect.specific),
        )  # fmt: skip

    def change(self, request: Request, label: Label, wanted: point_models.WantedPoints) -> point_models.FindingPoints:
        """Set the points of a finding for new analyses. A moved point never makes a finding stated."""
        package = self._package()
        _find(package, label)
        pair = (wanted.sensitive, wanted.specific)
        try:
            with self._site.database.transaction() as tx:
                site_points.set_points(tx, package.name, label, pair, by=actor_of(request))
        except ActionRefused as refused:
            raise HTTPException(409, f"{refused}.") from None
        return _points(_find(self._package(), label))

    def reset(self, request: Request, label: Label) -> point_models.FindingPoints:
        """Take back what a person set: the settings file holds again, or the package."""
        package = self._package()
        _find(package, label)
        pair = pair_of_settings(self._site.settings.inference, label)
        with self._site.database.transaction() as tx:
            site_points.reset_points(tx, package.name, label, pair, by=actor_of(request))
        return _points(_find(self._package(), label))

    def _package(self) -> SetPackage:
        inference = self._site.inference()
        try:
            with self._site.database.reading() as read:
                return package_in_use(read, inference)
        except ActionRefused:
            raise HTTPException(503, "The package in use does not load; `cxrnode doctor` says why.") from None


def _find(package: SetPackage, label: str) -> SetFinding:
    try:
        return package.finding(label)
    except ActionRefused:
        raise HTTPException(404) from None


def _points(entry: SetFinding) -> point_models.FindingPoints:
    here = entry.here
    return point_models.FindingPoints(
        label=entry.label, stated=entry.finding.stated,
        points=package_models.OperatingPoints.model_validate(entry.finding.points),
        of_package=package_models.OperatingPoints.model_validate(entry.finding.spec.points.points()),
        source="package" if here is None else here.source.value,
        changed_by=None if here is None else here.changed_by, changed_at=None if here is None else here.changed_at,
    )  # fmt: skip


def _value(value: CallValue) -> point_models.CallValue:
    return point_models.CallValue(
        sensitivity=_proportion(value.sensitivity), predictive_value=_proportion(value.predictive_value)
    )


def _proportion(proportion: Proportion) -> point_models.Proportion:
    return point_models.Proportion(cases=proportion.cases, of=proportion.of, interval=proportion.interval)
