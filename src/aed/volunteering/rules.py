"""Rules of volunteers' service: sources, minutes, flags, working days, and counts that identify nobody."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from aed.hours.holiday_calendar import HolidayDates, special
from aed.timebank.rules import ServiceKind


class ServiceSource(StrEnum):
    """What a service record is about. Of one source, a person has one record."""

    CHECK = "check"
    DRILL = "drill"
    SESSION_TAUGHT = "session_taught"
    SESSION_HELPED = "session_helped"
    CALL = "call"
    """A person who was alerted to a patient and accepted."""
    GUIDE = "guide"
    """A person who opened the gate or held the lift for others on a call."""
    PATROL = "patrol"
    OTHER = "other"


RECORDED_BY_HAND: Final = frozenset({ServiceSource.SESSION_HELPED, ServiceSource.PATROL, ServiceSource.OTHER})
"""All others are recorded by the program from what it knows."""
OF_CALLS: Final = frozenset({ServiceSource.CALL, ServiceSource.GUIDE})
"""Their records name neither place nor patient, and are never flagged."""


LEDGER_KIND: Final[Mapping[ServiceSource, ServiceKind]] = {
    ServiceSource.CHECK: ServiceKind.CHECK,
    ServiceSource.DRILL: ServiceKind.DRILL,
    ServiceSource.SESSION_TAUGHT: ServiceKind.TEACHING,
    ServiceSource.SESSION_HELPED: ServiceKind.TEACHING_HELP,
    ServiceSource.CALL: ServiceKind.CALL,
    ServiceSource.GUIDE: ServiceKind.GUIDE,
    ServiceSource.PATROL: ServiceKind.PATROL,
    ServiceSource.OTHER: ServiceKind.OTHER,
}
"""The kind by which the time bank counts a record."""


class ServiceState(StrEnum):
    PENDING = "pending"
    """Waits for another person to confirm it."""
    CONFIRMED = "confirmed"
    DISPUTED = "disputed"
    VOID = "void"
    """Refused or cancelled. It stays on record; a corrected record may follow."""


class ServiceEventKind(StrEnum):
    """A step in the life of a service record."""

    RECORDED = "recorded"
    CONFIRMED = "confirmed"
    FLAGGED = "flagged"
    RELEASED = "released"
    DISPUTED = "disputed"
    UPHELD = "upheld"
    """A dispute ended, and the record stands."""
    VOIDED = "voided"
    APPEALED = "appealed"
    EXPORTED = "exported"


class FlagKind(StrEnum):
    """Why the points of a record are held until it is looked into. A flag is not a finding."""

    LONG_DAY = "long_day"
    TWO_SITES = "two_sites"
    RING = "ring"
    POSITION = "position"
    PHOTO_TIME = "photo_time"
    PHOTO_REUSED = "photo_reused"
    OBJECTION = "objection"
    """A member of the team objects."""


class IdType(StrEnum):
    """The document of a volunteer's identity number (证件类型)."""

    ID_CARD = "id_card"
    PASSPORT = "passport"
    HK_MACAO_PERMIT = "hk_macao_permit"
    TAIWAN_PERMIT = "taiwan_permit"
    RESIDENCE_PERMIT = "residence_permit"


class ProofState(StrEnum):
    """What became of a volunteer's request for a proof of service."""

    ASKED = "asked"
    """Waits for the manager of the estate."""
    ISSUED = "issued"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class ServiceRules:
    """The numbers of these rules; a change of them never changes a record."""

    version: str = "2026-1"
    max_call_minutes: int = 240
    """A call that nobody closed ends after that."""
    max_hand_minutes: int = 720
    """The longest record made by hand."""
    max_hand_days: int = 30
    """Days after which service is no longer recorded by hand."""
    max_day_minutes: int = 480
    """More than that in one day is flagged."""
    site_gap_minutes: int = 60
    """Service at two estates with less time between them is flagged."""
    max_proof_metres: float = 500.0
    """A proof from farther away than that is flagged."""
    photo_minutes: int = 30
    """A photo may be taken that long before or after the service."""
    max_confirmations_a_day: int = 60
    """Records that one person may confirm in a day."""
    relative_days: int = 366
    """A relative counts as one for so long after the declaration ended."""
    ring_days: int = 90
    """Days for which confirmations count towards a ring."""
    ring_length: int = 4
    """The longest ring of people who confirm each other that is flagged."""
    notice_days: int = 7
    """Days for which a confirmed record is posted within the team before it can be on a certificate."""
    appeal_working_days: int = 15
    max_open_proof_requests: int = 3
    """Requests of one volunteer for a proof that may wait at once."""
    min_count: int = 5
    """Counts of people below that are not shown."""
    collect_days: int = 14
    """Every ten minutes the collector looks at the last days only; once a day at all that is not recorded."""


RULES: Final = ServiceRules()
CHECK_MINUTES: Final[Mapping[str, int]] = {"glance": 2, "check": 10, "service": 15}
"""Minutes of a check by its kind: only its end is known."""


# --- Minutes --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """The time of a service."""

    start: datetime
    end: datetime

    def overlaps(self, other: Period) -> bool:
        return self.start < other.end and other.start < self.end


def whole_minutes(start: datetime, end: datetime) -> int:
    """Return the whole minutes between two moments, at least 0."""
    return max(0, int((end - start) // timedelta(minutes=1)))


def free_minutes(period: Period, taken: Iterable[Period]) -> int:
    """Return the whole minutes of the period in which no other service was counted."""
    left, at = timedelta(0), period.start
    for other in sorted(each for each in taken if each.overlaps(period)):
        left += max(timedelta(0), other.start - at)
        at = max(at, other.end)
    left += max(timedelta(0), period.end - at)
    return int(left // timedelta(minutes=1))


def hours_and_minutes(minutes: int) -> str:
    """Return minutes as hours and minutes, such as 0:42."""
    return f"{minutes // 60}:{minutes % 60:02d}"


# --- Flags ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OtherService:
    """Another service of the same person on the days around it."""

    period: Period
    minutes: int
    day: date
    estate_id: int | None


def is_long_day(minutes: int, day: date, others: Iterable[OtherService]) -> bool:
    """Return True if the day's minutes exceed the limit."""
    return minutes + sum(each.minutes for each in others if each.day == day) > RULES.max_day_minutes


def is_at_two_sites(period: Period, estate_id: int | None, others: Iterable[OtherService]) -> bool:
    """Return True if the person served at another estate within an hour before or after."""
    gap = timedelta(minutes=RULES.site_gap_minutes)
    around = Period(period.start - gap, period.end + gap)
    return estate_id is not None and any(
        each.minutes > 0
        and each.estate_id is not None
        and each.estate_id != estate_id
        and each.period.overlaps(around)
        for each in others
    )


def is_photo_at_another_time(period: Period, taken_at: datetime | None) -> bool:
    """Return True if the photo was taken well before or after the service; False if that is unknown."""
    margin = timedelta(minutes=RULES.photo_minutes)
    return taken_at is not None and not period.start - margin <= taken_at <= period.end + margin


# --- Days -----------------------------------------------------------------------------------------------


def is_working_day(day: date, calendar: HolidayDates | None) -> bool | None:
    """Return whether people work that day; None if the holidays around it are unknown."""
    known = special(day, calendar)
    if known.workday:
        return True
    if known.holiday:
        return False
    if known.holiday is None or known.workday is None:
        return None if day.weekday() < 5 or known.workday is None else False
    return day.weekday() < 5


def last_day_to_appeal(decided_on: date, calendar: HolidayDates | None) -> date:
    """Return the last day of the period for an appeal: 15 working days after the decision.

    A panel has as long to decide, from the day of the appeal. Make-up workdays count; a day of which it is
    unknown whether it is one does not, in favour of the person.
    """
    day, left = decided_on, RULES.appeal_working_days
    while left > 0:
        day += timedelta(days=1)
        if is_working_day(day, calendar):
            left -= 1
    return day


def outcome_of_votes(votes: Collection[bool], *, parties: int = 3) -> bool | None:
    """Return whether more than half of the parties granted an appeal, or not; None while it is open."""
    needed = parties // 2 + 1
    if sum(votes) >= needed:
        return True
    return False if len(votes) - sum(votes) >= needed else None


def is_posted(first: date | None, last: date | None, today: date) -> bool:
    """Return True if the days of a notice include today."""
    return first is not None and last is not None and first <= today <= last


# --- Counts ---------------------------------------------------------------------------------------------

AGE_BANDS: Final = (
    (0, "under_30"),
    (30, "30_44"),
    (45, "45_59"),
    (60, "60_69"),
    (70, "70_79"),
    (80, "80_plus"),
)


def age_band(birth_year: int | None, year: int) -> str:
    """Return the band of the age that a person reaches in that year; `unknown` without a year of birth."""
    if birth_year is None:
        return "unknown"
    return next(name for least, name in reversed(AGE_BANDS) if year - birth_year >= least or least == 0)


def hidden_counts(counts: Mapping[str, int]) -> dict[str, int | None]:
    """Hide counts below the minimum as None, and the next smallest one if only one was hidden.

    Otherwise the hidden count would follow from the total.
    """
    shown: dict[str, int | None] = {
        name: None if 0 < count < RULES.min_count else count for name, count in counts.items()
    }
    hidden = [name for name, count in shown.items() if count is None]
    if len(hidden) == 1:
        others = [name for name, count in counts.items() if count > 0 and name not in hidden]
        if others:
            shown[min(others, key=lambda name: (counts[name], name))] = None
    return shown


# --- Issuers --------------------------------------------------------------------------------------------


class AppealState(StrEnum):
    OPEN = "open"
    GRANTED = "granted"
    DISMISSED = "dismissed"


class VolunteerPlatform(StrEnum):
    """A platform for volunteers' hours that records are given to."""

    ZHIYUANHUI = "zhiyuanhui"
    """志愿汇."""
    CHINA_VOLUNTEER = "china_volunteer"
    """中国志愿服务网."""


class BatchState(StrEnum):
    PREPARED = "prepared"
    ANSWERED = "answered"


class RowState(StrEnum):
    WAITING = "waiting"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class ServiceIssuerKind(StrEnum):
    """Who issues proofs of service for an estate. A property company may not."""

    RESIDENTS_COMMITTEE = "residents_committee"
    REGISTERED_TEAM = "registered_team"
    """A registered volunteer organisation, such as a Red Cross volunteer team."""
    PROPERTY_COMPANY = "property_company"


_PROPERTY_COMPANY: Final = ("物业", "物管", "property")


def is_property_company(name: str) -> bool:
    return any(word in name.lower() for word in _PROPERTY_COMPANY)
