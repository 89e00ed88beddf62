"""How values of an estate are written to a file and read in another cell."""

from __future__ import annotations

from datetime import UTC, date, datetime
from enum import StrEnum

import pytest

from aed.transfers.rules import (
    CARRIED,
    EstateRows,
    actor_elsewhere,
    as_json,
    from_json,
    row_digest,
    sha256_of,
)


class Colour(StrEnum):
    GREEN = "green"


@pytest.mark.parametrize(
    ("value", "kind", "written"),
    [
        (Colour.GREEN, Colour, "green"),
        (datetime(2026, 9, 22, 2, 0, tzinfo=UTC), datetime, "2026-09-22T02:00:00+00:00"),
        (date(2026, 9, 22), date, "2026-09-22"),
        (b"\x00photo", bytes, "AHBob3Rv"),
        (7, int, 7),
        (0.5, float, 0.5),
        (True, bool, True),
        ("text", str, "text"),
        ({"a": 1}, dict, {"a": 1}),
        ([1, 2], list, [1, 2]),
        (None, int, None),
        (None, Colour, None),
    ],
)
def test_a_value_is_read_as_it_was_written(value: object, kind: type, written: object) -> None:
    assert as_json(value) == written
    read = from_json(written, kind)
    assert (read, type(read)) == (value, type(value))


def test_a_whole_number_is_also_a_float() -> None:
    assert from_json(7, float) == 7


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("red", Colour),
        ("yesterday", datetime),
        ("2026-09-31", date),
        ("not base64!", bytes),
        ("7", int),
        (True, int),
        (True, float),
        (1, bool),
        (0.5, int),
        ("0.5", float),
        ("true", bool),
        (7, str),
        ([1], dict),
        ({"a": 1}, list),
    ],
)
def test_a_value_of_another_kind_is_refused(written: object, kind: type) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_json(written, kind)


def test_an_actor_of_another_cell_names_nobody_here() -> None:
    assert actor_elsewhere("33", "person:7") == "33/person:7"
    assert actor_elsewhere("33", None) is None
    assert len(actor_elsewhere("33", "x" * 300) or "") == 200, "as long as the column"


def test_the_same_rows_have_the_same_digest_whatever_the_order_of_their_columns() -> None:
    one, other = {"id": 1, "name": "a"}, {"name": "a", "id": 1}

    assert row_digest(one) == row_digest(other) == sha256_of(b'{"id":1,"name":"a"}')
    assert row_digest(one) != row_digest({"id": 2, "name": "a"})
    assert EstateRows(rows={"gates": [one]}).digest() == EstateRows(rows={"gates": [other]}).digest()
    assert EstateRows(rows={"gates": [one]}).digest() == sha256_of(
        b'{"rows":{"gates":[{"id":1,"name":"a"}]}}'
    )


def test_only_buildings_and_codes_may_be_missing_from_a_later_export() -> None:
    """Rows of other tables are kept, so that one without them is not of the same estate."""
    assert {each.name for each in CARRIED if each.may_vanish} == {"buildings", "gate_codes", "cabinet_codes"}
