"""What the pages of the time bank show, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from aed.timebank.ledger.schemas import StatementLine
from aed.timebank.rules import LedgerKind, OrderState, PriorityGroup, to_points
from aed.volunteering.models import ServiceRecord
from aed.volunteering.rules import ServiceSource, ServiceState
from aed.web.words import noop

SOURCES: Final = {
    ServiceSource.CHECK: noop("AED check"),
    ServiceSource.DRILL: noop("Drill"),
    ServiceSource.SESSION_TAUGHT: noop("Training taught"),
    ServiceSource.SESSION_HELPED: noop("Help with a training"),
    ServiceSource.CALL: noop("First aid on a call"),
    ServiceSource.GUIDE: noop("Showed the way on a call"),
    ServiceSource.PATROL: noop("Patrol"),
    ServiceSource.OTHER: noop("Other service"),
}
STATES: Final = {
    ServiceState.PENDING: noop("Waits to be confirmed"),
    ServiceState.CONFIRMED: noop("Confirmed"),
    ServiceState.DISPUTED: noop("In dispute"),
    ServiceState.VOID: noop("Void"),
}
ENTRIES: Final = {
    LedgerKind.EARN: noop("Earned by service"),
    LedgerKind.SPEND: noop("Exchanged"),
    LedgerKind.GIFT: noop("Gift"),
    LedgerKind.DONATE: noop("Donation"),
    LedgerKind.INHERIT: noop("Inheritance"),
    LedgerKind.EXPIRE: noop("Expired"),
    LedgerKind.REVERSE: noop("Reversed"),
    LedgerKind.OVERFLOW: noop("Over the limit, to the care pool"),
    LedgerKind.HOLD: noop("Held"),
    LedgerKind.RELEASE: noop("Given back"),
    LedgerKind.TRANSFER: noop("Moved between your accounts"),
}
ORDERS: Final = {
    OrderState.HELD: noop("Ready to be collected"),
    OrderState.COLLECTED: noop("Collected"),
    OrderState.CANCELLED: noop("Cancelled"),
}
GROUPS: Final = {
    PriorityGroup.OVER_60: noop("people over 60"),
    PriorityGroup.OVER_80: noop("people over 80"),
    PriorityGroup.DISABLED: noop("disabled people"),
}


@dataclass(frozen=True, slots=True)
class ServiceLine:
    """A service record in a list."""

    id: int
    number: str
    what: str
    """The kind of service, to be translated."""
    activity: str
    name: str
    when: str
    minutes: int
    state: str
    is_held: bool


def service_line(record: ServiceRecord, zone: ZoneInfo, *, shows_time: bool = True) -> ServiceLine:
    """Describe a record; of a call, others than the volunteer see only its day."""
    begins = record.started_at.astimezone(zone)
    ends = record.ended_at.astimezone(zone)
    return ServiceLine(
        id=record.id,
        number=record.number,
        what=SOURCES[record.source],
        activity=record.activity,
        name=record.person.name,
        when=f"{begins:%Y-%m-%d %H:%M}–{ends:%H:%M}" if shows_time else f"{begins:%Y-%m-%d}",
        minutes=record.minutes,
        state=STATES[record.state],
        is_held=record.is_held,
    )


@dataclass(frozen=True, slots=True)
class EntryLine:
    """An entry of a statement."""

    what: str
    day: str
    points: str
    """With its sign."""


def entry_line(line: StatementLine, zone: ZoneInfo) -> EntryLine:
    """Describe an entry of an account in points."""
    sign = "+" if line.amount > 0 else "−"
    return EntryLine(
        ENTRIES[line.kind], f"{line.at.astimezone(zone):%Y-%m-%d}", f"{sign}{points_text(abs(line.amount))}"
    )


def points_text(units: int) -> str:
    """Return units as points with at most two decimals, rounded down."""
    text = f"{to_points(units):.2f}".rstrip("0").rstrip(".")
    return text.replace("-", "−")


def hours_and_minutes(minutes: int) -> dict[str, int]:
    """Return whole hours and the minutes beyond them."""
    return {"hours": minutes // 60, "minutes": minutes % 60}
