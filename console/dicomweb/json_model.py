"""Data sets in the DICOM JSON Model (PS3.18 Annex F), by pydicom; an element that cannot be said in it is left out."""

import json
import warnings
from collections.abc import Iterable
from typing import Any

from pydicom import config
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

MEDIA_TYPE = "application/dicom+json"
PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
BULK_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
BULK_BYTES = 1024
"""A binary value of the data set itself that is longer is fetched by an address of its own."""
_CHARACTER_SET = Tag("SpecificCharacterSet")


def encode(dataset: Dataset, bulk_address: str | None = None) -> str:
    """Return a data set as JSON text.

    Parameters
    ----------
    dataset
        What is to be said; it may be read without its pixel data.
    bulk_address
        Where long binary values are, each under its tag; None leaves them out.
    """
    members = [_member(_CHARACTER_SET, {"vr": "CS", "Value": ["ISO_IR 192"]})]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they would repeat values
        for tag in sorted({*dataset.keys()} - {_CHARACTER_SET}):
            if tag in PIXELS or tag.group == 2:
                continue
            members += _members(dataset, tag, bulk_address)
    if "Rows" in dataset and bulk_address is not None:
        members.append(_member(Tag(0x7FE00010), {"vr": "OW", "BulkDataURI": f"{bulk_address}/7FE00010"}))
    return "{" + ",".join(members) + "}"


def element(keyword: str, vr: str, value: Any) -> DataElement:
    """Return an element whose value is said as it is, whether or not it is legal for its VR."""
    return DataElement(Tag(keyword), vr, value, validation_mode=config.IGNORE)


def array(documents: Iterable[str]) -> str:
    """Return documents as one JSON array."""
    return "[" + ",".join(documents) + "]"


def is_bulk(dataset: Dataset, tag: BaseTag) -> bool:
    """Say whether a value has an address of its own."""
    found = dataset.get_item(tag)
    return found is not None and str(found.VR) in BULK_VRS and len(found.value or b"") > BULK_BYTES


def _members(dataset: Dataset, tag: BaseTag, bulk_address: str | None) -> list[str]:
    try:
        if is_bulk(dataset, tag):
            if bulk_address is None:
                return []
            return [_member(tag, {"vr": str(dataset[tag].VR), "BulkDataURI": f"{bulk_address}/{int(tag):08X}"})]
        return [_member(tag, dataset[tag].to_json_dict(None, 0))]
    except Exception:  # noqa: BLE001 - pydicom converts on access, and raises whatever a broken value leads it to
        return []


def _member(tag: BaseTag, value: Any) -> str:
    return f'"{int(tag):08X}":{json.dumps(value, allow_nan=False, ensure_ascii=True)}'
