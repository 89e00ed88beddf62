"""Webhooks as standardwebhooks.com has them: JSON, signed, with an id by which a second copy is known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import orjson
from standardwebhooks import Webhook

from aed.notifications.channels.posting import Post
from aed.notifications.rules import Delivery, Endpoint, PermanentFailure


def deliver(letter: Delivery, post: Post, *, at: datetime) -> None:
    """The receiver took it. Once and no more, if it looks at `webhook-id`."""
    endpoint = letter.endpoint
    if endpoint is None or endpoint.secret is None:
        raise PermanentFailure("It has no endpoint, or the endpoint has no secret.")
    body = letter.body.encode() if letter.body is not None else _told(letter, endpoint)
    secrets = (endpoint.secret, endpoint.old_secret) if endpoint.old_secret else (endpoint.secret,)
    # A dispatch centre that says it is gone stays connected: what it tells of patients is still believed.
    gone = (410,) if letter.body is None else ()
    post(endpoint.address, body, signed(secrets, letter.key, body, at=at), gone=gone)


def _told(letter: Delivery, endpoint: Endpoint) -> bytes:
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
    """The headers of a body: its id, the moment, the signature of both and of the body by each secret."""
    signatures = (Webhook(each).sign(msg_id=key, timestamp=at, data=body.decode()) for each in secrets)
    return {
        "Content-Type": "application/json",
        "webhook-id": key,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
