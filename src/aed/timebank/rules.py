"""Decisions of the time bank: what service earns, the cap, gifts, expiry and inheritance.

Minutes are whole minutes. Points are counted in units of 1/600 point, so that a minute at every factor in
tenths is a whole number of units: 10 for service, 15 for teaching, 1 for standby.
"""

from __future__ import annotations

import calendar
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Final

UNITS_PER_POINT: Final = 600
"""The smallest amount of points is 1/600: one minute of standby at one point an hour."""


class Currency(StrEnum):
    MINUTES = "minutes"
    """Minutes served: a record that is never spent."""
    POINTS = "points"
    """In units of 1/600 point."""


class AccountKind(StrEnum):
    PERSON = "person"
    FAMILY = "family"
    """Shared by the members of a household."""
    GROUP = "group"
    """A team: it may only donate."""
    ESTATE = "estate"
    REGION_POOL = "region_pool"
    """Receives what expired or was not inherited."""
    CARE_POOL = "care_pool"
    """Receives what is over the cap, for people who need help."""
    SPONSOR = "sponsor"
    """Gives goods, and receives the points that are paid for them."""
    SUSPENSE = "suspense"
    """Holds the points of open orders and of service that is disputed."""
    ISSUANCE = "issuance"
    """The counter-account of earning: its balance is minus all that was issued."""


REGIONAL_KINDS: Final = (
    AccountKind.REGION_POOL,
    AccountKind.CARE_POOL,
    AccountKind.SUSPENSE,
    AccountKind.ISSUANCE,
)
"""A region has one account of each of these kinds and currency."""


class LedgerKind(StrEnum):
    """The kind of a ledger entry."""

    EARN = "earn"
    SPEND = "spend"
    GIFT = "gift"
    DONATE = "donate"
    INHERIT = "inherit"
    EXPIRE = "expire"
    REVERSE = "reverse"
    """The counter-entry of an earlier entry."""
    OVERFLOW = "overflow"
    """What is over the cap, to the care pool."""
    HOLD = "hold"
    RELEASE = "release"
    TRANSFER = "transfer"
    """Between accounts of the same holders: into a family account, or after two people were merged."""


ONCE_KINDS: Final = (
    LedgerKind.EARN,
    LedgerKind.SPEND,
    LedgerKind.GIFT,
    LedgerKind.DONATE,
    LedgerKind.INHERIT,
    LedgerKind.EXPIRE,
    LedgerKind.TRANSFER,
)
"""Kinds that a record has at most once for each currency."""


class ServiceKind(StrEnum):
    """What was done for others."""

    CHECK = "check"
    DRILL = "drill"
    TEACHING = "teaching"
    TEACHING_HELP = "teaching_help"
    CALL = "call"
    GUIDE = "guide"
    PATROL = "patrol"
    STANDBY = "standby"
    TRAINING_ATTENDED = "training_attended"
    PAID_SHIFT = "paid_shift"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class ServiceRule:
    """What one kind of service earns."""

    counts_minutes: bool = True
    factor_tenths: int = 10
    """Points for the minutes, in tenths: 10 is one point for each `minutes_per_point`, 0 is none."""
    max_minutes_a_day: int | None = None
    """Maximum minutes for one subject (such as a device) and day."""


OF_CALLS: Final = (ServiceKind.CALL, ServiceKind.GUIDE)
"""They earn minutes and never points: points must not influence what people do beside a patient."""
RECORD_ONLY: Final = ServiceRule(counts_minutes=False, factor_tenths=0)
DEFAULT_SERVICES: Final[Mapping[ServiceKind, ServiceRule]] = MappingProxyType(
    {
        **{kind: ServiceRule() for kind in ServiceKind},
        ServiceKind.CHECK: ServiceRule(max_minutes_a_day=15),
        ServiceKind.TEACHING: ServiceRule(factor_tenths=15),
        ServiceKind.CALL: ServiceRule(factor_tenths=0),
        ServiceKind.GUIDE: ServiceRule(factor_tenths=0),
        ServiceKind.STANDBY: ServiceRule(factor_tenths=1),
        ServiceKind.TRAINING_ATTENDED: RECORD_ONLY,
        ServiceKind.PAID_SHIFT: RECORD_ONLY,
    }
)


class Relation(StrEnum):
    """A relative, as the person who declared them sees them."""

    SPOUSE = "spouse"
    PARENT = "parent"
    CHILD = "child"


def inverse_relation(relation: Relation) -> Relation:
    """Return what a person is to a relative who is `relation` to them."""
    swapped = {Relation.PARENT: Relation.CHILD, Relation.CHILD: Relation.PARENT}
    return swapped.get(relation, relation)


class PriorityGroup(StrEnum):
    """Whom goods are kept for at first."""

    OVER_60 = "over_60"
    OVER_80 = "over_80"
    DISABLED = "disabled"


class PaidFrom(StrEnum):
    """Whose points pay for an order."""

    OWN = "own"
    FAMILY = "family"
    CARE_POOL = "care_pool"
    """For people of a priority group, by the administrator of the region."""


class OrderState(StrEnum):
    HELD = "held"
    """The points are held; the goods wait to be collected."""
    COLLECTED = "collected"
    """Handed over, at the desk or at the door; the sponsor has the points."""
    CANCELLED = "cancelled"


class ExchangeState(StrEnum):
    ASKED = "asked"
    AGREED = "agreed"
    """The provider agreed on the time; the points are held."""
    SETTLED = "settled"
    """Both confirmed that it was done; the provider has the points."""
    CANCELLED = "cancelled"


class OfferKind(StrEnum):
    """What a member offers to do for others."""

    ACCOMPANYING = "accompanying"
    REPAIR = "repair"
    LESSON = "lesson"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class TimeBankRules:
    """The numbers of a region's time bank. Entries record `version`; later rules never rewrite them."""

    version: str = "default-2"
    minutes_per_point: int = 60
    services: Mapping[ServiceKind, ServiceRule] = field(default_factory=lambda: DEFAULT_SERVICES)
    cap_points: int | None = 1500
    """A person's points above this go to the care pool; None: no cap."""
    spend_from_minutes: int = 6000
    """Minutes served before points can be spent."""
    gift_points_a_year: int = 50
    """Maximum that a person may give to relatives in a calendar year."""
    expiry_months: int | None = 36
    """Months after the last activity in which points expire; None: never."""
    expiry_notice_days: tuple[int, ...] = (90, 30, 7)
    inheritance_months: int = 12
    """Months after a death in which an heir may claim the points."""


DEFAULT_RULES: Final = TimeBankRules()


# --- Earning --------------------------------------------------------------------------------------------


def credited_minutes(rules: TimeBankRules, kind: ServiceKind, minutes: int, *, counted: int = 0) -> int:
    """Return the minutes that count; `counted` minutes of the same subject and day count already."""
    rule = rules.services[kind]
    if not rule.counts_minutes:
        return 0
    if rule.max_minutes_a_day is None:
        return minutes
    return max(0, min(minutes, rule.max_minutes_a_day - counted))


def earned_units(rules: TimeBankRules, kind: ServiceKind, minutes: int) -> int:
    """Return the point units for minutes that count, rounded down.

    Nothing is lost by rounding as long as 60 is a multiple of `minutes_per_point`, or the other way round
    with factors that divide.
    """
    tenths = rules.services[kind].factor_tenths
    return minutes * tenths * UNITS_PER_POINT // (10 * rules.minutes_per_point)


def over_cap(rules: TimeBankRules, balance: int) -> int:
    """Return how many units of a balance are over the cap."""
    return max(0, balance - rules.cap_points * UNITS_PER_POINT) if rules.cap_points is not None else 0


def gift_units_left(rules: TimeBankRules, given: int) -> int:
    """Return the units that a person may still give to relatives this year, after `given`."""
    return max(0, rules.gift_points_a_year * UNITS_PER_POINT - given)


def to_units(points: Decimal) -> int | None:
    """Return points as units; None if they are not a whole number of units."""
    units = points * UNITS_PER_POINT
    return int(units) if units == int(units) else None


def to_points(units: int) -> Decimal:
    """Return units as points, rounded down to hundredths for display."""
    return (Decimal(units) / UNITS_PER_POINT).quantize(Decimal("0.01"), ROUND_FLOOR)


def service_units(units_per_hour: int, minutes: int) -> int:
    """Return the price of a member's service, rounded up to a whole unit."""
    return -(-units_per_hour * minutes // 60)


def may_order(
    first_for: Collection[PriorityGroup],
    first_until: datetime | None,
    groups: Collection[PriorityGroup],
    at: datetime,
) -> bool:
    """Return True if a person of these groups may have goods that are kept for others until `first_until`.

    A person over 80 is over 60 too.
    """
    theirs = {*groups, *([PriorityGroup.OVER_60] if PriorityGroup.OVER_80 in groups else [])}
    return not first_for or (first_until is not None and at >= first_until) or bool(theirs & {*first_for})


# --- Expiry and inheritance -----------------------------------------------------------------------------


def add_months(moment: datetime, months: int) -> datetime:
    """Return the same day and time `months` later (or earlier), or the last day of a shorter month."""
    month = moment.year * 12 + moment.month - 1 + months
    year, month = divmod(month, 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)


def expires_at(rules: TimeBankRules, active_at: datetime) -> datetime | None:
    """Return when the points of an account expire that was last active at `active_at`; None: never."""
    return add_months(active_at, rules.expiry_months) if rules.expiry_months is not None else None


def due_expiry_notice(
    rules: TimeBankRules, active_at: datetime, at: datetime, *, notified: int | None
) -> int | None:
    """Return the days of the notice that is due: the latest that was not sent since the last activity.

    `notified` is the notice that was sent last. None: no notice is due.
    """
    end = expires_at(rules, active_at)
    if end is None or at >= end:
        return None
    due = [days for days in rules.expiry_notice_days if at >= end - timedelta(days=days)]
    latest = min(due, default=None)
    return latest if latest is not None and (notified is None or latest < notified) else None


def can_claim(rules: TimeBankRules, died_at: datetime, at: datetime) -> bool:
    """Return True if an heir may still claim the points of a person who died at `died_at`."""
    return at < add_months(died_at, rules.inheritance_months)
