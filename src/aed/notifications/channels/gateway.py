"""Text messages and calls through a gateway of HTTP, which a provider or a few lines before one can be."""

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
from aed.settings import GatewayForm

_CONTENT: Final = {
    GatewayForm.JSON: "application/json",
    GatewayForm.FORM: "application/x-www-form-urlencoded",
}


@dataclass(frozen=True, slots=True)
class Gateway:
    """Where it is, and how it wants to be asked."""

    url: str
    secret: str | None
    """It signs as webhooks are signed; None for a gateway that knows its callers by a header."""
    form: GatewayForm
    names: Mapping[str, str]
    """What the gateway calls `id`, `to`, `text`, `language` and `channel`; an empty name leaves it out."""
    fixed: Mapping[str, str]
    """What goes along each time, such as a signature's or a template's name."""
    headers: Mapping[str, str]


def deliver(letter: Delivery, gateway: Gateway, post: Post, *, at: datetime) -> None:
    """The gateway took it. Once and no more, if it looks at the id."""
    given = {
        "id": letter.key,
        "to": letter.recipient,
        "text": letter.text,
        "language": str(letter.language),
        "channel": str(letter.channel if letter.channel is Channel.VOICE else Channel.SMS),
    }
    said = dict(gateway.fixed)
    for ours, value in given.items():
        if name := gateway.names.get(ours, ours):
            said[name] = value
    body = orjson.dumps(said) if gateway.form is GatewayForm.JSON else urlencode(said).encode()
    headers = {"Idempotency-Key": letter.key, **gateway.headers}
    if gateway.secret is not None:
        headers |= signed((gateway.secret,), letter.key, body, at=at)
    post(gateway.url, body, {**headers, "Content-Type": _CONTENT[gateway.form]})
