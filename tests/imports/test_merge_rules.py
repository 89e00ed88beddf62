"""Which claim wins: independent of the order of sources, and unchanged by a repeated import."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from aed.imports.devices.rules import (
    DEFAULT_RANK,
    HAND_RANK,
    ClaimConflict,
    DecidedConflict,
    ListedRecord,
    MergedClaims,
    SourceClaim,
    Thresholds,
    claims_agree,
    claims_of,
    digest_of,
    is_weak_claim,
    merge,
    rank_of,
)
from aed.registry.devices.origins import BY_HAND, Origin, Origins
from tests.make import NOW, PATIENT, north_of

SOURCES = ("a", "b", "c")
RANKS = {"a": 40, "b": 50, "c": 60}
NOBODY = Origins({}, Origin("nobody", NOW))


class Register:
    """A device that receives claims of sources one after another and keeps the winning ones."""

    def __init__(self, ranks: Mapping[str, int]) -> None:
        self.ranks = ranks
        self.listed: dict[str, ListedRecord] = {}
        self.present: dict[str, Any] = {}
        self.origins: Origins | None = None
        self.conflicts: tuple[ClaimConflict, ...] = ()
        self.settled: list[DecidedConflict] = []

    def says(self, source: str, claims: Mapping[str, Any]) -> MergedClaims:
        self.listed[source] = ListedRecord(source, "1", claims)
        if self.origins is None:
            self.origins = Origins({}, Origin(source, NOW))
        return self.hold()

    def hold(self) -> MergedClaims:
        assert self.origins is not None
        merged = merge(
            list(self.listed.values()),
            present=self.present,
            origins=self.origins,
            gone=frozenset(),
            ranks=self.ranks,
            settled=self.settled,
        )
        for name, claim in merged.holds.items():
            self.present[name] = claim.value
            self.origins = self.origins.with_([name], Origin(claim.source, NOW))
        self.conflicts = merged.conflicts
        return merged


hours = st.sampled_from(["24/7", "Mo-Fr 08:00-17:00", None]).map(
    lambda text: {"opening_hours": text, "opening_hours_raw": "as written"}
)
positions = st.floats(-200, 200).map(
    lambda metres: {
        "lat": (place := north_of(PATIENT, metres=metres)).lat,
        "lon": place.lon,
        "given": [metres],
    }
)
claims = st.fixed_dictionaries(
    {"position": positions},
    optional={
        "place_en": st.sampled_from(["Lobby", "lobby ", "Lobby, left of the lift", "Gym"]),
        "floor": st.integers(-1, 3),
        "cabinet": st.sampled_from(["unknown", "locked", "alarmed"]),
        "opening_hours": hours,
        "maker": st.sampled_from(["Mindray", "MINDRAY", "Schiller"]),
        "state": st.sampled_from(["in_service", "withdrawn"]).map(lambda state: {"state": state}),
        "last_checked_on": st.sampled_from(["2026-01-01", "2026-05-01"]),
        "pads_expire_on": st.sampled_from(["2027-01-01", "2028-01-01"]),
    },
)
lists = st.fixed_dictionaries(dict.fromkeys(SOURCES, claims))
ranks = st.sampled_from([RANKS, {}, {"a": 60}])


def in_order(
    order: Sequence[str], entries: Mapping[str, Mapping[str, Any]], ranks: Mapping[str, int]
) -> Register:
    register = Register(ranks)
    for source in order:
        register.says(source, entries[source])
    return register


def have_one_between(entries: Mapping[str, Mapping[str, Any]]) -> bool:
    """Return whether a position agrees with two that disagree with each other."""
    return any(
        claims_agree("position", entries[one]["position"], entries[between]["position"])
        and claims_agree("position", entries[between]["position"], entries[other]["position"])
        and not claims_agree("position", entries[one]["position"], entries[other]["position"])
        for one, between, other in permutations(SOURCES)
    )


def test_a_present_position_between_two_others_stays_without_a_conflict() -> None:
    entries = {
        source: {"position": {"lat": (place := north_of(PATIENT, metres=metres)).lat, "lon": place.lon}}
        for source, metres in zip(SOURCES, (0.0, 25.0, 50.0), strict=True)
    }
    assert have_one_between(entries)
    conflicts = {order: len(in_order(order, entries, {}).conflicts) for order in permutations(SOURCES)}
    assert conflicts["b", "c", "a"] == 0, "it agrees with both"
    assert conflicts["a", "b", "c"] == 1, "the first one does not agree with the last"


@given(lists, ranks)
def test_the_order_of_sources_without_conflicts_does_not_matter(
    entries: dict[str, dict[str, Any]], ranks: dict[str, int]
) -> None:
    assume(not have_one_between(entries))
    registers = [in_order(order, entries, ranks) for order in permutations(SOURCES)]

    disputed = {conflict.attribute for each in registers for conflict in each.conflicts}
    undisputed = [
        {name: value for name, value in each.present.items() if name not in disputed} for each in registers
    ]
    assert all(each == undisputed[0] for each in undisputed)
    # Conflicts are independent of the order, too.
    assert len({frozenset(conflict.attribute for conflict in each.conflicts) for each in registers}) == 1


@given(lists, ranks, st.permutations(SOURCES))
def test_merging_the_same_records_again_changes_nothing(
    entries: dict[str, dict[str, Any]], ranks: dict[str, int], again: list[str]
) -> None:
    register = in_order(SOURCES, entries, ranks)
    before = dict(register.present), register.origins, register.conflicts
    for source in again:
        register.says(source, entries[source])
    assert (register.present, register.origins, register.conflicts) == before


@given(lists, st.permutations(SOURCES), st.data())
def test_a_decision_resolves_its_conflict_in_any_order(
    entries: dict[str, dict[str, Any]], order: list[str], data: st.DataObject
) -> None:
    register = in_order(order, entries, {})
    if not register.conflicts:
        return
    conflict = data.draw(st.sampled_from(register.conflicts))
    takes = data.draw(st.booleans())
    right, wrong = (conflict.offered, conflict.present) if takes else (conflict.present, conflict.offered)
    register.settled = [DecidedConflict(conflict.attribute, right, wrong)]
    register.hold()

    pairs = {
        frozenset((each.present.source, each.offered.source))
        for each in register.conflicts
        if each.attribute == conflict.attribute
    }
    assert frozenset((right.source, wrong.source)) not in pairs
    assert (
        not claims_agree(conflict.attribute, register.present[conflict.attribute], wrong.value)
        or len(SOURCES) > 2
    )


@given(lists)
def test_between_ranked_sources_only_the_out_of_service_state_conflicts(
    entries: dict[str, dict[str, Any]],
) -> None:
    register = in_order(SOURCES, entries, RANKS)
    assert {conflict.attribute for conflict in register.conflicts} <= {"state"}
    for name, value in entries["c"].items():
        if name not in ("cabinet", "floor", "opening_hours", "last_checked_on"):
            assert register.present[name] == value


# --- Single attributes ----------------------------------------------------------------------------------


def held(*listed: tuple[str, Any], attribute: str = "maker", **given: Any) -> MergedClaims:
    records = [ListedRecord(source, "1", {attribute: value}) for source, value in listed]
    nothing: dict[str, Any] = {"present": {}, "origins": NOBODY, "gone": frozenset(), "ranks": {}}
    return merge(records, **nothing | given)


def test_an_unknown_value_yields_to_a_known_one() -> None:
    for attribute, unsaid, known in (("floor", 0, 3), ("cabinet", "unknown", "locked")):
        merged = held(("a", unsaid), ("b", known), attribute=attribute)
        assert (merged.holds[attribute].value, merged.conflicts) == (known, ())
    higher = held(("a", 0), ("b", 3), attribute="floor", ranks={"a": 60})
    assert higher.holds["floor"].value == 0


def test_a_source_that_dropped_the_device_counts_only_without_other_sources() -> None:
    stands = {"maker": "Mindray"}
    origins = Origins({}, Origin("old", NOW))
    assert held(("a", "Schiller"), present=stands, origins=origins).conflicts
    gone = held(("a", "Schiller"), present=stands, origins=origins, gone=frozenset({"old"}))
    assert (gone.holds["maker"].value, gone.conflicts) == ("Schiller", ())


def test_a_field_cleared_by_hand_stays_empty() -> None:
    origins = Origins({"maker": Origin(BY_HAND, NOW)}, Origin("a", NOW))
    assert held(("a", "Schiller"), origins=origins).holds["maker"] == SourceClaim(BY_HAND, "", None)


def test_the_latest_check_counts_from_any_source() -> None:
    merged = held(("a", "2026-05-01"), ("b", "2026-01-01"), attribute="last_checked_on")
    assert (merged.holds["last_checked_on"].value, merged.conflicts) == ("2026-05-01", ())


# --- Equal values ---------------------------------------------------------------------------------------


def test_positions_within_thirty_metres_agree() -> None:
    here = {"lat": PATIENT.lat, "lon": PATIENT.lon}
    for metres, same in ((25, True), (35, False)):
        assert claims_agree("position", here, {**here, "lat": north_of(PATIENT, metres=metres).lat}) is same


def test_texts_agree_regardless_of_width_case_and_punctuation() -> None:
    assert claims_agree("place_zh", "２号楼大堂，电梯旁", "2号楼大堂 电梯旁")
    assert claims_agree("place_en", "Lobby", "LOBBY of building 2")
    assert not claims_agree("place_en", "Lobby", "Swimming pool")
    assert claims_agree("place_en", "abcdef", "abcdxy"), "three of five pairs of letters are alike"
    assert not claims_agree("place_en", "abcde", "abcxy"), "two of four are"
    assert claims_agree("serial", "SN-0001", "sn 0001")
    assert not claims_agree("serial", "SN-0001", "SN-0002")


@pytest.mark.parametrize(
    ("attribute", "value", "is_weak"),
    [
        ("opening_hours", {"opening_hours": None, "opening_hours_raw": "ask the guard"}, True),
        ("opening_hours", {"opening_hours": "24/7"}, False),
        ("belongs_to", {"region": "CN-33", "estate": None}, True),
        ("belongs_to", {"region": None, "estate": "Lake View"}, False),
        ("floor", 0, True),
        ("floor", 3, False),
        ("cabinet", "unknown", True),
        ("cabinet", "locked", False),
        ("entry", "unknown", True),
        ("address", "unknown", False),
        ("model", 0, False),
    ],
)
def test_a_claim_that_may_mean_unknown_is_weak(attribute: str, value: object, is_weak: bool) -> None:
    assert is_weak_claim(attribute, value) is is_weak


def test_a_person_ranks_above_every_list_and_an_unknown_list_in_the_middle() -> None:
    assert rank_of(BY_HAND, {BY_HAND: 1}) == HAND_RANK
    assert rank_of("a", RANKS) == 40
    assert rank_of("another", RANKS) == DEFAULT_RANK
    assert DEFAULT_RANK < HAND_RANK


@pytest.mark.parametrize(
    ("other", "agrees"),
    [
        ({"keeper_name": "李强", "keeper_phone": "+86 139 5710 1234"}, True),  # the number decides
        ({"keeper_phone": "0571-5710-1234"}, True),  # by its last eight digits
        ({"keeper_name": "王芳", "keeper_phone": "13967101234"}, False),
        ({"keeper_name": "王 芳"}, True),  # without a number the name decides
        ({"keeper_name": "李强"}, False),
    ],
)
def test_keepers_agree_by_their_phone_or_else_by_their_name(other: dict[str, str], agrees: bool) -> None:
    one = {"keeper_name": "王芳", "keeper_phone": "13957101234"}

    assert claims_agree("keeper", one, other) is agrees
    assert claims_agree("keeper", other, one) is agrees


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("position", {"lat": 1.0, "lon": 2.0}), ("floor", 3), ("place_en", "Lobby"), ("keeper", {})],
)
def test_a_value_never_agrees_with_none(attribute: str, value: object) -> None:
    assert claims_agree(attribute, None, None)
    assert not claims_agree(attribute, value, None)
    assert not claims_agree(attribute, None, value)


def test_hours_agree_when_they_are_the_same_expression() -> None:
    known = {"opening_hours": "24/7", "opening_hours_raw": "24h"}
    assert claims_agree("opening_hours", known, {"opening_hours": "24/7", "opening_hours_raw": "always"})
    assert not claims_agree(
        "opening_hours", known, {"opening_hours": "Mo 08:00-09:00", "opening_hours_raw": "24h"}
    )


def test_hours_agree_by_their_words_if_neither_is_an_expression() -> None:
    def agree(one: str | None, raw: str, other: str | None, other_raw: str) -> bool:
        first = {"opening_hours": one, "opening_hours_raw": raw}
        second = {"opening_hours": other, "opening_hours_raw": other_raw}
        assert claims_agree("opening_hours", first, second) is claims_agree("opening_hours", second, first)
        return claims_agree("opening_hours", first, second)

    assert agree(None, "Ask the guard", None, "ask the guard!")
    assert not agree(None, "Ask the guard", None, "Sundays only")
    assert not agree("24/7", "always", None, "always")


def test_the_digest_does_not_depend_on_the_order_of_keys() -> None:
    fields = {"lat": 1.0, "lon": 2.0, "place_zh": "大堂"}
    assert digest_of(fields) == digest_of(dict(reversed(fields.items())))
    assert digest_of(fields) != digest_of(fields | {"lat": 1.0000001})


def test_a_position_is_compared_in_wgs84_and_kept_as_given() -> None:
    claim = claims_of({"lat": 30.2876, "lon": 120.1047, "datum": "gcj02"})["position"]
    assert claim["given"] == [30.2876, 120.1047, "gcj02"]
    assert abs(claim["lat"] - 30.29) < 1e-3


def test_a_list_that_shrinks_by_more_than_its_share_and_a_few_devices_is_held_back() -> None:
    quarter = Thresholds(shrink_share=0.25)

    assert not quarter.holds_back(25, 100), "exactly the share"
    assert quarter.holds_back(26, 100)
    assert not quarter.holds_back(5, 5), "a few devices"
    assert quarter.holds_back(6, 6)
