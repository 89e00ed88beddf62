"""Read incidents, visible to dispatchers of their region, and to people who were alerted by their link."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session, joinedload

from aed.accounts.permissions import Viewer
from aed.accounts.visibility import responder_visible_to
from aed.errors import NotFound
from aed.incidents.models import (
    Alert,
    EarlierAlertLink,
    Incident,
    IncidentEvent,
    IncidentMessage,
    IncidentPlan,
    IncidentReport,
)
from aed.incidents.permissions import require_incident_viewer
from aed.incidents.rules import IncidentKind, IncidentState, max_duration
from aed.settings.planning import Planning


def _visible_to(viewer: Viewer) -> ColumnElement[bool]:
    """Select incidents of regions that the viewer dispatches."""
    return responder_visible_to(viewer, region_id=Incident.region_id)


def incident(session: Session, viewer: Viewer, incident_id: int) -> Incident:
    """Return an incident with its region and estate. Raises NotFound if the viewer may not see it."""
    found = session.scalar(
        select(Incident)
        .where(Incident.id == incident_id, _visible_to(viewer))
        .options(joinedload(Incident.region), joinedload(Incident.estate))
    )
    if found is None:
        raise NotFound(
            "Incident {incident_id} does not exist, or you may not see it.",
            field="incident_id",
            incident_id=incident_id,
        )
    return found


def incidents(
    session: Session,
    viewer: Viewer,
    *,
    state: IncidentState | None,
    kind: IncidentKind | None,
    limit: int,
    before_id: int | None = None,
) -> Sequence[Incident]:
    """List incidents with regions and estates, newest first.

    Raises NotSignedIn, NotAllowed for anybody but dispatchers and administrators.
    """
    require_incident_viewer(viewer)
    asked = select(Incident).where(_visible_to(viewer))
    if state is not None:
        asked = asked.where(Incident.state == state)
    if kind is not None:
        asked = asked.where(Incident.kind == kind)
    if before_id is not None:
        asked = asked.where(Incident.id < before_id)
    asked = asked.options(joinedload(Incident.region), joinedload(Incident.estate))
    return session.scalars(asked.order_by(Incident.id.desc()).limit(limit)).all()


def incident_by_id(session: Session, incident_id: int) -> Incident:
    """Return an incident with its region and estate. visibility: of a call that the caller has found."""
    return session.scalars(
        select(Incident)
        .where(Incident.id == incident_id)
        .options(joinedload(Incident.region), joinedload(Incident.estate))
    ).one()


def region_id_of(session: Session, incident_id: int) -> int:
    """Return the region of an incident. Raises NotFound. visibility: an id, for locking."""
    found = session.scalar(select(Incident.region_id).where(Incident.id == incident_id))
    if found is None:
        raise NotFound("Incident {incident_id} does not exist.", field="incident_id", incident_id=incident_id)
    return found


def lock_incident(session: Session, incident_id: int) -> Incident:
    """Return the incident with its region and estate, locked until this transaction ends. Raises NotFound.

    visibility: the caller checks whose it is.
    """
    found = session.scalar(
        select(Incident)
        .where(Incident.id == incident_id)
        .options(joinedload(Incident.region), joinedload(Incident.estate))
        .with_for_update(of=Incident)
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFound("Incident {incident_id} does not exist.", field="incident_id", incident_id=incident_id)
    return found


def report_by_key(session: Session, key: str) -> IncidentReport | None:
    """visibility: only the sender of the report knows the key."""
    return session.scalar(select(IncidentReport).where(IncidentReport.key == key))


def report_by_case(session: Session, reported_by: str, case_number: str) -> IncidentReport | None:
    """visibility: the centre's own case."""
    return session.scalar(
        select(IncidentReport).where(
            IncidentReport.reported_by == reported_by, IncidentReport.case_number == case_number
        )
    )


def last_report_by(session: Session, incident_id: int, reported_by: str) -> IncidentReport | None:
    """visibility: the caller's own reports."""
    return session.scalar(
        select(IncidentReport)
        .where(IncidentReport.incident_id == incident_id, IncidentReport.reported_by == reported_by)
        .order_by(IncidentReport.id.desc())
        .limit(1)
    )


def messages_by_key(session: Session, viewer: Viewer, key: str) -> Sequence[IncidentMessage]:
    """List messages that programs sent under that key, of incidents that the viewer may see, oldest first."""
    return session.scalars(
        select(IncidentMessage)
        .join(Incident, Incident.id == IncidentMessage.incident_id)
        .where(IncidentMessage.key == key, _visible_to(viewer))
        .order_by(IncidentMessage.id)
    ).all()


def reports(session: Session, incident_id: int) -> Sequence[IncidentReport]:
    """visibility: of an incident that the caller has found for the viewer."""
    return session.scalars(
        select(IncidentReport).where(IncidentReport.incident_id == incident_id).order_by(IncidentReport.id)
    ).all()


# --- who is called --------------------------------------------------------------------------------------


def alerts(session: Session, incident_id: int) -> Sequence[Alert]:
    """List all alerts of an incident with their devices, oldest first.

    visibility: of an incident that the caller has found for the viewer.
    """
    return session.scalars(
        select(Alert)
        .where(Alert.incident_id == incident_id)
        .options(joinedload(Alert.device))
        .order_by(Alert.id)
    ).all()


def alert_by_key(session: Session, key_hash: str) -> Alert:
    """Return the alert with this link, or with this earlier link. Raises NotFound.

    visibility: a person with the key was alerted.
    """
    earlier = select(EarlierAlertLink.alert_id).where(EarlierAlertLink.key_hash == key_hash)
    found = session.scalar(select(Alert).where(or_(Alert.key_hash == key_hash, Alert.id.in_(earlier))))
    if found is None:
        raise NotFound("This link is not valid: use the link in your latest message.", field="key")
    return found


def alert_by_id(session: Session, alert_id: int) -> Alert:
    """Return an alert with its device. visibility: of a call that the caller has found."""
    return session.scalars(select(Alert).where(Alert.id == alert_id).options(joinedload(Alert.device))).one()


def alert_of(session: Session, incident_id: int, alert_id: int) -> Alert:
    """Return an alert of this incident. Raises NotFound.

    visibility: of an incident that the caller has found for the viewer.
    """
    found = session.get(Alert, alert_id)
    if found is None or found.incident_id != incident_id:
        raise NotFound("This incident has no alert {alert_id}.", field="alert_id", alert_id=alert_id)
    return found


# --- plans and the record -------------------------------------------------------------------------------


def plans(session: Session, incident_id: int) -> Sequence[IncidentPlan]:
    """visibility: of an incident that the caller has found for the viewer."""
    return session.scalars(
        select(IncidentPlan).where(IncidentPlan.incident_id == incident_id).order_by(IncidentPlan.number)
    ).all()


def last_plan(session: Session, incident_id: int) -> IncidentPlan | None:
    """visibility: of an incident that the caller has found for the viewer."""
    return session.scalar(
        select(IncidentPlan)
        .where(IncidentPlan.incident_id == incident_id)
        .order_by(IncidentPlan.number.desc())
        .limit(1)
    )


def plans_made(session: Session, incident_id: int) -> int:
    """visibility: a count."""
    return (
        session.scalar(
            select(func.coalesce(func.max(IncidentPlan.number), 0)).where(
                IncidentPlan.incident_id == incident_id
            )
        )
        or 0
    )


def events(session: Session, incident_id: int) -> Sequence[IncidentEvent]:
    """List the record of an incident in order.

    visibility: of an incident that the caller has found for the viewer.
    """
    return session.scalars(
        select(IncidentEvent).where(IncidentEvent.incident_id == incident_id).order_by(IncidentEvent.number)
    ).all()


def events_after(session: Session, last: Mapping[int, int]) -> Sequence[IncidentEvent]:
    """List entries after these numbers (by incident), in order. visibility: the caller checks whose they
    are.
    """
    if not last:
        return []
    beyond = or_(
        *(
            and_(IncidentEvent.incident_id == incident_id, IncidentEvent.number > number)
            for incident_id, number in last.items()
        )
    )
    order = (IncidentEvent.incident_id, IncidentEvent.number)
    return session.scalars(select(IncidentEvent).where(beyond).order_by(*order)).all()


def entries_since(
    session: Session, since: datetime, *, viewer: Viewer | None = None
) -> Sequence[tuple[IncidentEvent, Incident]]:
    """List entries of all records since then, with their incidents and regions, in order.

    visibility: with a viewer, only incidents that the viewer may see; otherwise the caller checks.
    """
    asked = (
        select(IncidentEvent, Incident)
        .join(Incident, Incident.id == IncidentEvent.incident_id)
        .where(IncidentEvent.at >= since)
        .options(joinedload(Incident.region))
        .order_by(IncidentEvent.at, IncidentEvent.incident_id, IncidentEvent.number)
    )
    if viewer is not None:
        asked = asked.where(_visible_to(viewer))
    return [(event, found) for event, found in session.execute(asked)]


def due_for_debriefing(session: Session, *, limit: int) -> Sequence[int]:
    """List incidents that are over and whose people were not thanked yet. visibility: for a job."""
    return session.scalars(
        select(Incident.id)
        .where(Incident.closed_at.is_not(None), Incident.debriefed_at.is_(None))
        .order_by(Incident.closed_at)
        .limit(limit)
    ).all()


def due_for_follow_up(session: Session, *, debriefed_before: datetime, limit: int) -> Sequence[int]:
    """List incidents that were debriefed by then and not followed up yet. visibility: for a job."""
    return session.scalars(
        select(Incident.id)
        .where(
            Incident.closed_at.is_not(None),
            Incident.debriefed_at <= debriefed_before,
            Incident.followed_up_at.is_(None),
        )
        .order_by(Incident.closed_at)
        .limit(limit)
    ).all()


def all_ids(session: Session) -> Sequence[int]:
    """visibility: ids, for the operator."""
    return session.scalars(select(Incident.id).order_by(Incident.id)).all()


def is_active_at(at: datetime, numbers: Planning) -> ColumnElement[bool]:
    """Select open incidents whose time is not over: `rules.lapses_at` in SQL.

    A job closes the others; until then they are treated as closed. visibility: it is a predicate itself.
    """
    since = {kind: at - max_duration(kind, numbers) for kind in IncidentKind}
    return and_(
        Incident.state == IncidentState.OPEN,
        or_(
            and_(Incident.kind == IncidentKind.TEST, Incident.opened_at > since[IncidentKind.TEST]),
            and_(Incident.kind == IncidentKind.EXERCISE, Incident.opened_at > since[IncidentKind.EXERCISE]),
            and_(
                Incident.kind == IncidentKind.REAL,
                or_(
                    Incident.opened_at > since[IncidentKind.REAL],
                    Incident.ambulance_at > since[IncidentKind.REAL],
                ),
            ),
        ),
    )
