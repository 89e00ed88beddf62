"""Work notifications 工作通知 from an app in DingTalk 钉钉 to one member."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from aed.notifications.channels.bots import text_of
from aed.notifications.rules import Delivery, PermanentFailure, TemporaryFailure
from aed.platforms.calls import PlatformFailed
from aed.platforms.dingtalk import TOO_OFTEN, DingtalkApp, result_of

SECONDS: Final = 15.0
MAX_BYTES: Final = 1900
BEIJING: Final = ZoneInfo("Asia/Shanghai")
NOT_REACHED: Final = (33012, 60121)
"""The member's id is wrong, or they have left the organisation."""
FULL: Final = (143103, 143104)
"""The app, or the organisation, has sent too many messages within a minute."""
FULL_TODAY: Final = 143105
"""The member has got 500 messages of this app today."""
FORBIDDEN: Final = 1430002
"""The text contains words that DingTalk does not allow."""


RESULT_WAITS_SECONDS: Final = (0.2, 0.8, 2.0)
"""DingTalk delivers after it has accepted a message: its result is queried after each of these."""


def deliver(letter: Delivery, app: DingtalkApp | None, *, at: datetime) -> None:
    """Send the text to the member, with its time: DingTalk drops a text that it delivered that day.

    A message of which DingTalk does not know the result within three seconds counts as delivered.
    """
    if app is None:
        raise TemporaryFailure("Set AED_DINGTALK__CLIENT_ID to the app's client id.", is_channel_down=True)
    if letter.endpoint is None:
        raise PermanentFailure("The message has no endpoint.")
    text = text_of(letter, most_bytes=MAX_BYTES)
    text += f"\n{letter.created_at.astimezone(BEIJING):%m-%d %H:%M:%S}"
    until = time.monotonic() + SECONDS
    try:
        said = app.send_message(letter.endpoint.address, text, until=until)
    except PlatformFailed as error:
        raise TemporaryFailure(error.detail, is_channel_down=True) from None
    _judge(result_of(said))
    _require_delivered(app, said.get("task_id"), letter.endpoint.address, until=until)


def _require_delivered(app: DingtalkApp, task_id: object, user_id: str, *, until: float) -> None:
    """Query the result of a message. Raises PermanentFailure or TemporaryFailure if it was not delivered."""
    for seconds in RESULT_WAITS_SECONDS:
        time.sleep(seconds)  # DingTalk does not call back; this thread sends only this message
        try:
            result = app.send_result(task_id, until=until)
        except PlatformFailed:
            return
        for held in _list(result, "forbidden_list"):
            if isinstance(held, Mapping) and held.get("userid") == user_id:
                code = str(held.get("code", ""))
                _judge(int(code) if code.isdecimal() else -1)
        if user_id in _list(result, "invalid_user_id_list"):
            _judge(NOT_REACHED[0])
        if user_id in _list(result, "failed_user_id_list") + _list(result, "forbidden_user_id_list"):
            raise TemporaryFailure("DingTalk accepted the message, but did not deliver it.")
        if user_id in _list(result, "read_user_id_list") + _list(result, "unread_user_id_list"):
            return


def _list(result: Mapping[str, Any], name: str) -> list[Any]:
    found = result.get(name)
    return found if isinstance(found, list) else []


def _judge(code: int) -> None:
    """Check a result code; 0 is success. Raises PermanentFailure or TemporaryFailure."""
    reason = f"DingTalk responded with code {code}"
    if code == 0:
        return
    if code in NOT_REACHED:
        raise PermanentFailure(f"{reason}: the member is unknown.", is_endpoint_gone=True)
    if code == FORBIDDEN:
        raise PermanentFailure(f"{reason}: the text has words that DingTalk does not allow.")
    if code == FULL_TODAY:
        raise TemporaryFailure(f"{reason}: the member's quota of today.", wait=timedelta(hours=1))
    if code in FULL or code in TOO_OFTEN:
        raise TemporaryFailure(f"{reason}: too many.", wait=timedelta(minutes=1))
    if code == -1:
        raise TemporaryFailure(f"{reason}: it is busy.")
    raise TemporaryFailure(f"{reason}. Compare AED_DINGTALK__… with its console.", is_channel_down=True)
