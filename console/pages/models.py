"""The models: each installed package with its card, what it may state, its operating points and its digest."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from console.card import card_html
from console.site import READ_PAGE, Site
from inference.installed import installed_packages


def routes(site: Site) -> APIRouter:
    """Return the route of the models."""

    def show_models(request: Request) -> HTMLResponse:
        packages = installed_packages(site.inference())
        cards = {entry.name: card_html(entry.card) for entry in packages}
        return site.show(request, "models.html", packages=packages, cards=cards)

    router = APIRouter()
    router.api_route("/models", **READ_PAGE)(show_models)
    return router
