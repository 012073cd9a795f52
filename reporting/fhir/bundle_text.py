"""A Bundle as people read it: a tree of elements and values, an entry a branch."""

import json
from collections.abc import Iterator
from typing import Any

from config.errors import UnreadableInstance
from reporting.document_tree import DocumentItem, DocumentTree

_LONGEST = 2000
"""Characters of a value that are shown."""


def bundle_text(content: bytes) -> DocumentTree:
    """Return a Bundle as text. Raises UnreadableInstance where the bytes are none."""
    try:
        bundle = json.loads(content)
        entries = tuple(_entry(entry) for entry in bundle["entry"])
        statuses = [str(resource["status"]) for resource in _resources(bundle) if "conclusion" in resource]
        facts = (
            ("Class", f"{bundle['resourceType']}, {bundle['type']}"),
            ("Identifier", str(bundle["identifier"]["value"])),
            ("Written", _recorded(bundle)),
            ("Status", ", ".join(statuses)),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UnreadableInstance(f"the document is no FHIR Bundle ({type(error).__name__})") from None
    return DocumentTree(tuple(fact for fact in facts if fact[1]), DocumentItem("Bundle", "", entries))


def _resources(bundle: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (entry["resource"] for entry in bundle["entry"])


def _recorded(bundle: dict[str, Any]) -> str:
    return next((str(resource["recorded"]) for resource in _resources(bundle) if "recorded" in resource), "")


def _entry(entry: dict[str, Any]) -> DocumentItem:
    request, resource = entry["request"], entry["resource"]
    condition = request["url"].partition("?")[2] or f"if there is none with {request.get('ifNoneExist', '')}"
    parts = {key: value for key, value in resource.items() if key not in {"resourceType", "text"}}
    return DocumentItem(resource["resourceType"], f"{request['method']} {condition}", tuple(_items(parts)))


def _items(parts: dict[str, Any]) -> Iterator[DocumentItem]:
    for name, value in parts.items():
        for single in value if isinstance(value, list) else [value]:
            yield _item(name, single)


def _item(name: str, value: Any) -> DocumentItem:
    """Return an element; what has a short form, such as a code, is shown in it."""
    if not isinstance(value, dict):
        return DocumentItem(name, str(value)[:_LONGEST], ())
    short = _short(value)
    return DocumentItem(name, short, ()) if short else DocumentItem(name, "", tuple(_items(value)))


def _short(value: dict[str, Any]) -> str:
    keys = set(value)
    if keys <= {"coding", "text"} and value.get("coding"):
        return "; ".join(_short(code) or str(code) for code in value["coding"])
    if "code" in keys and keys <= {"system", "code", "display"}:
        return f"{value.get('display', '')} ({value['code']}, {value.get('system', 'no system')})".strip()
    if "value" in keys and "unit" in keys:
        return f"{value['value']} {value['unit']}"
    if keys == {"reference"}:
        return str(value["reference"])
    return ""
