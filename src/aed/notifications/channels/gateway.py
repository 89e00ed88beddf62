"""SMS and voice calls through an HTTP gateway: a provider's, or a small adapter in front of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

import orjson

from aed.notifications.channels.posting import Post
from aed.notifications.channels.webhook import signed
from aed.notifications.rules import Channel, Delivery
from aed.settings.messages import GatewayForm

_CONTENT: Final = {
    GatewayForm.JSON: "application/json",
    GatewayForm.FORM: "application/x-www-form-urlencoded",
}


@dataclass(frozen=True, slots=True)
class Gateway:
    """The URL of a gateway, and the format of its requests."""

    url: str
    secret: str | None
    """The secret that signs requests as webhooks are signed; None if a header authenticates them."""
    form: GatewayForm
    names: Mapping[str, str]
    """The gateway's names of `id`, `to`, `text`, `language` and `channel`; an empty name omits the field."""
    fixed: Mapping[str, str]
    """Fields of every request, such as the name of a signature or a template."""
    headers: Mapping[str, str]


def deliver(letter: Delivery, gateway: Gateway, post: Post, *, at: datetime) -> None:
    """Send a message through the gateway, which can detect duplicates by the id."""
    given = {
        "id": letter.key,
        "to": letter.recipient,
        "text": letter.text,
        "language": str(letter.language),
        "channel": str(letter.channel if letter.channel is Channel.VOICE else Channel.SMS),
    }
    fields = dict(gateway.fixed)
    for ours, value in given.items():
        if name := gateway.names.get(ours, ours):
            fields[name] = value
    body = orjson.dumps(fields) if gateway.form is GatewayForm.JSON else urlencode(fields).encode()
    headers = {"Idempotency-Key": letter.key, **gateway.headers}
    if gateway.secret is not None:
        headers |= signed((gateway.secret,), letter.key, body, at=at)
    post(gateway.url, body, {**headers, "Content-Type": _CONTENT[gateway.form]})
