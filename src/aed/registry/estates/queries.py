"""Queries for the estates and gates that the viewer may see."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from shapely import Point
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session, joinedload

from aed.accounts.permissions import Viewer
from aed.accounts.visibility import estate_visible_to
from aed.database.boxes import overlapping_box
from aed.database.bulk import in_array
from aed.database.geometry import shape_of
from aed.errors import NotFound
from aed.geo import Position
from aed.registry.estates.models import Estate, Gate
from aed.registry.estates.rules import EstateState


def _estates_known_to(viewer: Viewer) -> ColumnElement[bool]:
    return estate_visible_to(viewer, estate_id=Estate.id, region_id=Estate.region_id, state=Estate.state)


def estate(session: Session, viewer: Viewer, estate_id: int) -> Estate:
    """Return one estate with its region. Raises NotFound if there is none that the viewer may see."""
    found = session.scalar(
        select(Estate)
        .where(Estate.id == estate_id, _estates_known_to(viewer))
        .options(joinedload(Estate.region))
    )
    if found is None:
        raise NotFound(
            "Estate {estate_id} does not exist, or you may not see it.",
            field="estate_id",
            estate_id=estate_id,
        )
    return found


def estate_id_of(session: Session, *, source: str, source_id: str) -> int | None:
    """Return the id of the estate with that source id; None if there is none.

    visibility: for an administrator's import only, which knows the source's id already.
    """
    return session.scalar(select(Estate.id).where(Estate.source == source, Estate.source_id == source_id))


def estate_ids_of(session: Session, *, source: str, source_ids: Collection[str]) -> dict[str, int]:
    """Return the ids of the existing estates with these source ids.

    visibility: for an administrator's import only, which knows the source's ids already.
    """
    statement = select(Estate.source_id, Estate.id).where(
        Estate.source == source, in_array(session, Estate.source_id, source_ids)
    )
    return {row.source_id: row.id for row in session.execute(statement)}


def estates(session: Session, viewer: Viewer, *, limit: int, after_id: int = 0) -> Sequence[Estate]:
    """Return a page of estates, ordered by id."""
    return session.scalars(
        select(Estate)
        .where(_estates_known_to(viewer), Estate.id > after_id)
        .options(joinedload(Estate.region))
        .order_by(Estate.id)
        .limit(limit)
    ).all()


def gate(session: Session, viewer: Viewer, gate_id: int) -> Gate:
    """Return one gate. Raises NotFound if the viewer may not see its estate."""
    found = session.scalar(
        select(Gate)
        .join(Estate, Estate.id == Gate.estate_id)
        .where(Gate.id == gate_id, _gates_known_to(viewer))
    )
    if found is None:
        raise NotFound(
            "Gate {gate_id} does not exist, or you may not see it.", field="gate_id", gate_id=gate_id
        )
    return found


def gates(session: Session, viewer: Viewer, *, estate_id: int) -> Sequence[Gate]:
    """Return the gates of an estate that the viewer may see."""
    return session.scalars(
        select(Gate)
        .join(Estate, Estate.id == Gate.estate_id)
        .where(Gate.estate_id == estate_id, _gates_known_to(viewer))
        .order_by(Gate.id)
    ).all()


def _gates_known_to(viewer: Viewer) -> ColumnElement[bool]:
    return estate_visible_to(viewer, estate_id=Gate.estate_id, region_id=Estate.region_id, state=Gate.state)


def estate_at(session: Session, here: Position) -> Estate | None:
    """Return the estate whose boundary contains a position; the smallest if there are several.

    visibility: used to choose whom to alert; shown only to those who see the incident.
    """
    box = overlapping_box(
        session, Estate.boundary, west=here.lon, south=here.lat, east=here.lon, north=here.lat
    )
    near = session.scalars(select(Estate).where(box, Estate.state == EstateState.ACTIVE)).all()
    shapes = [(shape_of(each.boundary), each) for each in near]
    inside = [
        (shape.area, each.id, each) for shape, each in shapes if shape.covers(Point(here.lon, here.lat))
    ]
    return min(inside)[2] if inside else None
