"""Webhooks as specified by standardwebhooks.com: JSON, signed, with an id to detect duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import orjson
from standardwebhooks import Webhook

from aed.notifications.channels.posting import Post
from aed.notifications.rules import Delivery, Endpoint, PermanentFailure


def deliver(letter: Delivery, post: Post, *, at: datetime) -> None:
    """Send a message to a webhook, which can detect duplicates by `webhook-id`."""
    endpoint = letter.endpoint
    if endpoint is None or endpoint.secret is None:
        raise PermanentFailure("The message has no endpoint, or the endpoint has no secret.")
    body = letter.body.encode() if letter.body is not None else _payload(letter, endpoint)
    secrets = (endpoint.secret, endpoint.old_secret) if endpoint.old_secret else (endpoint.secret,)
    gone = (410,) if letter.body is None or endpoint.is_closed_when_gone else ()
    post(endpoint.address, body, signed(secrets, letter.key, body, at=at), gone=gone)


def _payload(letter: Delivery, endpoint: Endpoint) -> bytes:
    return orjson.dumps(
        {
            "type": "message",
            "timestamp": letter.created_at,
            "data": {
                "id": letter.key,
                "endpoint": endpoint.name,
                "language": letter.language,
                "subject": letter.subject,
                "text": letter.text,
            },
        }
    )


def signed(secrets: Sequence[str], key: str, body: bytes, *, at: datetime) -> dict[str, str]:
    """Return the headers of a body: id, time, and one signature of them and the body for each secret."""
    signatures = (Webhook(each).sign(msg_id=key, timestamp=at, data=body.decode()) for each in secrets)
    return {
        "Content-Type": "application/json",
        "webhook-id": key,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
