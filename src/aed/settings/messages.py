"""Channels of messages: mail, SMS and Web Push."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class MailSecurity(StrEnum):
    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


class Smtp(BaseModel):
    """The SMTP server for outgoing mail (`aed.notifications.channels.email`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str | None = Field(
        None, description="SMTP server; without one, e-mails are written to the spool folder"
    )
    port: int = Field(587, ge=1, le=65535, description="Port of the SMTP server")
    security: MailSecurity = Field(
        MailSecurity.STARTTLS, description="starttls, tls, or none (only on this machine)"
    )
    user: str | None = Field(None, description="User name at the SMTP server, if it requires one")
    password: SecretStr | None = Field(None, description="Password at the SMTP server")
    sender: str = Field("aed@localhost", description="Sender's address")
    authorities: Path | None = Field(
        None, description="File of certificates (PEM) to trust instead of the system's"
    )


class GatewayForm(StrEnum):
    JSON = "json"
    FORM = "form"


class Sms(BaseModel):
    """The gateway of SMS and voice calls (`aed.notifications.channels.gateway`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: SecretStr | None = Field(
        None,
        description="URL to which text messages are posted; without one, they are written to the "
        "spool folder",
    )
    secret: SecretStr | None = Field(
        None, description="Secret (whsec_…) that signs the requests, as for webhooks"
    )
    form: GatewayForm = Field(GatewayForm.JSON, description="Encoding of the requests: json or form")
    names: dict[str, str] = Field(
        default_factory=dict,
        description="JSON: the gateway's names of the fields id, to, text, language and channel",
    )
    fixed: dict[str, str] = Field(default_factory=dict, description="JSON: further fields of every request")
    headers: dict[str, SecretStr] = Field(
        default_factory=dict, description="JSON: further headers of every request, such as Authorization"
    )


class WebPush(BaseModel):
    """The VAPID identity for browsers' push services (`aed.notifications.channels.web_push`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    private_key: SecretStr | None = Field(
        None, description="Key made by `aed endpoints push-key`; without it, push messages are off"
    )
    contact: str = Field(
        "mailto:aed@localhost",
        pattern="^(mailto:|https://)",
        description="URL or mailto: address at which a push service can reach the operator",
    )
