"""An OpenID provider of the tests' own, on the loopback interface, which can also be made to answer wrongly."""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "cxrnode", "a secret of the client"


@cache
def _key(name: str) -> RSAKey:
    """Return a key that is made once a session."""
    return RSAKey.generate_key(2048, {"kid": name, "use": "sig"})


@dataclass
class Provider:
    """Whom the provider vouches for, and what it does wrong."""

    issuer: str = ""
    claims: dict[str, Any] = field(default_factory=lambda: {"sub": "4711", "preferred_username": "Jane.Doe"})
    userinfo: dict[str, Any] = field(default_factory=dict)
    wrong: dict[str, Any] = field(default_factory=dict)
    """Claims of the ID token in place of the right ones; None leaves one out."""
    metadata: dict[str, Any] = field(default_factory=dict)
    """Entries of the discovery document in place of the right ones."""
    algorithm: str = "RS256"
    kid: str = "first"
    published: str = "first"
    signed_by: str = ""
    down: bool = False
    asked: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def authorize(self, address: str) -> str:
        """Log in at the address that a console sent the browser to; return the query with which it comes back."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT
        assert asked["code_challenge_method"] == "S256"
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        return f"?code={code}&state={asked['state']}"

    def answer(self, path: str, body: str, authorization: str) -> tuple[int, Any]:
        """Return status and JSON of one request."""
        self.asked.append(path)
        if self.down:
            return 503, {}
        if path == "/.well-known/openid-configuration":
            endpoints = {
                "authorization_endpoint": "/authorize", "token_endpoint": "/token", "jwks_uri": "/jwks",
                "userinfo_endpoint": "/userinfo", "end_session_endpoint": "/end",
            }  # fmt: skip
            document = {name: self.issuer + path for name, path in endpoints.items()}
            return 200, {"issuer": self.issuer, **document, **self.metadata}
        if path == "/jwks":
            public = _key(self.published).as_dict(private=False)
            return 200, {"keys": [{**public, "kid": self.published}]}
        if path == "/userinfo":
            return (200, self.userinfo) if authorization == "Bearer access" else (401, {})
        return self._redeem(parse_qs(body), authorization)

    def _redeem(self, form: Mapping[str, list[str]], authorization: str) -> tuple[int, Any]:
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        asked = self.codes.pop(form["code"][0], None)
        if unquote(base64.b64decode(authorization.removeprefix("Basic ")).decode()) != f"{CLIENT}:{SECRET}":
            return 401, {"error": "invalid_client", "sent": basic}
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"][0].encode()).digest())
        if asked is None or asked["code_challenge"] != challenge.rstrip(b"=").decode():
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
        claims = {name: value for name, value in (claims | self.claims | self.wrong).items() if value is not None}
        return 200, {"access_token": "access", "token_type": "Bearer", "id_token": self._signed(claims)}

    def _signed(self, claims: dict[str, Any]) -> str:
        header = {"alg": self.algorithm, "kid": self.kid}
        if self.algorithm == "none":
            parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
                     for part in (header, claims))  # fmt: skip
            return ".".join((*parts, ""))
        return jwt.encode(header, claims, _key(self.signed_by or self.kid))


@contextmanager
def serving(provider: Provider) -> Iterator[Provider]:
    """Serve a provider; its issuer is the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer("")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["Content-Length"])).decode())

        def _answer(self, body: str) -> None:
            status, document = provider.answer(self.path, body, self.headers.get("Authorization", ""))
            content = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.issuer = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
