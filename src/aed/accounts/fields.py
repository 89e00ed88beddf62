"""Types of values in requests and responses."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

from aed.translation import noop


def _known_time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("must be an IANA time zone such as Asia/Shanghai") from None
    return value


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f]")


def has_control_characters(value: str) -> bool:
    """Return whether the text has control characters other than tab and line feed.

    PostgreSQL stores no NUL.
    """
    return _CONTROL.search(value) is not None


def _without_control_characters(value: str) -> str:
    if has_control_characters(value):
        raise ValueError(noop("must not contain control characters"))
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(noop("must be valid Unicode text")) from None
    return value


TimeZone = Annotated[str, Field(max_length=64), AfterValidator(_known_time_zone)]
FreeText = Annotated[
    str,
    StringConstraints(strip_whitespace=True),
    Field(max_length=2000),
    AfterValidator(_without_control_characters),
]
Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True),
    Field(min_length=1, max_length=200),
    AfterValidator(_without_control_characters),
]
Code = Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9._:-]+$")]
Phone = Annotated[str, Field(min_length=2, max_length=32, pattern=r"^\+?[0-9 ()/.-]+$")]
Id = Annotated[int, Field(ge=1, le=2**63 - 1)]


def _in_utc(given: datetime) -> datetime:
    return given.astimezone(UTC)


Moment = Annotated[
    AwareDatetime,
    Field(ge=datetime(1990, 1, 1, tzinfo=UTC), le=datetime(2100, 12, 31, tzinfo=UTC)),
    AfterValidator(_in_utc),
]
"""A time with a UTC offset, such as 2030-05-04T09:00:00+08:00, converted to UTC."""
Language = Literal["zh", "en"]
