"""Custom bots of DingTalk groups 钉钉. The address contains the bot's token; messages are signed (加签)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote_plus

import orjson

from aed.notifications.channels.bots import JSON, code_in, judge, text_of
from aed.notifications.channels.posting import Post
from aed.notifications.rules import Delivery, PermanentFailure

MAX_BYTES: Final = 18_000  # the platform accepts 20,000 for the whole body
TOO_OFTEN: Final = (130101, 130102, 90030, 90018)
SHUT: Final = timedelta(minutes=10)
"""How long the platform blocks a bot that sent more than 20 messages within a minute."""
LATER: Final = (-1, 130103, 460101)


def deliver(letter: Delivery, post: Post, *, at: datetime) -> None:
    """Send the text to the group. The platform does not detect duplicates."""
    if letter.endpoint is None:
        raise PermanentFailure("The message has no endpoint.")
    url = letter.endpoint.address
    if letter.endpoint.secret is not None:
        stamp = int(at.timestamp() * 1000)
        url += "&" if "?" in url else "?"
        url += f"timestamp={stamp}&sign={quote_plus(signature(stamp, letter.endpoint.secret))}"
    body = {"msgtype": "text", "text": {"content": text_of(letter, most_bytes=MAX_BYTES)}}
    answer = post(url, orjson.dumps(body), JSON)
    judge(code_in(answer, "errcode"), platform="DingTalk", later=LATER, too_often=TOO_OFTEN, shut=SHUT)


def signature(stamp_ms: int, secret: str) -> str:
    """Return the HMAC-SHA256 of the time in milliseconds and the secret, with the secret as the key."""
    signed = hmac.new(secret.encode(), f"{stamp_ms}\n{secret}".encode(), hashlib.sha256)
    return base64.b64encode(signed.digest()).decode()
