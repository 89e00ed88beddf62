"""Messages to browsers (RFC 8030), encrypted to them (RFC 8291), signed by this installation (RFC 8292)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
from py_vapid import Vapid02
from pywebpush import WebPusher, WebPushException

from aed.notifications.channels.posting import Post
from aed.notifications.rules import Letter, Refused

GOOD_FOR: Final = timedelta(days=1)
"""For so long a push service keeps a message for a browser that is off."""
SIGNED_FOR: Final = timedelta(hours=12)
MOST_BYTES: Final = 3_000
"""Of the text: a push service takes 4,096 of the whole."""


@dataclass(frozen=True, slots=True)
class Pusher:
    """As whom we come: the private key (base64url, 32 bytes) and whom a push service may write to."""

    private_key: str
    contact: str
    """mailto:… or https://…"""


def deliver(letter: Letter, pusher: Pusher, post: Post, *, at: datetime) -> None:
    """The push service took it. One that still waits there is replaced by its second copy (Topic)."""
    if letter.endpoint is None or letter.endpoint.secret is None:
        raise Refused("It has no endpoint, or the endpoint has no keys.")
    keys: dict[str, Any] = orjson.loads(letter.endpoint.secret)
    said = {"id": letter.key, "subject": letter.subject, "text": _short(letter.text)}
    try:
        encoded = WebPusher({"endpoint": letter.endpoint.address, "keys": keys}).encode(orjson.dumps(said))
    except (WebPushException, ValueError, TypeError) as error:
        raise Refused("The browser's keys are none.", is_endpoint_gone=True) from error
    wanted_for = GOOD_FOR if letter.expires_at is None else min(GOOD_FOR, letter.expires_at - at)
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Encoding": "aes128gcm",
        "TTL": str(max(0, int(wanted_for.total_seconds()))),
        "Topic": letter.key,
        "Urgency": "high",
        **authorization(letter.endpoint.address, pusher, at=at),
    }
    # 404 and 410: the browser has ended its subscription.
    post(letter.endpoint.address, encoded["body"], headers, gone=(404, 410))


def authorization(address: str, pusher: Pusher, *, at: datetime) -> dict[str, str]:
    """The headers that say, signed, who sends to that push service."""
    parts = urlsplit(address)
    claims = {
        "aud": f"{parts.scheme}://{parts.netloc}",
        "exp": int((at + SIGNED_FOR).timestamp()),
        "sub": pusher.contact,
    }
    signed: dict[str, str] = Vapid02.from_string(pusher.private_key).sign(claims)
    return signed


def _short(text: str) -> str:
    whole = text.encode()
    return text if len(whole) <= MOST_BYTES else whole[: MOST_BYTES - 3].decode(errors="ignore") + "…"
