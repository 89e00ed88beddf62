"""Messages from an app in WeCom 企业微信 to one member."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Final

from aed.notifications.channels.bots import text_of
from aed.notifications.rules import Delivery, PermanentFailure, TemporaryFailure
from aed.platforms.calls import TOKEN_REFUSED, PlatformFailed, code_of
from aed.platforms.wecom import WecomApp

SECONDS: Final = 15.0
MAX_BYTES: Final = 2048
NOT_REACHED: Final = (60111, 81013)
"""The member does not exist, or may not see the app."""
TOO_OFTEN: Final = (45009, 45033)
MISTAKES: Final = (40058, 44004)
"""The message has a wrong form, or is empty."""


def deliver(letter: Delivery, app: WecomApp | None, *, at: datetime) -> None:
    """Send the text to the member. WeCom drops the same text within half an hour."""
    if app is None:
        raise TemporaryFailure("Set AED_WECOM__CORP_ID to the organisation's id.", is_channel_down=True)
    if letter.endpoint is None:
        raise PermanentFailure("The message has no endpoint.")
    text = text_of(letter, most_bytes=MAX_BYTES)
    try:
        said = app.send_message(letter.endpoint.address, text, until=time.monotonic() + SECONDS)
    except PlatformFailed as error:
        raise TemporaryFailure(error.detail, is_channel_down=True) from None
    code = code_of(said)
    if code in NOT_REACHED or said.get("invaliduser") or said.get("unlicenseduser"):
        raise PermanentFailure(
            f"WeCom responded with code {code}: the member may not see this app.", is_endpoint_gone=True
        )
    if code == 0:
        return
    if code in TOO_OFTEN:
        raise TemporaryFailure(f"WeCom responded with code {code}: too many.", wait=timedelta(minutes=1))
    if code in MISTAKES:
        raise PermanentFailure(f"WeCom responded with code {code}: the message has a wrong form.")
    if code in TOKEN_REFUSED or code != -1:
        raise TemporaryFailure(
            f"WeCom responded with code {code}. Compare AED_WECOM__… with its console.", is_channel_down=True
        )
    raise TemporaryFailure("WeCom is busy.")
