"""What a client accepts (RFC 9110 12.5.1, PS3.18 8.7): media types with their parameters, the preferred ones first."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import Message

_ENTRY = re.compile(r'(?:[^,"]|"(?:\\.|[^"\\])*")+')
_MOST_ENTRIES = 32
_MULTIPART = "multipart/related"
ANYTHING = "*/*"


@dataclass(frozen=True, slots=True)
class MediaType:
    """One media type of the header; names and the type itself are in small letters."""

    name: str
    parameters: Mapping[str, str]
    quality: float = 1.0

    @property
    def is_multipart(self) -> bool:
        """Say whether parts of another type are asked for."""
        return self.name == _MULTIPART

    @property
    def content(self) -> str:
        """Return the type of the parts, or the type itself where there are no parts."""
        return self.parameters.get("type", ANYTHING).lower() if self.is_multipart else self.name

    @property
    def transfer_syntax(self) -> str:
        """Return the transfer syntax that is asked for: a UID, ``*`` for whichever it is stored in, or nothing."""
        return self.parameters.get("transfer-syntax", "")


def accepted(header: str) -> list[MediaType]:
    """Return the media types of an Accept header; an empty header accepts anything."""
    entries = [_media_type(text) for text in _ENTRY.findall(header)[:_MOST_ENTRIES] if text.strip()]
    found = [entry for entry in entries if entry.quality > 0]
    return sorted(found or ([] if entries else [MediaType(ANYTHING, {})]), key=lambda entry: -entry.quality)


def matches(asked: str, offered: str) -> bool:
    """Say whether a media type that may hold wildcards stands for another."""
    return asked in {offered, ANYTHING} or (asked.endswith("/*") and offered.startswith(asked[:-1]))


def choose(header: str, offered: Sequence[str]) -> str | None:
    """Return the first of some single media types that a client accepts, None where it accepts none."""
    for entry in accepted(header):
        for media_type in offered:
            if matches(entry.name, media_type):
                return media_type
    return None


def _media_type(text: str) -> MediaType:
    message = Message()
    message["content-type"] = text.replace("\r", " ").replace("\n", " ").strip()
    parameters = {name.lower(): value for name, value in (message.get_params() or [])[1:]}
    name = text.partition(";")[0].strip().lower()
    try:
        quality = float(parameters.pop("q", "1"))
    except ValueError:
        quality = 1.0
    return MediaType(name, parameters, quality)
