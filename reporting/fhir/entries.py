"""Entries of a transaction, each conditional on an identifier, so that a Bundle that comes twice doubles nothing."""

from typing import Any

from fhir.resources.R4B.bundle import BundleEntry, BundleEntryRequest


def created(url: str, resource: Any, criteria: str) -> BundleEntry:
    """Return an entry that creates a resource where the criteria find none (conditional create)."""
    kind = resource.get_resource_type()
    request = BundleEntryRequest(method="POST", url=kind, ifNoneExist=criteria)
    return BundleEntry(fullUrl=url, resource=resource, request=request)


def updated(url: str, resource: Any, criteria: str) -> BundleEntry:
    """Return an entry that updates the resource that the criteria find, or creates it (conditional update)."""
    kind = resource.get_resource_type()
    return BundleEntry(
        fullUrl=url, resource=resource, request=BundleEntryRequest(method="PUT", url=f"{kind}?{criteria}")
    )


def is_update(entry: BundleEntry) -> bool:
    """Say whether an entry updates its resource."""
    return entry.request is not None and entry.request.method == "PUT"
