"""The typed settings of a node; ``cxrnode.toml`` beside this file documents every option.

Order of precedence: environment (``CXRNODE_RECEIVE__PORT=11112``), then the settings file, then the defaults
here. Unknown keys are errors, so that a misspelt option is never silently ignored.
"""

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from config.errors import SettingsError
from config.language.translation import Language
from config.web_address import is_loopback, is_web_address

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


def _read_secret(key: str, file: Path) -> str:
    """Return what a file of one secret holds; raises SettingsError where it cannot be read."""
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        msg = f"{key}: {file} cannot be read: {reason}; give it to the user the node runs as"
        raise SettingsError(msg) from None


class Section(BaseModel):
    """A table of the settings file: immutable, and strict about its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


class NodeTlsSettings(Section):
    """TLS of the Storage SCP: on a port of its own, or on the only one."""

    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None
    require_client_certificate: bool = True
    port: Port | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            msg = "give certificate and key together, or neither"
            raise ValueError(msg)
        if self.certificate is None:
            if self.port is not None or self.client_ca is not None:
                msg = "TLS needs certificate and key"
                raise ValueError(msg)
        elif self.require_client_certificate and self.client_ca is None:
            msg = (
                "give client_ca, the authorities of the senders' certificates, or set require_client_certificate = "
                "false to take whoever encrypts"
            )
            raise ValueError(msg)
        return self


class NodeSettings(Section):
    """Who this node is and where it keeps its files."""

    tls: NodeTlsSettings = NodeTlsSettings()
    ae_title: AETitle = "CXRNODE"
    data_dir: Path = Path("cxrnode-data")
    institution: str = Field(default="", max_length=64)
    language: Language = Language.ENGLISH


class DatabaseSettings(Section):
    """Where the tracking database is; empty means SQLite inside ``node.data_dir``."""

    url: SecretStr = SecretStr("")
    url_file: Path | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.url.get_secret_value() and self.url_file is not None:
            msg = "give either url or url_file, not both"
            raise ValueError(msg)
        return self


DefaultCharset = Literal[
    "", "ISO_IR 100", "ISO_IR 101", "ISO_IR 109", "ISO_IR 110", "ISO_IR 144", "ISO_IR 127", "ISO_IR 126", "ISO_IR 138",
    "ISO_IR 148", "ISO_IR 203", "ISO_IR 13", "ISO_IR 166", "ISO_IR 192", "GB18030", "GBK",
]  # fmt: skip
"""Defined terms of Specific Character Set without code extensions (PS3.3 C.12.1.1.2)."""


class ReceiveSettings(Section):
    """The Storage SCP."""

    host: Host = "127.0.0.1"
    port: Port = 11112
    accept: tuple[Literal["CR", "DX", "DX-for-processing", "SC", "any-image"], ...] = ("CR", "DX")
    check_called_ae_title: bool = False
    known_peers_only: bool = False
    max_associations: int = Field(default=32, ge=1, le=1000)
    max_associations_per_address: int = Field(default=16, ge=1, le=1000)
    reserved_for_known_peers: int = Field(default=8, ge=0, le=1000)
    max_pdu_bytes: int = Field(default=131072, ge=4096, le=4194304)
    max_dataset_bytes: int = Field(default=536870912, ge=1048576)
    min_free_disk_bytes: int = Field(default=1073741824, ge=0)
    idle_seconds: Seconds = 60
    no_image_seconds: float = Field(default=300, ge=1)
    settle_seconds: Seconds = 5
    settle_after_release_seconds: Seconds = 0.5
    default_charset: DefaultCharset = ""


class PeerSettings(Section):
    """A system that may call us."""

    name: Name
    ae_title: AETitle
    addresses: tuple[str, ...] = ()
    certificate_names: tuple[Annotated[str, Field(min_length=1, max_length=500)], ...] = ()

    @field_validator("addresses")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            ip_network(entry, strict=False)
        return value

    def networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Return the address ranges this peer may call from; empty means any."""
        return tuple(ip_network(entry, strict=False) for entry in self.addresses)


class OperatingPointSettings(Section):
    """A site's own thresholds for one finding of the model package."""

    sensitive: Fraction
    specific: Fraction

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.sensitive > self.specific:
            msg = "sensitive must not be above specific"
            raise ValueError(msg)
        return self


class InferenceSettings(Section):
    """What is analysed, and with what."""

    package: str = "chest-default"
    engine: Literal["auto", "litert", "tensorflow"] = "auto"
    threads: int = Field(default=2, ge=1, le=256)
    min_age_years: int = Field(default=18, ge=0, le=150)
    assume_chest: bool = False
    assume_frontal: bool = False
    verdict_package: str = "verdict"
    verdict_threshold: float | None = Field(default=None, ge=0, le=1)
    mend_orientation: bool = False
    refuse_test_patients: tuple[str, ...] = (
        "PHANTOM", "TEST PATIENT", "PATIENT TEST", "TESTPATIENT", "TEST TEST", "ZZTEST", "ZZZTEST", "DUMMY PATIENT",
        "PATIENT DUMMY", "QUALITY CONTROL", "QC TEST", "TEST QC", "=TEST", "=DUMMY", "=QC",
    )  # fmt: skip
    max_pixels: int = Field(default=100_000_000, ge=1_000_000)
    operating_points: dict[str, OperatingPointSettings] = {}


class WorkSettings(Section):
    """The job queue, as every service sees it."""

    threads: int = Field(default=1, ge=1, le=64)
    lease_seconds: float = Field(default=60, ge=1)
    poll_seconds: float = Field(default=0.1, gt=0, le=60)
    max_crashes: int = Field(default=3, ge=1)
    max_failures: int = Field(default=6, ge=1)
    drain_seconds: Seconds = 20


class ReportSettings(Section):
    """What is written about an analysed study."""

    sr_series_number: int = Field(default=9001, ge=1, le=2147483647)
    capture_series_number: int = Field(default=9002, ge=1, le=2147483647)
    map_series_number: int = Field(default=9003, ge=1, le=2147483647)
    note_series_number: int = Field(default=9004, ge=1, le=2147483647)
    presentation_series_number: int = Field(default=9005, ge=1, le=2147483647)
    capture_longest_side: int = Field(default=2048, ge=512, le=8192)
    procedure_code: tuple[CodePart, CodePart, CodePart] = ("30745-4", "LN", "XR Chest Views")


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


class DicomDestination(TlsDestination):
    """A DICOM system that results are stored to."""

    kind: Literal["dicom"]
    name: Name
    host: Host
    port: PeerPort
    ae_title: AETitle
    calling_ae_title: AETitle | None = None
    documents: tuple[Literal["sr", "sc", "sc-grey", "map", "pr"], ...] = ("sr", "sc")
    report_class: Literal["auto", "comprehensive-3d", "comprehensive", "enhanced"] = "auto"
    rejection_notes: bool = True
    connect_seconds: Timeout = 10
    response_seconds: Timeout = 60
    associations: int = Field(default=1, ge=1, le=16)


class Hl7Destination(TlsDestination):
    """An HL7 v2 system that result messages go to, over MLLP."""

    kind: Literal["hl7"]
    name: Name
    host: Host
    port: PeerPort
    receiving_application: str = Field(default="RIS", max_length=180)
    receiving_facility: str = Field(default="", max_length=180)
    sending_application: str = Field(default="CXRNODE", max_length=180)
    sending_facility: str = Field(default="", max_length=180)
    character_set: Literal["UNICODE UTF-8", "8859/1", "ASCII"] = "UNICODE UTF-8"
    scored_only: bool = False
    connect_seconds: Timeout = 10
    response_seconds: Timeout = 30


class FhirDestination(Section):
    """A FHIR R4 server that results are sent to as transactions."""

    kind: Literal["fhir"]
    name: Name
    url: str = Field(max_length=2000)
    allow_http: bool = False
    ca_file: Path | None = None
    token_file: Path | None = None
    token_url: str = Field(default="", max_length=2000)
    client_id: str = Field(default="", max_length=256)
    client_secret_file: Path | None = None
    scope: str = Field(default="", max_length=1000)
    patient: Literal["reference", "create"] = "reference"
    patient_systems: dict[str, str] = {}
    scored_only: bool = False
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


class DeliverySettings(Section):
    """How long and how often a delivery is tried again."""

    first_retry_seconds: float = Field(default=5, gt=0)
    longest_retry_seconds: float = Field(default=900, gt=0)
    give_up_after_hours: float = Field(default=72, gt=0)


def _web_address(value: str) -> str:
    if not is_web_address(value):
        msg = 'an address such as "https://login.hospital.example", with http for this machine only'
        raise ValueError(msg)
    return value


WebAddress = Annotated[str, AfterValidator(_web_address)]
ConsoleRole = Literal["viewer", "radiologist", "administrator"]


class OpenIdSettings(Section):
    """Log in to the web pages with OpenID Connect: where the provider is, and what role it gives."""

    issuer: WebAddress
    address: WebAddress
    client_id: Annotated[str, Field(min_length=1, max_length=255)]
    client_secret: SecretStr = SecretStr("")
    client_secret_file: Path | None = None
    name: str = Field(default="OpenID Connect", min_length=1, max_length=64)
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    name_claims: tuple[str, ...] = ("preferred_username", "email", "sub")
    role_claim: str = "groups"
    roles: dict[str, ConsoleRole] = {}
    default_role: ConsoleRole | None = None
    ca_file: Path | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if "openid" not in self.scopes:
            msg = 'scopes must have "openid"'
            raise ValueError(msg)
        if not self.roles and self.default_role is None:
            msg = "nobody would get a role: give [console.openid.roles], or default_role, or both"
            raise ValueError(msg)
        if self.client_secret.get_secret_value() and self.client_secret_file is not None:
            msg = "give the client's secret in the environment or in client_secret_file, not in both"
            raise ValueError(msg)
        return self

    def secret(self) -> str:
        """Return the client's secret; empty for a public client.

        Raises
        ------
        SettingsError
            The file cannot be read.
        """
        if self.client_secret_file is None:
            return self.client_secret.get_secret_value()
        return _read_secret("console.openid.client_secret_file", self.client_secret_file)


class ConsoleSettings(Section):
    """The web pages."""

    enabled: bool = False
    host: Host = "127.0.0.1"
    port: Port = 8480
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    trusted_proxies: tuple[str, ...] = ()
    session_idle_minutes: float = Field(default=30, ge=1, le=1440)
    session_hours: float = Field(default=12, gt=0, le=720)
    analyse: bool = True
    upload_files: int = Field(default=8, ge=1, le=32)
    upload_bytes: int = Field(default=20_000_000, ge=1_000_000, le=500_000_000)
    upload_days: int = Field(default=7, ge=1, le=365)
    dicomweb: bool = True
    store_instances: int = Field(default=200, ge=1, le=5000)
    openid: OpenIdSettings | None = None
    local_login: Literal["all", "administrators"] = "all"

    @model_validator(mode="before")
    @classmethod
    def _no_login_of_old(cls, tables: object) -> object:
        for key in ("password_file", "user"):
            if isinstance(tables, dict) and key in tables:
                msg = (
                    f"console.{key} is gone: users are in the database now; remove it, then "
                    "`cxrnode user add NAME --role administrator`"
                )
                raise ValueError(msg)
        return tables

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            ip_network(entry)
        return value

    @model_validator(mode="after")
    def _encrypted_beyond_this_machine(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            msg = "give tls_certificate and tls_key together, or neither"
            raise ValueError(msg)
        if not self.is_local and not self.is_encrypted:
            msg = (
                f"console.host {self.host!r} can be reached from other machines, and passwords and patient data would "
                "cross the network in the clear: set console.tls_certificate and console.tls_key, or "
                "console.trusted_proxies to the proxy that speaks TLS before it, or host to 127.0.0.1"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _somebody_can_log_in(self) -> Self:
        if self.local_login == "administrators" and self.openid is None:
            msg = 'local_login = "administrators" needs [console.openid]: nobody else could log in'
            raise ValueError(msg)
        if self.openid is not None and self.openid.address.startswith("http:") and self.is_encrypted:
            msg = "openid.address begins with http, but browsers reach the pages over TLS: write https"
            raise ValueError(msg)
        return self

    @property
    def is_encrypted(self) -> bool:
        """Say whether browsers reach the pages over TLS, spoken by the console or by a proxy before it."""
        return self.tls_certificate is not None or bool(self.trusted_proxies)

    @property
    def is_local(self) -> bool:
        """Say whether only this machine can reach the pages."""
        return is_loopback(self.host)


class AuditSettings(Section):
    """The audit log beyond the database."""

    anchor_file: Path | None = None


class LogSettings(Section):
    """What the services write to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = "auto"


class Settings(BaseSettings):
    """Everything a node can be told. Keyword arguments stand for the file; the environment wins over them."""

    model_config = SettingsConfigDict(env_prefix="CXRNODE_", env_nested_delimiter="__", extra="forbid", frozen=True)

    node: NodeSettings = NodeSettings()
    database: DatabaseSettings = DatabaseSettings()
    receive: ReceiveSettings = ReceiveSettings()
    peers: tuple[PeerSettings, ...] = ()
    inference: InferenceSettings = InferenceSettings()
    work: WorkSettings = WorkSettings()
    report: ReportSettings = ReportSettings()
    destinations: tuple[Destination, ...] = ()
    delivery: DeliverySettings = DeliverySettings()
    console: ConsoleSettings = ConsoleSettings()
    audit: AuditSettings = AuditSettings()
    log: LogSettings = LogSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the environment before the file; no other source is read."""
        return env_settings, init_settings

    @model_validator(mode="after")
    def _unique_names(self) -> Self:
        for table, entries in (("peers", self.peers), ("destinations", self.destinations)):
            names = [entry.name for entry in entries]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                msg = f"{table}: the name {twice[0]!r} is used twice; every name must be unique"
                raise ValueError(msg)
        if self.receive.known_peers_only and not self.peers:
            msg = "receive.known_peers_only is true but there is no [[peers]] entry, so nobody could send"
            raise ValueError(msg)
        bound = next((peer.name for peer in self.peers if peer.certificate_names), None)
        if bound is not None and self.node.tls.client_ca is None:
            msg = (
                f"peers: {bound!r} has certificate_names, which nothing proves: give node.tls.certificate, key and "
                "client_ca, or remove them"
            )
            raise ValueError(msg)
        return self

    def database_url(self) -> str:
        """Return the SQLAlchemy URL, from the setting, its file, or the SQLite default.

        Raises
        ------
        SettingsError
            The file cannot be read.
        """
        if self.database.url_file is not None:
            return _read_secret("database.url_file", self.database.url_file)
        return self.database.url.get_secret_value() or f"sqlite:///{self.node.data_dir / 'cxrnode.db'}"

    @property
    def instance_dir(self) -> Path:
        """Return the folder of the received instances."""
        return self.node.data_dir / "instances"

    @property
    def document_dir(self) -> Path:
        """Return the folder of the documents built here."""
        return self.node.data_dir / "documents"

    def destination(self, name: str) -> Destination | None:
        """Return the destination of that name, or None when the settings no longer have it."""
        return next((entry for entry in self.destinations if entry.name == name), None)
