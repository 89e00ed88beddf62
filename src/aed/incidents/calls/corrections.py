"""Correct an incident's location, and split two patients who were taken for one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.regions.models import Region
from aed.errors import Conflict, NotFound
from aed.geo import Position, distance_metres
from aed.incidents import queries
from aed.incidents.alerts.actions import lock_for_planning, ordering_key, plan_and_alert, require_open
from aed.incidents.alerts.queries import has_reached_device, latest_locations, remaining_seconds
from aed.incidents.calls.actions import confirm_incident, lock_for_dispatcher
from aed.incidents.calls.schemas import LocationCorrection, SplitReportIn
from aed.incidents.calls.steering import PlanningContext
from aed.incidents.messages import location_corrected_text
from aed.incidents.models import Alert, Incident, IncidentReport
from aed.incidents.permissions import require_dispatcher
from aed.incidents.plan.queries.case import arrival_seconds_by_offer
from aed.incidents.record.actions import append_entry
from aed.incidents.rules import LIVE_STATES, AlertState, IncidentKind, IncidentState
from aed.notifications import outbox
from aed.notifications.outbox import AlertMessage, Notice
from aed.registry.estates.queries import estate_at
from aed.registry.storeys import floor_from_storey, storey_sign

_SAME_PLACE_METRES = 0.5
"""Positions this close are the same, written with other decimals."""


@dataclass(frozen=True, slots=True)
class KnownLocation:
    """The location of an incident as the dispatcher saw it before correcting it."""

    position: Position
    floor: int
    address: str | None
    door_code: str | None


def correct_location(
    session: Session,
    who: Viewer,
    incident_id: int,
    change: LocationCorrection,
    *,
    seen: KnownLocation | None = None,
    now: PlanningContext,
) -> Incident:
    """Correct the location of an incident, and plan it again.

    1. Replace position, floor, address and door code where they are given; null clears the last two.
    2. Compute the arrival time of each alerted person again: from the phone's location if it is known,
       otherwise from the place by which the person was alerted.
    3. Notify everybody who was alerted and has not declined; the new location itself is behind the link, for
       people who have accepted.
    4. Append to the record, which notifies centres and watchers, and plan again.

    The same correction again changes nothing. Raises NotFound, NotSignedIn, NotAllowed; Conflict for a closed
    incident, for a place in a region that the caller does not dispatch, and for a value that somebody else
    has changed since it was `seen`; InvalidInput for a floor, storey and room that contradict each other.
    """
    incident = lock_for_dispatcher(session, who, incident_id)
    require_open(incident)
    if seen is not None:
        _require_as_seen(incident, change, seen)
    before = Position(incident.lat, incident.lon)
    changed = _apply(incident, change)
    here = Position(incident.lat, incident.lon)
    if not changed:
        return incident
    confirm_incident(incident, at=now.at)
    if "position" in changed:
        estate = estate_at(session, here)
        if estate is not None and estate.region_id != incident.region_id:
            require_dispatcher(who, estate.region_id)
        incident.estate_id = estate.id if estate is not None else None
    incident.place_corrected_at = now.at
    session.flush()
    incident = queries.lock_incident(session, incident.id)
    append_entry(
        session,
        incident,
        "place",
        who.name,
        now.at,
        lat=here.lat,
        lon=here.lon,
        floor=incident.floor,
        changed=sorted(changed),
        metres=round(distance_metres(before, here)),
    )
    alerts = [each for each in queries.alerts(session, incident.id) if each.state in LIVE_STATES]
    if changed & {"position", "floor"}:
        _update_arrival_times(session, incident, alerts, before, now)
    _notify_of_location(session, incident, alerts, now.at)
    plan_and_alert(
        session,
        incident,
        reason="place corrected",
        at=now.at,
        network=now.network,
        settings=now.settings,
    )
    return incident


def _require_as_seen(incident: Incident, change: LocationCorrection, seen: KnownLocation) -> None:
    """Require that nobody else has changed what is to be corrected. Raises Conflict with both values."""
    if change.position is not None:
        here, given = Position(incident.lat, incident.lon), change.position.position()
        if min(distance_metres(here, seen.position), distance_metres(here, given)) > _SAME_PLACE_METRES:
            raise Conflict(
                "Another dispatcher has moved the patient meanwhile: the position is {now}, and you entered "
                "{given}. Send again to set yours.",
                field="position",
                now=f"{here.lat:.6f}, {here.lon:.6f}",
                given=f"{given.lat:.6f}, {given.lon:.6f}",
            )
    floor = _floor(change, incident.region)
    if floor is not None and incident.floor not in (seen.floor, floor):
        counts = incident.region.counts_ground_as_one
        raise Conflict(
            "Another dispatcher has changed the storey meanwhile: it is {now}, and you entered {given}. "
            "Send again to set yours.",
            field="storey",
            now=storey_sign(incident.floor, counts_ground_as_one=counts),
            given=storey_sign(floor, counts_ground_as_one=counts),
        )
    if "address" in change.model_fields_set and incident.address not in (seen.address, change.address):
        raise Conflict(
            "Another dispatcher has changed the address meanwhile: it is “{now}”, and you entered “{given}”. "
            "Send again to set yours.",
            field="address",
            now=incident.address or "",
            given=change.address or "",
        )
    if "door_code" in change.model_fields_set and incident.door_code not in (
        seen.door_code,
        change.door_code,
    ):
        raise Conflict(
            "Another dispatcher has changed the door code meanwhile: it is “{now}”, and you entered "
            "“{given}”. Send again to set yours.",
            field="door_code",
            now=incident.door_code or "",
            given=change.door_code or "",
        )


def _apply(incident: Incident, change: LocationCorrection) -> set[str]:
    """Set the given fields; return the names of those that changed."""
    changed: set[str] = set()
    floor = _floor(change, incident.region)  # first: what is refused sets nothing
    if change.position is not None:
        here = change.position.position()
        if distance_metres(here, Position(incident.lat, incident.lon)) > _SAME_PLACE_METRES:
            incident.lat, incident.lon = here.lat, here.lon
            changed.add("position")
    if floor is not None and floor != incident.floor:
        incident.floor = floor
        changed.add("floor")
    for name in ("address", "door_code"):
        if name in change.model_fields_set and getattr(change, name) != getattr(incident, name):
            setattr(incident, name, getattr(change, name))
            changed.add(name)
    return changed


def _floor(change: LocationCorrection | SplitReportIn, region: Region) -> int | None:
    """Return the floor that is meant, by the region's way of counting; None if none is given.

    Raises InvalidInput if floor, storey and room contradict each other.
    """
    return floor_from_storey(
        floor=change.floor,
        storey=change.storey,
        room=change.room,
        counts_ground_as_one=region.counts_ground_as_one,
    )


def _update_arrival_times(
    session: Session, incident: Incident, alerts: list[Alert], before: Position, now: PlanningContext
) -> None:
    """visibility: for the plan, of people whom it has alerted."""
    places = latest_locations(session, [each.id for each in alerts])
    seconds = arrival_seconds_by_offer(
        session, incident, at=now.at, network=now.network, settings=now.settings
    )
    arrival = now.settings.arrival
    farther = (
        distance_metres(before, Position(incident.lat, incident.lon))
        * arrival.detour_factor
        / arrival.responder_metres_per_second
    )
    for alert in alerts:
        if alert.state is AlertState.THERE:
            continue
        place = places.get(alert.id)
        if place is not None and place.lat is not None and place.lon is not None:
            left = remaining_seconds(
                session,
                incident,
                alert,
                Position(place.lat, place.lon),
                at=now.at,
                has_device=alert.device is not None and has_reached_device(session, alert),
                network=now.network,
                settings=now.settings,
            )
            alert.due_at = now.at + timedelta(seconds=left)
            continue
        found = seconds.get((alert.person_id, alert.device_id))
        if found is not None:
            # People asked a while ago have used some of that time already, as before.
            passed = (now.at - alert.asked_at).total_seconds()
            exact, shown = (max(each - passed, 0.0) for each in found)
            alert.due_at = now.at + timedelta(seconds=exact)
            alert.coarse_due_at = now.at + timedelta(seconds=shown)
        else:
            alert.due_at += timedelta(seconds=farther)
            if alert.coarse_due_at is not None:
                alert.coarse_due_at += timedelta(seconds=farther)
    session.flush()


def _notify_of_location(session: Session, incident: Incident, alerts: list[Alert], at: datetime) -> None:
    """visibility: to people who were alerted; the location itself is behind the link."""
    if incident.kind is IncidentKind.TEST:
        return
    estate = incident.estate
    where = (estate.name_en, estate.name_zh) if estate is not None else None
    text_en, text_zh = location_corrected_text(incident.kind, where)
    notice = Notice(text_en, text_zh, expires_at=max(incident.ambulance_at, at) + timedelta(minutes=5))
    stamp = f"place/{at.timestamp():.0f}"
    calls = [
        AlertMessage(each.person_id, ordering_key(each, stamp), notice, incident.region.country)
        for each in alerts
    ]
    outbox.alert_people(session, calls, at)


def split_report(
    session: Session,
    who: Viewer,
    incident_id: int,
    report_id: int,
    change: SplitReportIn,
    *,
    now: PlanningContext,
) -> Incident:
    """Split off a report that is of another patient: it gets an incident of its own.

    1. The report moves to the new incident with its case number and key: sent again, it finds that one.
    2. The location is the report's and the ambulance's arrival is the first incident's, unless given.
    3. The new incident is planned at once, and the two are never joined again.

    Called again for the same report, it returns the same incident. Raises NotFound for a report of another
    incident; Conflict for the only report of an incident, and for a closed one; InvalidInput for a floor,
    storey and room that contradict each other. visibility: of an incident that the caller dispatches.
    """
    first = queries.incident(session, who, incident_id)
    require_dispatcher(who, first.region_id)
    first = lock_for_planning(session, first.id)
    report = session.get(IncidentReport, report_id, populate_existing=True)
    if report is None:
        raise NotFound(
            "Incident {incident_id} has no report {report_id}.",
            field="report_id",
            incident_id=incident_id,
            report_id=report_id,
        )
    if report.split_from_id == first.id:
        return queries.lock_incident(session, report.incident_id)
    if report.incident_id != first.id:
        raise NotFound(
            "Incident {incident_id} has no report {report_id}.",
            field="report_id",
            incident_id=incident_id,
            report_id=report_id,
        )
    require_open(first)
    if len(queries.reports(session, first.id)) < 2:
        raise Conflict(
            "This is the incident's only report, so it cannot be split off. Correct the incident's "
            "location instead."
        )
    here = change.position.position() if change.position is not None else Position(report.lat, report.lon)
    estate = estate_at(session, here)
    if estate is not None and estate.region_id != first.region_id:
        require_dispatcher(who, estate.region_id)
    ambulance_at = first.ambulance_at
    if change.ambulance_seconds is not None:
        ambulance_at = now.at + timedelta(seconds=change.ambulance_seconds)
    floor = _floor(change, first.region)
    if floor is None:
        floor = report.floor
    second = Incident(
        kind=first.kind,
        state=IncidentState.OPEN,
        region_id=first.region_id,
        estate_id=estate.id if estate is not None else None,
        lat=here.lat,
        lon=here.lon,
        floor=floor if floor is not None else 0,
        address=change.address or report.address,
        door_code=change.door_code or report.door_code,
        has_cpr=change.has_cpr,
        collapsed_at=min(report.reported_at, now.at),
        opened_at=now.at,
        opened_by=who.name,
        confirmed_at=now.at,
        ambulance_at=ambulance_at,
    )
    session.add(second)
    session.flush()
    report.incident_id, report.split_from_id = second.id, first.id
    report.lat, report.lon = here.lat, here.lon
    session.flush()
    confirm_incident(first, at=now.at)
    append_entry(session, first, "split", who.name, now.at, report=report.id, into=second.id)
    second = queries.lock_incident(session, second.id)
    append_entry(
        session,
        second,
        "opened",
        who.name,
        now.at,
        kind=second.kind,
        case_number=report.case_number,
        lat=here.lat,
        lon=here.lon,
        has_cpr=second.has_cpr,
        split_from=first.id,
    )
    plan_and_alert(
        session, second, reason="another patient", at=now.at, network=now.network, settings=now.settings
    )
    return second
