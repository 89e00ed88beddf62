"""Any sequence of events: nobody sees a device without a decision in force; none goes dark without a rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from aed.accounts.permissions import Audience
from aed.accounts.visibility import visible_to
from aed.database.session import Database
from aed.errors import AedError
from aed.incidents.models import Alert
from aed.registry.devices import actions as device_actions
from aed.registry.devices.models import Device
from aed.registry.devices.schemas import DeviceAmend
from aed.sharing.agreements import actions, queries
from aed.sharing.agreements.schemas import AgreementIn
from aed.sharing.decisions.actions import decide
from aed.sharing.decisions.schemas import PartyDecisionIn
from aed.sharing.rules import (
    DecisionKind,
    DerivedAudience,
    Insured,
    PartyRole,
    ShareTerms,
    audience_at,
)
from aed.sharing.shares.actions import refresh_due_devices
from tests import make
from tests.make import ADMINISTRATOR, ANYONE, NOW, PATIENT, east_of

ZONE = ZoneInfo("America/Santiago")
"""Its clocks skip midnight in September and repeat an hour before it in April."""
LADDER = ["estate", "neighbours", "dispatch", "public"]
WHICH = st.sampled_from([-1, -1, -1, 0, 1])
"""The agreement that an event is about: mostly the last one."""
INSURANCE = {"type": "Liability", "insurer": "I", "policy": "P", "sum_insured": 1}


@dataclass
class Known:
    """What happened to an agreement, kept by the test alone."""

    id: int
    step: str
    starts_on: date
    ends_on: date
    insured_until: date | None
    text: str
    consents: dict[PartyRole, str] = field(default_factory=dict)
    confirmed_at: datetime | None = None
    supersedes: int | None = None
    withdrawn_at: datetime | None = None
    is_suspended: bool = False

    @property
    def is_withdrawn(self) -> bool:
        return self.withdrawn_at is not None

    def has_started(self, at: datetime) -> bool:
        if self.confirmed_at is None or self.starts_on > at.astimezone(ZONE).date():
            return False
        withdrawn = self.withdrawn_at
        return withdrawn is None or withdrawn.astimezone(ZONE).date() >= self.starts_on

    def has_ended(self, at: datetime) -> bool:
        return self.ends_on < at.astimezone(ZONE).date()

    def is_insured(self, at: datetime) -> bool:
        return self.insured_until is None or at.astimezone(ZONE).date() <= self.insured_until

    def is_decided(self) -> bool:
        return all(self.consents.get(role) == self.text for role in PartyRole)


class Agreements(RuleBasedStateMachine):
    """One device of an estate, its agreements, calls and checks."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.session: Session = database.write_sessions()
        self.at = NOW - timedelta(days=40)
        self.known: list[Known] = []
        self.register = "estate"
        self.before_call: str | None = None

    def teardown(self) -> None:
        self.session.rollback()
        self.session.close()

    @initialize()
    def build(self) -> None:
        make.region(self.session, "XX", time_zone=ZONE.key, holiday_calendar=None)
        estate = make.estate(self.session, in_region="XX", neighbourhood="lane")
        next_door = make.estate(
            self.session, in_region="XX", neighbourhood="lane", around=east_of(PATIENT, metres=500)
        )
        self.neighbour = make.member(next_door, estate)
        self.estate_id = estate.id
        self.estate = estate
        device = make.device(self.session, of=estate, audience="estate", last_checked_on=self.at.date())
        self.device_id = device.id
        person = make.person(self.session)
        self.alert_id = make.alert(self.session, make.incident(self.session), person).id
        self.session.flush()

    def device(self) -> Device:
        self.session.flush()
        self.session.expire_all()
        return self.session.get_one(Device, self.device_id)

    def text(self, step: str, *, start: int, days: int, insured: int | None) -> dict[str, Any]:
        first = self.at.astimezone(ZONE).date() + timedelta(days=start)
        terms: dict[str, Any] = {}
        if insured is not None:
            until = first + timedelta(days=insured)
            terms["insurances"] = [INSURANCE | {"starts_on": "2026-01-01", "ends_on": until.isoformat()}]
        return {
            "starts_on": first.isoformat(),
            "ends_on": (first + timedelta(days=days)).isoformat(),
            "share": {"step": step, "allows_override": False},
            "terms": terms,
        }

    # --- events -----------------------------------------------------------------------------------------

    @rule(
        step=st.sampled_from(LADDER[1:]),
        start=st.sampled_from([0, 0, 0, 3, 20]),
        days=st.sampled_from([0, 5, 30, 60]),
        insured=st.none() | st.integers(0, 40),
        supersedes=st.booleans(),
    )
    def draft(self, step: str, start: int, days: int, insured: int | None, supersedes: bool) -> None:
        given = self.text(step, start=start, days=days, insured=insured)
        if supersedes and self.known:
            given["supersedes_id"] = self.known[-1].id
        made = make.draft(self.session, self.estate, self.device(), at=self.at, **given)
        known = self._known(made.id, step, given, made.text_hash)
        known.supersedes = given.get("supersedes_id")
        self.known.append(known)

    def _known(self, agreement_id: int, step: str, given: dict[str, Any], text: str) -> Known:
        insurances = given["terms"].get("insurances")
        return Known(
            agreement_id,
            step,
            date.fromisoformat(given["starts_on"]),
            date.fromisoformat(given["ends_on"]),
            date.fromisoformat(insurances[0]["ends_on"]) if insurances else None,
            text,
        )

    @rule(step=st.sampled_from(LADDER[1:]), days=st.integers(0, 60), which=WHICH)
    def amend(self, step: str, days: int, which: int) -> None:
        if not self.known:
            return
        known = self.known[which % len(self.known)]
        given = self.text(step, start=0, days=days, insured=None)
        share, device = given.pop("share"), self.device()
        text = AgreementIn.model_validate(make.agreement_text(device, share=share, **given))
        found = queries.agreement(self.session, ADMINISTRATOR, known.id)
        with suppress(AedError):  # a refusal is a valid outcome: the invariants are checked after it
            changed = actions.amend_agreement(
                self.session, ADMINISTRATOR, known.id, text, version=found.version, at=self.at
            )
            again = self._known(known.id, step, given, changed.text_hash)
            again.consents = known.consents
            self.known[which % len(self.known)] = again

    @rule(roles=st.sets(st.sampled_from(PartyRole), min_size=1), refuses=st.booleans(), which=WHICH)
    def parties_decide(self, roles: set[PartyRole], refuses: bool, which: int) -> None:
        if not self.known:
            return
        known = self.known[which % len(self.known)]
        for party in queries.agreement(self.session, ADMINISTRATOR, known.id).parties:
            if party.role not in roles:
                continue
            kind = DecisionKind.REFUSAL if refuses else DecisionKind.CONSENT
            given = PartyDecisionIn(kind=kind, text_hash=known.text, reason="No" if refuses else None)
            with suppress(AedError):  # a refusal is a valid outcome: the invariants are checked after it
                decide(self.session, party, given, by="link:1", at=self.at)
                if refuses:
                    known.consents.pop(party.role, None)
                else:
                    known.consents[party.role] = known.text

    @rule(step=st.sampled_from(LADDER[1:]), insured=st.none() | st.integers(0, 40))
    def an_agreement_comes_into_force(self, step: str, insured: int | None) -> None:
        self.check()
        self.draft(step, 0, 60, insured, bool(self.known))
        self.everybody_consents_and_the_region_confirms(-1)

    @rule(which=WHICH)
    def everybody_consents_and_the_region_confirms(self, which: int) -> None:
        self.parties_decide(set(PartyRole), False, which)
        self.confirm(which)

    @rule(which=WHICH)
    def confirm(self, which: int) -> None:
        if not self.known:
            return
        known = self.known[which % len(self.known)]
        with suppress(AedError):  # a refusal is a valid outcome: the invariants are checked after it
            actions.confirm_agreement(self.session, ADMINISTRATOR, known.id, text_hash=known.text, at=self.at)
            assert known.is_decided(), "confirmed without every party's consent to this text"
            known.confirmed_at = self.at

    @rule(which=WHICH)
    def withdraw(self, which: int) -> None:
        self._act(which, "withdraw")

    @rule(which=WHICH)
    def suspend(self, which: int) -> None:
        self._act(which, "suspend")

    @rule(which=WHICH)
    def resume(self, which: int) -> None:
        self._act(which, "resume")

    def _act(self, which: int, what: str) -> None:
        if not self.known:
            return
        known = self.known[which % len(self.known)]
        found = queries.agreement(self.session, ADMINISTRATOR, known.id)
        with suppress(AedError):  # a refusal is a valid outcome: the invariants are checked after it
            if what == "withdraw":
                actions.withdraw_agreement(self.session, found, by="a", reason="Why", at=self.at)
                known.withdrawn_at = self.at
            elif what == "suspend":
                actions.suspend_agreement(self.session, found, by="a", reason="Why", at=self.at)
                known.is_suspended = True
            else:
                actions.resume_agreement(self.session, found, by="a", is_region=False, at=self.at)
                known.is_suspended = False

    @rule(which=WHICH, step=st.sampled_from(LADDER))
    def step_down(self, which: int, step: str) -> None:
        if not self.known:
            return
        known = self.known[which % len(self.known)]
        found = queries.agreement(self.session, ADMINISTRATOR, known.id)
        with suppress(AedError):  # a refusal is a valid outcome: the invariants are checked after it
            actions.step_down(
                self.session, found, device_id=self.device_id, step=Audience(step), by="a", at=self.at
            )
            assert LADDER.index(step) < LADDER.index(known.step)
            known.step = step

    @rule(audience=st.sampled_from(LADDER))
    def one_person_amends(self, audience: str) -> None:
        device = self.device()
        change = DeviceAmend(audience=Audience(audience))
        try:
            device_actions.amend_device(
                self.session, ADMINISTRATOR, device.id, change, version=device.version, at=self.at
            )
        except AedError:
            assert any(each.confirmed_at is not None for each in self.known)
        else:
            self.register = audience
            if self.before_call is not None:  # what it keeps until the call is settled
                self.before_call = str(self.device().audience)

    @rule()
    def fetch(self) -> None:
        if self.before_call is None:
            self.before_call = str(self.device().audience)
            self._set_out(self.device_id)

    @rule()
    def settle(self) -> None:
        self.before_call = None
        self._set_out(None)
        self.run_job(minutes=1)

    def _set_out(self, device_id: int | None) -> None:
        self.session.execute(update(Alert).where(Alert.id == self.alert_id).values(out_device_id=device_id))

    @rule()
    def check(self) -> None:
        self.session.execute(
            update(Device)
            .where(Device.id == self.device_id)
            .values(last_checked_on=self.at.astimezone(ZONE).date())
        )
        self.run_job(minutes=61)

    @rule(days=st.integers(1, 30))
    def days_pass(self, days: int) -> None:
        self.run_job(minutes=days * 1_440)

    @rule(days=st.integers(0, 20))
    def midnight_comes(self, days: int) -> None:
        there = self.at.astimezone(ZONE).date() + timedelta(days=days + 1)
        moment = datetime(there.year, there.month, there.day, tzinfo=ZONE).astimezone(self.at.tzinfo)
        self.run_job(minutes=0, at=max(moment, self.at))

    def run_job(self, *, minutes: int, at: datetime | None = None) -> None:
        self.at = at or self.at + timedelta(minutes=minutes)
        self.session.flush()
        for _ in range(3):
            if not refresh_due_devices(self.session, at=self.at):
                break

    # --- what must hold ---------------------------------------------------------------------------------

    def _governing(self) -> Known | None:
        """Return the agreement that decides now: in force before ended, the latest start first."""
        started = [each for each in self.known if each.has_started(self.at)]
        replaced = {each.supersedes for each in started}
        begun = [each for each in started if each.id not in replaced]
        active = [each for each in begun if not each.is_withdrawn and not each.has_ended(self.at)]
        return max(active or begun, key=lambda each: (each.starts_on, each.id), default=None)

    @invariant()
    def nobody_sees_it_without_a_decision_in_force(self) -> None:
        if not hasattr(self, "device_id"):
            return
        device = self.device()
        rank = LADDER.index(device.audience)
        allowed = [LADDER.index(self.register)] if not self._is_governed() else [0]
        for each in self.known:
            if not each.has_started(self.at) or each.is_withdrawn or not each.is_decided():
                continue
            if not each.has_ended(self.at):
                if each.is_insured(self.at) and not each.is_suspended:
                    allowed.append(LADDER.index(each.step))
            else:
                allowed.append(min(LADDER.index(each.step), LADDER.index("dispatch")))
        if self.before_call is not None:
            allowed.append(LADDER.index(self.before_call))
        assert rank <= max(allowed), (device.audience, self.known, self.at)
        seen_by_anyone = self.session.scalar(
            select(Device.id).where(Device.id == self.device_id, visible_to(ANYONE, Device))
        )
        seen_next_door = self.session.scalar(
            select(Device.id).where(Device.id == self.device_id, visible_to(self.neighbour, Device))
        )
        assert (seen_by_anyone is not None) == (device.audience is Audience.PUBLIC)
        assert (seen_next_door is not None) == (device.audience is not Audience.ESTATE)

    def _is_governed(self) -> bool:
        return any(each.has_started(self.at) for each in self.known if each.confirmed_at is not None)

    @invariant()
    def it_goes_dark_only_by_a_rule(self) -> None:
        if not hasattr(self, "device_id"):
            return
        device, governing = self.device(), self._governing()
        if governing is None or self.before_call is not None:
            return
        is_overdue = device.last_checked_on is None or device.last_checked_on < (
            self.at.astimezone(ZONE).date() - timedelta(days=31)
        )
        if governing.is_withdrawn:
            return
        is_open = device.audience is not Audience.ESTATE or device.emergency_override
        if governing.has_ended(self.at) or governing.is_suspended or not governing.is_insured(self.at):
            assert is_open, (governing, self.at)
        elif governing.step != "estate":
            assert is_open or is_overdue or device.audience_changes_at is not None, (governing, self.at)


def test_sequences_of_events(database: Database) -> None:
    class OnThisDatabase(Agreements):
        def __init__(self) -> None:
            super().__init__(database)

    run_state_machine_as_test(
        OnThisDatabase,
        settings=settings(
            max_examples=30,
            stateful_step_count=25,
            deadline=None,  # tests do not depend on how busy the machine is
            suppress_health_check=list(HealthCheck),  # a database for each example is slow
        ),
    )


# --- The audience at a moment, against rules written a second time ----------------------------------------

DAYS = st.integers(0, 12).map(lambda day: NOW + timedelta(days=day))
"""Few moments, so that periods often touch and overlap."""
STEPS = st.sampled_from(Audience)
type AudienceAt = Callable[[Sequence[ShareTerms], datetime], DerivedAudience]


@st.composite
def shares_of_a_device(draw: st.DrawFn) -> list[ShareTerms]:
    shares = []
    for number in range(1, draw(st.integers(0, 3)) + 1):
        insured = st.lists(st.tuples(DAYS, DAYS).map(sorted).map(lambda days: Insured(*days)), max_size=2)
        shares.append(
            ShareTerms(
                number,
                is_by_register=draw(st.booleans()),
                step=draw(STEPS),
                starts_at=draw(DAYS),
                ends_at=draw(st.none() | DAYS),
                hours=draw(st.none() | st.just("22:00-06:00")),
                step_outside_hours=draw(STEPS),
                allows_override=draw(st.booleans()),
                superseded_at=draw(st.none() | DAYS),
                withdrawn_at=draw(st.none() | DAYS),
                suspended_at=draw(st.none() | DAYS),
                insured=draw(st.none() | insured.map(tuple)),
                lowered_to=draw(st.none() | STEPS),
            )
        )
    return shares


@dataclass(frozen=True)
class Seen:
    """Who sees the device within the sharing hours and outside of them, and whether dispatch may fetch it."""

    within: frozenset[str]
    outside: frozenset[str]
    override: bool


ESTATE_ALONE = frozenset({"estate"})


def people(*steps: Audience | None) -> frozenset[str]:
    """Return the groups that all of these steps include; None is no limit."""
    shown = [set(LADDER[: LADDER.index(step) + 1]) for step in steps if step is not None]
    return frozenset(set(LADDER).intersection(*shown))


def state_of(share: ShareTerms, at: datetime) -> str:
    """Return what became of a share, by the first rule that applies."""
    withdrawn, started = share.withdrawn_at, share.starts_at
    if at < started or (withdrawn is not None and withdrawn < started):
        return "never started"
    if share.superseded_at is not None and at >= share.superseded_at:
        return "replaced"
    if withdrawn is not None and at >= withdrawn:
        return "withdrawn"
    if share.ends_at is not None and at >= share.ends_at:
        return "ended"
    if share.suspended_at is not None and at >= share.suspended_at:
        return "suspended"
    if share.insured is not None and not [
        each for each in share.insured if each.starts_at <= at < each.ends_at
    ]:
        return "uninsured"
    return "in force"


def governing(shares: Sequence[ShareTerms], at: datetime) -> ShareTerms | None:
    """Return the share that decides: one that is not over if there is one, agreements before the register."""
    states = {each.agreement_id: state_of(each, at) for each in shares}
    begun = [each for each in shares if states[each.agreement_id] not in ("never started", "replaced")]
    lasting = [each for each in begun if states[each.agreement_id] not in ("withdrawn", "ended")]
    chosen = lasting or begun
    chosen = [each for each in chosen if not each.is_by_register] or chosen
    newest = [each for each in chosen if each.starts_at == max(other.starts_at for other in chosen)]
    return newest[-1] if newest else None


def expected_at(shares: Sequence[ShareTerms], at: datetime) -> Seen:
    """State who sees a device at a moment, slowly, from the rules in docs/use/agreements.md."""
    share = governing(shares, at)
    if share is None:
        return Seen(ESTATE_ALONE, ESTATE_ALONE, override=False)
    state, shown = state_of(share, at), people(share.step, share.lowered_to)
    if state == "withdrawn":
        return Seen(ESTATE_ALONE, ESTATE_ALONE, override=False)
    if state in ("suspended", "uninsured"):
        return Seen(ESTATE_ALONE, ESTATE_ALONE, override=True)
    if state == "ended":
        if "dispatch" in shown and share.hours is None:
            return Seen(people(Audience.DISPATCH), people(Audience.DISPATCH), override=False)
        return Seen(ESTATE_ALONE, ESTATE_ALONE, override=True)
    outside = shown if share.hours is None else shown & people(share.step_outside_hours)
    return Seen(shown, outside, override=share.allows_override)


def seen(derived: DerivedAudience) -> Seen:
    outside = derived.audience_outside_hours if derived.hours is not None else derived.audience
    assert outside is not None
    return Seen(people(derived.audience), people(outside), derived.emergency_override)


def follows_the_rules(audience: AudienceAt, *, examples: int) -> None:
    """Compare with the rules; raises AssertionError with the smallest shares that differ."""

    @settings(max_examples=examples, deadline=None, database=None)
    @given(shares_of_a_device(), DAYS)
    def compare(shares: list[ShareTerms], at: datetime) -> None:
        assert seen(audience(shares, at)) == expected_at(shares, at)

    compare()


def test_the_audience_follows_the_rules_at_each_moment() -> None:
    follows_the_rules(audience_at, examples=500)


def without(shares: Sequence[ShareTerms], name: str) -> list[ShareTerms]:
    left_out: dict[str, Any] = {name: None}
    return [replace(each, **left_out) for each in shares]


@pytest.mark.parametrize(
    "rule_left_out", ["suspended_at", "insured", "ends_at", "withdrawn_at", "superseded_at", "lowered_to"]
)
def test_an_audience_that_leaves_out_a_rule_is_noticed(rule_left_out: str) -> None:
    with pytest.raises(AssertionError):
        follows_the_rules(lambda shares, at: audience_at(without(shares, rule_left_out), at), examples=500)


@given(shares_of_a_device(), DAYS)
def test_nobody_sees_more_than_a_decision_in_force_shows(shares: list[ShareTerms], at: datetime) -> None:
    shown = seen(audience_at(shares, at))

    decided = {"estate"}
    for each in shares:
        state = state_of(each, at)
        if state == "in force":
            decided |= people(each.step, each.lowered_to)
        elif state == "ended":
            decided |= people(each.step, each.lowered_to, Audience.DISPATCH)
    assert shown.within | shown.outside <= decided


@given(shares_of_a_device(), DAYS)
def test_a_device_goes_dark_only_by_a_decision(shares: list[ShareTerms], at: datetime) -> None:
    shown, share = seen(audience_at(shares, at)), governing(shares, at)

    if shown.within == ESTATE_ALONE and not shown.override and share is not None:
        is_decided = people(share.step, share.lowered_to) == ESTATE_ALONE
        assert state_of(share, at) == "withdrawn" or is_decided


@given(shares_of_a_device(), DAYS, DAYS)
def test_an_audience_stays_until_the_moment_at_which_it_changes(
    shares: list[ShareTerms], at: datetime, later: datetime
) -> None:
    derived = audience_at(shares, at)

    if at <= later and (derived.changes_at is None or later < derived.changes_at):
        assert audience_at(shares, later) == derived
