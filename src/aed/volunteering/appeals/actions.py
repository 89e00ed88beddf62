"""Appeal against a decision about service, before a panel of the estate's three parties."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Viewer, require_administrator
from aed.accounts.regions.queries import region_of_estate
from aed.errors import Conflict, NotAllowed, NotFound
from aed.sharing.rules import PartyRole
from aed.timebank.families.queries import were_relatives
from aed.volunteering.appeals import queries
from aed.volunteering.models import AppealVote, PanelMember, ServiceAppeal, ServiceRecord
from aed.volunteering.permissions import own_person_id
from aed.volunteering.records import actions as record_actions
from aed.volunteering.records import flags
from aed.volunteering.records import queries as record_queries
from aed.volunteering.rules import (
    RULES,
    AppealState,
    Period,
    ServiceEventKind,
    ServiceState,
    outcome_of_votes,
)

PANEL = "appeal panel"


def set_panel_member(
    session: Session, who: Viewer, estate_id: int, party: PartyRole, person_id: int
) -> dict[PartyRole, int]:
    """Set who decides appeals for a party of an estate. For the region's administrator.

    Raises Conflict for a person who is there for another party.
    visibility: of an estate in the administrator's region.
    """
    require_administrator(who, region_id=region_of_estate(session, estate_id))
    if session.get(Person, person_id) is None:
        raise NotFound("There is no person {person_id}.", field="person_id", person_id=person_id)
    panel = queries.panel_of(session, estate_id)
    if any(member == person_id for other, member in panel.items() if other is not party):
        raise Conflict("A person decides for one party only.", field="person_id")
    row = session.get(PanelMember, (estate_id, party))
    if row is None:
        row = PanelMember(estate_id=estate_id, party=party)
        session.add(row)
    row.person_id = person_id
    session.flush()
    return queries.panel_of(session, estate_id)


def open_appeal(session: Session, who: Viewer, record_id: int, *, reason: str, at: datetime) -> ServiceAppeal:
    """Appeal against a record of one's own that was voided or is held, within 15 working days.

    Raises NotSignedIn, NotAllowed, NotFound, Conflict.
    """
    person_id = own_person_id(who)
    found = record_queries.record(session, who, record_id, for_update=True)
    if found.person_id != person_id:
        raise NotAllowed("Only the volunteer may appeal.")
    if found.decided_at is None or not (found.state is ServiceState.VOID or found.is_held):
        raise Conflict("Service {number} is neither void nor held.", number=found.number)
    zone = ZoneInfo(record_queries.time_zone_of(session, found.estate_id))
    last = queries.appeal_day(session, found.estate_id, after=found.decided_at)
    if at.astimezone(zone).date() > last:
        raise Conflict("The time to appeal ended on {last}.", last=last)
    if queries.is_appealed(session, found.id):
        raise Conflict("There was an appeal about this record already.")
    made = ServiceAppeal(record_id=found.id, opened_at=at, reason=reason, state=AppealState.OPEN)
    session.add(made)
    session.flush()
    flags.add_event(session, found, ServiceEventKind.APPEALED, at=at, by=who.name)
    return queries.appeal(session, who, made.id)


def vote_on_appeal(
    session: Session, who: Viewer, appeal_id: int, *, is_granted: bool, reason: str, at: datetime
) -> ServiceAppeal:
    """Vote on an appeal for one's party. Two of three parties decide.

    1. People who did, recorded, confirmed, disputed or voided the service do not vote, nor do relatives.
    2. Granted: a void record is recorded anew and confirmed; a held one is released.

    Raises NotSignedIn, NotAllowed, NotFound, Conflict.
    """
    person_id = own_person_id(who)
    found = queries.appeal(session, who, appeal_id, for_update=True)
    record = found.record
    panel = queries.panel_of(session, record.estate_id)
    party = next((each for each, member in panel.items() if member == person_id), None)
    if party is None:
        raise NotAllowed("Only members of the estate's appeal panel vote.")
    involved = (record.person_id, record.confirmed_by_id, record.recorded_by_id)
    lately = at - timedelta(days=RULES.relative_days)
    if (
        person_id in involved
        or who.name in queries.people_who_rejected(session, record.id)
        or were_relatives(session, person_id, record.person_id, since=lately)
    ):
        raise NotAllowed("You took part in this, or are a relative: ask the region for another member.")
    if found.state is not AppealState.OPEN:
        raise Conflict("This appeal is {state} already.", state=found.state)
    if any(each.party is party for each in queries.votes_on(session, [found.id])[found.id]):
        raise Conflict("Your party has voted already.")
    session.add(
        AppealVote(
            appeal_id=found.id,
            party=party,
            person_id=person_id,
            is_granted=is_granted,
            reason=reason,
            voted_at=at,
        )
    )
    session.flush()
    votes = queries.votes_on(session, [found.id])[found.id]
    outcome = outcome_of_votes([each.is_granted for each in votes])
    if outcome is not None:
        found.state = AppealState.GRANTED if outcome else AppealState.DISMISSED
        found.decided_at = at
        session.flush()
        if outcome:
            _grant(session, record, at=at)
    return queries.appeal(session, who, found.id)


def _grant(session: Session, record: ServiceRecord, *, at: datetime) -> None:
    if record.state is not ServiceState.VOID:
        flags.settle(session, record, at=at, by=PANEL)
        return
    record_actions.lock_service_of(session, record.person_id)
    made = record_actions.add_correction(
        session,
        record,
        Period(record.started_at, record.ended_at),
        activity=None,
        at=at,
        by=PANEL,
        by_id=None,
    )
    record_actions.confirm_by_program(session, made, at=at, by=PANEL)
