"""How people are reached: channels, languages, telephone numbers, messages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat

from aed.errors import InvalidInput


class PhoneChannel(StrEnum):
    """The way that a message takes; both need no more than a telephone."""

    SMS = "sms"
    VOICE = "voice"
    """A call that reads it out."""


class Language(StrEnum):
    ZH = "zh"
    EN = "en"


def e164(written: str, *, country: str) -> str:
    """The number as E.164, such as +8613800138000.

    `country` (ISO 3166-1 alpha-2) is where a number without a country code is at home. Full-width digits,
    0086, brackets and dashes are understood. Raises InvalidInput for what is no number that can be rung.
    """
    try:
        number = phonenumbers.parse(written, country)
    except NumberParseException:
        raise InvalidInput(
            "This is no telephone number. Write its digits, with + and the country code in front.",
            field="phone",
        ) from None
    if number.extension:
        raise InvalidInput("A number with an extension gets no messages; give a direct one.", field="phone")
    if not phonenumbers.is_valid_number(number):
        raise InvalidInput(
            f"There is no such number with the country code +{number.country_code}: check its digits.",
            field="phone",
        )
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def mask_phone(phone: str) -> str:
    """What may stand in a record: the beginning and the last two digits, never enough to ring."""
    return f"{phone[:3]}{'*' * max(len(phone) - 5, 3)}{phone[-2:]}" if len(phone) > 7 else "***"


@dataclass(frozen=True, slots=True)
class PersonMessage:
    person_id: int
    channel: PhoneChannel
    phone: str
    """E.164."""
    language: Language
    text_en: str
    text_zh: str
    expires_at: datetime | None = None
    is_secret: bool = False
    """Then nobody keeps its text once it is sent."""


def plain_email(written: str) -> str:
    """As it is kept and compared."""
    return written.strip().casefold()
