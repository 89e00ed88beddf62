"""How a person is reached."""

from __future__ import annotations

from enum import StrEnum


class PhoneChannel(StrEnum):
    """The way that a message takes; both need no more than a telephone."""

    SMS = "sms"
    VOICE = "voice"
    """A call that reads it out."""


class Language(StrEnum):
    ZH = "zh"
    EN = "en"
