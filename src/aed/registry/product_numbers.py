"""Numbers by which authorities know a product: registration number (医疗器械注册证号) and UDI-DI."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from aed.errors import InvalidInput

MAX_NUMBER_LENGTH: Final = 100

_GTIN_LENGTHS: Final = (8, 12, 13, 14)
_GTIN_IN_BRACKETS: Final = re.compile(r"\(01\)([0-9]{14})(?:\([0-9]{2,4}\).*)?")
_GTIN_IN_CODE: Final = re.compile(r"01([0-9]{14})(?:(?:1[0-7][0-9]{6}|21|10).*)?")
"""An element string of GS1 as scanners send it: the GTIN, and perhaps a date, a serial number or a lot."""
_SYMBOLS: Final = re.compile(r"^\](C1|D2|Q3|E0)")
"""What scanners may send first: the kind of GS1 code that they have read."""
_OTHER_ISSUER: Final = re.compile(r"[A-Z0-9][A-Z0-9.+*/$%-]{5,}|\+[A-Z0-9.*/$%-]{5,}")
"""A code of HIBCC, ICCBBA, MA (IDcode) or AHM (阿里健康)."""
_NATIONAL_REGISTRATION: Final = re.compile(r"(.*?)械(注准|注进|注許|注许|备)(.*)")


def normalise_udi_di(text: str) -> str:
    """Return the device identifier of a UDI; a GTIN of GS1 as 14 digits.

    Takes a GTIN of 8, 12, 13 or 14 digits, a whole code of GS1 as printed, (01)…(17)…(21)…, or as scanned,
    and the codes of other issuers as they are. Raises InvalidInput if the check digit of a GTIN is wrong.
    """
    code = re.sub(r"\s", "", unicodedata.normalize("NFKC", text)).upper()
    code = _SYMBOLS.sub("", code)
    found = _GTIN_IN_BRACKETS.fullmatch(code) or _GTIN_IN_CODE.fullmatch(code)
    digits = found[1] if found else code
    if digits.isascii() and digits.isdecimal():
        if len(digits) not in _GTIN_LENGTHS:
            raise InvalidInput(
                "A UDI-DI of digits alone has 8, 12, 13 or 14 of them, such as 06901234567892.",
                field="udi_di",
            )
        if _gs1_check_digit(digits[:-1]) != int(digits[-1]):
            raise InvalidInput(
                "The check digit of this UDI-DI is wrong: compare it with the label, digit by digit.",
                field="udi_di",
            )
        return digits.zfill(14)
    if len(code) > MAX_NUMBER_LENGTH or not _OTHER_ISSUER.fullmatch(code):
        raise InvalidInput(
            "Give the UDI-DI as on the label: the 14 digits after (01), or letters, digits and . + * / $ % -",
            field="udi_di",
        )
    return code


def _gs1_check_digit(digits: str) -> int:
    """Return the check digit of a GTIN (GS1 General Specifications, 7.9)."""
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(digits)))
    return -total % 10


def normalise_registration_number(text: str) -> str:
    """Return a registration number without spaces, in one notation.

    A number of China's present system needs its 11 digits: 国械注准20213080123 is of the year 2021, class 3,
    category 08 and number 0123. Numbers of other systems, such as P160029, are taken as they are. Raises
    InvalidInput.
    """
    number = re.sub(r"\s", "", unicodedata.normalize("NFKC", text)).upper().replace("許", "许")
    found = _NATIONAL_REGISTRATION.fullmatch(number)
    if found is not None and found[2] != "备" and not re.fullmatch(r"[0-9]{4}[123][0-9]{6}", found[3]):
        raise InvalidInput(
            "The registration number needs 11 digits after 械注准, 械注进 or 械注许: year, class and number, "
            "such as 国械注准20213080123.",
            field="registration_number",
        )
    if not number or len(number) > MAX_NUMBER_LENGTH or not number.isprintable():
        raise InvalidInput(
            "Give the registration number as on the label, such as 国械注准20213080123, in at most 100 "
            "characters.",
            field="registration_number",
        )
    return number
