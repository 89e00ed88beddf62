"""What the bots of groups have in common: the text, and an answer in JSON whose code says how it went."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any, Final

import orjson

from aed.notifications.channels.posting import HttpAnswer
from aed.notifications.rules import Delivery, PermanentFailure, TemporaryFailure

JSON: Final = {"Content-Type": "application/json; charset=utf-8"}


def text_of(letter: Delivery, *, most_bytes: int) -> str:
    """Subject and text, cut where the platform would refuse it; an ellipsis tells."""
    text = f"{letter.subject}\n{letter.text}" if letter.subject else letter.text
    whole = text.encode()
    if len(whole) <= most_bytes:
        return text
    return whole[: most_bytes - 3].decode(errors="ignore") + "…"


def code_in(answer: HttpAnswer, field: str) -> int:
    """The platform's code: 0 for a message that is in the group. Raises Postponed for what is no answer."""
    try:
        said: Any = orjson.loads(answer.body)
        return int(said[field])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        raise TemporaryFailure("The platform's answer is none that it is known to give.") from None


def judge(
    code: int, *, platform: str, later: Collection[int], too_often: Collection[int], shut: timedelta
) -> None:
    """Passes for 0. Raises Postponed for what may go later, Refused for every other code."""
    if code == 0:
        return
    said = f"{platform} answered with code {code}."
    if code in too_often:
        raise TemporaryFailure(f"{said} The bot has sent too much.", wait=shut)
    if code in later:
        raise TemporaryFailure(said)
    raise PermanentFailure(f"{said} See to the bot's address, its secret and its keywords.")
