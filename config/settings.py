"""The typed settings of a node; ``cxrnode.toml`` beside this file documents every option.

Order of precedence: environment (``CXRNODE_RECEIVE__PORT=11112``), then the settings file, then the defaults
here. Unknown keys are errors, so that a misspelt option is never silently ignored.
"""

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from config.console_settings import ConsoleSettings
from config.destinations import Destination
from config.language.translation import Language
from config.secret_file import read_secret
from config.section import AETitle, CodePart, Fraction, Host, Name, Port, Seconds, Section


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
    anatomy_package: str = "anatomy"
    mend_orientation: bool = False
    refuse_test_patients: tuple[str, ...] = (
        "PHANTOM", "TEST PATIENT", "PATIENT TEST", "TESTPATIENT", "TEST TEST", "ZZTEST", "ZZZTEST", "DUMMY PATIENT",
        "PATIENT DUMMY", "QUALITY CONTROL", "QC TEST", "TEST QC", "=TEST", "=DUMMY", "=QC",
    )  # fmt: skip
    max_pixels: int = Field(default=100_000_000, ge=1_000_000)
    operating_points: dict[str, OperatingPointSettings] = Field(default_factory=dict)


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
    summary_series_number: int = Field(default=9006, ge=1, le=2147483647)
    capture_longest_side: int = Field(default=2048, ge=512, le=8192)
    procedure_code: tuple[CodePart, CodePart, CodePart] = ("30745-4", "LN", "XR Chest Views")
    critical_findings: tuple[Name, ...] = ()


class DeliverySettings(Section):
    """How long and how often a delivery is tried again."""

    first_retry_seconds: float = Field(default=5, gt=0)
    longest_retry_seconds: float = Field(default=900, gt=0)
    give_up_after_hours: float = Field(default=72, gt=0)


class RetentionSettings(Section):
    """When studies are deleted by rule: by age, and while the disk is low."""

    study_days: float | None = Field(default=None, ge=1)
    not_analysed_days: float | None = Field(default=None, ge=1)
    keep_free_bytes: int = Field(default=0, ge=0)
    least_days: float = Field(default=7, ge=1)
    answered: bool = False


class CanarySettings(Section):
    """A phantom that goes all the way round from time to time."""

    every_minutes: float | None = Field(default=None, ge=5)
    late_minutes: float = Field(default=4, ge=1)
    calling_ae_title: AETitle = "CXRCANARY"

    @model_validator(mode="after")
    def _in_time(self) -> Self:
        if self.every_minutes is not None and self.late_minutes >= self.every_minutes:
            msg = "late_minutes has to be less than every_minutes: one canary is under way at a time"
            raise ValueError(msg)
        return self


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
    retention: RetentionSettings = RetentionSettings()
    canary: CanarySettings = CanarySettings()
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
        if 0 < self.retention.keep_free_bytes <= self.receive.min_free_disk_bytes:
            msg = (
                "retention.keep_free_bytes has to be larger than receive.min_free_disk_bytes, below which no image is "
                "taken any more"
            )
            raise ValueError(msg)
        names = [name for entry in self.destinations for name in (entry.name, *entry.formerly)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            msg = f"destinations: formerly: the name {twice[0]!r} is that of another destination, or given twice"
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
            return read_secret("database.url_file", self.database.url_file)
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
