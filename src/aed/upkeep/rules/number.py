"""A device's short number: what stands under the QR code, to be read out or typed."""

from __future__ import annotations

from aed.errors import InvalidInput


def short_number(device_id: int) -> str:
    """The device's id and a check digit, such as 1234-4: one wrong digit, or two swapped, names no device."""
    return f"{device_id}-{_check_digit(device_id)}"


def device_id_of(number: str) -> int:
    """The id behind a short number, with or without the hyphen. Raises InvalidInput for a mistyped one."""
    digits = number.strip().replace("-", "").replace(" ", "")
    if digits.isascii() and digits.isdecimal() and 2 <= len(digits) <= 19:
        device_id = int(digits[:-1])
        if device_id >= 1 and str(_check_digit(device_id)) == digits[-1]:
            return device_id
    raise InvalidInput(
        "There is no such number: read it again from the label. 编号有误，请再核对标签。", field="number"
    )


def _check_digit(device_id: int) -> int:
    """By Luhn's rule (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(str(device_id))):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return -total % 10
