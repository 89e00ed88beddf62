"""How people are reached: channels, languages, phone numbers, messages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from aed.errors import InvalidInput


class PhoneChannel(StrEnum):
    """A channel to a phone number."""

    SMS = "sms"
    VOICE = "voice"
    """A call that reads the text aloud."""


class Language(StrEnum):
    ZH = "zh"
    EN = "en"


def e164(written: str, *, country: str) -> str:
    """Return a phone number as E.164, such as +8613800138000.

    `country` (ISO 3166-1 alpha-2) is assumed for a number without a country code. Full-width digits, 0086,
    brackets and dashes are understood. Raises InvalidInput for an invalid number.
    """
    import phonenumbers  # imported here: its tables are large, and few commands read a new number

    try:
        number = phonenumbers.parse(written, country)
    except phonenumbers.NumberParseException:
        raise InvalidInput(
            "This is not a phone number. Write its digits, starting with + and the country code.",
            field="phone",
        ) from None
    if number.extension:
        raise InvalidInput(
            "A number with an extension cannot receive messages. Give a direct number.", field="phone"
        )
    if not phonenumbers.is_valid_number(number):
        raise InvalidInput(
            "No phone number with the country code +{country_code} looks like this. Check the digits.",
            field="phone",
            country_code=number.country_code,
        )
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def is_number_of(phone: str, *, country: str) -> bool:
    """Return True if an E.164 number has the country code of that country (ISO 3166-1 alpha-2)."""
    import phonenumbers  # imported here, as in `e164`

    return phone.startswith(f"+{phonenumbers.country_code_for_region(country)}")


def spellings(phone: str) -> tuple[str, ...]:
    """Return the ways in which lists write an E.164 number: with and without the country code."""
    import phonenumbers  # imported here, as in `e164`

    number = phonenumbers.parse(phone, None)
    national = phonenumbers.national_significant_number(number)
    country_code = str(number.country_code)
    return (phone, country_code + national, f"00{country_code}{national}", national, f"0{national}")


@dataclass(frozen=True, slots=True)
class PersonMessage:
    person_id: int | None
    """None: a code for a number without an account."""
    channel: PhoneChannel
    phone: str
    """E.164."""
    language: Language
    text_en: str
    text_zh: str
    expires_at: datetime | None = None
    is_secret: bool = False
    """Its text is deleted once it is sent."""


def plain_email(written: str) -> str:
    """Return an e-mail address in the form in which it is stored and compared."""
    return written.strip().casefold()
