"""What the desk of the time bank shows, in words."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from zoneinfo import ZoneInfo

from aed.sharing.rules import PartyRole
from aed.timebank.models import LedgerEntry
from aed.timebank.rules import Currency, ServiceKind
from aed.volunteering.models import AppealVote, ServiceAppeal, ServiceEvent, ServiceFlag, ServiceRecord
from aed.volunteering.rules import OF_CALLS, AppealState, FlagKind, ServiceEventKind, VolunteerPlatform
from aed.web.time_bank_words import ENTRIES, SOURCES, STATES, hours_and_minutes, points_text
from aed.web.words import noop

FLAGS: Final = {
    FlagKind.LONG_DAY: noop("More than %(hours)s hours of service in one day"),
    FlagKind.TWO_SITES: noop("Service at two estates within %(minutes_between)s minutes"),
    FlagKind.RING: noop("Within %(days)s days, people confirmed each other in a ring"),
    FlagKind.POSITION: noop("The proof was taken %(metres)s m from the estate"),
    FlagKind.PHOTO_TIME: noop("The photo was taken at another time than the service"),
    FlagKind.PHOTO_REUSED: noop("The same photo proves another record"),
    FlagKind.OBJECTION: noop("A member of the team objects"),
}
EVENTS: Final = {
    ServiceEventKind.RECORDED: noop("Recorded"),
    ServiceEventKind.CONFIRMED: noop("Confirmed"),
    ServiceEventKind.FLAGGED: noop("Held until it is looked into"),
    ServiceEventKind.RELEASED: noop("Released"),
    ServiceEventKind.DISPUTED: noop("Disputed"),
    ServiceEventKind.UPHELD: noop("Upheld"),
    ServiceEventKind.VOIDED: noop("Voided"),
    ServiceEventKind.APPEALED: noop("Appealed against"),
    ServiceEventKind.EXPORTED: noop("Given to a platform"),
}
PROGRAMS: Final = {
    "service records": noop("by the program"),
    "appeal panel": noop("by the appeal panel"),
}
"""Names in histories that are no person's."""
PARTIES: Final = {
    PartyRole.PARTY_COMMITTEE: noop("Community party committee"),
    PartyRole.OWNERS_COMMITTEE: noop("Owners' committee"),
    PartyRole.SERVICE_CENTRE: noop("Service centre of the estate"),
}
APPEALS: Final = {
    AppealState.OPEN: noop("Before the panel"),
    AppealState.GRANTED: noop("Granted"),
    AppealState.DISMISSED: noop("Dismissed"),
}
PLATFORMS: Final = {
    VolunteerPlatform.ZHIYUANHUI: noop("Zhiyuanhui"),
    VolunteerPlatform.CHINA_VOLUNTEER: noop("China Volunteer Service"),
}


SERVICE_KINDS: Final = {
    ServiceKind.CHECK: noop("AED check"),
    ServiceKind.DRILL: noop("Drill"),
    ServiceKind.TEACHING: noop("Training taught"),
    ServiceKind.TEACHING_HELP: noop("Help with a training"),
    ServiceKind.CALL: noop("First aid on a call"),
    ServiceKind.GUIDE: noop("Showed the way on a call"),
    ServiceKind.PATROL: noop("Patrol"),
    ServiceKind.STANDBY: noop("Standby on duty"),
    ServiceKind.TRAINING_ATTENDED: noop("Training attended"),
    ServiceKind.PAID_SHIFT: noop("Paid shift"),
    ServiceKind.OTHER: noop("Other service"),
}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a record is held: a string to be translated, its values, and what a person wrote."""

    text: str
    values: Mapping[str, Any]
    written: str | None = None


@dataclass(frozen=True, slots=True)
class RecordLine:
    """A service record at the desk."""

    id: int
    number: str
    name: str
    what: str
    activity: str
    when: str
    time: Mapping[str, int]
    state: str
    estate: Mapping[str, str]
    reasons: Sequence[Reason]
    appeal_until: date | None


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """A step in the life of a record."""

    when: str
    what: str
    by: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """An entry of a record in the ledger: to the volunteer (+), or from them (−)."""

    when: str
    what: str
    amount: str
    is_minutes: bool


def record_line(
    record: ServiceRecord,
    *,
    zone: ZoneInfo,
    estate: Mapping[str, str],
    flags: Collection[ServiceFlag] = (),
    events: Collection[ServiceEvent] = (),
    appeal_until: date | None = None,
) -> RecordLine:
    """Describe a record; of a call, only its day is shown."""
    begins, ends = record.started_at.astimezone(zone), record.ended_at.astimezone(zone)
    is_call = record.source in OF_CALLS
    return RecordLine(
        id=record.id,
        number=record.number,
        name=record.person.name,
        what=SOURCES[record.source],
        activity=record.activity,
        when=f"{begins:%Y-%m-%d}" if is_call else f"{begins:%Y-%m-%d %H:%M}–{ends:%H:%M}",
        time=hours_and_minutes(record.minutes),
        state=STATES[record.state],
        estate=estate,
        reasons=[flag_reason(each, events) for each in flags if each.cleared_at is None],
        appeal_until=appeal_until,
    )


def flag_reason(flag: ServiceFlag, events: Collection[ServiceEvent] = ()) -> Reason:
    """Say why a flag was raised; of an objection, also what its author wrote."""
    values = dict(flag.details)
    if flag.kind is FlagKind.LONG_DAY:
        values["hours"] = values["max_minutes"] // 60
    written = None
    if flag.kind is FlagKind.OBJECTION:
        said = [each.reason for each in events if each.kind is ServiceEventKind.FLAGGED]
        written = said[-1] if said else None
    return Reason(FLAGS[flag.kind], values, written)


def history_line(event: ServiceEvent, zone: ZoneInfo, names: Mapping[str, str]) -> HistoryLine:
    """Describe an event; the flag itself shows why the program raised it."""
    is_code = event.kind is ServiceEventKind.FLAGGED and event.reason in set(FlagKind)
    return HistoryLine(
        when=f"{event.at.astimezone(zone):%Y-%m-%d %H:%M}",
        what=EVENTS[event.kind],
        by=names.get(event.by) or PROGRAMS.get(event.by, event.by),
        reason=None if is_code else event.reason,
    )


def ledger_line(entry: LedgerEntry, zone: ZoneInfo, account_ids: Collection[int]) -> LedgerLine:
    """Describe an entry as the volunteer's accounts see it."""
    is_minutes = entry.currency is Currency.MINUTES
    amount = str(entry.amount) if is_minutes else points_text(entry.amount)
    sign = "+" if entry.to_account_id in account_ids else "−"
    return LedgerLine(
        f"{entry.at.astimezone(zone):%Y-%m-%d %H:%M}", ENTRIES[entry.kind], f"{sign}{amount}", is_minutes
    )


@dataclass(frozen=True, slots=True)
class PanelLine:
    """A party of an appeal's panel: its member, and how they voted."""

    party: str
    name: str
    is_granted: bool | None
    reason: str | None


def panel_lines(
    panel: Mapping[PartyRole, int], votes: Collection[AppealVote], names: Mapping[int, str]
) -> list[PanelLine]:
    """Return the three parties; a vote stays with the person who gave it, also after a change."""
    voted = {each.party: each for each in votes}
    lines = []
    for party, label in PARTIES.items():
        vote = voted.get(party)
        person_id = vote.person_id if vote is not None else panel.get(party)
        name = names.get(person_id, "") if person_id is not None else ""
        lines.append(PanelLine(label, name, vote.is_granted if vote else None, vote.reason if vote else None))
    return lines


@dataclass(frozen=True, slots=True)
class AppealLine:
    """An appeal in a list."""

    id: int
    number: str
    name: str
    what: str
    opened: str
    due: date
    is_late: bool
    state: str
    votes: int


def appeal_line(appeal: ServiceAppeal, *, zone: ZoneInfo, due: date, today: date, votes: int) -> AppealLine:
    """Describe an appeal; it is late if it is open after the day by which it is decided."""
    return AppealLine(
        id=appeal.id,
        number=appeal.record.number,
        name=appeal.record.person.name,
        what=SOURCES[appeal.record.source],
        opened=f"{appeal.opened_at.astimezone(zone):%Y-%m-%d}",
        due=due,
        is_late=appeal.state is AppealState.OPEN and today > due,
        state=APPEALS[appeal.state],
        votes=votes,
    )
