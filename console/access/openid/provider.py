"""The OpenID provider: discovery, redeeming a code, checking the ID token, and where to log out there.

authlib speaks the protocol and joserfc checks signatures; here is what is asked of them, and words for what goes wrong.
"""

import json
import re
import ssl
import threading
import time
from collections.abc import Mapping
from http import HTTPStatus
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from config.console_settings import OpenIdSettings
from config.errors import PeerUnavailable, RefusedByPeer
from config.web_address import is_web_address
from console.access.openid.attempt import Attempt
from console.access.openid.person import Claims, is_complete

if TYPE_CHECKING:
    from httpx2 import Response

DONE = "/login/openid/done"
"""Where the provider sends the browser back to."""
_WELL_KNOWN = "/.well-known/openid-configuration"
_SECONDS = 10.0
_FRESH_SECONDS = 3600.0
_LEEWAY_SECONDS = 60
_CHUNK = 64 * 1024
_MOST_CHUNKS = 16
_ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519",
)  # fmt: skip
"""Signatures with a key that the provider alone has; never ``none``, never one with the client's secret."""
_ERROR = re.compile(r"[a-z_]{1,40}")
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class Provider:
    """One provider, as its discovery document describes it. The methods block, and may be called from any thread."""

    def __init__(self, settings: OpenIdSettings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._metadata: Mapping[str, Any] = {}
        self._keys: Any = None
        self._read_at = self._failed_at = float("-inf")

    def check(self) -> None:
        """Read the discovery document and the keys. Raises as :meth:`begin` does."""
        self._key_set(self._discover())

    def begin(self, attempt: Attempt) -> str:
        """Return the address at which somebody logs in with the provider.

        Raises
        ------
        PeerUnavailable, RefusedByPeer
            The provider does not answer, or its discovery document is none.
        """
        metadata = self._discover()
        with self._session() as session:
            address, _ = session.create_authorization_url(
                metadata["authorization_endpoint"], state=attempt.state, nonce=attempt.nonce,
                code_verifier=attempt.verifier,
            )  # fmt: skip
        return str(address)

    def finish(self, answer: Mapping[str, str], attempt: Attempt) -> Claims:
        """Return the checked claims of who has logged in there.

        Parameters
        ----------
        answer
            The query with which the browser came back (RFC 6749 4.1.2).
        attempt
            The login that this browser began.

        Raises
        ------
        PeerUnavailable, RefusedByPeer
            The provider does not answer, refused the login, or its answer fails a check; the message says which.
        """
        if not attempt.is_of(answer.get("state", "")):
            raise RefusedByPeer("the answer is not to a login that this browser began")
        metadata = self._discover()
        self._check_sender(answer, metadata)
        error = answer.get("error")
        if error is not None:
            raise RefusedByPeer(f"the provider refused the login ({error if _ERROR.fullmatch(error) else 'error'})")
        if not answer.get("code"):
            raise RefusedByPeer("the provider sent no code")
        tokens = self._redeem(metadata, answer["code"], attempt)
        claims = self._check(metadata, tokens, attempt)
        endpoint = metadata.get("userinfo_endpoint")
        access = tokens.get("access_token")
        if is_complete(claims, self.settings) or not access or not _is_endpoint(endpoint):
            return claims
        more = self._get_json(
            str(endpoint), "the claims of its userinfo endpoint", {"Authorization": f"Bearer {access}"}
        )
        if more.get("sub") != claims["sub"]:  # OpenID Connect Core 5.3.2
            raise RefusedByPeer("the provider's userinfo is about somebody else than its ID token")
        return {**more, **claims}

    def logout_address(self) -> str | None:
        """Return where to log out at the provider, too; None where it offers that nowhere (RP-Initiated Logout 1.0).

        Raises
        ------
        PeerUnavailable, RefusedByPeer
            As of :meth:`begin`.
        """
        endpoint = self._discover().get("end_session_endpoint")
        if not _is_endpoint(endpoint):
            return None
        query = {
            "client_id": self.settings.client_id,
            "post_logout_redirect_uri": f"{self.settings.address.rstrip('/')}/login",
        }
        return f"{endpoint}{'&' if '?' in str(endpoint) else '?'}{urlencode(query)}"

    def _check_sender(self, answer: Mapping[str, str], metadata: Mapping[str, Any]) -> None:
        """Refuse the answer of another provider (RFC 9207)."""
        sender = answer.get("iss")
        if sender is None and metadata.get("authorization_response_iss_parameter_supported") is not True:
            return
        if sender != self.settings.issuer:
            raise RefusedByPeer("the answer comes from another provider")

    def _redeem(self, metadata: Mapping[str, Any], code: str, attempt: Attempt) -> Mapping[str, Any]:
        from authlib.common.errors import AuthlibBaseError
        from httpx2 import HTTPError

        with self._session(metadata) as session:
            try:
                tokens: Mapping[str, Any] = session.fetch_token(
                    metadata["token_endpoint"], code=code, code_verifier=attempt.verifier,
                    grant_type="authorization_code",
                )  # fmt: skip
            except AuthlibBaseError as error:
                name = str(error.error or "")
                problem = f"the provider does not redeem its code ({name if _ERROR.fullmatch(name) else 'error'})"
                raise RefusedByPeer(problem) from None
            except HTTPError:
                raise PeerUnavailable("the provider's token endpoint does not answer") from None
            except (ValueError, TypeError, KeyError):
                raise RefusedByPeer("the provider's token endpoint answers no tokens") from None
        return tokens

    def _check(self, metadata: Mapping[str, Any], tokens: Mapping[str, Any], attempt: Attempt) -> Claims:
        """Return the claims of the ID token once its signature and all of OpenID Connect Core 3.1.3.7 hold."""
        from authlib.oidc.core import CodeIDToken
        from joserfc import jwt
        from joserfc.errors import InvalidKeyIdError, JoseError
        from joserfc.jws import JWSRegistry

        id_token = tokens.get("id_token")
        if not isinstance(id_token, str):
            raise RefusedByPeer("the provider sent no ID token")
        offered = metadata.get("id_token_signing_alg_values_supported") or ["RS256"]
        registry = JWSRegistry(algorithms=[name for name in _ALGORITHMS if name in offered], strict_check_header=False)
        options = {
            "iss": {"essential": True, "value": self.settings.issuer},
            "aud": {"essential": True, "value": self.settings.client_id},
        }
        about = {
            "nonce": attempt.nonce, "client_id": self.settings.client_id, "access_token": tokens.get("access_token"),
        }  # fmt: skip
        try:
            try:
                token = jwt.decode(id_token, self._key_set(metadata), registry=registry)
            except (InvalidKeyIdError, ValueError):
                token = jwt.decode(id_token, self._key_set(metadata, anew=True), registry=registry)
            claims = CodeIDToken(token.claims, token.header, options, about)
            claims.validate(leeway=_LEEWAY_SECONDS)
        except JoseError as error:
            claim = getattr(error, "claim", None)
            raise RefusedByPeer(
                f"the provider's ID token does not hold ({error.error}{f': {claim}' if claim else ''})"
            ) from None
        except (ValueError, TypeError, KeyError):
            raise RefusedByPeer("the provider's ID token cannot be checked: its form or its key is none") from None
        return dict(claims)

    def _key_set(self, metadata: Mapping[str, Any], *, anew: bool = False) -> Any:
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        with self._lock:
            if self._keys is None or anew:
                key_set = self._get_json(str(metadata["jwks_uri"]), "its keys")
                try:
                    self._keys = KeySet.import_key_set(key_set)  # type: ignore[arg-type]
                except (JoseError, ValueError, TypeError, KeyError):
                    raise RefusedByPeer("the provider's keys cannot be read") from None
            return self._keys

    def _discover(self) -> Mapping[str, Any]:
        """Return the discovery document, at most an hour old."""
        with self._lock:
            now = time.monotonic()
            if now - self._read_at < _FRESH_SECONDS:
                return self._metadata
            if now - self._failed_at < _SECONDS:  # whoever waited for this very answer need not wait once more
                raise PeerUnavailable("the provider does not give its discovery document")
            try:
                metadata = self._get_json(self.settings.issuer.rstrip("/") + _WELL_KNOWN, "its discovery document")
            except PeerUnavailable:
                self._failed_at = time.monotonic()
                raise
            if metadata.get("issuer") != self.settings.issuer:  # OpenID Connect Discovery 4.3
                raise RefusedByPeer("the provider names another issuer than console.openid.issuer")
            if not all(_is_endpoint(metadata.get(name)) for name in _ENDPOINTS):
                raise RefusedByPeer("the provider's discovery document lacks an endpoint, or has one without TLS")
            self._metadata, self._keys, self._read_at = metadata, None, time.monotonic()
            return metadata

    def _get_json(self, address: str, what: str, headers: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        import httpx2

        try:
            with httpx2.stream("GET", address, headers=headers, timeout=_SECONDS, verify=self._verify) as answer:
                document = _read_json(answer)
        except httpx2.HTTPError:
            raise PeerUnavailable(f"the provider does not give {what}") from None
        if not isinstance(document, dict):
            raise PeerUnavailable(f"the provider does not give {what}")
        return document

    def _session(self, metadata: Mapping[str, Any] | None = None) -> Any:
        from authlib.integrations.httpx_client import OAuth2Client

        secret = self.settings.secret()
        methods = (metadata or {}).get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        basic = "client_secret_basic" in methods
        method = ("client_secret_basic" if basic else "client_secret_post") if secret else "none"
        return OAuth2Client(
            self.settings.client_id, secret or None, token_endpoint_auth_method=method,
            scope=" ".join(self.settings.scopes), redirect_uri=self.settings.address.rstrip("/") + DONE,
            code_challenge_method="S256", verify=self._verify, timeout=_SECONDS, follow_redirects=False,
        )  # fmt: skip

    @property
    def _verify(self) -> ssl.SSLContext | bool:
        """Return what the provider's certificate is checked against."""
        ca_file = self.settings.ca_file
        return True if ca_file is None else ssl.create_default_context(cafile=ca_file)


def _is_endpoint(address: object) -> bool:
    """Say whether secrets may travel to an endpoint of the discovery document; it may have a query (RFC 6749 3.1)."""
    return isinstance(address, str) and is_web_address(address.partition("?")[0])


def _read_json(answer: "Response") -> Any:
    """Return what was answered, if it is short and JSON; else None."""
    if answer.status_code != HTTPStatus.OK:
        return None
    try:
        return json.loads(b"".join(islice(answer.iter_bytes(_CHUNK), _MOST_CHUNKS)))
    except ValueError:
        return None
