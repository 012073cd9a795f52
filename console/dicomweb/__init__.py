"""DICOMweb (PS3.18): what the node holds, queried and retrieved by viewers and programs."""

from fastapi import APIRouter

from console.dicomweb import retrieve, search, store
from console.site import Site


def routers(site: Site) -> list[APIRouter]:
    """Return all routes of the interface; none where the settings do not want it."""
    if not site.settings.console.dicomweb:
        return []
    return [search.routes(site), retrieve.routes(site), store.routes(site)]
