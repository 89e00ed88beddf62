"""Queries for volunteers, their relatives, and the buildings of leads."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, false, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute, Session, joinedload

from aed.accounts.permissions import Viewer
from aed.errors import NotFound
from aed.registry.estates.models import Building
from aed.volunteering.models import LeadBuilding, Volunteer
from aed.volunteering.permissions import MANAGES


def in_managed_estates(
    viewer: Viewer, *, estate_id: InstrumentedAttribute[int], region_id: InstrumentedAttribute[int]
) -> ColumnElement[bool]:
    """Select the rows of estates and regions that the viewer manages: all, for the network's administrator.

    visibility: it is a predicate itself.
    """
    if viewer.is_administrator:
        return true()
    parts = [
        estate_id == held.estate_id if held.estate_id is not None else region_id.in_(held.region_ids)
        for held in viewer.role_assignments
        if held.role in MANAGES
    ]
    return or_(*parts) if parts else false()


def volunteers_visible_to(viewer: Viewer) -> ColumnElement[bool]:
    """Select the viewer themself, and the volunteers of estates that they manage.

    visibility: it is a predicate itself.
    """
    managed = in_managed_estates(viewer, estate_id=Volunteer.estate_id, region_id=Volunteer.region_id)
    return managed if viewer.person_id is None else or_(managed, Volunteer.person_id == viewer.person_id)


def volunteer(session: Session, viewer: Viewer, person_id: int) -> Volunteer:
    """Return a volunteer with their person. Raises NotFound if the viewer may not see them."""
    found = session.scalar(
        select(Volunteer)
        .where(Volunteer.person_id == person_id, volunteers_visible_to(viewer))
        .options(joinedload(Volunteer.person))
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFound(
            "Person {person_id} is not a volunteer, or you may not see them.",
            field="person_id",
            person_id=person_id,
        )
    return found


def volunteers(
    session: Session, viewer: Viewer, *, estate_id: int | None, limit: int, after_id: int = 0
) -> Sequence[Volunteer]:
    """Return a page of volunteers with their people, in order of the person's id."""
    statement = select(Volunteer).where(Volunteer.person_id > after_id, volunteers_visible_to(viewer))
    if estate_id is not None:
        statement = statement.where(Volunteer.estate_id == estate_id)
    return session.scalars(
        statement.options(joinedload(Volunteer.person)).order_by(Volunteer.person_id).limit(limit)
    ).all()


def building_ids_of_lead(session: Session, person_id: int) -> list[int]:
    """Return the buildings whose service a lead confirms.

    visibility: the lead's own, or of a person whom the caller manages.
    """
    return list(
        session.scalars(
            select(LeadBuilding.building_id)
            .where(LeadBuilding.person_id == person_id)
            .order_by(LeadBuilding.building_id)
        )
    )


def unknown_buildings(session: Session, building_ids: Collection[int], *, estate_id: int) -> set[int]:
    """Return those that are not buildings of the estate.

    visibility: only whether they are of an estate that the viewer manages or belongs to.
    """
    known = select(Building.id).where(Building.id.in_(building_ids), Building.estate_id == estate_id)
    return set(building_ids) - set(session.scalars(known))
