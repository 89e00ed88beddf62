"""Mask personal data for records, lists and public pages: recognisable to its owner, of no use to others."""

from __future__ import annotations

import re
from typing import Final

LAST_SHOWN: Final = 4
"""How many of the last characters of an identity number stay."""


def mask_name(name: str) -> str:
    """Mask a name so that only its holder recognises it: 王小明 becomes 王**, Anna Berg becomes A*** B***.

    The number of asterisks does not show the length of a Latin name.
    """
    words = name.split()
    return " ".join(
        word[0] + ("***" if word.isascii() or len(word) > 4 else "*" * max(1, len(word) - 1))
        for word in words
    )


def mask_phone(phone: str) -> str:
    """Mask a phone number for records: only its beginning and the last two digits stay."""
    return f"{phone[:3]}{'*' * max(len(phone) - 5, 3)}{phone[-2:]}" if len(phone) > 7 else "***"


def mask_email(email: str | None) -> str | None:
    """Mask an e-mail address: recognisable, but not usable."""
    return f"{email[0]}***@{email.rpartition('@')[2]}" if email is not None else None


def mask_recipient(recipient: str) -> str:
    """Mask a recipient for lists: recognisable by its owner, but not usable."""
    name, at_sign, domain = recipient.partition("@")
    if at_sign:
        return f"{name[:1]}…@{domain}"
    return f"{recipient[:6]}…{recipient[-2:]}" if recipient.startswith("+") else recipient


def is_whole(number: str) -> bool:
    """Return True for an unmasked Chinese identity number of 18 characters."""
    return re.fullmatch(r"[0-9]{17}[0-9X]", number) is not None


_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK: Final = "10X98765432"
"""GB 11643: the check character is the weighted sum of the other digits, modulo 11."""


def has_right_check_digit(number: str) -> bool:
    """Return True if the check character of an 18-character Chinese identity number is correct."""
    total = sum(int(digit) * weight for digit, weight in zip(number[:17], _WEIGHTS, strict=True))
    return _CHECK[total % 11] == number[17]


def mask_holder_id(number: str) -> str:
    """Mask an identity number, so that it does not show the date of birth.

    A complete Chinese number keeps its first six characters (place of registration) and its last four; any
    other number keeps its last four. Numbers that are masked already are returned unchanged.
    """
    if is_whole(number):
        return f"{number[:6]}{'*' * 8}{number[-LAST_SHOWN:]}"
    if "*" in number:
        return number
    return f"{'*' * max(len(number) - LAST_SHOWN, 4)}{number[-LAST_SHOWN:]}"
