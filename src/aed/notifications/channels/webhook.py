"""Webhooks as standardwebhooks.com has them: JSON, signed, with an id by which a second copy is known."""

from __future__ import annotations

from datetime import datetime

import orjson
from standardwebhooks import Webhook

from aed.notifications.channels.posting import Post
from aed.notifications.rules import Letter, Refused


def deliver(letter: Letter, post: Post, *, at: datetime) -> None:
    """The receiver took it. Once and no more, if it looks at `webhook-id`."""
    if letter.endpoint is None or letter.endpoint.secret is None:
        raise Refused("It has no endpoint, or the endpoint has no secret.")
    body = orjson.dumps(
        {
            "type": "message",
            "timestamp": letter.created_at,
            "data": {
                "id": letter.key,
                "endpoint": letter.endpoint.name,
                "language": letter.language,
                "subject": letter.subject,
                "text": letter.text,
            },
        }
    )
    post(letter.endpoint.address, body, signed(letter.endpoint.secret, letter.key, body, at=at))


def signed(secret: str, key: str, body: bytes, *, at: datetime) -> dict[str, str]:
    """The headers of a body: its id, the moment, the signature of both and of the body."""
    return {
        "Content-Type": "application/json",
        "webhook-id": key,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(msg_id=key, timestamp=at, data=body.decode()),
    }
