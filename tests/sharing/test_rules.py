"""Rules of agreements at their exact limits: notices, reminders, costs, votes, consents and cells."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from aed.accounts.permissions import Audience
from aed.sharing.rules import (
    CELL_DEGREES,
    LADDER,
    RULES,
    AudienceReason,
    ConsentGiven,
    DecisionKind,
    DecisionMethod,
    DerivedAudience,
    Insured,
    PartyRole,
    ShareTerms,
    SharingRules,
    VotesShortfall,
    amount_due,
    approximate,
    audience_at,
    days_in_date,
    due_cost_reminder,
    due_notice,
    end_of,
    held_back,
    is_credit_code,
    is_step_up,
    missing_consents,
    rung,
    start_of,
    step_below,
    text_hash,
    votes_shortfall,
)

START = datetime(2026, 9, 22, 2, 0, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)
DAY = timedelta(days=1)
COMMITTEE, OWNERS, CENTRE = PartyRole


def test_the_default_limits_are_as_agreed() -> None:
    assert (
        SharingRules(
            version="2026-1",
            parties=(COMMITTEE, OWNERS, CENTRE),
            min_ready_percent=90.0,
            check_interval_days=31,
            max_trial_days=90,
            notice_days=(90, 60, 30, 7, 0),
            link_days=30,
            cost_reminder_days=(0, 14, 30, 60),
        )
        == RULES
    )


def test_each_rung_of_the_ladder_is_one_above_the_last() -> None:
    assert [rung(each) for each in LADDER] == [0, 1, 2, 3]
    assert [step_below(each) for each in LADDER] == [LADDER[0], *LADDER[:3]], "below the lowest is itself"


def test_a_step_that_is_held_back_has_hours_only_if_they_still_matter() -> None:
    before = DerivedAudience(Audience.ESTATE, AudienceReason.BY_REGISTER)
    after = DerivedAudience(
        Audience.PUBLIC,
        AudienceReason.BY_REGISTER,
        hours="Mo-Fr 08:00-18:00",
        audience_outside_hours=Audience.ESTATE,
        emergency_override=True,
    )

    held = held_back(before, after)

    assert (held.audience, held.hours, held.audience_outside_hours) == (Audience.ESTATE, None, None)
    assert not held.emergency_override
    assert held_back(after, after) == after
    assert held_back(after, before) == before


def test_a_step_that_is_held_back_shows_a_device_at_no_hour_to_more_people_than_both() -> None:
    public = derived(Audience.PUBLIC, WEEKDAYS, Audience.NEIGHBOURS)

    wider_outside = held_back(public, derived(Audience.PUBLIC, WEEKDAYS, Audience.DISPATCH))
    other_hours = held_back(public, derived(Audience.PUBLIC, DAILY, Audience.ESTATE))
    always = held_back(public, derived(Audience.PUBLIC))

    assert (wider_outside.audience, wider_outside.audience_outside_hours) == ("public", "neighbours")
    assert (other_hours.audience, other_hours.hours, other_hours.audience_outside_hours) == (
        Audience.NEIGHBOURS,
        DAILY,
        Audience.ESTATE,
    )
    assert (always.audience, always.hours) == (Audience.NEIGHBOURS, None)


WEEKDAYS, DAILY = "Mo-Fr 08:00-18:00", "Mo-Su 08:00-18:00"


def derived(
    audience: Audience, hours: str | None = None, outside: Audience | None = None, *, override: bool = False
) -> DerivedAudience:
    return DerivedAudience(
        audience,
        AudienceReason.AGREEMENT,
        hours=hours,
        audience_outside_hours=outside,
        emergency_override=override,
    )


@pytest.mark.parametrize(
    ("before", "after", "is_up"),
    [
        (derived(Audience.DISPATCH), derived(Audience.DISPATCH), False),
        (derived(Audience.DISPATCH), derived(Audience.PUBLIC), True),
        (derived(Audience.DISPATCH), derived(Audience.NEIGHBOURS), False),
        # more people at some hours
        (derived(Audience.DISPATCH), derived(Audience.PUBLIC, DAILY, Audience.ESTATE), True),
        (
            derived(Audience.PUBLIC, DAILY, Audience.ESTATE),
            derived(Audience.PUBLIC, DAILY, Audience.DISPATCH),
            True,
        ),
        (
            derived(Audience.PUBLIC, DAILY, Audience.DISPATCH),
            derived(Audience.PUBLIC, DAILY, Audience.ESTATE),
            False,
        ),
        # the same people at other hours
        (
            derived(Audience.PUBLIC, WEEKDAYS, Audience.ESTATE),
            derived(Audience.PUBLIC, WEEKDAYS, Audience.ESTATE),
            False,
        ),
        (
            derived(Audience.PUBLIC, WEEKDAYS, Audience.ESTATE),
            derived(Audience.PUBLIC, DAILY, Audience.ESTATE),
            True,
        ),
        (derived(Audience.PUBLIC, WEEKDAYS, Audience.DISPATCH), derived(Audience.DISPATCH), False),
        # an override
        (derived(Audience.ESTATE), derived(Audience.ESTATE, override=True), True),
        (derived(Audience.ESTATE, override=True), derived(Audience.ESTATE, override=True), False),
        (derived(Audience.ESTATE, override=True), derived(Audience.ESTATE), False),
    ],
)
def test_a_step_up_shows_a_device_to_more_people_or_at_more_hours_or_by_an_override(
    before: DerivedAudience, after: DerivedAudience, is_up: bool
) -> None:
    assert is_step_up(before, after) is is_up


# --- Notices and reminders ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days_left", "notified", "notice"),
    [
        (91, None, None),
        (90, None, 90),
        (89, None, 90),
        (89, 90, None),
        (61, 90, None),
        (60, 90, 60),
        (31, 60, None),
        (30, 60, 30),
        (8, 30, None),
        (7, 30, 7),
        (1, 7, None),
        (0, 7, 0),
        (0, 0, None),
        (-1, 7, None),
        (-1, None, None),
    ],
)
def test_the_end_of_an_agreement_is_announced_on_its_days(
    days_left: int, notified: int | None, notice: int | None
) -> None:
    assert due_notice(days_left, notified=notified) == notice


def test_the_last_day_of_a_period_ends_at_local_midnight() -> None:
    assert start_of(date(2026, 9, 30), "Asia/Shanghai") == datetime(2026, 9, 29, 16, 0, tzinfo=UTC)
    assert end_of(date(2026, 9, 30), "Asia/Shanghai") == datetime(2026, 9, 30, 16, 0, tzinfo=UTC)
    assert end_of(None, "Asia/Shanghai") is None


@pytest.mark.parametrize(
    ("days", "reminded", "reminder"),
    [
        (0, None, 0),
        (0, 0, None),
        (13, 0, None),
        (14, 0, 14),
        (29, 14, None),
        (30, 14, 30),
        (59, 30, None),
        (60, 30, 60),
        (60, 60, None),
        (89, 60, None),
        (90, 60, 90),
        (91, 90, None),
        (119, 90, None),
        (120, 90, 120),
    ],
)
def test_a_payer_is_reminded_on_the_days_and_then_every_thirty(
    days: int, reminded: int | None, reminder: int | None
) -> None:
    assert due_cost_reminder(days, reminded=reminded) == reminder
    assert due_cost_reminder(-1, reminded=None) is None, "before the use"


# --- Costs ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("per_use", "cap", "claimed", "due"),
    [
        (None, 500, 0, None),
        (0, 500, 0, 0),
        (200, None, 1_000_000, 20_000),
        (200, 500, 0, 20_000),
        (200, 500, 29_999, 20_000),
        (200, 500, 30_000, 20_000),
        (200, 500, 30_001, 19_999),
        (200, 500, 49_999, 1),
        (200, 500, 50_000, 0),
        (200, 500, 60_000, 0),  # the cap was lowered: nothing is paid back
        (200, 0, 0, 0),
    ],
)
def test_a_use_costs_its_price_up_to_the_cap_of_the_year(
    per_use: int | None, cap: int | None, claimed: int, due: int | None
) -> None:
    assert amount_due(per_use, cap=cap, claimed_minor=claimed) == due


# --- Votes and consents ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "entitled", "votes", "shortfall"),
    [
        (DecisionMethod.COMMITTEE_VOTES, 8, (4, 0, 0), VotesShortfall.NO_MAJORITY),  # half is not more
        (DecisionMethod.COMMITTEE_VOTES, 8, (5, 3, 0), None),
        (DecisionMethod.COMMITTEE_VOTES, 7, (3, 0, 0), VotesShortfall.NO_MAJORITY),
        (DecisionMethod.COMMITTEE_VOTES, 7, (4, 0, 0), None),
        (DecisionMethod.COMMITTEE_VOTES, 7, (4, 3, 1), VotesShortfall.TOO_MANY),
        (DecisionMethod.COMMITTEE_VOTES, 1, (1, 0, 0), None),
        (DecisionMethod.OWNERS_ASSEMBLY, 300, (199, 0, 0), VotesShortfall.NO_QUORUM),
        (DecisionMethod.OWNERS_ASSEMBLY, 300, (200, 0, 0), None),
        (DecisionMethod.OWNERS_ASSEMBLY, 300, (101, 50, 49), None),  # who abstains has taken part
        (DecisionMethod.OWNERS_ASSEMBLY, 300, (100, 100, 0), VotesShortfall.NO_MAJORITY),
        (DecisionMethod.OWNERS_ASSEMBLY, 300, (100, 0, 100), VotesShortfall.NO_MAJORITY),
        (DecisionMethod.OWNERS_ASSEMBLY, 300, (300, 0, 0), None),
        (DecisionMethod.OWNERS_ASSEMBLY, 300, (299, 1, 1), VotesShortfall.TOO_MANY),
        (DecisionMethod.THREE_SIGN, 3, (0, 0, 0), None),  # the signatures themselves decide
    ],
)
def test_votes_carry_a_consent_by_more_than_half(
    method: DecisionMethod, entitled: int, votes: tuple[int, int, int], shortfall: VotesShortfall | None
) -> None:
    in_favour, against, abstained = votes

    found = votes_shortfall(
        method, entitled=entitled, in_favour=in_favour, against=against, abstained=abstained
    )

    assert found is shortfall


def test_the_hash_of_a_text_depends_neither_on_the_order_of_its_keys_nor_on_escapes() -> None:
    canonical = '{"parties":["业主委员会"],"step":"public"}'

    found = text_hash({"step": "public", "parties": ["业主委员会"]})

    assert found == hashlib.sha256(canonical.encode()).hexdigest()


def test_only_the_latest_decision_of_a_party_on_this_very_text_counts() -> None:
    yes, no = DecisionKind.CONSENT, DecisionKind.REFUSAL

    def missing(*given: tuple[PartyRole, DecisionKind, str]) -> tuple[PartyRole, ...]:
        return missing_consents([ConsentGiven(*each) for each in given], text="new")

    assert missing() == (COMMITTEE, OWNERS, CENTRE)
    assert missing((OWNERS, yes, "new")) == (COMMITTEE, CENTRE), "one party never consents for another"
    assert missing((COMMITTEE, yes, "new"), (OWNERS, yes, "new"), (CENTRE, yes, "new")) == ()
    assert missing((COMMITTEE, yes, "new"), (OWNERS, yes, "old"), (CENTRE, yes, "new")) == (OWNERS,)
    assert OWNERS in missing((OWNERS, yes, "new"), (OWNERS, no, "new"))
    assert OWNERS not in missing((OWNERS, no, "new"), (OWNERS, yes, "new"))
    assert OWNERS not in missing((OWNERS, yes, "new"), (OWNERS, no, "old"))
    two = missing_consents([ConsentGiven(OWNERS, yes, "new")], text="new", parties=(OWNERS, CENTRE))
    assert two == (CENTRE,), "only of the parties that the region names"


# --- Audience -------------------------------------------------------------------------------------------

TERMS = ShareTerms(
    agreement_id=1, is_by_register=False, step=Audience.PUBLIC, starts_at=START, ends_at=START + 30 * DAY
)


def audience(terms: ShareTerms, at: datetime) -> tuple[Audience, AudienceReason, bool]:
    found = audience_at([terms], at)
    return found.audience, found.reason, found.emergency_override


def test_an_agreement_includes_its_start_and_not_its_end() -> None:
    end = START + 30 * DAY

    assert audience(TERMS, START - MOMENT) == ("estate", "no_agreement", False)
    assert audience(TERMS, START) == ("public", "agreement", False)
    assert audience(TERMS, end - MOMENT) == ("public", "agreement", False)
    assert audience(TERMS, end) == ("dispatch", "ended", False)


TENTH_DAY = START + 10 * DAY


@pytest.mark.parametrize(
    ("terms", "after"),
    [
        (replace(TERMS, withdrawn_at=TENTH_DAY), ("estate", "withdrawn", False)),
        (replace(TERMS, suspended_at=TENTH_DAY), ("estate", "suspended", True)),
        (replace(TERMS, superseded_at=TENTH_DAY), ("estate", "no_agreement", False)),
    ],
)
def test_a_step_out_of_an_agreement_takes_effect_at_its_moment(
    terms: ShareTerms, after: tuple[str, str, bool]
) -> None:
    assert audience(terms, TENTH_DAY - MOMENT) == ("public", "agreement", False)
    assert audience(terms, TENTH_DAY) == after


def test_of_several_shares_one_in_force_decides_then_an_agreement_then_the_latest_start() -> None:
    def winner(*shares: ShareTerms) -> int | None:
        at = START + 5 * DAY
        assert audience_at(shares, at) == audience_at(shares[::-1], at)
        return audience_at(shares, at).agreement_id

    older = replace(TERMS, agreement_id=1)
    newer = replace(TERMS, agreement_id=2, starts_at=START + DAY)
    ended = replace(TERMS, agreement_id=3, starts_at=START + 2 * DAY, ends_at=START + 3 * DAY)
    withdrawn = replace(TERMS, agreement_id=4, starts_at=START + 2 * DAY, withdrawn_at=START + 3 * DAY)
    by_register = replace(TERMS, agreement_id=5, is_by_register=True, starts_at=START + 4 * DAY)
    later = replace(TERMS, agreement_id=6, starts_at=START + 6 * DAY)

    assert winner(older, newer) == 2
    assert winner(older, replace(older, agreement_id=7)) == 7, "of equals the later entry"
    assert winner(older, ended) == winner(older, withdrawn) == winner(older, by_register) == 1
    assert winner(older, later) == 1
    assert winner(ended, by_register) is None, "the register, which is in force"
    assert winner(by_register) is None


def test_the_hours_of_a_step_matter_only_if_fewer_see_the_device_outside_of_them() -> None:
    def found(step: Audience, outside: Audience, hours: str | None = DAILY) -> DerivedAudience:
        return audience_at([replace(TERMS, step=step, step_outside_hours=outside, hours=hours)], START)

    public = found(Audience.PUBLIC, Audience.NEIGHBOURS)
    assert (public.hours, public.audience_outside_hours) == (DAILY, Audience.NEIGHBOURS)
    for never_closed in (
        found(Audience.PUBLIC, Audience.NEIGHBOURS, hours=None),
        found(Audience.NEIGHBOURS, Audience.NEIGHBOURS),
        found(Audience.NEIGHBOURS, Audience.PUBLIC),
    ):
        assert (never_closed.hours, never_closed.audience_outside_hours) == (None, None)


def test_the_audience_names_the_next_moment_at_which_it_may_change() -> None:
    insured = (Insured(START + DAY, START + 2 * DAY),)
    terms = replace(
        TERMS,
        insured=insured,
        superseded_at=START + 6 * DAY,
        withdrawn_at=START + 5 * DAY,
        suspended_at=START + 4 * DAY,
        ends_at=START + 7 * DAY,
    )
    at, moments = START - DAY, []
    while (changes_at := audience_at([terms], at).changes_at) is not None:
        moments.append((changes_at - START) // DAY)
        at = changes_at

    assert moments == [0, 1, 2, 4, 5, 6, 7]


def test_an_agreement_withdrawn_before_its_start_was_never_in_force() -> None:
    at_once, before = (replace(TERMS, withdrawn_at=each) for each in (START, START - MOMENT))

    assert audience(at_once, START) == ("estate", "withdrawn", False)
    assert audience(before, START) == ("estate", "no_agreement", False)


def test_an_insurance_covers_its_start_and_not_its_end() -> None:
    first, last = START + DAY, START + 2 * DAY
    terms = replace(TERMS, insured=(Insured(first, last),))

    for at, is_covered in ((first - MOMENT, False), (first, True), (last - MOMENT, True), (last, False)):
        assert audience(terms, at) == (
            ("public", "agreement", False) if is_covered else ("estate", "uninsured", True)
        )
    assert audience(replace(TERMS, insured=()), first) == ("estate", "uninsured", True)


@pytest.mark.parametrize(
    ("step", "ended"),
    [
        (Audience.ESTATE, ("estate", "ended", True)),
        (Audience.NEIGHBOURS, ("estate", "ended", True)),
        (Audience.DISPATCH, ("dispatch", "ended", False)),
        (Audience.PUBLIC, ("dispatch", "ended", False)),
    ],
)
def test_after_its_end_a_device_is_left_to_dispatch_or_opened_by_an_override(
    step: Audience, ended: tuple[str, str, bool]
) -> None:
    assert audience(replace(TERMS, step=step), START + 30 * DAY) == ended
    with_hours = replace(TERMS, step=step, hours="Mo-Fr 08:00-18:00")
    assert audience(with_hours, START + 30 * DAY) == ("estate", "ended", True)


# --- Checks, credit codes, cells ------------------------------------------------------------------------


def test_a_check_is_in_date_for_exactly_its_interval() -> None:
    checked = date(2026, 9, 1)

    def is_in_date(day: date) -> bool:
        return days_in_date([checked], first=day, last=day, interval_days=10) == 1

    assert [is_in_date(checked + number * DAY) for number in (-1, 0, 10, 11)] == [False, True, True, False]


def test_a_credit_code_has_eighteen_characters_and_its_check_character() -> None:
    code = "91350100M000100Y43"  # the example of GB 32100-2015

    assert is_credit_code(code)
    assert not is_credit_code(code[:-1])
    assert not is_credit_code(f"{code}0")
    assert not is_credit_code(code.lower())
    for place in range(len(code)):
        other = "0" if code[place] != "0" else "1"
        assert not is_credit_code(code[:place] + other + code[place + 1 :])


def test_an_approximate_position_is_the_middle_of_its_cell() -> None:
    for degrees, middle in ((30.0, 30.0025), (30.004999, 30.0025), (30.0051, 30.0075), (-0.0001, -0.0025)):
        assert approximate(degrees) == pytest.approx(middle, abs=1e-9)
    assert CELL_DEGREES == 0.005
