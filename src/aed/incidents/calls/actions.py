"""Report a patient, update the incident, and close it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.regions.models import Region
from aed.accounts.regions.queries import region_by_code
from aed.database.idempotency import content_digest, require_same_content
from aed.errors import Conflict, InvalidInput, TooManyOpen
from aed.geo import Position
from aed.incidents import queries
from aed.incidents.alerts.actions import (
    lock_for_planning,
    lock_region,
    plan_and_alert,
    require_open,
    stop_all,
)
from aed.incidents.calls.queries import count_unconfirmed, dispatchers_to_remind, open_incidents_in_region
from aed.incidents.messages import still_open_text
from aed.incidents.models import Incident, IncidentReport
from aed.incidents.permissions import is_dispatcher, require_dispatcher, require_incident_reporter
from aed.incidents.record.actions import append_entry
from aed.incidents.rules import (
    AgeGroup,
    Hazard,
    IncidentKind,
    IncidentOutcome,
    IncidentState,
    find_same_patient,
    lapses_at,
)
from aed.incidents.schemas import PatientReportIn
from aed.notifications import outbox
from aed.notifications.outbox import Notice
from aed.notifications.rules import MessageTopic
from aed.registry.changes import flush_or_conflict
from aed.registry.estates.models import Estate
from aed.registry.estates.queries import estate_at
from aed.registry.storeys import floor_from_storey
from aed.settings import Settings
from aed.settings.planning import Planning
from aed.walking.network import WalkingNetwork

TIMETABLE = "timetable"


def close_and_stop_alerts(
    session: Session, incident: Incident, outcome: IncidentOutcome, *, by: str, note: str | None, at: datetime
) -> None:
    """Close an open incident that this transaction has locked, and stop all alerts.

    visibility: the incident is the caller's.
    """
    stop_all(session, incident, at=at)
    incident.state, incident.outcome = IncidentState.CLOSED, outcome
    incident.closed_at, incident.closed_by = at, by
    append_entry(session, incident, "closed", by, at, outcome=outcome, note=note)


def close_if_lapsed(session: Session, incident: Incident, *, at: datetime, numbers: Planning) -> bool:
    """Close an incident as lapsed if its time is over; True if it did. A second worker does nothing.

    visibility: the incident is the caller's, who has locked it.
    """
    if incident.state is IncidentState.CLOSED or not is_over(incident, at=at, numbers=numbers):
        return False
    close_and_stop_alerts(session, incident, IncidentOutcome.LAPSED, by=TIMETABLE, note=None, at=at)
    return True


def is_over(incident: Incident, *, at: datetime, numbers: Planning) -> bool:
    """True if nobody is alerted to it any longer: it is closed, or its time is over."""
    if incident.state is IncidentState.CLOSED:
        return True
    return at >= lapses_at(
        incident.kind,
        opened_at=incident.opened_at,
        ambulance_at=incident.ambulance_at,
        numbers=numbers,
    )


def remind_if_due(session: Session, incident: Incident, *, at: datetime, numbers: Planning) -> int | None:
    """Remind the dispatchers of a real incident that it is still open; return how many people were
    notified.

    None: there is nothing to remind of. Centres and watchers see it by the record. Once for each estimate of
    the ambulance's arrival. visibility: the incident is the caller's, who has locked it; it goes to its
    dispatchers.
    """
    expected = incident.ambulance_at + timedelta(seconds=numbers.remind_after_seconds)
    is_due = incident.kind is IncidentKind.REAL and incident.reminded_at is None and expected <= at
    if not is_due or is_over(incident, at=at, numbers=numbers):
        return None
    incident.reminded_at = at
    ends_at = lapses_at(
        incident.kind, opened_at=incident.opened_at, ambulance_at=incident.ambulance_at, numbers=numbers
    )
    minutes = round((at - incident.ambulance_at).total_seconds() / 60)
    hours = max(1, round((ends_at - at).total_seconds() / 3600))
    text_en, text_zh = still_open_text(incident.id, minutes=minutes, hours=hours)
    notice = Notice(
        text_en, text_zh, "Incident still open", "事件尚未结束", expires_at=ends_at, topic=MessageTopic.CALL
    )
    people = dispatchers_to_remind(session, incident)
    for person_id in people:
        outbox.notify_person(session, person_id, notice, at, country=incident.region.country)
    append_entry(
        session, incident, "reminded", TIMETABLE, at, minutes=minutes, lapses_at=ends_at, people=people
    )
    return len(people)


MAX_REPORT_AGE: Final = timedelta(hours=6)
_CLOCKS_DIFFER: Final = timedelta(minutes=5)


def report_patient(
    session: Session,
    who: Viewer,
    new: PatientReportIn,
    *,
    at: datetime,
    said_at: datetime | None = None,
    network: WalkingNetwork | None,
    settings: Settings,
) -> Incident:
    """Take a report of a patient: open an incident or join one, plan it, and alert people, in one
    transaction.

    1. The same report again (by its key, or by the centre's case number) returns its incident while that is
       open.
    2. Reports of a region are processed one at a time: two of one patient in the same moment make one
       incident.
    3. A report of a known patient joins that incident, which is planned again.

    Seconds count from `said_at`, because a message may have been on its way for a while; None: from now.

    Raises NotSignedIn, NotAllowed, NotFound, InvalidInput; Conflict for another report under a key or case
    number that is taken, or whose incident is over; TooManyOpen (`require_report_quota`).
    """
    here = new.position.position()
    said_at = _clamp_reported_at(said_at, at)
    estate = estate_at(session, here)
    region_id = _region(session, who, new, estate)
    require_incident_reporter(who, estate.id if estate is not None else None, region_id)
    collapsed_at = new.collapsed_at or said_at
    if not at - MAX_REPORT_AGE <= collapsed_at <= at + _CLOCKS_DIFFER:
        raise InvalidInput("collapsed_at must be within the last six hours.", field="collapsed_at")
    lock_region(session, region_id)
    digest = content_digest(new.model_dump_json())
    counts = session.get_one(Region, region_id).counts_ground_as_one
    floor = floor_from_storey(floor=new.floor, storey=new.storey, room=new.room, counts_ground_as_one=counts)
    new = new.model_copy(update={"floor": floor})
    known = _earlier_incident(session, who, new, digest, at=at, settings=settings)
    if known is not None:
        return known
    numbers = settings.planning
    known_patients = []
    if not (new.is_another_patient and is_dispatcher(who, region_id)):
        known_patients = open_incidents_in_region(session, region_id, new.kind, at=at, numbers=numbers)
    same = find_same_patient(
        known_patients,
        kind=new.kind,
        position=here,
        floor=new.floor,
        at=at,
        numbers=numbers,
    )
    if same is not None:
        incident = queries.lock_incident(session, same.id)
        _fill_in_unknown(incident, new, said_at)
    else:
        estate_id = estate.id if estate is not None else None
        require_report_quota(
            session, who, new.kind, estate_id=estate_id, region_id=region_id, at=at, numbers=numbers
        )
        moments = _Moments(min(collapsed_at, at), said_at, at)
        incident = _create_incident(session, who, new, here, estate, region_id, moments, settings)
    if same is not None and is_dispatcher(who, region_id):
        confirm_incident(incident, at=at)
    session.add(
        IncidentReport(
            incident_id=incident.id,
            key=str(new.key),
            digest=digest,
            case_number=new.case_number,
            reported_by=who.name,
            by_id=who.person_id,
            reported_at=at,
            lat=here.lat,
            lon=here.lon,
            note=new.note,
            floor=new.floor,
            address=new.address,
            door_code=new.door_code,
        )
    )
    flush_or_conflict(session, "This report arrived twice at the same time. Send it again.", "key")
    append_entry(
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
    plan_and_alert(
        session,
        incident,
        reason="reported again" if same is not None else "opened",
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
    raise InvalidInput("The position is not in any estate: give `region`, the region's code.", field="region")


def _earlier_incident(
    session: Session, who: Viewer, new: PatientReportIn, digest: str, *, at: datetime, settings: Settings
) -> Incident | None:
    """Return the incident of a report that was received before.

    Raises Conflict for another report under its key, and if that incident is over: nobody would be alerted,
    and the caller must not believe that this patient is being helped.
    """
    report = queries.report_by_key(session, str(new.key))
    if report is not None:
        require_same_content(report.digest, digest, "report")
    elif new.case_number is not None:
        report = queries.report_by_case(session, who.name, new.case_number)
    if report is None:
        return None
    incident = queries.lock_incident(session, report.incident_id)
    if is_over(incident, at=at, numbers=settings.planning):
        field = "key" if report.key == str(new.key) else "case_number"
        name = "this key" if field == "key" else f"the case number {new.case_number}"
        number = incident.region.emergency_number
        raise Conflict(
            "Incident {id}, reported with {name}, is over, and nobody is being called to "
            "it. If there is a new patient, call {number} first, then send a new report "
            "with another {name_2}.",
            field=field,
            id=incident.id,
            name=name,
            number=number,
            name_2=field,
        )
    return incident


def _clamp_reported_at(said_at: datetime | None, at: datetime) -> datetime:
    """Return the moment, limited to the past `MAX_REPORT_AGE`."""
    return max(min(said_at or at, at), at - MAX_REPORT_AGE)


@dataclass(frozen=True, slots=True)
class _Moments:
    collapsed_at: datetime
    said_at: datetime
    at: datetime


def _create_incident(
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
        state=IncidentState.OPEN,
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
        confirmed_at=moments.at if is_dispatcher(who, region_id) else None,
    )
    session.add(incident)
    session.flush()
    return queries.lock_incident(session, incident.id)


def _fill_in_unknown(incident: Incident, new: PatientReportIn, said_at: datetime) -> None:
    """Fill in what the first report did not say."""
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


def confirm_incident(incident: Incident, *, at: datetime) -> None:
    """Mark the incident as confirmed by a dispatcher: unconfirmed reports take nobody away from it
    (`alerts.queries.busy_elsewhere`).
    """
    incident.confirmed_at = incident.confirmed_at or at


# --- how it goes on -------------------------------------------------------------------------------------


def lock_for_dispatcher(session: Session, who: Viewer, incident_id: int) -> Incident:
    """Lock the incident for a dispatcher of its region. Raises NotFound, NotSignedIn, NotAllowed."""
    found = queries.incident(session, who, incident_id)
    require_dispatcher(who, found.region_id)
    return lock_for_planning(session, found.id)


def update_ambulance(
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
    """Set when the ambulance arrives, in seconds from `said_at`; 0: it has arrived, and all alerts are
    stopped.

    Raises Conflict for a closed incident.
    """
    incident = lock_for_dispatcher(session, who, incident_id)
    require_open(incident)
    confirm_incident(incident, at=at)
    incident.ambulance_at = _clamp_reported_at(said_at, at) + timedelta(seconds=seconds)
    incident.reminded_at = None
    append_entry(session, incident, "ambulance", who.name, at, seconds=seconds)
    if seconds > 0:
        incident.ambulance_there_at = None
        plan_and_alert(session, incident, reason="ambulance", at=at, network=network, settings=settings)
    else:
        incident.ambulance_there_at = incident.ambulance_there_at or at
        stop_all(session, incident, at=at)
    return incident


def update_signs(
    session: Session,
    who: Viewer,
    incident_id: int,
    *,
    has_cpr: bool,
    at: datetime,
    network: WalkingNetwork | None,
    settings: Settings,
) -> Incident:
    """Set what is known of the patient, and plan again. Raises Conflict for a closed incident."""
    incident = lock_for_dispatcher(session, who, incident_id)
    require_open(incident)
    confirm_incident(incident, at=at)
    if incident.has_cpr is not has_cpr:
        incident.has_cpr = has_cpr
        append_entry(session, incident, "signs", who.name, at, has_cpr=has_cpr)
        if incident.ambulance_there_at is None:
            plan_and_alert(session, incident, reason="signs", at=at, network=network, settings=settings)
    return incident


def close_incident(
    session: Session,
    who: Viewer,
    incident_id: int,
    outcome: IncidentOutcome,
    note: str | None,
    *,
    at: datetime,
) -> Incident:
    """Close an incident and stop all alerts. Repeating it changes nothing; a lapsed one gets its outcome.

    Raises Conflict if it was closed with another outcome, InvalidInput for the outcome `lapsed`.
    """
    incident = lock_for_dispatcher(session, who, incident_id)
    if outcome is IncidentOutcome.LAPSED:
        raise InvalidInput(
            "outcome `lapsed` is for incidents that close automatically: give the outcome that applies.",
            field="outcome",
        )
    if incident.outcome is IncidentOutcome.LAPSED:
        incident.outcome = outcome
        append_entry(session, incident, "outcome", who.name, at, outcome=outcome, note=note)
        return incident
    if incident.state is IncidentState.CLOSED:
        if incident.outcome is not outcome:
            raise Conflict(
                "The incident was already closed as {outcome}.", field="outcome", outcome=incident.outcome
            )
        return incident
    close_and_stop_alerts(session, incident, outcome, by=who.name, note=note, at=at)
    return incident


def require_report_quota(
    session: Session,
    who: Viewer,
    kind: IncidentKind,
    *,
    estate_id: int | None,
    region_id: int,
    at: datetime,
    numbers: Planning,
) -> None:
    """Require that a reporter who is no dispatcher, and their estate, have few open reports.

    Reports that a dispatcher has confirmed do not count, and a report that joins an incident is always taken.
    The region is locked by this transaction, so two simultaneous reports cannot both take the last place.
    Raises TooManyOpen, which says to call the emergency number.
    """
    if is_dispatcher(who, region_id):
        return
    own, in_estate = count_unconfirmed(
        session, kind, by=who.name, estate_id=estate_id, at=at, numbers=numbers
    )
    if own < numbers.open_per_person and in_estate < numbers.open_per_estate:
        return
    subject = "You have" if own >= numbers.open_per_person else "This estate has"
    zh = "您" if own >= numbers.open_per_person else "本园区"
    number = session.get_one(Region, region_id).emergency_number
    raise TooManyOpen(
        "{subject} too many open reports that no dispatcher has confirmed. Call {number} "
        "now: a dispatcher can open this incident. "
        "{zh}未经调度员确认的报告过多，请立即拨打{number}，由调度员处理。",
        subject=subject,
        number=number,
        zh=zh,
    )
