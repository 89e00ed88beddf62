"""The code on the trainer's screen: what it says, how long it is good, and why one is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

VALID_FOR: Final = timedelta(minutes=1)
"""Long enough to raise a phone; a picture that is sent to somebody at home comes too late."""
CHANGES_EVERY: Final = timedelta(seconds=3)
"""Each code is good for one person: so two who scan one after the other find different ones."""
AHEAD: Final = timedelta(seconds=30)
"""A second machine's clock may be so much ahead."""
SIGN_IN_AFTER: Final = timedelta(hours=2)
"""After the session's end; later the trainer's list says who came."""

_WRITTEN: Final = re.compile(r"([0-9]{1,18})\.([0-9]{1,12})\.([A-Za-z0-9_-]{8,32})")


@dataclass(frozen=True, slots=True)
class PresenceCode:
    """Shown at that moment for that session; `nonce` tells it from every other."""

    session_id: int
    shown_at: datetime
    nonce: str

    def written(self) -> str:
        return f"{self.session_id}.{int(self.shown_at.timestamp())}.{self.nonce}"

    @property
    def valid_until(self) -> datetime:
        return self.shown_at + VALID_FOR


def read_code(written: str) -> PresenceCode | None:
    found = _WRITTEN.fullmatch(written)
    if found is None:
        return None
    return PresenceCode(int(found[1]), datetime.fromtimestamp(int(found[2]), UTC), found[3])


def why_over(code: PresenceCode, *, at: datetime, time_zone: str) -> str | None:
    """Why the code is good no more, and what to do; None while it is good."""
    if code.shown_at - AHEAD <= at <= code.valid_until:
        return None
    zone = ZoneInfo(time_zone)
    shown, now = code.shown_at.astimezone(zone), at.astimezone(zone)
    if shown.date() != now.date():
        return (
            f"此码属于 {shown:%Y-%m-%d}，已失效；请在培训现场扫描屏幕上的二维码。"
            f"This code is of {shown:%Y-%m-%d}: scan the one on the screen at your session."
        )
    return (
        "此码已过期（有效期一分钟），请重新扫描屏幕上的二维码。"
        f"This code was shown at {shown:%H:%M:%S} and was good for a minute: scan the one on the screen now."
    )


def can_sign_in_until(ends_at: datetime) -> datetime:
    return ends_at + SIGN_IN_AFTER
