"""A small OpenID provider for tests: it follows the specification except where a test changes it."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from aed import clock
from tests.imports.servers import Behave, Source, answers, serving

CLIENT_ID, CLIENT_SECRET = "aed at the estate", "s3cret: with a colon"


@dataclass
class SmallProvider:
    """The provider's state: the signed-in person, the requests it received, and its deviations."""

    source: Source
    redirect_url: str
    person: dict[str, Any] = field(default_factory=dict)
    """The claims of the person at the browser: `sub` and more."""
    in_token: frozenset[str] = frozenset()
    """Names of the claims in the ID token; the others are returned by userinfo only."""
    key: ECKey | OctKey = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "a"}))
    published: ECKey | OctKey | None = None
    """The published key, if it differs from the signing key."""
    wrong_claims: dict[str, Any] = field(default_factory=dict)
    """Claims that replace the correct ones in the ID token."""
    algorithm: str = "ES256"
    instead: dict[str, Behave] = field(default_factory=dict)
    """Handlers that replace the correct behaviour, by path."""
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.source.url("")

    def behave(self, to: BaseHTTPRequestHandler) -> None:
        path = urlsplit(to.path).path
        if path in self.instead:
            self.instead[path](to)
            return
        ways: dict[str, Callable[[BaseHTTPRequestHandler], tuple[int, Any]]] = {
            "/.well-known/openid-configuration": self._metadata,
            "/keys": self._keys,
            "/token": self._token,
            "/userinfo": self._userinfo,
        }
        if path == "/authorize":
            self._authorize(to)
            return
        status, body = ways[path](to) if path in ways else (404, {"error": "not_found"})
        answers(json.dumps(body), status=status, Content_Type="application/json")(to)

    def _metadata(self, _to: BaseHTTPRequestHandler) -> tuple[int, Any]:
        return 200, {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256", "HS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }

    def _keys(self, _to: BaseHTTPRequestHandler) -> tuple[int, Any]:
        return 200, {"keys": [(self.published or self.key).as_dict(private=False)]}

    def _authorize(self, to: BaseHTTPRequestHandler) -> None:
        """Redirect back with a code, as after the person has agreed."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(to.path).query).items()}
        assert asked["client_id"] == CLIENT_ID
        assert asked["redirect_uri"] == self.redirect_url
        assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        query = urlencode({"code": code, "state": asked["state"], "iss": self.url})
        answers("", status=302, Location=f"{self.redirect_url}?{query}")(to)

    def _token(self, to: BaseHTTPRequestHandler) -> tuple[int, Any]:
        """Exchange a code for tokens: once, for this client, with the right PKCE verifier."""
        basic = base64.b64decode(to.headers.get("Authorization", "").partition(" ")[2]).decode()
        if basic != f"{CLIENT_ID}:{CLIENT_SECRET}":
            return 401, {"error": "invalid_client"}
        given = {name: values[0] for name, values in parse_qs(self.source.asked[-1]["body"]).items()}
        asked = self.codes.pop(given["code"], None)
        if (
            asked is None
            or given["grant_type"] != "authorization_code"
            or given["redirect_uri"] != asked["redirect_uri"]
            or create_s256_code_challenge(given["code_verifier"]) != asked["code_challenge"]
        ):
            return 400, {"error": "invalid_grant"}
        now = int(clock.now().timestamp())
        claims = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            "sub": self.person["sub"],
            **{name: value for name, value in self.person.items() if name in self.in_token},
            **self.wrong_claims,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        id_token = jwt.encode({"alg": self.algorithm, "kid": "a"}, claims, self.key)
        return 200, {
            "access_token": "the access token",
            "token_type": "Bearer",
            "expires_in": 300,
            "id_token": id_token,
        }

    def _userinfo(self, to: BaseHTTPRequestHandler) -> tuple[int, Any]:
        if to.headers.get("Authorization") != "Bearer the access token":
            return 401, {"error": "invalid_token"}
        return 200, self.person


@contextmanager
def small_provider(redirect_url: str) -> Iterator[SmallProvider]:
    """Run the provider until the end of the block."""
    with serving(answers("")) as source:
        provider = SmallProvider(source, redirect_url)
        source.behave = provider.behave
        yield provider
