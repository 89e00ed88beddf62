"""Where dispatchers may take people to be until they accept: the middle of their rough area."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.geo import Position
from aed.incidents.models import Incident
from aed.incidents.plan.queries.case import MAX_PEOPLE_SEARCHED
from aed.lookup.question import LookupQuestion, Precision
from aed.lookup.responders import nearest_responders
from aed.settings import Settings


def people_in_reach(
    session: Session, viewer: Viewer, incident: Incident, *, at: datetime, settings: Settings
) -> dict[int, Position]:
    """Return the centre of the cell of each person near an incident who may be called at `at`, by their id.

    It is computed as in the lookup, with cells alone, so it says no more than that (docs/decide/
    responder-privacy.md). visibility: people whom the viewer may see in the lookup.
    """
    question = LookupQuestion(
        Position(incident.lat, incident.lon),
        at,
        floor=incident.floor,
        responders=MAX_PEOPLE_SEARCHED,
        precision=Precision.CELL,
    )
    found = nearest_responders(session.connection(), viewer, question, None, settings=settings)
    return {each.person_id: each.cell_centre for each in found}
