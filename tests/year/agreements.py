"""A year of agreements that start, end, lapse and are taken back, compared each day with a book of its own.

Estates in pairs are neighbours. The book knows the agreements as their parties do, and says by a second
writing of the rules who may be offered a device at a moment; the program is asked by real lookups.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from random import Random
from typing import Final

from sqlalchemy.orm import Session

from aed import schedule
from aed.accounts.permissions import ANYONE, Audience, Viewer
from aed.database.session import Database, read_session, transaction
from aed.geo import Position
from aed.lookup.answer import answer_lookup
from aed.lookup.question import LookupQuestion
from aed.registry.devices.models import Device
from aed.registry.estates.models import Estate
from aed.settings import Settings
from aed.sharing.agreements import actions, queries
from aed.sharing.models import Agreement
from aed.sharing.rules import LADDER, rung
from aed.upkeep.faults.actions import report_device
from aed.upkeep.faults.schemas import ReportIn
from aed.upkeep.rules import FaultKind
from tests import make
from tests.make import ADMINISTRATOR, east_of
from tests.year.ledger import DAY
from tests.year.world import APART_DEGREES, Size, moment

JOBS: Final = ("agreements", "agreement-notices", "cost-cases")
NIGHTS: Final = "22:00-06:00"
NOON, NIGHT = 12, 23
ACTS_AT: Final = 15
"""The hour at which people act; agreements begin and end at midnight."""
CHECKED_EVERY_DAYS: Final = 25
LAZY_SHARE: Final = 0.15
"""Estates that check nothing: their steps up wait."""
INSURANCE: Final = {"type": "公众责任险", "insurer": "I", "policy": "P", "sum_insured": 1_000_000}


@dataclass
class Deal:
    """An agreement, as its parties know it."""

    id: int
    step: Audience
    hours: str | None
    first: datetime
    """The first moment at which it holds."""
    last_day: date
    insured_until: date | None
    """None: it asks for no insurance."""
    withdrawn_at: datetime | None = None
    suspended: list[tuple[datetime, datetime | None]] = field(default_factory=list)
    lowered: list[tuple[datetime, Audience]] = field(default_factory=list)

    @property
    def ends_at(self) -> datetime:
        return moment(self.last_day + DAY, 0)

    def is_in_force(self, at: datetime) -> bool:
        return self.first <= at < self.ends_at and self.withdrawn_at is None

    def is_suspended(self, at: datetime) -> bool:
        return any(since <= at and (until is None or at < until) for since, until in self.suspended)

    def step_at(self, at: datetime) -> Audience:
        return min([self.step, *(step for since, step in self.lowered if since <= at)], key=rung)


@dataclass
class SharingEstate:
    id: int
    here: Position
    device_id: int
    neighbour: Viewer
    is_lazy: bool
    deals: list[Deal] = field(default_factory=list)
    unready_until: datetime | None = None
    """When the used device was checked; None: it is ready."""
    last_check: date = date.min

    def governing(self, at: datetime) -> Deal | None:
        """Return the latest agreement that has begun, whatever became of it since."""
        begun = [
            each
            for each in self.deals
            if each.first <= at and (each.withdrawn_at is None or each.withdrawn_at >= each.first)
        ]
        return max(begun, key=lambda each: (each.first, each.id), default=None)

    def may_be_offered_to(self, at: datetime, *, hour: int) -> Audience:
        """Return the widest audience to which the parties let the device be offered."""
        deal = self.governing(at)
        if deal is None or (deal.withdrawn_at is not None and deal.withdrawn_at <= at):
            return Audience.ESTATE
        step = deal.step_at(at)
        if deal.ends_at <= at:
            is_dispatched = rung(step) >= rung(Audience.DISPATCH) and deal.hours is None
            return Audience.DISPATCH if is_dispatched else Audience.ESTATE
        is_uninsured = deal.insured_until is not None and at >= moment(deal.insured_until + DAY, 0)
        if deal.is_suspended(at) or is_uninsured:
            return Audience.ESTATE
        if deal.hours is not None and hour != NIGHT:
            below = LADDER[max(rung(deal.step) - 1, 0)]
            return min(below, step, key=rung)
        return step

    def may_be_dark(self, at: datetime) -> bool:
        """Return True if a rule leaves the device to its estate without the emergency override."""
        deal = self.governing(at)
        if deal is None or (deal.withdrawn_at is not None and deal.withdrawn_at <= at):
            return True
        return self.is_lazy or self.unready_until is not None or deal.step_at(at) is Audience.ESTATE


@dataclass
class SharingYear:
    """The results of the year."""

    counts: Counter[str] = field(default_factory=Counter)
    offered_outside: list[tuple[date, int, str]] = field(default_factory=list)
    """(day, device, to whom) of devices offered to anyone outside an agreement."""
    dark: list[tuple[date, int]] = field(default_factory=list)
    """(day, device) of devices that nobody but the estate can have fetched, without a rule."""
    not_offered: list[tuple[date, int, str]] = field(default_factory=list)
    """(day, device, to whom) of devices not offered although agreed, ready and checked."""


def run(
    database: Database, settings: Settings, size: Size, *, say: Callable[[str], None] = lambda _: None
) -> SharingYear:
    """Run the days: jobs at midnight and before each lookup, lookups at noon and night, people between."""
    year, random = SharingYear(), Random(size.seed)
    with transaction(database) as session:
        estates = [
            each for pair in range((size.estates + 1) // 2) for each in _pair(session, random, pair, size)
        ]
    today = size.first_day
    while today <= size.last_day:
        _jobs(database, settings, moment(today, 0))
        _look(database, settings, year, estates, today, NOON)
        with transaction(database) as session:
            for estate in estates:
                _act(session, random, year, estate, today)
        _jobs(database, settings, moment(today, NIGHT - 0.5))
        _look(database, settings, year, estates, today, NIGHT)
        if today.day == 1:
            say(
                f"{today:%Y-%m}: {year.counts['agreements']:,} agreements, {year.counts['lookups']:,} lookups"
            )
        today += DAY
    return year


def _pair(session: Session, random: Random, number: int, size: Size) -> list[SharingEstate]:
    """Add two neighbouring estates with a device each."""
    centre = Position(30.0 + APART_DEGREES * (number // 50), 110.0 + APART_DEGREES * (number % 50))
    places = (centre, east_of(centre, metres=500))
    rows = [make.estate(session, neighbourhood=f"lane-{number}", around=place) for place in places]
    return [
        _estate(session, random, row, place, other, size)
        for row, place, other in zip(rows, places, reversed(rows), strict=True)
    ]


def _estate(
    session: Session, random: Random, row: Estate, place: Position, other: Estate, size: Size
) -> SharingEstate:
    is_lazy = random.random() < LAZY_SHARE
    checked = size.first_day - timedelta(days=60 if is_lazy else random.randrange(1, CHECKED_EVERY_DAYS))
    device = make.device(session, of=row, audience="estate", at=place, last_checked_on=checked)
    return SharingEstate(row.id, place, device.id, make.member(other, row), is_lazy, last_check=checked)


def _jobs(database: Database, settings: Settings, at: datetime) -> None:
    for name in JOBS:
        schedule.job_called(name).run(database, settings, lambda: at)


# --- What is offered --------------------------------------------------------------------------------------


def _look(
    database: Database,
    settings: Settings,
    year: SharingYear,
    estates: list[SharingEstate],
    today: date,
    hour: int,
) -> None:
    at = moment(today, hour)
    with read_session(database) as session:
        for estate in estates:
            allowed = estate.may_be_offered_to(at, hour=hour)
            for who, viewer, least in (
                ("a neighbour", estate.neighbour, Audience.NEIGHBOURS),
                ("anyone", ANYONE, Audience.PUBLIC),
            ):
                question = LookupQuestion(here=estate.here, at=at, responders=0)
                found = answer_lookup(session.connection(), viewer, question, network=None, settings=settings)
                offered = estate.device_id in {near.row.id for near in found.devices}
                year.counts["lookups"] += 1
                year.counts[f"offered to {who}"] += offered
                is_agreed = rung(allowed) >= rung(least)
                if offered and not is_agreed:
                    year.offered_outside.append((today, estate.device_id, who))
                if is_agreed and not (offered or estate.is_lazy or estate.unready_until is not None):
                    year.not_offered.append((today, estate.device_id, who))
            device = session.get_one(Device, estate.device_id)
            is_dark = device.audience is Audience.ESTATE and not device.emergency_override
            year.counts["dark by a rule"] += is_dark
            if is_dark and not estate.may_be_dark(at):
                year.dark.append((today, estate.device_id))


# --- What people do ---------------------------------------------------------------------------------------


def _act(session: Session, random: Random, year: SharingYear, estate: SharingEstate, today: date) -> None:
    """Let the estate check its device, and sometimes use it or change what was agreed."""
    at, device = moment(today, ACTS_AT), session.get_one(Device, estate.device_id)
    is_due = (today - estate.last_check).days >= CHECKED_EVERY_DAYS and not estate.is_lazy
    if is_due or (estate.unready_until is not None and estate.unready_until <= at):
        pads = (today + timedelta(days=700)).isoformat()
        make.check(session, device, at=at, replaced=[{"kind": "pads", "expires_on": pads}])
        estate.unready_until, estate.last_check = None, today
    deal = estate.governing(at)
    if deal is None or not deal.is_in_force(at) or (deal.last_day - today).days < 10:
        is_planned = any(each.first > at and each.withdrawn_at is None for each in estate.deals)
        if not is_planned and random.random() < 0.12:
            _agree(session, random, year, estate, deal, today)
        return
    if random.random() < 0.01 and estate.unready_until is None:
        used = ReportIn(kind=FaultKind.USED)
        report_device(session, ADMINISTRATOR, device.id, used, from_key=None, at=at)
        estate.unready_until = at + timedelta(days=3)
        year.counts["uses"] += 1
    found = queries.agreement(session, ADMINISTRATOR, deal.id)
    if deal.suspended and deal.suspended[-1][1] is None:
        if random.random() < 0.2:
            actions.resume_agreement(session, found, by="year", is_region=True, at=at)
            deal.suspended[-1] = (deal.suspended[-1][0], at)
        return
    event, step = random.random(), deal.step_at(at)
    if event < 0.008:
        actions.withdraw_agreement(session, found, by="year", reason="Vandalism", at=at)
        deal.withdrawn_at = at
        year.counts["withdrawn"] += 1
    elif event < 0.02:
        actions.suspend_agreement(session, found, by="year", reason="Building site", at=at)
        deal.suspended.append((at, None))
        year.counts["suspended"] += 1
    elif event < 0.03 and step is not Audience.ESTATE:
        lower = LADDER[random.randrange(rung(step))]
        actions.step_down(session, found, device_id=device.id, step=lower, by="year", at=at)
        deal.lowered.append((at, lower))
        year.counts["lowered"] += 1


def _agree(
    session: Session,
    random: Random,
    year: SharingYear,
    estate: SharingEstate,
    before: Deal | None,
    today: date,
) -> None:
    """Let the parties agree on a step from today or a later day on, instead of an agreement in force."""
    at, first_day = moment(today, ACTS_AT), today + timedelta(days=random.choice((0, 0, 3, 12)))
    last_day = first_day + timedelta(days=random.randrange(5, 90))
    step, hours = random.choice(LADDER[1:]), random.choice((None, None, NIGHTS))
    insured_until = random.choice((None, None, last_day, first_day + timedelta(days=random.randrange(60))))
    terms = {"cost_per_use": 600, "insurances": [] if insured_until is None else [_insurance(insured_until)]}
    made: Agreement = make.agreement(
        session,
        session.get_one(Estate, estate.id),
        session.get_one(Device, estate.device_id),
        at=at,
        kind=random.choice(("agreement", "trial")),
        starts_on=first_day.isoformat(),
        ends_on=last_day.isoformat(),
        supersedes_id=before.id if before is not None and before.withdrawn_at is None else None,
        share={"step": step, "hours": hours},
        terms=terms,
    )
    first = max(at, moment(first_day, 0))
    estate.deals.append(Deal(made.id, step, hours, first, last_day, insured_until))
    year.counts["agreements"] += 1


def _insurance(until: date) -> dict[str, object]:
    return INSURANCE | {"starts_on": "2020-01-01", "ends_on": until.isoformat()}


def table(year: SharingYear) -> list[tuple[str, str]]:
    """Return the table of the year as (label, number) rows."""
    counts = year.counts
    return [
        (
            "Agreements (withdrawn, suspended, lowered; uses)",
            f"{counts['agreements']:,} ({counts['withdrawn']:,}, {counts['suspended']:,}, "
            f"{counts['lowered']:,}; {counts['uses']:,})",
        ),
        ("Lookups by neighbours and strangers", f"{counts['lookups']:,}"),
        (
            "Offered to neighbours, to strangers",
            f"{counts['offered to a neighbour']:,}, {counts['offered to anyone']:,}",
        ),
        ("Offered outside an agreement", f"{len(year.offered_outside):,}"),
        ("Dark without a rule (by a rule)", f"{len(year.dark):,} ({counts['dark by a rule']:,})"),
        ("Agreed, ready and not offered", f"{len(year.not_offered):,}"),
    ]


def contradictions(year: SharingYear) -> list[str]:
    """Return what contradicts the book as sentences; empty if nothing does."""
    found: tuple[tuple[str, list[tuple[date, int]] | list[tuple[date, int, str]]], ...] = (
        ("offered outside an agreement", year.offered_outside),
        ("dark without a rule", year.dark),
        ("agreed, ready and not offered", year.not_offered),
    )
    return [f"{len(each)} {what}: {each[:5]}" for what, each in found if each]
