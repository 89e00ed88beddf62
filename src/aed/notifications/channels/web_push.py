"""Messages to browsers (RFC 8030), encrypted to them (RFC 8291), signed by this installation (RFC 8292)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

import http_ece
import orjson
from cryptography.hazmat.primitives.asymmetric import ec
from py_vapid import Vapid02
from py_vapid.utils import b64urldecode

from aed.notifications.channels.posting import Post
from aed.notifications.rules import Delivery, PermanentFailure

GOOD_FOR: Final = timedelta(days=1)
"""For so long a push service keeps a message for a browser that is off."""
SIGNED_FOR: Final = timedelta(hours=12)
MAX_BYTES: Final = 3_000
"""Of the text: a push service takes 4,096 of the whole."""


@dataclass(frozen=True, slots=True)
class Pusher:
    """As whom we come: the private key (base64url, 32 bytes) and whom a push service may write to."""

    private_key: str
    contact: str
    """mailto:… or https://…"""


def deliver(letter: Delivery, pusher: Pusher, post: Post, *, at: datetime) -> None:
    """Send a message to a browser's push service; a copy of it that still waits there is replaced (Topic)."""
    if letter.endpoint is None or letter.endpoint.secret is None:
        raise PermanentFailure("It has no endpoint, or the endpoint has no keys.")
    content = {"id": letter.key, "subject": letter.subject, "text": _short(letter.text)}
    body = encrypt(orjson.dumps(content), keys=letter.endpoint.secret)
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
    post(letter.endpoint.address, body, headers, gone=(404, 410))


def encrypt(content: bytes, *, keys: str) -> bytes:
    """Encrypt a message to a browser (RFC 8291, content encoding aes128gcm).

    `keys` is the JSON object `keys` of the browser's PushSubscription: `p256dh` and `auth`, base64url.
    Raises Refused if they are not usable.
    """
    try:
        given = orjson.loads(keys)
        encrypted: bytes = http_ece.encrypt(
            content,
            private_key=ec.generate_private_key(ec.SECP256R1()),  # a new one for each message
            dh=b64urldecode(given["p256dh"].encode()),
            auth_secret=b64urldecode(given["auth"].encode()),
            version="aes128gcm",
        )
    except (http_ece.ECEException, LookupError, ValueError, TypeError, AttributeError) as error:
        raise PermanentFailure("The browser's keys are not usable.", is_endpoint_gone=True) from error
    return encrypted


def authorization(address: str, pusher: Pusher, *, at: datetime) -> dict[str, str]:
    """Return the VAPID headers (RFC 8292): who sends to that push service, signed."""
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
    return text if len(whole) <= MAX_BYTES else whole[: MAX_BYTES - 3].decode(errors="ignore") + "…"
