"""Push messages to browsers (RFC 8030), encrypted (RFC 8291) and signed with VAPID (RFC 8292)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

import http_ece
import orjson
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import Vapid02
from py_vapid.utils import b64urldecode, b64urlencode

from aed.notifications.channels.posting import Post
from aed.notifications.rules import Delivery, PermanentFailure

TOKEN_LIFETIME: Final = timedelta(days=1)
"""How long a push service keeps a message for a browser that is offline."""
SIGNED_FOR: Final = timedelta(hours=12)
MAX_BYTES: Final = 3_000
"""The maximum size of the text: a push service accepts 4,096 bytes in all."""


@dataclass(frozen=True, slots=True)
class Pusher:
    """The VAPID identity: the private key (base64url, 32 bytes) and a contact for push services."""

    private_key: str
    contact: str
    """A mailto: or https: URL."""


def deliver(letter: Delivery, pusher: Pusher, post: Post, *, at: datetime) -> None:
    """Send a message to a browser's push service; it replaces an undelivered copy (Topic)."""
    if letter.endpoint is None or letter.endpoint.secret is None:
        raise PermanentFailure("The message has no endpoint, or the endpoint has no keys.")
    content = {"id": letter.key, "subject": letter.subject, "text": _short(letter.text)}
    body = encrypt(orjson.dumps(content), keys=letter.endpoint.secret)
    wanted_for = TOKEN_LIFETIME if letter.expires_at is None else min(TOKEN_LIFETIME, letter.expires_at - at)
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Encoding": "aes128gcm",
        "TTL": str(max(0, int(wanted_for.total_seconds()))),
        "Topic": letter.key,
        "Urgency": "high",
        **authorization(letter.endpoint.address, pusher, at=at),
    }
    # 404 and 410: the subscription has ended.
    post(letter.endpoint.address, body, headers, gone=(404, 410))


def public_key(private_key: str) -> str:
    """Return the key with which browsers subscribe: the uncompressed point, base64url."""
    point = Vapid02.from_string(private_key).public_key.public_bytes(
        Encoding.X962, PublicFormat.UncompressedPoint
    )
    return str(b64urlencode(point))


def encrypt(content: bytes, *, keys: str) -> bytes:
    """Encrypt a message to a browser (RFC 8291, content encoding aes128gcm).

    `keys` is the JSON object `keys` of the browser's PushSubscription: `p256dh` and `auth`, base64url. Raises
    PermanentFailure if they are not usable.
    """
    try:
        given = orjson.loads(keys)
        encrypted: bytes = http_ece.encrypt(
            content,
            private_key=ec.generate_private_key(ec.SECP256R1()),  # a new key for each message
            dh=b64urldecode(given["p256dh"].encode()),
            auth_secret=b64urldecode(given["auth"].encode()),
            version="aes128gcm",
        )
    except (http_ece.ECEException, LookupError, ValueError, TypeError, AttributeError) as error:
        raise PermanentFailure("The browser's keys are invalid.", is_endpoint_gone=True) from error
    return encrypted


def authorization(address: str, pusher: Pusher, *, at: datetime) -> dict[str, str]:
    """Return the VAPID headers (RFC 8292), which authenticate the sender to that push service."""
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
