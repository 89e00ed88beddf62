"""Services of others: a base map, issuers of certificates, an OpenID provider, an MQTT broker."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator


class OtherBasemap(BaseModel):
    """A base map of another provider, in place of the file of `aed map build`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(
        "",
        pattern=r"^(https://[^/\s;,'\"]+/[^\s;,'\"]*)?$",
        description="URL of its image tiles, with {z}, {x} and {y}; empty: none. Browsers then ask that host",
    )
    credit: str = Field(
        "", description="Credit shown on the map; in mainland China with the map's approval number (审图号)"
    )
    datum: Literal["wgs84", "gcj02", "bd09"] = Field("wgs84", description="Datum of its tiles")
    max_zoom: int = Field(18, ge=1, le=22, description="Deepest zoom of its tiles")

    @model_validator(mode="after")
    def _check_url(self) -> Self:
        if self.url and not (self.credit and all(each in self.url for each in ("{z}", "{x}", "{y}"))):
            raise ValueError("url needs {z}, {x} and {y}, and a credit")
        return self


class IssuerAccess(BaseModel):
    """How to authenticate to an issuer: by a token, or by a signature (Standard Webhooks, `whsec_…`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    token: SecretStr | None = Field(None, description="Token, sent as Authorization: Bearer …")
    secret: SecretStr | None = Field(None, description="Secret that signs the requests")

    @model_validator(mode="after")
    def _check_credential(self) -> Self:
        if (self.token is None) == (self.secret is None):
            raise ValueError("each issuer must have either a token or a secret")
        return self


BACK_FROM_PROVIDER: Final = "/v1/sign-in/provider/back"


class SignInProvider(BaseModel):
    """An external OpenID provider (`aed.accounts.identity_provider`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(
        "", description="URL of the provider (its issuer identifier), such as https://id.example; empty: none"
    )
    client_id: str = Field("", description="Client id of this program at the provider")
    client_secret: SecretStr = Field(SecretStr(""), description="Client secret, if the provider issued one")
    redirect_url: str = Field(
        "",
        description="URL to which the provider sends browsers back, as registered there: "
        "https://…/v1/sign-in/provider/back",
    )
    adds_people: bool = Field(
        False, description="Add people who sign in for the first time, without any role"
    )
    seconds: float = Field(10.0, gt=0, le=60, description="Timeout of requests to the provider")

    @property
    def is_set_up(self) -> bool:
        return bool(self.url)

    @model_validator(mode="after")
    def _check_provider(self) -> Self:
        if len({bool(each) for each in (self.url, self.client_id, self.redirect_url)}) > 1:
            raise ValueError("url, client_id and redirect_url must be given together")
        for name in ("url", "redirect_url"):
            if getattr(self, name) and not is_private_from_others(getattr(self, name)):
                raise ValueError(f"{name} must begin with https:// (http:// only on this machine itself)")
        if self.redirect_url and not self.redirect_url.endswith(BACK_FROM_PROVIDER):
            raise ValueError(f"redirect_url must end with {BACK_FROM_PROVIDER}")
        return self


def is_private_from_others(url: str) -> bool:
    """Return True if nobody on the way can read what is sent to the URL."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    is_here = parts.hostname in ("localhost", "127.0.0.1", "::1")
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and is_here))


class Mqtt(BaseModel):
    """The broker from which `aed signals mqtt` receives signals of devices (`aed.upkeep.signals.bridge`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(
        "",
        pattern=r"^(mqtts?://([a-zA-Z0-9.-]+|\[[0-9a-fA-F:]+\])(:[0-9]{1,5})?)?$",
        description="The broker: mqtts://HOST:8883 with TLS, or mqtt://HOST:1883 on this machine itself; "
        "empty: none. Needs the extra `aed[mqtt]`",
    )
    user: str | None = Field(None, max_length=200, description="User name at the broker, if it requires one")
    password: SecretStr | None = Field(None, description="Password at the broker")
    authorities: Path | None = Field(
        None, description="File of certificates (PEM) to trust instead of the system's"
    )
    certificate: Path | None = Field(
        None, description="File of the client's certificate (PEM), if the broker requires one"
    )
    certificate_key: Path | None = Field(
        None, description="File of the private key of that certificate (PEM)"
    )
    client_id: str = Field(
        "aed-signals",
        pattern="^[A-Za-z0-9_.-]{1,64}$",
        description="Name of the session that the broker keeps; one running bridge for each name",
    )
    keep_alive_seconds: int = Field(
        30, ge=5, le=3600, description="Silence after which the broker and the bridge ask each other for life"
    )
    max_reconnect_seconds: float = Field(
        60.0, gt=0, le=3600, description="Longest pause between attempts to reach the broker again"
    )
    silent_after_minutes: int = Field(
        60,
        ge=1,
        le=10_080,
        description="Minutes without any message after which administrators see a warning",
    )

    @model_validator(mode="after")
    def _check_broker(self) -> Self:
        if (self.certificate is None) != (self.certificate_key is None):
            raise ValueError("certificate and certificate_key must be given together")
        if self.password is not None and self.user is None:
            raise ValueError("a password needs a user")
        parts = urlsplit(self.url)
        if parts.scheme == "mqtt" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            raise ValueError("url must begin with mqtts:// (mqtt:// only on this machine itself)")
        if parts.scheme == "mqtt" and self.certificate is not None:
            raise ValueError("a certificate needs mqtts://")
        return self
