"""Open an incident from a report, and update and close it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from aed.accounts.models import Region
from aed.accounts.queries.regions import region_by_code
from aed.accounts.rules import Viewer
from aed.errors import Conflict, InvalidInput, TooManyOpen
from aed.geo import Position
from aed.incidents import queries as queries
from aed.incidents.alerts.actions.calling import hold, may_be_answered, plan_and_call, take_turns
from aed.incidents.alerts.actions.stopping import call_off
from aed.incidents.calls.actions.closing import end, is_over
from aed.incidents.calls.queries import open_around, unconfirmed
from aed.incidents.models import Incident, IncidentReport
from aed.incidents.permissions import dispatches, may_dispatch, may_open_an_incident
from aed.incidents.record.actions import enter
from aed.incidents.rules import AgeGroup, Hazard, Kind, Outcome, State, same_patient
from aed.incidents.schemas import PatientReportIn
from aed.registry.actions.record import flush
from aed.registry.models import Estate
from aed.registry.queries.estates import estate_at
from aed.registry.rules.storeys import floor_meant
from aed.settings import Planning, Settings
from aed.walking.network import WalkingNetwork

LONGEST_AGO: Final = timedelta(hours=6)
_CLOCKS_DIFFER: Final = timedelta(minutes=5)


def take_report(
    session: Session,
    who: Viewer,
    new: PatientReportIn,
    *,
    at: datetime,
    said_at: datetime | None = None,
    network: WalkingNetwork | None,
    settings: Settings,
) -> Incident:
    """Somebody has told of a patient: an incident is opened, planned, and people are called. All of it in one
    transaction.

    1. The same report again (by its key, or by the centre's case number) answers the incident that it made,
       as long as that is open.
    2. One at a time in a region: two reports of one patient in the same moment make one incident.
    3. A report of a patient who is known joins that incident, and it is planned again.

    Seconds count from `said_at`: a message may have been on its way for a while. None: from now.

    Raises NotSignedIn, NotAllowed, NotFound, InvalidInput; Conflict for another report under a key or a case
    number that is taken, or whose incident is over; TooManyOpen (`limits.require_room`).
    """
    here = new.position.position()
    said_at = _said_at(said_at, at)
    estate = estate_at(session, here)
    region_id = _region(session, who, new, estate)
    may_open_an_incident(who, estate.id if estate is not None else None, region_id)
    collapsed_at = new.collapsed_at or said_at
    if not at - LONGEST_AGO <= collapsed_at <= at + _CLOCKS_DIFFER:
        raise InvalidInput("collapsed_at lies within the last six hours.", field="collapsed_at")
    take_turns(session, region_id)
    digest = hashlib.sha256(new.model_dump_json().encode()).hexdigest()
    counts = session.get_one(Region, region_id).counts_ground_as_one
    floor = floor_meant(floor=new.floor, storey=new.storey, room=new.room, counts_ground_as_one=counts)
    new = new.model_copy(update={"floor": floor})
    known = _known(session, who, new, digest, at=at, settings=settings)
    if known is not None:
        return known
    numbers = settings.planning
    known_patients = []
    if not (new.is_another_patient and dispatches(who, region_id)):
        known_patients = open_around(session, region_id, new.kind, at=at, numbers=numbers)
    same = same_patient(
        known_patients,
        kind=new.kind,
        position=here,
        floor=new.floor,
        at=at,
        numbers=numbers,
    )
    if same is not None:
        incident = queries.held(session, same.id)
        _learn(incident, new, said_at)
    else:
        estate_id = estate.id if estate is not None else None
        require_room(session, who, new.kind, estate_id=estate_id, region_id=region_id, at=at, numbers=numbers)
        moments = _Moments(min(collapsed_at, at), said_at, at)
        incident = _opened(session, who, new, here, estate, region_id, moments, settings)
    if same is not None and dispatches(who, region_id):
        confirm(incident, at=at)
    session.add(
        IncidentReport(
            incident_id=incident.id,
            key=str(new.key),
            digest=digest,
            case_number=new.case_number,
            told_by=who.name,
            by_id=who.person_id,
            told_at=at,
            lat=here.lat,
            lon=here.lon,
            note=new.note,
            floor=new.floor,
            address=new.address,
            door_code=new.door_code,
        )
    )
    flush(session, "This report arrived twice in the same moment: send it again.", "key")
    enter(
        session,
        incident,
        "joined" if same is not None else "opened",
        who.name,
        at,
        kind=incident.kind,
        case_number=new.case_number,
        lat=here.lat,
        lon=here.lon,
        has_cpr=new.has_cpr,
    )
    plan_and_call(
        session,
        incident,
        because="reported again" if same is not None else "opened",
        at=at,
        network=network,
        settings=settings,
    )
    return incident


def _region(session: Session, who: Viewer, new: PatientReportIn, estate: Estate | None) -> int:
    if estate is not None:
        return estate.region_id
    if new.region is not None:
        return region_by_code(session, new.region).id
    if who.region_ids:
        return who.region_ids[0]
    raise InvalidInput("The place is in no estate: give the region's code.", field="region")


def _known(
    session: Session, who: Viewer, new: PatientReportIn, digest: str, *, at: datetime, settings: Settings
) -> Incident | None:
    """Return the incident of a report that was taken before.

    Raises Conflict for another report under its key; and where that incident is over, because nobody would
    be called: the caller must not believe that this patient is being helped.
    """
    report = queries.report_by_key(session, str(new.key))
    if report is not None:
        if report.digest != digest:
            raise Conflict("Another report was sent under this key: make up a new one.", field="key")
    elif new.case_number is not None:
        report = queries.report_by_case(session, who.name, new.case_number)
    if report is None:
        return None
    incident = queries.held(session, report.incident_id)
    if is_over(incident, at=at, numbers=settings.planning):
        field = "key" if report.key == str(new.key) else "case_number"
        name = "this key" if field == "key" else f"the case number {new.case_number}"
        number = incident.region.emergency_number
        raise Conflict(
            f"The incident {incident.id} under {name} is over, and nobody is called to it. For a new patient "
            f"send a new report with another {field}; call {number} first.",
            field=field,
        )
    return incident


def _said_at(said_at: datetime | None, at: datetime) -> datetime:
    """Neither in the future nor longer ago than anything that is told here."""
    return max(min(said_at or at, at), at - LONGEST_AGO)


@dataclass(frozen=True, slots=True)
class _Moments:
    collapsed_at: datetime
    said_at: datetime
    at: datetime


def _opened(
    session: Session,
    who: Viewer,
    new: PatientReportIn,
    here: Position,
    estate: Estate | None,
    region_id: int,
    moments: _Moments,
    settings: Settings,
) -> Incident:
    seconds = new.ambulance_seconds
    if seconds is None:
        seconds = settings.planning.ambulance_seconds
    incident = Incident(
        kind=new.kind,
        state=State.OPEN,
        region_id=region_id,
        estate_id=estate.id if estate is not None else None,
        lat=here.lat,
        lon=here.lon,
        floor=new.floor or 0,
        address=new.address,
        door_code=new.door_code,
        has_cpr=new.has_cpr,
        collapsed_at=moments.collapsed_at,
        opened_at=moments.at,
        opened_by=who.name,
        ambulance_at=moments.said_at + timedelta(seconds=seconds),
        age_group=new.age_group,
        hazard=new.hazard,
        confirmed_at=moments.at if dispatches(who, region_id) else None,
    )
    session.add(incident)
    session.flush()
    return queries.held(session, incident.id)


def _learn(incident: Incident, new: PatientReportIn, said_at: datetime) -> None:
    """What the first report did not say."""
    if incident.age_group is AgeGroup.UNKNOWN:
        incident.age_group = new.age_group
    if incident.hazard is Hazard.NONE:
        incident.hazard = new.hazard
    incident.address = incident.address or new.address
    incident.door_code = incident.door_code or new.door_code
    incident.has_cpr = incident.has_cpr or new.has_cpr
    if new.ambulance_seconds is not None:
        incident.reminded_at = None
        incident.ambulance_at = said_at + timedelta(seconds=new.ambulance_seconds)


def confirm(incident: Incident, *, at: datetime) -> None:
    """Note that a dispatcher takes the report for a patient: reports that none has confirmed take nobody away
    from it (`queries.in_force.busy_elsewhere`)."""
    incident.confirmed_at = incident.confirmed_at or at


# --- how it goes on -------------------------------------------------------------------------------------


def held_for(session: Session, who: Viewer, incident_id: int) -> Incident:
    """The incident, held, for whoever dispatches it. Raises NotFound, NotSignedIn, NotAllowed."""
    found = queries.incident(session, who, incident_id)
    may_dispatch(who, found.region_id)
    return hold(session, found.id)


def tell_of_ambulance(
    session: Session,
    who: Viewer,
    incident_id: int,
    seconds: float,
    *,
    at: datetime,
    said_at: datetime | None = None,
    network: WalkingNetwork | None,
    settings: Settings,
) -> Incident:
    """When it will be there, from `said_at`; 0: it is, and everybody is called off at once.

    Raises Conflict for a closed incident.
    """
    incident = held_for(session, who, incident_id)
    may_be_answered(incident)
    confirm(incident, at=at)
    incident.ambulance_at = _said_at(said_at, at) + timedelta(seconds=seconds)
    incident.reminded_at = None
    enter(session, incident, "ambulance", who.name, at, seconds=seconds)
    if seconds > 0:
        incident.ambulance_there_at = None
        plan_and_call(session, incident, because="ambulance", at=at, network=network, settings=settings)
    else:
        incident.ambulance_there_at = incident.ambulance_there_at or at
        call_off(session, incident, at=at)
    return incident


def tell_of_signs(
    session: Session,
    who: Viewer,
    incident_id: int,
    *,
    has_cpr: bool,
    at: datetime,
    network: WalkingNetwork | None,
    settings: Settings,
) -> Incident:
    """What is known of the patient; it is planned again. Raises Conflict for a closed incident."""
    incident = held_for(session, who, incident_id)
    may_be_answered(incident)
    confirm(incident, at=at)
    if incident.has_cpr is not has_cpr:
        incident.has_cpr = has_cpr
        enter(session, incident, "signs", who.name, at, has_cpr=has_cpr)
        if incident.ambulance_there_at is None:
            plan_and_call(session, incident, because="signs", at=at, network=network, settings=settings)
    return incident


def close(
    session: Session, who: Viewer, incident_id: int, outcome: Outcome, note: str | None, *, at: datetime
) -> Incident:
    """It is over: everybody is called off. The same again changes nothing; one that lapsed gets its outcome.

    Raises Conflict where it was closed otherwise, InvalidInput for the outcome of what closes by itself.
    """
    incident = held_for(session, who, incident_id)
    if outcome is Outcome.LAPSED:
        raise InvalidInput("Lapsed is what closes by itself: say how it ended.", field="outcome")
    if incident.outcome is Outcome.LAPSED:
        incident.outcome = outcome
        enter(session, incident, "outcome", who.name, at, outcome=outcome, note=note)
        return incident
    if incident.state is State.CLOSED:
        if incident.outcome is not outcome:
            raise Conflict(f"It was closed already: {incident.outcome}.", field="outcome")
        return incident
    end(session, incident, outcome, by=who.name, note=note, at=at)
    return incident


def require_room(
    session: Session,
    who: Viewer,
    kind: Kind,
    *,
    estate_id: int | None,
    region_id: int,
    at: datetime,
    numbers: Planning,
) -> None:
    """Pass for dispatchers, and for others as long as they and their estate have few open reports.

    Reports that a dispatcher has confirmed do not count, and a report that joins an incident needs no room.
    The region is held by this transaction (`calling.take_turns`), so two reports in one moment cannot both
    take the last place. Raises TooManyOpen, which says to call the emergency number.
    """
    if dispatches(who, region_id):
        return
    own, in_estate = unconfirmed(session, kind, by=who.name, estate_id=estate_id, at=at, numbers=numbers)
    if own < numbers.open_per_person and in_estate < numbers.open_per_estate:
        return
    whose = "You have" if own >= numbers.open_per_person else "This estate has"
    zh = "您" if own >= numbers.open_per_person else "本园区"
    number = session.get_one(Region, region_id).emergency_number
    raise TooManyOpen(
        f"{whose} too many open reports that no dispatcher has confirmed. Call {number} now: the dispatcher "
        f"can open this one. {zh}未经调度员确认的报告过多，请立即拨打{number}，由调度员处理。"
    )
