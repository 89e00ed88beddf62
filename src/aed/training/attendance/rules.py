"""The check-in code on the trainer's screen: its content, its validity, and why one is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

VALID_FOR: Final = timedelta(minutes=1)
"""Long enough to scan; too short for a photo forwarded to someone who is absent to be of use."""
CHECK_IN_PAGE: Final = "/attendance/"
"""Path of the page that a scanned code opens, before its token (`aed.web.attendance`)."""


CHANGES_EVERY: Final = timedelta(seconds=3)
"""Each code is valid for one person, so people who scan in turn need different codes."""
AHEAD: Final = timedelta(seconds=30)
"""Tolerated clock difference between servers."""
SIGN_IN_AFTER: Final = timedelta(hours=2)
"""How long after the end people can still check in. After that the trainer records attendance by hand."""

_WRITTEN: Final = re.compile(r"([0-9]{1,18})\.([0-9]{1,12})\.([A-Za-z0-9_-]{8,32})")


@dataclass(frozen=True, slots=True)
class PresenceCode:
    """A check-in code: its session, when it was shown, and a nonce that makes it unique."""

    session_id: int
    shown_at: datetime
    nonce: str

    def written(self) -> str:
        """Return the code as text; `read_code` parses it."""
        return f"{self.session_id}.{int(self.shown_at.timestamp())}.{self.nonce}"

    @property
    def valid_until(self) -> datetime:
        """When the code expires."""
        return self.shown_at + VALID_FOR


def read_code(written: str) -> PresenceCode | None:
    """Parse a code written by `PresenceCode.written`; None if the text is malformed."""
    found = _WRITTEN.fullmatch(written)
    if found is None:
        return None
    return PresenceCode(int(found[1]), datetime.fromtimestamp(int(found[2]), UTC), found[3])


def closed_reason(code: PresenceCode, *, at: datetime, time_zone: str) -> str | None:
    """Return why the code is no longer valid, and what to do; None while it is valid."""
    if code.shown_at - AHEAD <= at <= code.valid_until:
        return None
    zone = ZoneInfo(time_zone)
    shown, now = code.shown_at.astimezone(zone), at.astimezone(zone)
    if shown.date() != now.date():
        return (
            f"此码属于 {shown:%Y-%m-%d}，已失效；请在培训现场扫描屏幕上的二维码。This code is "
            f"from {shown:%Y-%m-%d} and has expired. Scan the code on the screen at your "
            "session."
        )
    return (
        "此码已过期（有效期一分钟），请重新扫描屏幕上的二维码。This code was shown at "
        f"{shown:%H:%M:%S} and has expired after a minute. Scan the code on the screen "
        "now."
    )


def can_sign_in_until(ends_at: datetime) -> datetime:
    """Return when check-in closes for a session that ends at `ends_at`."""
    return ends_at + SIGN_IN_AFTER


def screen_page(session_id: int) -> str:
    """Return the path of the page for the trainer's screen (`aed.web.attendance`)."""
    return f"/learn/sessions/{session_id}/attendance"
