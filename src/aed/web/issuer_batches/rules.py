"""Say in words why a row of an issuer's answer was not read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from aed.web.words import noop

_REASONS: Final = (
    (r"row: this batch has no row (?P<row>.*)", noop("This batch has no row {row}.")),
    (
        r"name: row (?P<row>\d+) is (?P<name>.*), not (?P<other>.*)\. A row may have been shifted",
        noop("Row {row} of the batch is {name}, not {other}. A row may have been shifted."),
    ),
    (
        r"certificate_number: is longer than 100 characters",
        noop("The certificate number is longer than 100 characters."),
    ),
    (
        r"certificate_number: this row was rejected; it is in a later batch",
        noop("This row was rejected before: its number belongs in the answer to a later batch."),
    ),
    (
        r"certificate_number: the result has the number (?P<number>.*) already",
        noop("The result has the certificate number {number} already."),
    ),
    (r"reason: this row was accepted before", noop("This row was accepted before.")),
)


def reason_words(reason: str) -> tuple[str, Mapping[str, str]]:
    """Return why a row was not read, as a string to translate with its values; "" if it is not known."""
    for pattern, words in _REASONS:
        if found := re.fullmatch(pattern, reason, flags=re.DOTALL):
            return words, found.groupdict()
    return "", {}
