"""Routes of volunteers, their relatives, and the buildings of leads."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import Cursor, Limit, OfEstate, SettingsDep, cursor_id
from aed.volunteering.permissions import require_signed_in
from aed.volunteering.volunteers import actions, queries
from aed.volunteering.volunteers.schemas import (
    LeadBuildingsIn,
    LeadBuildingsOut,
    VolunteerIn,
    VolunteerOut,
    VolunteerPage,
)

router = APIRouter(tags=["volunteering"])
PersonId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]
EstateId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]


@router.get("/volunteers")
def list_volunteers(
    session: ReadSession,
    viewer: ViewerDep,
    estate_id: OfEstate = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> VolunteerPage:
    """List the volunteers of the estates that you manage, and yourself."""
    require_signed_in(viewer)
    found = queries.volunteers(
        session, viewer, estate_id=estate_id, limit=limit + 1, after_id=cursor_id(cursor)
    )
    return VolunteerPage(
        volunteers=[VolunteerOut.of(each) for each in found[:limit]],
        next=str(found[limit - 1].person_id) if len(found) > limit else None,
    )


@router.get("/volunteers/{person_id}")
def get_volunteer(session: ReadSession, viewer: ViewerDep, person_id: PersonId) -> VolunteerOut:
    """Get a volunteer."""
    require_signed_in(viewer)
    return VolunteerOut.of(queries.volunteer(session, viewer, person_id))


@router.put("/volunteers/{person_id}")
def register_volunteer(
    session: WriteSession, viewer: ViewerDep, person_id: PersonId, new: VolunteerIn
) -> VolunteerOut:
    """Register a volunteer of an estate, or amend one. You for yourself, or the estate's manager.

    From then on the program records the person's checks, drills, sessions and calls as service.
    """
    require_signed_in(viewer)
    return VolunteerOut.of(actions.register_volunteer(session, viewer, person_id, new, at=clock.now()))


@router.delete("/volunteers/{person_id}", status_code=204)
def end_volunteer(session: WriteSession, viewer: ViewerDep, person_id: PersonId) -> None:
    """Stop recording a person's service. What is recorded stays."""
    require_signed_in(viewer)
    actions.end_volunteer(session, viewer, person_id, at=clock.now())


@router.put("/estates/{estate_id}/leads/{person_id}/buildings")
def assign_lead_buildings(
    session: WriteSession,
    viewer: ViewerDep,
    settings: SettingsDep,
    estate_id: EstateId,
    person_id: PersonId,
    given: LeadBuildingsIn,
) -> LeadBuildingsOut:
    """Set the buildings whose volunteers' service a lead confirms. For the estate's manager."""
    require_signed_in(viewer)
    return LeadBuildingsOut(
        person_id=person_id,
        word=settings.lead_word,
        building_ids=actions.assign_buildings(session, viewer, estate_id, person_id, given.building_ids),
    )
