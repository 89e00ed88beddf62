"""Where those are who come to a patient: taken while they come, coarse after a day, gone after ninety."""

from __future__ import annotations

from datetime import datetime, timedelta

import h3.api.basic_int as h3
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from aed.errors import Conflict
from aed.geo import Position
from aed.incidents.models import AlertPlace
from aed.incidents.queries import incidents as queries
from aed.incidents.queries.on_the_way import has_been_at, seconds_left
from aed.incidents.rules.incident import COARSE_AFTER, COMES, GONE_AFTER, PLACES_APART, AlertState, State
from aed.settings import Settings
from aed.walking.network import WalkingNetwork


def take_place(
    session: Session,
    alert_id: int,
    here: Position,
    *,
    at: datetime,
    network: WalkingNetwork | None,
    settings: Settings,
) -> None:
    """The place counts from now on, and so does when the person will be at the patient's side.

    The next plan reckons with that; a place alone makes none. One that comes right after another, twice, or
    later than a newer one changes nothing. Raises Conflict for somebody who has not accepted, and once it is
    over. visibility: whoever has the link was called.
    """
    alert = queries.alert_with_all(session, alert_id)
    incident = queries.with_all(session, alert.incident_id)
    if incident.state is State.CLOSED or alert.state is AlertState.STOPPED:
        raise Conflict("The call is over: nobody needs to know where you are. Thank you.")
    if alert.state not in COMES:
        raise Conflict("Accept first: only of those who come is it asked where they are.")
    newest = session.scalar(
        select(AlertPlace.at).where(AlertPlace.alert_id == alert.id).order_by(AlertPlace.at.desc()).limit(1)
    )
    if newest is not None and at < newest + PLACES_APART:
        return
    was_at_device = alert.device is not None and has_been_at(session, alert)
    session.add(
        AlertPlace(
            alert_id=alert.id,
            cell=h3.latlng_to_cell(here.lat, here.lon, settings.responder_cell_resolution),
            lat=here.lat,
            lon=here.lon,
            at=at,
        )
    )
    if alert.state is not AlertState.THERE:
        seconds = seconds_left(
            session,
            incident,
            alert,
            here,
            at=at,
            has_device=was_at_device,
            network=network,
            settings=settings,
        )
        alert.due_at = at + timedelta(seconds=seconds)
    session.flush()


def forget_places(session: Session, *, at: datetime) -> tuple[int, int]:
    """What is a day old is coarse, and what is 90 days old gone: (so many, so many)."""
    connection = session.connection()
    coarse = connection.execute(
        update(AlertPlace)
        .where(AlertPlace.at <= at - COARSE_AFTER, AlertPlace.lat.is_not(None))
        .values(lat=None, lon=None)
    ).rowcount
    gone = connection.execute(delete(AlertPlace).where(AlertPlace.at <= at - GONE_AFTER)).rowcount
    return coarse, gone
