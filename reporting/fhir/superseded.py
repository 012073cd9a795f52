"""What earlier Bundles said and does not hold any more: Observations that become errors.

They are made from the earlier Bundles' own bytes, so that each names its patient, finding and image as it did.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from fhir.resources.R4B.bundle import BundleEntry
from fhir.resources.R4B.identifier import Identifier

from config.language.translation import gettext as _
from config.language.translation import marked
from reporting.fhir.status import ENTERED_IN_ERROR

_KEPT = (
    "resourceType", "identifier", "category", "code", "subject", "effectiveDateTime", "issued", "bodySite", "method",
    "device", "derivedFrom",
)  # fmt: skip
"""What says which Observation it was. What it claimed goes: a reader may overlook the status."""
REPLACED = marked("This AI result does not hold any more: a later one replaced it. Do not use it.")

Entry = dict[str, Any]
"""An entry of a Bundle as plain JSON values."""


def superseded_entries(earlier: Sequence[bytes], said: Iterable[BundleEntry]) -> list[BundleEntry]:
    """Return entries that turn the Observations of earlier Bundles into errors, with what these refer to.

    Parameters
    ----------
    earlier
        The Bundles, the oldest first.
    said
        Entries of the Bundle that replaces them: what is said again stays.
    """
    again = {entry.fullUrl for entry in said}
    gone = {url: entry for url, entry in observations(earlier).items() if url not in again}
    retired = [retire(entry, _(REPLACED)) for entry in gone.values()]
    referred = [entry for entry in references(earlier, retired) if entry["fullUrl"] not in again]
    return [BundleEntry.model_validate(entry) for entry in (*referred, *retired)]


def load_entries(content: bytes) -> list[Entry]:
    """Return the entries of a Bundle."""
    entries: list[Entry] = json.loads(content)["entry"]
    return entries


def identifier_of(content: bytes) -> Identifier:
    """Return the identifier of a Bundle."""
    return Identifier.model_validate(json.loads(content)["identifier"])


def observations(bundles: Sequence[bytes]) -> dict[str, Entry]:
    """Return the Observations of some Bundles by fullUrl, each as it was said last."""
    return {
        entry["fullUrl"]: entry
        for content in bundles
        for entry in load_entries(content)
        if entry["resource"]["resourceType"] == "Observation"
    }


def retire(entry: Entry, words: str) -> Entry:
    """Return the entry of an Observation as an error, with words for readers who see no status."""
    kept = {key: value for key, value in entry["resource"].items() if key in _KEPT}
    return {**entry, "resource": {**kept, "status": ENTERED_IN_ERROR, "note": [{"text": words}]}}


def references(bundles: Sequence[bytes], entries: Iterable[Entry]) -> list[Entry]:
    """Return the entries of Bundles that some of their entries refer to, directly or not, each once."""
    there = {entry["fullUrl"]: entry for content in bundles for entry in load_entries(content)}
    found: dict[str, Entry] = {}
    waiting = [url for entry in entries for url in linked_urls(entry["resource"])]
    while waiting:
        url = waiting.pop(0)
        if url in there and url not in found:
            found[url] = there[url]
            waiting += linked_urls(there[url]["resource"])
    return list(found.values())


def linked_urls(value: Any) -> Iterator[str]:
    """Yield the references within a resource that name an entry of its Bundle."""
    if isinstance(value, dict):
        reference = value.get("reference")
        if isinstance(reference, str) and reference.startswith("urn:uuid:"):
            yield reference
        for item in value.values():
            yield from linked_urls(item)
    elif isinstance(value, list):
        for item in value:
            yield from linked_urls(item)
