"""The interface for programs under ``/api/v1``: what the pages show, as JSON that a description promises."""

from fastapi import APIRouter

from console.api import acts, analyse, answers, description, node, studies
from console.site import Site


def routers(site: Site) -> list[APIRouter]:
    """Return all routes of the interface, its description among them."""
    described = [page.routes(site) for page in (studies, node, analyse, answers, acts)]
    return [*described, description.routes(site, [route for router in described for route in router.routes])]
