"""What is known of an open incident at a moment, for its plan."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from aed.geo import Position
from aed.incidents.models import Incident
from aed.incidents.queries.coming import Asked, Guides, case_of
from aed.incidents.queries.guiding import guides_of
from aed.incidents.queries.steering import exclusions
from aed.incidents.rules.incident import Kind, ambulance_seconds
from aed.incidents.rules.offer import shown_seconds
from aed.incidents.rules.plan import Case
from aed.incidents.rules.survival import Patient
from aed.lookup.responders import Precision
from aed.registry.queries.sending import sent_from
from aed.settings import Settings
from aed.walking.network import WalkingNetwork


def case_of_incident(
    session: Session,
    incident: Incident,
    *,
    at: datetime,
    asked: Sequence[Asked],
    not_these: Collection[int],
    network: WalkingNetwork | None,
    settings: Settings,
) -> Case:
    """Return the case of an incident that was read with its estate.

    1. People and devices that a dispatcher has excluded are left out, beside `not_these` people.
    2. People are looked for within the radius that a dispatcher has set, if one has.
    3. Only devices that somebody may be sent for from there.
    4. Only the plan of a real incident reckons with exact places. Tests and exercises, of which anybody may
       open one after the other, take everybody to be at the centre of their cell
       (docs/decide/responder-privacy.md).

    visibility: for the plan.
    """
    guides = None
    if incident.estate_id is not None:
        guides = Guides(incident.estate_id, guides_of(session, incident.estate_id, at=at))
    # Exclusions come by a dispatcher's hand: there are none before the first plan.
    excluded = exclusions(session, incident.id) if incident.version > 1 else []
    not_people = {each.person_id for each in excluded if each.person_id is not None}
    if incident.radius_metres is not None:
        settings = settings.model_copy(update={"responder_radius_metres": incident.radius_metres})
    seconds = ambulance_seconds(incident.ambulance_at, at, settings.planning)
    since = max(0.0, (at - incident.collapsed_at).total_seconds())
    return case_of(
        session.connection(),
        Patient(since, seconds, incident.has_cpr),
        Position(incident.lat, incident.lon),
        floor=incident.floor,
        at=at,
        asked=asked,
        not_these={*not_these, *not_people},
        not_devices={each.device_id for each in excluded if each.device_id is not None},
        sent_from=sent_from(session, incident.estate),
        guides=guides,
        precision=Precision.EXACT if incident.kind is Kind.REAL else Precision.CELL,
        network=network,
        settings=settings,
    )


def seconds_of_everybody(
    session: Session,
    incident: Incident,
    *,
    at: datetime,
    network: WalkingNetwork | None,
    settings: Settings,
) -> dict[tuple[int, int | None], tuple[float, float]]:
    """Return how soon each who could be called would be at the patient, by person and device: seconds, and
    those that may be shown.

    visibility: for when people are expected whom the plan has called.
    """
    case = case_of_incident(
        session, incident, at=at, asked=(), not_these=(), network=network, settings=settings
    )
    return {(each.person_id, each.device_id): (each.seconds, shown_seconds(each)) for each in case.offers}
