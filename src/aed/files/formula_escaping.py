"""Cells of tables that a spreadsheet would take for a formula.

A program that opens a CSV executes a cell that begins with = + - @, a tab or a line end (and their
full-width forms). The apostrophe before it makes it text. It is put and taken away by one rule, so that
nothing is lost: text of any number of apostrophes (none, too) and then one of these characters gets one
apostrophe more when it is written, and one less when it is read. Other text is left alone:
's-Hertogenbosch stays what it is.
"""

from __future__ import annotations

import re

_EXECUTED = "=+\\-@\t\r\n＝＋－＠"
_WOULD_BE_EXECUTED = re.compile(f"'*[{_EXECUTED}]")
_WAS_NEUTRALISED = re.compile(f"'+[{_EXECUTED}]")


def escape_formula(text: str) -> str:
    """Text for a cell that no spreadsheet executes; `as_meant` gives it back."""
    return f"'{text}" if _WOULD_BE_EXECUTED.match(text) else text


def unescape_formula(cell: str) -> str:
    """What was written with `neutral`."""
    return cell[1:] if _WAS_NEUTRALISED.match(cell) else cell
