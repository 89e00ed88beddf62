"""Shared code of chat bots: the text of a message, and the result code in a JSON response."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any, Final

import orjson

from aed.notifications.channels.posting import HttpAnswer
from aed.notifications.rules import Delivery, PermanentFailure, TemporaryFailure

JSON: Final = {"Content-Type": "application/json; charset=utf-8"}


def text_of(letter: Delivery, *, most_bytes: int) -> str:
    """Return subject and text, truncated with an ellipsis to the platform's limit."""
    text = f"{letter.subject}\n{letter.text}" if letter.subject else letter.text
    whole = text.encode()
    if len(whole) <= most_bytes:
        return text
    return whole[: most_bytes - 3].decode(errors="ignore") + "…"


def code_in(answer: HttpAnswer, field: str) -> int:
    """Return the platform's result code; 0 is success. Raises TemporaryFailure for an invalid response."""
    try:
        reply: Any = orjson.loads(answer.body)
        return int(reply[field])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        raise TemporaryFailure("The platform's response has an unknown form.") from None


def judge(
    code: int, *, platform: str, later: Collection[int], too_often: Collection[int], shut: timedelta
) -> None:
    """Check a result code; 0 is success.

    Raises TemporaryFailure for a code in `later` or `too_often`, PermanentFailure for every other code.
    """
    if code == 0:
        return
    message = f"{platform} responded with code {code}."
    if code in too_often:
        raise TemporaryFailure(f"{message} The bot has sent too many messages.", wait=shut)
    if code in later:
        raise TemporaryFailure(message)
    raise PermanentFailure(f"{message} Check the bot's URL, secret and keywords.")
