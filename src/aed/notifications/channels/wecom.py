"""Bots of WeCom groups 企业微信. The address contains the bot's key; messages are not signed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import orjson

from aed.notifications.channels.bots import JSON, code_in, judge, text_of
from aed.notifications.channels.posting import Post
from aed.notifications.rules import Delivery, PermanentFailure

MAX_BYTES: Final = 2048
TOO_OFTEN: Final = (45009, 45033)
SHUT: Final = timedelta(minutes=1)
LATER: Final = (-1, 50001)


def deliver(letter: Delivery, post: Post, *, at: datetime) -> None:
    """Send the text to the group. The platform does not detect duplicates."""
    if letter.endpoint is None:
        raise PermanentFailure("The message has no endpoint.")
    body = {"msgtype": "text", "text": {"content": text_of(letter, most_bytes=MAX_BYTES)}}
    answer = post(letter.endpoint.address, orjson.dumps(body), JSON)
    judge(code_in(answer, "errcode"), platform="WeCom", later=LATER, too_often=TOO_OFTEN, shut=SHUT)
