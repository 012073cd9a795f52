"""A header of a good radiograph, and what is decided about one that differs from it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from config.settings import InferenceSettings
from inference.eligibility import HeaderAnswer, eligibility
from inference.header import Description, Header, Source
from inference.not_analysed import NotAnalysed

CR = "1.2.840.10008.5.1.4.1.1.1"
GOOD = Header(
    sop_class_uid=CR, modality="CR", body_part="CHEST", view_position="PA", rows=2000, columns=2000,
    bits_allocated=16, has_pixels=True,
)  # fmt: skip


def header(**changes: Any) -> Header:
    """Return the good header with changes; ``series=…``, ``study=…`` and so on are descriptions by source."""
    texts = tuple(Description(source, changes.pop(source.name.lower(), "")) for source in Source)
    return replace(GOOD, descriptions=tuple(text for text in texts if text.text), **changes)


def ask(settings: InferenceSettings | None = None, **changes: Any) -> HeaderAnswer:
    return eligibility(header(**changes), settings or InferenceSettings())


def outcome(settings: InferenceSettings | None = None, **changes: Any) -> NotAnalysed | None:
    """Return why the image is not analysed where the header alone decides."""
    answer = ask(settings, **changes)
    return answer.refusal or answer.doubt


@pytest.fixture(scope="session", name="header")
def _header() -> Callable[..., Header]:
    return header


@pytest.fixture(scope="session", name="ask")
def _ask() -> Callable[..., HeaderAnswer]:
    return ask


@pytest.fixture(scope="session", name="outcome")
def _outcome() -> Callable[..., NotAnalysed | None]:
    return outcome
