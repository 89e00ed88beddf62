"""Custom bots of Feishu and Lark groups 飞书. The address contains the bot's token; messages are signed."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Final

import orjson

from aed.notifications.channels.bots import JSON, code_in, judge, text_of
from aed.notifications.channels.posting import Post
from aed.notifications.rules import Delivery, PermanentFailure

MAX_BYTES: Final = 18_000  # the platform accepts 20 KB for the whole body
TOO_OFTEN: Final = (11232, 9499)
SHUT: Final = timedelta(minutes=1)
LATER: Final = (-1, 2200)


def deliver(letter: Delivery, post: Post, *, at: datetime) -> None:
    """Send the text to the group. The platform does not detect duplicates."""
    if letter.endpoint is None:
        raise PermanentFailure("The message has no endpoint.")
    body: dict[str, object] = {
        "msg_type": "text",
        "content": {"text": text_of(letter, most_bytes=MAX_BYTES)},
    }
    if letter.endpoint.secret is not None:
        stamp = int(at.timestamp())
        body |= {"timestamp": str(stamp), "sign": signature(stamp, letter.endpoint.secret)}
    answer = post(letter.endpoint.address, orjson.dumps(body), JSON)
    judge(code_in(answer, "code"), platform="Feishu", later=LATER, too_often=TOO_OFTEN, shut=SHUT)


def signature(stamp_seconds: int, secret: str) -> str:
    """Return the HMAC-SHA256 of an empty message, with the time in seconds and the secret as the key."""
    signed = hmac.new(f"{stamp_seconds}\n{secret}".encode(), b"", hashlib.sha256)
    return base64.b64encode(signed.digest()).decode()
