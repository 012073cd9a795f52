"""What the tables of the settings are made of: a strict section, and the kinds of values that several have."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Port = Annotated[int, Field(ge=0, le=65535)]
PeerPort = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(ge=0)]
Timeout = Annotated[float, Field(gt=0)]
CodePart = Annotated[str, Field(min_length=1, max_length=64)]
Fraction = Annotated[float, Field(ge=0, le=1)]


def _ae_title(value: str) -> str:
    if not value.strip() or len(value) > 16 or not value.isascii() or not value.isprintable() or "\\" in value:
        msg = "an AE title has 1 to 16 printable ASCII characters and no backslash (PS3.5 6.2)"
        raise ValueError(msg)
    return value


def _host(value: str) -> str:
    try:
        value.encode("idna")
    except UnicodeError:
        value = ""
    if not value.strip():
        msg = 'a host is a name or an address, such as "pacs.example" or "192.0.2.10"; "0.0.0.0" to listen on all'
        raise ValueError(msg)
    return value


AETitle = Annotated[str, AfterValidator(_ae_title)]
Host = Annotated[str, AfterValidator(_host)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$")]


class Section(BaseModel):
    """A table of the settings file: immutable, and strict about its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)
