"""Spreadsheet cells that are never executed as formulas and are read back unchanged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aed.files.spreadsheets import escape_formula, unescape_formula

_TEXT = st.text(st.sampled_from("'=+-@\t\r\n＝＋－＠ a1"), max_size=6) | st.text(max_size=12)


@pytest.mark.parametrize("text", ["=1+1", "+86 571", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1", "'=1", "''@x"])
def test_a_text_that_would_be_a_formula_gets_an_apostrophe(text: str) -> None:
    assert escape_formula(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "Lobby", "'s-Hertogenbosch", "1=1", " =1", "'", "3号楼"])
def test_other_text_is_written_and_read_unchanged(text: str) -> None:
    assert escape_formula(text) == text
    assert unescape_formula(text) == text


@given(_TEXT)
def test_every_text_is_read_back_unchanged(text: str) -> None:
    assert unescape_formula(escape_formula(text)) == text


@given(_TEXT)
def test_no_written_cell_begins_like_a_formula(text: str) -> None:
    assert escape_formula(text)[:1] not in set("=+-@\t\r\n＝＋－＠")
