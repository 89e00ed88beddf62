"""The time bank in words, for the volunteer's pages and those of the desk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from aed.timebank.ledger.schemas import StatementLine
from aed.timebank.rules import LedgerKind, OrderState, PriorityGroup, to_points
from aed.volunteering.rules import ProofState, ServiceSource, ServiceState
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
    OrderState.HELD: noop("Waits to be handed over"),
    OrderState.COLLECTED: noop("Handed over"),
    OrderState.CANCELLED: noop("Cancelled"),
}
PROOF_STATES: Final = {
    ProofState.ASKED: noop("Being made: the manager of your estate has it"),
    ProofState.ISSUED: noop("Issued"),
    ProofState.DECLINED: noop("Not issued"),
    ProofState.WITHDRAWN: noop("Withdrawn"),
}
GROUPS: Final = {
    PriorityGroup.OVER_60: noop("people over 60"),
    PriorityGroup.OVER_80: noop("people over 80"),
    PriorityGroup.DISABLED: noop("disabled people"),
}


def points_text(units: int) -> str:
    """Return units as points with at most two decimals, rounded down."""
    text = f"{to_points(units):.2f}".rstrip("0").rstrip(".")
    return text.replace("-", "−")


def hours_and_minutes(minutes: int) -> dict[str, int]:
    """Return whole hours and the minutes beyond them."""
    return {"hours": minutes // 60, "minutes": minutes % 60}


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
