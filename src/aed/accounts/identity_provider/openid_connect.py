"""Client of the operator's identity provider (OpenID Connect Core 1.0, code flow with PKCE).

The provider is trusted to identify people, and for nothing else: it may be down, slow, or return invalid
data.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, ClassVar, Final

import httpx2
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry
from pydantic import BaseModel, Field, ValidationError

from aed import __version__
from aed.accounts.sign_in.rules import ProviderIdentity, identity_from_claims
from aed.errors import AedError, NotSignedIn
from aed.settings.services import SignInProvider, is_private_from_others

SCOPE: Final = "openid profile email phone"
MAX_RESPONSE_BYTES: Final = 200_000
LEEWAY_SECONDS: Final = 60
"""The tolerated difference between the clocks."""
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""Accepted signatures: asymmetric ones only, not `none` or those with a shared secret."""
WELL_KNOWN: Final = "/.well-known/openid-configuration"


class IdentityProviderFailed(AedError):
    """The identity provider did not respond, or its response is invalid."""

    status: ClassVar[int] = 503
    code: ClassVar[str] = "identity-provider-failed"
    title: ClassVar[str] = "The identity provider does not respond as expected"

    def __init__(self, detail: str) -> None:
        super().__init__(f"{detail} Sign in by password or code, or try again later.")


class ProviderMetadata(BaseModel):
    """Metadata of a provider (OpenID Connect Discovery 1.0), as far as it is used."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    token_endpoint_auth_methods_supported: list[str] = Field(default=["client_secret_basic"])
    id_token_signing_alg_values_supported: list[str] = Field(default=["RS256"])
    authorization_response_iss_parameter_supported: bool = False

    @property
    def algorithms(self) -> list[str]:
        """Signature algorithms that are accepted from the provider."""
        return [each for each in ALGORITHMS if each in self.id_token_signing_alg_values_supported]


def authorization_url(provider: SignInProvider, *, state: str, nonce: str, verifier: str) -> str:
    """Return the URL of the provider's sign-in page. Raises IdentityProviderFailed."""
    with _client_of(provider) as client:
        metadata = _metadata(client, provider)
        url, _state = client.create_authorization_url(
            metadata.authorization_endpoint, state=state, nonce=nonce, code_verifier=verifier
        )
    return str(url)


def fetch_identity(
    provider: SignInProvider,
    *,
    code: str,
    said_by: str | None,
    nonce: str,
    verifier: str,
    country: str,
    at: datetime,
) -> ProviderIdentity:
    """Exchange the code of a callback for the identity of the person.

    1. Fetch the provider's metadata; the issuer in the callback, `said_by`, must be the same (RFC 9207).
    2. Exchange the code for an ID token, which must be signed by one of the provider's keys, for this client
       and this browser (nonce), and must not have expired.
    3. Fetch missing claims from the userinfo endpoint.

    Raises IdentityProviderFailed; NotSignedIn for a code that is no longer valid.
    """
    from authlib.common.errors import AuthlibBaseError  # imported here because it takes 4 MB

    with _client_of(provider) as client:
        metadata = _metadata(client, provider)
        if said_by is None and metadata.authorization_response_iss_parameter_supported:
            raise IdentityProviderFailed("The response does not state which identity provider sent it.")
        if said_by is not None and said_by != metadata.issuer:
            raise IdentityProviderFailed("The response comes from another identity provider.")
        client.token_endpoint_auth_method = _client_authentication(provider, metadata)
        try:
            token = client.fetch_token(
                metadata.token_endpoint,
                grant_type="authorization_code",
                code=code,
                code_verifier=verifier,
                redirect_uri=provider.redirect_url,
            )
        except AuthlibBaseError as error:
            if error.error == "invalid_grant":
                raise NotSignedIn(
                    "The response of the identity provider has expired. Start to sign in again."
                ) from None
            raise IdentityProviderFailed(
                f"The identity provider rejects this client ({_short(error.error)}). Compare "
                "AED_SIGN_IN_PROVIDER__… with its registration there."
            ) from error
        claims = _verified_claims(client, metadata, token, provider, nonce=nonce, at=at)
        found = identity_from_claims(claims, country=country)
        if found is None:
            raise IdentityProviderFailed("The identity provider's response does not identify a person.")
        if metadata.userinfo_endpoint is None or (found.phone and found.email and found.name):
            return found
        return (
            identity_from_claims(_with_userinfo(client, metadata.userinfo_endpoint, claims), country=country)
            or found
        )


# --- Requests -------------------------------------------------------------------------------------------


class _Bounded(httpx2.BaseTransport):
    """Read whole responses, limited in size and in time."""

    def __init__(self, seconds: float) -> None:
        self._inner = httpx2.HTTPTransport(
            verify=httpx2.create_ssl_context(),
            trust_env=False,
            limits=httpx2.Limits(max_keepalive_connections=0),  # the provider may have closed it
        )
        self._end = time.monotonic() + seconds

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        left = max(self._end - time.monotonic(), 0.001)
        request.extensions["timeout"] = httpx2.Timeout(left).as_dict()
        answer = self._inner.handle_request(request)
        content = bytearray()
        try:
            for chunk in answer.iter_raw():
                content += chunk
                if len(content) > MAX_RESPONSE_BYTES:
                    raise httpx2.ReadError(
                        f"its response is larger than {MAX_RESPONSE_BYTES} bytes", request=request
                    )
                if time.monotonic() >= self._end:
                    raise httpx2.ReadTimeout("it takes too long", request=request)
        finally:
            answer.close()
        return httpx2.Response(answer.status_code, headers=answer.headers, content=bytes(content))

    def close(self) -> None:
        self._inner.close()


@contextmanager
def _client_of(provider: SignInProvider) -> Iterator[Any]:
    """Return authlib's (untyped) client. Failures of the provider raise IdentityProviderFailed."""
    from authlib.integrations.httpx_client import OAuth2Client

    client = OAuth2Client(
        client_id=provider.client_id,
        client_secret=provider.client_secret.get_secret_value() or None,
        scope=SCOPE,
        redirect_uri=provider.redirect_url,
        code_challenge_method="S256",
        transport=_Bounded(provider.seconds),
        trust_env=False,
        follow_redirects=False,
        headers={"User-Agent": f"aed/{__version__}", "Accept-Encoding": "identity"},
    )
    try:
        yield client
    except httpx2.TimeoutException:
        raise IdentityProviderFailed(
            f"The identity provider did not respond within {provider.seconds:g} s."
        ) from None
    except httpx2.HTTPStatusError as error:
        raise IdentityProviderFailed(
            f"The identity provider responded with status {error.response.status_code}."
        ) from None
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise IdentityProviderFailed(f"The identity provider cannot be reached: {_short(error)}.") from None
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"]) or "the whole"
        raise IdentityProviderFailed(
            f"The identity provider's response has the wrong form: {_short(where)}."
        ) from None
    except (ValueError, RecursionError):
        raise IdentityProviderFailed("The identity provider's response is not JSON.") from None
    finally:
        client.close()


def _metadata(client: Any, provider: SignInProvider) -> ProviderMetadata:
    found = ProviderMetadata.model_validate(_json(client, provider.url.rstrip("/") + WELL_KNOWN))
    if found.issuer.rstrip("/") != provider.url.rstrip("/"):
        raise IdentityProviderFailed(
            f"The identity provider calls itself {_short(found.issuer)}, which differs from "
            "AED_SIGN_IN_PROVIDER__URL."
        )
    for url in (
        found.authorization_endpoint,
        found.token_endpoint,
        found.jwks_uri,
        found.userinfo_endpoint,
    ):
        if url is not None and not is_private_from_others(url):
            raise IdentityProviderFailed(f"The identity provider uses a URL without https: {_short(url)}.")
    return found


def _json(client: Any, url: str, *, withhold_token: bool = True) -> Any:
    answer = client.request("GET", url, withhold_token=withhold_token)
    if answer.status_code != 200:
        raise IdentityProviderFailed(f"The identity provider responded with status {answer.status_code}.")
    return answer.json()


def _client_authentication(provider: SignInProvider, metadata: ProviderMetadata) -> str:
    """Return how this client authenticates at the token endpoint."""
    if not provider.client_secret.get_secret_value():
        return "none"
    known = metadata.token_endpoint_auth_methods_supported
    is_only_in_body = "client_secret_basic" not in known and "client_secret_post" in known
    return "client_secret_post" if is_only_in_body else "client_secret_basic"


# --- Validation -----------------------------------------------------------------------------------------


def _verified_claims(
    client: Any,
    metadata: ProviderMetadata,
    token: Mapping[str, Any],
    provider: SignInProvider,
    *,
    nonce: str,
    at: datetime,
) -> dict[str, Any]:
    """Return the claims of a valid ID token (OpenID Connect Core 3.1.3.7). Raises IdentityProviderFailed."""
    from authlib.oidc.core import CodeIDToken

    if not isinstance(token.get("id_token"), str):
        raise IdentityProviderFailed(
            "The identity provider returned no ID token. Check that the client may request the scope openid."
        )
    keys = _json(client, metadata.jwks_uri)
    if not isinstance(keys, dict) or not isinstance(keys.get("keys"), list):
        raise IdentityProviderFailed("The identity provider's jwks_uri returns no list of keys.")
    known = [each for each in keys["keys"] if isinstance(each, dict) and each.get("kty") in ("RSA", "EC")]
    try:
        read = jwt.decode(
            token["id_token"],
            KeySet.import_key_set({"keys": known}),
            registry=JWSRegistry(algorithms=metadata.algorithms, strict_check_header=False),
        )
        CodeIDToken(
            read.claims,
            read.header,
            {
                "iss": {"essential": True, "value": metadata.issuer},
                "aud": {"essential": True, "value": provider.client_id},
            },
            {"nonce": nonce, "client_id": provider.client_id, "access_token": token.get("access_token")},
        ).validate(now=int(at.timestamp()), leeway=LEEWAY_SECONDS)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise IdentityProviderFailed(
            f"The identity provider's ID token is invalid: {_short(error)}."
        ) from error
    return dict(read.claims)


def _with_userinfo(client: Any, url: str, claims: Mapping[str, Any]) -> dict[str, Any]:
    """Return the claims with those of the userinfo endpoint. Raises IdentityProviderFailed."""
    answer = _json(client, url, withhold_token=False)
    if not isinstance(answer, dict) or answer.get("sub") != claims["sub"]:
        raise IdentityProviderFailed(
            "The identity provider returned data of a different person than the one who signed in."
        )
    return {**answer, **claims}


def _short(value: object) -> str:
    """Shorten a value from outside for an error message."""
    return "".join(each if each.isprintable() else " " for each in str(value)[:100]).strip().rstrip(".")
