"""The place and the kind of problem that the form of a report sends."""

from __future__ import annotations

import pytest

from aed.errors import InvalidInput
from aed.geo import Datum, Position, position_from
from aed.upkeep.rules import FaultKind
from aed.web.reports.rules import OFFERED, kind_chosen, place_typed

TYPED = "30.2901, 120.1003"


def test_what_was_typed_counts_before_what_the_phone_found() -> None:
    assert place_typed(TYPED, "wgs84", "31.0", "121.0") == Position(30.2901, 120.1003)
    assert place_typed("  ", "wgs84", "31.0", "121.0") == Position(31.0, 121.0)
    assert place_typed("", "", "", "") is None
    assert place_typed("", "wgs84", "31.0", "") is None
    assert place_typed("", "wgs84", "", "121.0") is None


def test_what_was_typed_is_in_the_datum_of_the_form_and_the_phone_in_wgs84() -> None:
    moved = position_from(30.2901, 120.1003, Datum.GCJ02, field="where")
    assert place_typed(TYPED, "gcj02", "", "") == moved != Position(30.2901, 120.1003)
    assert place_typed(TYPED, "something", "", "") == Position(30.2901, 120.1003)
    assert place_typed("", "gcj02", "31.0", "121.0") == Position(31.0, 121.0)


@pytest.mark.parametrize(
    ("where", "lat", "lon", "field"),
    [("by the lift", "", "", "where"), ("", "north", "121", "lat"), ("", "31", "east", "lat")],
)
def test_text_that_is_no_place_is_refused(where: str, lat: str, lon: str, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        place_typed(where, "wgs84", lat, lon)
    assert refused.value.field == field


def test_only_kinds_that_are_offered_can_be_chosen() -> None:
    assert [kind_chosen(each.value) for each in OFFERED] == list(OFFERED)
    for other in ("", "nothing", *(each.value for each in set(FaultKind) - set(OFFERED))):
        assert kind_chosen(other) is None
