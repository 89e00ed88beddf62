"""Decisions about agreements: the audience of a device at a moment, periods, consents, credit codes."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

from aed.accounts.permissions import Audience


class AgreementKind(StrEnum):
    AGREEMENT = "agreement"
    TRIAL = "trial"
    """Ends by itself after at most `SharingRules.max_trial_days`."""
    REGISTER = "register"
    """Made by one person's change to the register; asks to be replaced by an agreement of the parties."""


class AgreementState(StrEnum):
    DRAFT = "draft"
    PROPOSED = "proposed"
    """The parties decide."""
    CONFIRMED = "confirmed"
    """Every party consented and the region confirmed. In force from its start to its end."""
    WITHDRAWN = "withdrawn"
    """Withdrawn by a party, or before it was confirmed by its author."""


class PartyRole(StrEnum):
    PARTY_COMMITTEE = "party_committee"
    """社区党委"""
    OWNERS_COMMITTEE = "owners_committee"
    """业主委员会"""
    SERVICE_CENTRE = "service_centre"
    """园区服务中心"""


class DeviceOwner(StrEnum):
    OWNERS_IN_COMMON = "owners_in_common"
    PROPERTY_COMPANY = "property_company"
    DONOR = "donor"
    GOVERNMENT = "government"
    LEASE = "lease"


class LegalBasis(StrEnum):
    RESOLUTION = "resolution"
    MINUTES = "minutes"
    PUBLIC_NOTICE = "public_notice"


class DecisionMethod(StrEnum):
    THREE_SIGN = "three_sign"
    COMMITTEE_VOTES = "committee_votes"
    OWNERS_ASSEMBLY = "owners_assembly"


class DecisionKind(StrEnum):
    CONSENT = "consent"
    REFUSAL = "refusal"


class PublishedPosition(StrEnum):
    """The position of a device in exports, lists and maps; the lookup always shows where it is."""

    EXACT = "exact"
    APPROXIMATE = "approximate"
    """The middle of a cell of `CELL_DEGREES`."""
    DISPATCH_ONLY = "dispatch_only"
    """Left out, except for the estate, its region and dispatchers."""


class CodeRecipient(StrEnum):
    """Who is given the code of a locked cabinet when the device is opened by an override."""

    NOBODY = "nobody"
    DISPATCHER = "dispatcher"
    RESPONDER = "responder"


class Payer(StrEnum):
    """Who pays. Never the rescuer, nor the patient's family."""

    PARTY_COMMITTEE = "party_committee"
    OWNERS_COMMITTEE = "owners_committee"
    SERVICE_CENTRE = "service_centre"
    GOVERNMENT = "government"
    DONOR = "donor"
    INSURER = "insurer"


class CostCaseState(StrEnum):
    OPEN = "open"
    PAID = "paid"
    WAIVED = "waived"
    """Nobody pays, for the reason that is stored with it."""


LADDER: Final = (Audience.ESTATE, Audience.NEIGHBOURS, Audience.DISPATCH, Audience.PUBLIC)


def rung(audience: Audience) -> int:
    """Return 0 for `estate` to 3 for `public`: a higher rung includes the ones below it."""
    return LADDER.index(audience)


def step_below(audience: Audience) -> Audience:
    return LADDER[max(rung(audience) - 1, 0)]


@dataclass(frozen=True, slots=True)
class SharingRules:
    """The numbers of the rules of a region, with their defaults.

    An agreement keeps the `version` that it was drafted under.
    """

    version: str = "2026-1"
    parties: tuple[PartyRole, ...] = tuple(PartyRole)
    """The parties that must all consent."""
    min_ready_percent: float = 90.0
    """No step up while fewer of the estate's devices are ready."""
    check_interval_days: int = 31
    """A device whose last check is older is overdue, unless the agreement gives another interval."""
    max_trial_days: int = 90
    notice_days: tuple[int, ...] = (90, 60, 30, 7, 0)
    link_days: int = 30
    """How long a party's link is valid."""
    cost_reminder_days: tuple[int, ...] = (0, 14, 30, 60)
    """Days after a use at which the payer is reminded; from the last one on, again every 30 days."""


RULES: Final = SharingRules()


# --- Periods --------------------------------------------------------------------------------------------


def start_of(day: date, time_zone: str) -> datetime:
    """Return the first moment of a local day; where clocks skip midnight, the moment of the change."""
    return datetime.combine(day, time(), ZoneInfo(time_zone)).astimezone(ZoneInfo("UTC"))


def end_of(day: date | None, time_zone: str) -> datetime | None:
    """Return the moment after the last one of a local day; None if there is no such day."""
    return start_of(day + timedelta(days=1), time_zone) if day is not None else None


def due_notice(days_left: int, *, notified: int | None, rules: SharingRules = RULES) -> int | None:
    """Return the notice of an agreement's end to send now, in days before it; None if none is due.

    `notified` is the latest notice sent. Notices that were missed are left out.
    """
    if days_left < 0:
        return None
    threshold = min((each for each in rules.notice_days if days_left <= each), default=None)
    is_sent = threshold is None or (notified is not None and notified <= threshold)
    return None if is_sent else threshold


# --- The audience of a device at a moment ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Insured:
    """A period covered by one of an agreement's insurances."""

    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class ShareTerms:
    """What a confirmed agreement says about one device. A period includes its start and not its end."""

    agreement_id: int
    is_by_register: bool
    step: Audience
    starts_at: datetime
    ends_at: datetime | None = None
    hours: str | None = None
    """Opening hours of the step; None: always."""
    step_outside_hours: Audience = Audience.ESTATE
    allows_override: bool = False
    """A dispatch centre may have the device fetched for anyone."""
    published_position: PublishedPosition = PublishedPosition.EXACT
    superseded_at: datetime | None = None
    """From then on another share of the device replaces this one."""
    withdrawn_at: datetime | None = None
    suspended_at: datetime | None = None
    insured: tuple[Insured, ...] | None = None
    """None: the agreement asks for no insurance."""
    lowered_to: Audience | None = None
    """A step down that a party decided after the agreement was confirmed."""


class AudienceReason(StrEnum):
    """The rule from which a device's audience follows."""

    NO_AGREEMENT = "no_agreement"
    AGREEMENT = "agreement"
    BY_REGISTER = "by_register"
    ENDED = "ended"
    WITHDRAWN = "withdrawn"
    SUSPENDED = "suspended"
    UNINSURED = "uninsured"


@dataclass(frozen=True, slots=True)
class DerivedAudience:
    """The audience of a device from a moment on, until `changes_at`."""

    audience: Audience
    reason: AudienceReason
    agreement_id: int | None = None
    """The agreement of parties that governs the device, also after its end. None: the register alone."""
    hours: str | None = None
    """Hours of `audience`; outside them it is `audience_outside_hours`."""
    audience_outside_hours: Audience | None = None
    emergency_override: bool = False
    published_position: PublishedPosition = PublishedPosition.EXACT
    changes_at: datetime | None = None


def audience_at(shares: Sequence[ShareTerms], at: datetime) -> DerivedAudience:
    """Derive the audience of a device from its shares.

    1. Take the shares that have started and that no other share has superseded. Those in force come before
       those that ended or were withdrawn; agreements before entries by the register; the latest start first.
    2. None: `estate`.
    3. Withdrawn: `estate`.
    4. Ended: `dispatch` if it was `dispatch` or `public`. Otherwise `estate` with the emergency override, so
       that the device stays available to dispatch centres and nobody else sees more than before.
    5. Suspended, or without valid insurance: `estate` with the emergency override.
    6. Otherwise the share's step within its hours, and the lower step outside of them.
    """
    begun = [each for each in shares if _has_begun(each, at) and not _is_past(each.superseded_at, at)]
    changes_at = min((moment for each in shares for moment in _moments(each) if moment > at), default=None)
    if not begun:
        return DerivedAudience(Audience.ESTATE, AudienceReason.NO_AGREEMENT, changes_at=changes_at)
    share = max(
        begun,
        key=lambda each: (
            not _is_past(each.ends_at, at) and not _is_past(each.withdrawn_at, at),
            not each.is_by_register,
            each.starts_at,
            each.agreement_id,
        ),
    )
    position = share.published_position
    governed_by = None if share.is_by_register else share.agreement_id
    if _is_past(share.withdrawn_at, at):
        return DerivedAudience(
            Audience.ESTATE,
            AudienceReason.WITHDRAWN,
            governed_by,
            published_position=position,
            changes_at=changes_at,
        )
    step = share.step if share.lowered_to is None else min(share.step, share.lowered_to, key=rung)
    if _is_past(share.ends_at, at):
        is_dispatched = rung(step) >= rung(Audience.DISPATCH)
        return DerivedAudience(
            Audience.DISPATCH if is_dispatched and share.hours is None else Audience.ESTATE,
            AudienceReason.ENDED,
            governed_by,
            emergency_override=not is_dispatched or share.hours is not None,
            published_position=position,
            changes_at=changes_at,
        )
    if _is_past(share.suspended_at, at) or not _is_insured(share, at):
        reason = AudienceReason.SUSPENDED if _is_past(share.suspended_at, at) else AudienceReason.UNINSURED
        return DerivedAudience(
            Audience.ESTATE,
            reason,
            governed_by,
            emergency_override=True,
            published_position=position,
            changes_at=changes_at,
        )
    outside = min(share.step_outside_hours, step, key=rung)
    has_hours = share.hours is not None and outside is not step
    return DerivedAudience(
        step,
        AudienceReason.BY_REGISTER if share.is_by_register else AudienceReason.AGREEMENT,
        governed_by,
        hours=share.hours if has_hours else None,
        audience_outside_hours=outside if has_hours else None,
        emergency_override=share.allows_override,
        published_position=position,
        changes_at=changes_at,
    )


def _has_begun(share: ShareTerms, at: datetime) -> bool:
    """Return True if the share is or was in force: not if it was withdrawn before it started."""
    is_void = share.withdrawn_at is not None and share.withdrawn_at < share.starts_at
    return share.starts_at <= at and not is_void


def _is_past(moment: datetime | None, at: datetime) -> bool:
    return moment is not None and moment <= at


def _is_insured(share: ShareTerms, at: datetime) -> bool:
    return share.insured is None or any(each.starts_at <= at < each.ends_at for each in share.insured)


def _moments(share: ShareTerms) -> Iterable[datetime]:
    """Return the moments at which the audience of the device may change."""
    yield share.starts_at
    for moment in (share.ends_at, share.superseded_at, share.withdrawn_at, share.suspended_at):
        if moment is not None:
            yield moment
    for each in share.insured or ():
        yield each.starts_at
        yield each.ends_at


def is_step_up(before: DerivedAudience, after: DerivedAudience) -> bool:
    """Return True if `after` shows the device to more people, or at more hours, or by an override."""
    is_higher = rung(after.audience) > rung(before.audience) or rung(_outside(after)) > rung(_outside(before))
    has_other_hours = before.hours is not None and after.hours != before.hours
    is_override = after.emergency_override and not before.emergency_override
    return is_higher or is_override or (has_other_hours and rung(after.audience) > rung(_outside(before)))


def held_back(before: DerivedAudience, after: DerivedAudience) -> DerivedAudience:
    """Return `after` without what it shows more than `before`: at no hour to more people than both."""
    outside = min(_outside(before), _outside(after), key=rung)
    within = before.audience if before.hours == after.hours else _outside(before)
    step = min(within, after.audience, key=rung)
    has_hours = after.hours is not None and step is not outside
    return replace(
        after,
        audience=step if has_hours else min(step, outside, key=rung) if after.hours is not None else step,
        hours=after.hours if has_hours else None,
        audience_outside_hours=outside if has_hours else None,
        emergency_override=after.emergency_override and before.emergency_override,
    )


def _outside(derived: DerivedAudience) -> Audience:
    return derived.audience_outside_hours or derived.audience


# --- Consents -------------------------------------------------------------------------------------------


def text_hash(text: Mapping[str, Any]) -> str:
    """Return the SHA-256 of an agreement's text in canonical JSON: sorted keys, no spaces."""
    canonical = json.dumps(text, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class ConsentGiven:
    """A party's decision, as far as the rules need it."""

    role: PartyRole
    kind: DecisionKind
    text_hash: str


def missing_consents(
    decisions: Iterable[ConsentGiven], *, text: str, parties: Collection[PartyRole] = RULES.parties
) -> tuple[PartyRole, ...]:
    """Return the parties whose latest decision on the text with that hash is not a consent.

    `decisions` are in order of time. Decisions on another text do not count.
    """
    latest = {each.role: each.kind for each in decisions if each.text_hash == text}
    return tuple(
        role for role in PartyRole if role in parties and latest.get(role) is not DecisionKind.CONSENT
    )


# --- Checks ---------------------------------------------------------------------------------------------


def days_in_date(checked_on: Collection[date], *, first: date, last: date, interval_days: int) -> int:
    """Return on how many days from `first` to `last` a device's last check was at most the interval ago."""
    days = 0
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        days += any(0 <= (day - each).days <= interval_days for each in checked_on)
    return days


# --- Cost of uses ---------------------------------------------------------------------------------------

MINOR_UNITS: Final = 100
"""分 in a yuan."""
CHASED_EVERY_DAYS: Final = 30
"""Interval of the reminders after the last of `SharingRules.cost_reminder_days`."""


def amount_due(per_use: int | None, *, cap: int | None, claimed_minor: int) -> int | None:
    """Return what a use costs in the smallest unit of the currency; None if the agreement states no cost.

    `per_use` and `cap` are the agreement's, in yuan. `claimed_minor` is what the uses before it in the same
    year cost; the year's uses cost no more than `cap` together.
    """
    if per_use is None:
        return None
    amount = per_use * MINOR_UNITS
    return amount if cap is None else max(0, min(amount, cap * MINOR_UNITS - claimed_minor))


def due_cost_reminder(
    days_since_use: int, *, reminded: int | None, rules: SharingRules = RULES
) -> int | None:
    """Return the reminder of an unpaid cost to send now, in days since the use; None if none is due.

    `reminded` is the latest reminder sent. Reminders that were missed are left out.
    """
    last = max(rules.cost_reminder_days)
    if days_since_use >= last:
        threshold = days_since_use - (days_since_use - last) % CHASED_EVERY_DAYS
    else:
        threshold = max((each for each in rules.cost_reminder_days if each <= days_since_use), default=-1)
    return threshold if threshold > (-1 if reminded is None else reminded) else None


# --- Unified social credit code 统一社会信用代码 (GB 32100-2015) -------------------------------------------

_CREDIT_CODE_CHARACTERS: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_CREDIT_CODE_LENGTH: Final = 18


def is_credit_code(code: str) -> bool:
    """Return True if the code has 18 valid characters and its check character is right.

    GB 32100-2015: character i (from 0) has the weight 3**i mod 31; the check character makes the sum of
    weighted values a multiple of 31.
    """
    if len(code) != _CREDIT_CODE_LENGTH or any(each not in _CREDIT_CODE_CHARACTERS for each in code):
        return False
    values = [_CREDIT_CODE_CHARACTERS.index(each) for each in code]
    total = sum(value * pow(3, i, 31) for i, value in enumerate(values[:-1]))
    return (31 - total % 31) % 31 == values[-1]


# --- Published positions --------------------------------------------------------------------------------

CELL_DEGREES: Final = 0.005
"""About 550 m from north to south."""


def approximate(degrees: float) -> float:
    """Return the middle of the cell in which a latitude or longitude lies."""
    return (math.floor(degrees / CELL_DEGREES) + 0.5) * CELL_DEGREES


# --- Quorums --------------------------------------------------------------------------------------------


class VotesShortfall(StrEnum):
    TOO_MANY = "too_many"
    """More votes than people entitled to vote."""
    NO_QUORUM = "no_quorum"
    NO_MAJORITY = "no_majority"


def votes_shortfall(
    method: DecisionMethod, *, entitled: int, in_favour: int, against: int, abstained: int
) -> VotesShortfall | None:
    """Return why the votes do not carry a consent; None if they do.

    A committee decides with more than half of its members. The owners' assembly decides with more than half
    of the votes cast, if two thirds of those entitled took part (民法典 278).
    """
    cast = in_favour + against + abstained
    if cast > entitled:
        return VotesShortfall.TOO_MANY
    if method is DecisionMethod.COMMITTEE_VOTES and 2 * in_favour <= entitled:
        return VotesShortfall.NO_MAJORITY
    if method is DecisionMethod.OWNERS_ASSEMBLY:
        if 3 * cast < 2 * entitled:
            return VotesShortfall.NO_QUORUM
        if 2 * in_favour <= cast:
            return VotesShortfall.NO_MAJORITY
    return None
