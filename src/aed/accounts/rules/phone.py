"""Telephone numbers: written in any way people write them, kept as E.164, shown masked."""

from __future__ import annotations

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat

from aed.errors import InvalidInput


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


def masked(phone: str) -> str:
    """What may stand in a record: the beginning and the last two digits, never enough to ring."""
    return f"{phone[:3]}{'*' * max(len(phone) - 5, 3)}{phone[-2:]}" if len(phone) > 7 else "***"
