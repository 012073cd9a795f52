"""The settings of destinations: who gets results, and how. A new kind is a class here, and joins ``Destination``."""

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from config.section import AETitle, CodePart, Host, Name, PeerPort, Seconds, Section, Timeout
from config.web_address import is_loopback


class TlsDestination(Section):
    """What every destination may say of TLS."""

    tls: bool = False
    tls_ca: Path | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    tls_server_name: str = Field(default="", max_length=253)

    @model_validator(mode="after")
    def _whole_tls(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            msg = "give tls_certificate and tls_key together, or neither"
            raise ValueError(msg)
        if not self.tls and (self.tls_ca or self.tls_certificate or self.tls_server_name):
            msg = "this destination has settings for TLS and does not speak it: set tls = true, or remove them"
            raise ValueError(msg)
        return self


class CodedDestination(Section):
    """What destinations may say of how findings are coded: :mod:`reporting.finding_codes` has the code systems."""

    code_system: Literal["package", "snomed", "loinc", "radlex"] = "package"
    codes: dict[Name, tuple[CodePart, CodePart, CodePart]] = Field(default_factory=dict)


class DicomDestination(TlsDestination):
    """A DICOM system that results are stored to."""

    kind: Literal["dicom"]
    name: Name
    formerly: tuple[Name, ...] = ()
    host: Host
    port: PeerPort
    ae_title: AETitle
    calling_ae_title: AETitle | None = None
    documents: tuple[Literal["sr", "sc", "sc-grey", "map", "summary", "pr"], ...] = ("sr", "sc")
    report_class: Literal["auto", "comprehensive-3d", "comprehensive", "enhanced"] = "auto"
    rejection_notes: bool = True
    confirm: Literal["stored", "commitment", "query"] = "stored"
    confirm_ae_title: AETitle | None = None
    confirm_port: PeerPort | None = None
    confirm_after_seconds: Seconds = 5
    confirm_attempts: int = Field(default=5, ge=1, le=100)
    commitment_wait_seconds: Seconds = 5
    commitment_timeout_seconds: Timeout = 900
    not_analysed: bool = False
    connect_seconds: Timeout = 10
    response_seconds: Timeout = 60
    associations: int = Field(default=1, ge=1, le=16)


class Hl7Destination(TlsDestination, CodedDestination):
    """An HL7 v2 system that result messages go to, over MLLP."""

    kind: Literal["hl7"]
    name: Name
    formerly: tuple[Name, ...] = ()
    host: Host
    port: PeerPort
    receiving_application: str = Field(default="RIS", max_length=180)
    receiving_facility: str = Field(default="", max_length=180)
    sending_application: str = Field(default="CXRNODE", max_length=180)
    sending_facility: str = Field(default="", max_length=180)
    version: Literal["2.5.1", "2.3.1"] = "2.5.1"
    character_set: Literal["UNICODE UTF-8", "8859/1", "ASCII"] = "UNICODE UTF-8"
    scored_only: bool = False
    not_analysed: bool = False
    connect_seconds: Timeout = 10
    response_seconds: Timeout = 30


class FhirDestination(CodedDestination):
    """A FHIR R4 server that results are sent to as transactions."""

    kind: Literal["fhir"]
    name: Name
    formerly: tuple[Name, ...] = ()
    url: str = Field(max_length=2000)
    allow_http: bool = False
    ca_file: Path | None = None
    token_file: Path | None = None
    token_url: str = Field(default="", max_length=2000)
    client_id: str = Field(default="", max_length=256)
    client_secret_file: Path | None = None
    scope: str = Field(default="", max_length=1000)
    patient: Literal["reference", "create"] = "reference"
    patient_systems: dict[str, str] = Field(default_factory=dict)
    scored_only: bool = False
    not_analysed: bool = False
    connect_seconds: Timeout = 10
    response_seconds: Timeout = 60

    @model_validator(mode="after")
    def _safe_addresses(self) -> Self:
        for key, address in (("url", self.url), ("token_url", self.token_url)):
            if address:
                _check_server_address(key, address, allow_http=self.allow_http)
        return self

    @model_validator(mode="after")
    def _one_way_to_log_in(self) -> Self:
        client = (self.token_url, self.client_id, self.client_secret_file)
        if any(client) and not all(client):
            msg = "give token_url, client_id and client_secret_file together, or none of them"
            raise ValueError(msg)
        if self.token_file is not None and any(client):
            msg = "give either token_file or token_url with client_id and client_secret_file, not both"
            raise ValueError(msg)
        return self

    @property
    def host(self) -> str:
        """Return the server's name or address."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """Return the server's TCP port."""
        parts = urlsplit(self.url)
        return parts.port or (443 if parts.scheme == "https" else 80)


def _check_server_address(key: str, address: str, *, allow_http: bool) -> None:
    """Refuse an address that is none, holds a password, or would send patient data in the clear."""
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        msg = f'{key}: give an address such as "https://fhir.example/r4", without a query'
        raise ValueError(msg)
    if parts.username is not None or parts.password is not None:
        msg = f"{key}: take the password out of the address; use token_file or client_secret_file"
        raise ValueError(msg)
    if parts.scheme == "http" and not allow_http and not is_loopback(parts.hostname):
        msg = (
            f"{key}: patient data would cross the network in the clear; use https, or set allow_http = true where "
            "something else encrypts the way"
        )
        raise ValueError(msg)


Destination = Annotated[DicomDestination | Hl7Destination | FhirDestination, Field(discriminator="kind")]
