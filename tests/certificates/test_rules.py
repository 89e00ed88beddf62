"""Which names agree, what an issuer's statement corrects, and what counts for a likely duplicate."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from aed.certificates.duplicates.rules import DuplicateCandidate, likeness
from aed.certificates.rules import (
    CheckState,
    Facts,
    Holder,
    IssuerStatement,
    bare_phone,
    blocking_name,
    compare,
    ids_agree,
    is_paused,
    names_agree,
    pause_after,
    phones_agree,
)
from aed.responders.rules import CertificateKind

UNTIL = date(2028, 5, 31)
HOLDER = Holder("王小明", None, None)
ONE = DuplicateCandidate("王小明", "+8613800138001", (), 1, frozenset({("1", "RC-1")}))


@pytest.mark.parametrize(
    ("one", "other", "agree"),
    [
        ("墨闻笛", "墨闻笛 Mo Wendi", True),
        ("王小明", "王*明", True),
        ("王小明", "王小华", False),
        ("王小明", "*小明", True),
        ("王小明", "李*明", False),
        ("王小明", "王*华", False),
        ("王明", "王*明", False),
        ("王*", "*明", False),  # no character is shown in both
        ("***", "王小明", False),
        ("Anna Berg", "anna  berg", True),
        ("Anna Berg", "Anna Bergman", False),
        ("Anna Berg", "王小明", False),
        ("", "", False),
        ("王小明 Wang", "王小明 Li", True),
    ],
)
def test_names_agree_by_their_chinese_part_or_else_by_the_latin_one(
    one: str, other: str, agree: bool
) -> None:
    assert names_agree(one, other) is names_agree(other, one) is agree


def test_a_correction_names_the_old_and_the_new_value() -> None:
    statement = IssuerStatement(HOLDER, Facts(CertificateKind.CPR_AED, date(2025, 6, 1), UNTIL))

    found = compare(HOLDER, Facts(CertificateKind.CPR_AED, None, date(2027, 5, 31)), statement)

    assert (found.state, found.corrections) == (CheckState.CORRECTED, ("issued_on", "valid_until"))
    assert "issued_on was unknown, now 2025-06-01" in found.said
    assert "valid_until was 2027-05-31, now 2028-05-31" in found.said


@pytest.mark.parametrize(
    ("other", "score"),
    [
        ({"certificates": frozenset()}, 0.4 + 0.45 + 0.2),
        ({"phone": None, "estate_id": None, "certificates": frozenset()}, 0.4),
        ({"name": "李华", "estate_id": None, "certificates": frozenset()}, 0.3),
        ({"name": "李华", "phone": None, "certificates": frozenset()}, 0.05),
        ({"name": "李华", "phone": None, "estate_id": None}, 0.5),
        ({"name": "李华", "phone": None}, 0.5 + 0.05),
        ({"phone": None, "estate_id": None}, 0.4 + 0.5),
    ],
)
def test_each_agreement_adds_its_weight(other: dict[str, Any], score: float) -> None:
    assert likeness(ONE, replace(ONE, **other)).score == pytest.approx(min(score, 1.0))


@pytest.mark.parametrize(
    ("tries", "minutes"),
    [(0, 5), (1, 5), (2, 10), (3, 20), (8, 640), (9, 1280), (10, 1440), (13, 1440), (1_000, 1440)],
)
def test_the_pause_doubles_from_five_minutes_to_a_day(tries: int, minutes: int) -> None:
    assert pause_after(tries) == timedelta(minutes=minutes)
    assert pause_after(tries, timedelta(minutes=1)) == timedelta(minutes=minutes), "no shorter one"
    assert pause_after(tries, timedelta(minutes=1439)) == timedelta(minutes=max(minutes, 1439))
    assert pause_after(tries, timedelta(minutes=1441)) == timedelta(days=1)


def test_the_fifth_failure_in_a_row_pauses_the_issuer() -> None:
    assert [is_paused(each) for each in (0, 4, 5, 6)] == [False, False, True, True]


@pytest.mark.parametrize(
    ("one", "other", "agree"),
    [
        ("+86 138 0013 8001", "13800138001", True),
        ("138-0013-8001", "13800138001", True),
        ("13800138001", "13800138002", False),
        ("8700123", "870 0123", True),
        ("870012", "870012", False),  # too short to tell
        (None, "13800138001", False),
        (None, None, False),
        ("", "", False),
    ],
)
def test_phones_agree_by_their_last_eleven_digits(one: str | None, other: str | None, agree: bool) -> None:
    assert phones_agree(one, other) is phones_agree(other, one) is agree
    assert bare_phone("+8613800138001") == "13800138001"


@pytest.mark.parametrize(
    ("one", "other", "agree"),
    [
        (None, "123456", None),
        ("123456", None, None),
        ("123456", "123456", True),
        ("123456", "123457", False),
        ("1**456", "12345*", True),  # what both show is 1, 4 and 5
        ("1**456", "12355*", False),
        ("12****", "12****", None),  # two positions are too few to tell
        ("12****", "13****", None),
        ("123***", "1234**", True),
        ("99123456", "123456", True),  # of different lengths the last four decide
        ("99123457", "123456", False),
        ("99*23456", "*23456", True),
        ("9912*456", "123456", None),
        ("99123456", "12345*", None),
    ],
)
def test_masked_identity_numbers_agree_where_both_are_visible(
    one: str | None, other: str | None, agree: bool | None
) -> None:
    assert ids_agree(one, other) is agree
    assert ids_agree(other, one) is agree


def test_a_name_is_looked_up_by_its_chinese_characters_or_by_its_sorted_words() -> None:
    assert blocking_name("墨 闻笛 Mo Wendi") == blocking_name("墨闻笛") == "墨闻笛"
    assert blocking_name("Wendi MO") == blocking_name("Mo, Wendi") == "mo wendi"


def test_matching_identity_numbers_weigh_most_and_different_ones_against() -> None:
    def score(mine: str, theirs: str) -> float:
        alone = replace(ONE, phone=None, estate_id=None, certificates=frozenset(), holder_ids=(mine,))
        return likeness(alone, replace(alone, name="李华", holder_ids=(theirs,))).score

    assert score("123456", "12****") == 0.0, "too little of it is visible"
    assert score("123456", "1234**") == pytest.approx(0.5)
    assert score("123456", "123457") == 0.0
    same_name = replace(ONE, estate_id=None, certificates=frozenset(), holder_ids=("123456",))
    other = replace(same_name, holder_ids=("123457",))
    assert likeness(same_name, other).score == pytest.approx(0.4 + 0.45 - 0.6)
