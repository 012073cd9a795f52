"""Reading the settings: file, environment, defaults; and errors that name the file, the key and the cure."""

import difflib
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_settings import SettingsError as SourceError

from config.destinations import FhirDestination
from config.errors import SettingsError
from config.files import DEFAULT_FILE, FILE_VARIABLE
from config.settings import Settings

PREFIX = "CXRNODE_"
_TABLES_OF_MANY = {"destinations", "peers"}


def load_settings(path: Path | None = None) -> Settings:
    """Return the settings from ``path``, else ``$CXRNODE_CONFIG``, else ``./cxrnode.toml`` if it exists.

    Raises
    ------
    SettingsError
        The file is missing, is not TOML, or holds a wrong key or value; or the environment does.
    """
    source = find_file(path)
    tables = _read_toml(source) if source is not None else {}
    _refuse_secret_in_file(tables, source)
    _refuse_unknown_variables()
    try:
        settings = Settings(**tables)
    except ValidationError as error:
        raise SettingsError(_explain(error, source)) from None
    except SourceError as error:
        msg = f"environment: {error}; a nested table or list in the environment is written as JSON"
        raise SettingsError(msg) from None
    _check_secret_files(settings, source)
    return settings


def find_file(path: Path | None = None) -> Path | None:
    """Return the settings file that :func:`load_settings` would read, or None for defaults alone."""
    named = path or (Path(os.environ[FILE_VARIABLE]) if os.environ.get(FILE_VARIABLE) else None)
    if named is None:
        return DEFAULT_FILE if DEFAULT_FILE.is_file() else None
    if not named.is_file():
        msg = f"{named}: there is no such settings file; write one with `cxrnode init {named}`"
        raise SettingsError(msg)
    return named


def _read_toml(source: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(source.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{source}: not valid TOML: {error}; compare it with `cxrnode init --print`"
        raise SettingsError(msg) from None
    except OSError as error:
        msg = f"{source}: cannot be read: {error.strerror}; check its permissions"
        raise SettingsError(msg) from None


def _refuse_unknown_variables() -> None:
    known = set(Settings.model_fields)
    for variable in sorted(os.environ):
        if variable.upper().startswith(PREFIX) and variable != FILE_VARIABLE:  # small letters are read, too
            table = variable[len(PREFIX) :].split("__")[0].lower()
            if table not in known:
                msg = f"environment variable {variable}: there is no table [{table}]{_did_you_mean(table, known)}"
                raise SettingsError(msg)


def _refuse_secret_in_file(tables: Mapping[str, Any], source: Path | None) -> None:
    """Refuse the client's secret in the settings file, which is copied and shown more often than a secret should be."""
    table: Any = tables
    for key in ("console", "openid", "client_secret"):
        table = table.get(key) if isinstance(table, dict) else None
    if table is not None:
        msg = (
            f"{source}: console.openid.client_secret: a secret does not stand in this file; write it to a file of its "
            f"own (client_secret_file), or into the environment as {PREFIX}CONSOLE__OPENID__CLIENT_SECRET"
        )
        raise SettingsError(msg)


def _check_secret_files(settings: Settings, source: Path | None) -> None:
    console = settings.console
    openid = console.openid
    for key, file, cure in (
        (
            "console.openid.client_secret_file",
            openid.client_secret_file if openid is not None else None,
            "write the secret that the provider has for this client into it",
        ),
        (
            "console.openid.ca_file",
            openid.ca_file if openid is not None else None,
            "put the certificates (PEM) of who issued the provider's certificate there",
        ),
        ("database.url_file", settings.database.url_file, "write the database URL into that file"),
        (
            "console.tls_certificate",
            console.tls_certificate,
            "put the certificate (PEM) and those that issued it there",
        ),
        ("console.tls_key", console.tls_key, "put the certificate's private key (PEM) there"),
        *_destination_files(settings),
    ):
        if file is not None and not file.is_file():
            msg = f"{source or 'environment'}: {key}: {file} is not there; {cure}, readable by the node's user"
            raise SettingsError(msg)


def _destination_files(settings: Settings) -> Iterator[tuple[str, Path | None, str]]:
    for number, destination in enumerate(settings.destinations, 1):
        if isinstance(destination, FhirDestination):
            table = f"destinations[{number}]"
            yield f"{table}.ca_file", destination.ca_file, "put the certificates to trust (PEM) there"
            yield f"{table}.token_file", destination.token_file, "write the bearer token into that file"
            yield f"{table}.client_secret_file", destination.client_secret_file, "write the secret into that file"


def _explain(error: ValidationError, source: Path | None) -> str:
    """One line a mistake: file, key, what is wrong, and what to do. Values of secrets are never repeated."""
    lines = []
    for detail in error.errors(include_url=False, include_input=False):
        keys = _keys(detail["loc"])
        origin = _origin(detail["loc"], source)
        if detail["type"] == "extra_forbidden":
            siblings = _siblings(keys[:-1])
            cure = _did_you_mean(keys[-1], siblings) or "; remove it (`cxrnode init --print` lists every option)"
            lines.append(f"{origin}: {'.'.join(keys)}: there is no such option{cure}")
        elif detail["type"] == "tuple_type" and len(keys) == 1 and keys[0] in _TABLES_OF_MANY:
            lines.append(
                f"{origin}: [{keys[0]}]: write [[{keys[0]}]], in double brackets: each such table is one entry"
            )
        else:
            reason = detail["msg"].removeprefix("Value error, ")
            lines.append(f"{origin}: {'.'.join(keys) or 'settings'}: {reason[0].lower()}{reason[1:]}")
    return "\n".join(lines)


def _keys(location: Iterable[int | str]) -> list[str]:
    """Turn pydantic's location into the words of the file: list positions as [n], no union tags."""
    keys: list[str] = []
    for part in location:
        if isinstance(part, int) and keys:
            keys[-1] += f"[{part + 1}]"
        elif part not in {"dicom", "hl7", "fhir"}:
            keys.append(str(part))
    return keys


def _origin(location: tuple[int | str, ...], source: Path | None) -> str:
    variable = PREFIX + "__".join(str(part).upper() for part in location)
    return f"environment variable {variable}" if variable in os.environ else str(source or "settings")


def _siblings(table: list[str]) -> set[str]:
    model: Any = Settings
    for key in table:
        field = model.model_fields.get(key.split("[")[0])
        annotation = getattr(field, "annotation", None)
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return set()
        model = annotation
    return set(model.model_fields)


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, sorted(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
