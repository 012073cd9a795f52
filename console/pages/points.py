"""The operating points of the package in use: what moving them would have done here, and moving them."""

from collections.abc import Mapping

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from config.errors import ActionRefused
from config.language.translation import gettext as _
from console.forms import read_fields
from console.site import POST_PAGE, READ_PAGE, Site, actor_of
from inference.point_effect import PointEffect
from inference.point_preview import SetFinding, SetPackage, package_in_use, pair_of_settings, preview
from tracking.results import site_points
from tracking.results.site_points import Pair

_NO_NUMBERS = "both points are numbers from 0 to 100"
_LONGEST_NUMBER = 12


def routes(site: Site) -> APIRouter:
    """Return the routes of the points."""
    pages = PointPages(site)
    router = APIRouter(prefix="/models/points")
    router.api_route("", **READ_PAGE)(pages.every)
    router.api_route("/{label}", **READ_PAGE)(pages.one)
    router.api_route("/{label}", **POST_PAGE)(pages.change)
    router.api_route("/{label}/effect", **READ_PAGE)(pages.effect)
    router.api_route("/{label}/reset", **POST_PAGE)(pages.reset)
    return router


class PointPages:
    """The list of findings, a page for each, and its two forms."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def every(self, request: Request) -> HTMLResponse:
        """List the findings with the points that hold, and who set them."""
        return self._site.show(request, "points.html", package=self._package())

    def one(self, request: Request, label: str, sensitive: str = "", specific: str = "") -> HTMLResponse:
        """Show a finding, and what its points, or those asked about, would have done."""
        return self._show(request, label, sensitive, specific)

    def effect(self, request: Request, label: str, sensitive: str = "", specific: str = "") -> HTMLResponse:
        """Answer with the part of the page that says what points would have done, for the slider."""
        package = self._package()
        finding = _find(package, label)
        try:
            wanted = _read(sensitive, specific)
        except ActionRefused as refused:
            return self._site.show(
                request, "point_effect.html", 400, effect=None, problem=str(refused), finding=finding
            )
        effect = self._effect(package, label, wanted)
        return self._site.show(request, "point_effect.html", effect=effect, problem="", finding=finding)

    async def change(self, request: Request, label: str) -> HTMLResponse:
        """Set the points of a finding."""
        fields = await read_fields(request)
        return await run_in_threadpool(self._change, request, label, fields)

    async def reset(self, request: Request, label: str) -> HTMLResponse:
        """Take back what a person set."""
        await read_fields(request)
        return await run_in_threadpool(self._reset, request, label)

    def _change(self, request: Request, label: str, fields: Mapping[str, str]) -> HTMLResponse:
        package = self._package()
        _find(package, label)
        sensitive, specific = fields.get("sensitive", ""), fields.get("specific", "")
        try:
            wanted = _read(sensitive, specific)
            with self._site.database.transaction() as tx:
                changed = site_points.set_points(tx, package.name, label, wanted, by=actor_of(request))
        except ActionRefused as refused:
            return self._show(request, label, sensitive, specific, problem=str(refused), code=409)
        done = _("set for new analyses") if changed else _("set so already, nothing changed")
        return self._show(request, label, done=done)

    def _reset(self, request: Request, label: str) -> HTMLResponse:
        package = self._package()
        _find(package, label)
        pair = pair_of_settings(self._site.settings.inference, label)
        with self._site.database.transaction() as tx:
            changed = site_points.reset_points(tx, package.name, label, pair, by=actor_of(request))
        back = _("what the settings file says holds again") if pair else _("what the package says holds again")
        return self._show(request, label, done=back if changed else _("nobody had set them here, nothing changed"))

    def _show(
        self, request: Request, label: str, sensitive: str = "", specific: str = "", *, problem: str = "",
        done: str = "", code: int = 200,
    ) -> HTMLResponse:  # fmt: skip
        package = self._package()
        finding = _find(package, label)
        points = finding.finding.points
        wanted: Pair = (points.sensitive, points.specific)
        if sensitive or specific:
            try:
                wanted = _read(sensitive, specific)
            except ActionRefused as refused:
                problem, code = problem or str(refused), max(code, 400)
        return self._site.show(
            request, "point.html", code, package=package, finding=finding, wanted=wanted, problem=problem, done=done,
            effect=self._effect(package, label, wanted),
            of_settings=pair_of_settings(self._site.settings.inference, label),
        )  # fmt: skip

    def _package(self) -> SetPackage:
        inference = self._site.inference()
        try:
            with self._site.database.reading() as read:
                return package_in_use(read, inference)
        except ActionRefused:
            raise HTTPException(404) from None

    def _effect(self, package: SetPackage, label: str, wanted: Pair) -> PointEffect:
        with self._site.database.reading() as read:
            return preview(read, package, label, wanted)


def _find(package: SetPackage, label: str) -> SetFinding:
    try:
        return package.finding(label)
    except ActionRefused:
        raise HTTPException(404) from None


def _read(sensitive: str, specific: str) -> Pair:
    """Read two points as the form sends them, in per cent. Raises ActionRefused for what are none."""
    if max(len(sensitive), len(specific)) > _LONGEST_NUMBER:
        raise ActionRefused(_NO_NUMBERS)
    try:
        pair = float(sensitive) / 100, float(specific) / 100
    except ValueError:
        raise ActionRefused(_NO_NUMBERS) from None
    site_points.check_points(pair)
    return round(pair[0], 6), round(pair[1], 6)
