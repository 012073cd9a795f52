"""The settings of the web pages, and of logging in to them with OpenID Connect."""

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from config.secret_file import read_secret
from config.section import Host, Port, Section
from config.web_address import is_loopback, is_web_address


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
    roles: dict[str, ConsoleRole] = Field(default_factory=dict)
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
        return read_secret("console.openid.client_secret_file", self.client_secret_file)


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
