"""Register volunteers, declare relatives, and assign buildings to leads."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Role, Viewer
from aed.accounts.regions.queries import region_of_estate
from aed.accounts.role_grants import holds_role
from aed.errors import Conflict, InvalidInput, NotAllowed, NotFound
from aed.registry.changes import flush_or_conflict
from aed.volunteering.models import LeadBuilding, Volunteer
from aed.volunteering.permissions import own_person_id, require_manager, require_self_or_manager
from aed.volunteering.volunteers import queries
from aed.volunteering.volunteers.schemas import VolunteerIn


def register_volunteer(
    session: Session, who: Viewer, person_id: int, new: VolunteerIn, *, at: datetime
) -> Volunteer:
    """Register a volunteer, or amend one. People of the estate register themselves, its manager anyone.

    Raises NotSignedIn, NotAllowed, NotFound, InvalidInput; Conflict for a number that is taken.
    visibility: the person's own, or of an estate that the viewer manages.
    """
    region_id = _region_of(session, who, new.estate_id)
    require_self_or_manager(who, person_id, estate_id=new.estate_id, region_id=region_id)
    if who.person_id == person_id and not who.belongs_to(new.estate_id):
        require_manager(who, estate_id=new.estate_id, region_id=region_id)
    person = session.get(Person, person_id)
    if person is None or person.erased_at is not None or person.joined_into_id is not None:
        raise NotFound("There is no person {person_id}.", field="person_id", person_id=person_id)
    if new.building_id is not None and queries.unknown_buildings(
        session, [new.building_id], estate_id=new.estate_id
    ):
        raise InvalidInput(
            "Building {building_id} is not a building of this estate.",
            field="building_id",
            building_id=new.building_id,
        )
    found = session.get(Volunteer, person_id)
    if found is None:
        found = Volunteer(person_id=person_id, registered_at=at, registered_by=who.name)
        session.add(found)
    elif who.person_id != person_id:
        require_manager(who, estate_id=found.estate_id, region_id=found.region_id)
    for name, value in new.model_dump().items():
        setattr(found, name, value)
    found.region_id, found.ended_at = region_id, None
    flush_or_conflict(session, "This volunteer number belongs to another volunteer.", "number")
    return queries.volunteer(session, who, person_id)


def end_volunteer(session: Session, who: Viewer, person_id: int, *, at: datetime) -> None:
    """Stop recording a person's service; what is recorded stays. A second time changes nothing."""
    found = queries.volunteer(session, who, person_id)
    require_self_or_manager(who, person_id, estate_id=found.estate_id, region_id=found.region_id)
    if found.ended_at is None:
        found.ended_at = at
        session.flush()


def assign_buildings(
    session: Session, who: Viewer, estate_id: int, person_id: int, building_ids: Collection[int]
) -> list[int]:
    """Set the buildings of an estate whose volunteers' service a lead confirms.

    visibility: of an estate that the viewer manages.
    """
    region_id = _region_of(session, who, estate_id)
    require_manager(who, estate_id=estate_id, region_id=region_id)
    if not session.scalar(select(holds_role(person_id, Role.LEAD, estate_id))):
        raise Conflict(
            "Person {person_id} is not a lead of this estate. Grant them the role first.",
            field="person_id",
            person_id=person_id,
        )
    if unknown := queries.unknown_buildings(session, building_ids, estate_id=estate_id):
        raise InvalidInput(
            "Building {building_id} is not a building of this estate.",
            field="building_ids",
            building_id=min(unknown),
        )
    mine = queries.building_ids_of_lead(session, person_id)
    others = queries.unknown_buildings(session, mine, estate_id=estate_id)
    session.execute(
        delete(LeadBuilding).where(
            LeadBuilding.person_id == person_id, LeadBuilding.building_id.not_in(others)
        )
    )
    session.add_all(LeadBuilding(person_id=person_id, building_id=each) for each in sorted(set(building_ids)))
    session.flush()
    return sorted(set(building_ids))


def _region_of(session: Session, who: Viewer, estate_id: int) -> int:
    """Return the region of an estate. Raises as for a viewer without permission if there is none."""
    if who.person_id is None and not who.is_administrator:
        own_person_id(who)
    try:
        return region_of_estate(session, estate_id)
    except NotFound:
        if who.is_administrator:
            raise
        raise NotAllowed("Only the estate's manager or an administrator of its region may do this.") from None
