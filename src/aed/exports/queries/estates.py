"""Regions, estates and gates as they leave: for those who know them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session, joinedload

from aed.accounts.models import Region
from aed.accounts.queries.visibility import known_to
from aed.accounts.rules import Viewer
from aed.database.boxes import inside_box, overlapping_box
from aed.exports.rules.asked import Bounds
from aed.registry.models import Estate, Gate
from aed.registry.rules.estate import EstateState
from aed.registry.rules.gate import GateState


@dataclass(frozen=True, slots=True)
class Around:
    """Which of the estates or gates that the viewer knows."""

    bounds: Bounds | None = None
    region_ids: Sequence[int] | None = None


EVERYWHERE = Around()


def regions(session: Session) -> Sequence[tuple[Region, str | None]]:
    """Every region with the code of the one above it: the same for everyone."""
    codes = {region.id: region.code for region in session.scalars(select(Region))}
    return [
        (region, codes.get(region.parent_id) if region.parent_id is not None else None)
        for region in session.scalars(select(Region).order_by(Region.id))
    ]


def estates(
    session: Session, viewer: Viewer, around: Around, *, after_id: int, limit: int
) -> Sequence[Estate]:
    """A page of standing estates in order of id."""
    return session.scalars(
        select(Estate)
        .where(Estate.id > after_id, *_estates_chosen(session, viewer, around))
        .options(joinedload(Estate.region))
        .order_by(Estate.id)
        .limit(limit)
    ).all()


def estate(session: Session, viewer: Viewer, estate_id: int) -> Estate | None:
    statement = select(Estate).where(Estate.id == estate_id, *_estates_chosen(session, viewer, EVERYWHERE))
    return session.scalar(statement.options(joinedload(Estate.region)))


def count_estates(session: Session, viewer: Viewer, around: Around) -> int:
    statement = select(func.count()).select_from(Estate).where(*_estates_chosen(session, viewer, around))
    return session.scalar(statement) or 0


def gates(session: Session, viewer: Viewer, around: Around, *, after_id: int, limit: int) -> Sequence[Gate]:
    """A page of standing gates in order of id."""
    return session.scalars(
        select(Gate)
        .join(Estate, Estate.id == Gate.estate_id)
        .where(Gate.id > after_id, *_gates_chosen(session, viewer, around))
        .options(joinedload(Gate.estate))
        .order_by(Gate.id)
        .limit(limit)
    ).all()


def gate(session: Session, viewer: Viewer, gate_id: int) -> Gate | None:
    return session.scalar(
        select(Gate)
        .join(Estate, Estate.id == Gate.estate_id)
        .where(Gate.id == gate_id, *_gates_chosen(session, viewer, EVERYWHERE))
        .options(joinedload(Gate.estate))
    )


def count_gates(session: Session, viewer: Viewer, around: Around) -> int:
    statement = (
        select(func.count())
        .select_from(Gate)
        .join(Estate, Estate.id == Gate.estate_id)
        .where(*_gates_chosen(session, viewer, around))
    )
    return session.scalar(statement) or 0


def _estates_chosen(session: Session, viewer: Viewer, around: Around) -> list[ColumnElement[bool]]:
    conditions = [
        known_to(viewer, estate_id=Estate.id, region_id=Estate.region_id, state=Estate.state),
        Estate.state == EstateState.STANDING,
    ]
    if around.bounds is not None:
        boxes = [
            overlapping_box(
                session, Estate.boundary, west=box.west, south=box.south, east=box.east, north=box.north
            )
            for box in around.bounds.without_antimeridian()
        ]
        conditions.append(or_(*boxes))
    if around.region_ids is not None:
        conditions.append(Estate.region_id.in_(around.region_ids))
    return conditions


def _gates_chosen(session: Session, viewer: Viewer, around: Around) -> list[ColumnElement[bool]]:
    conditions = [
        known_to(viewer, estate_id=Gate.estate_id, region_id=Estate.region_id, state=Gate.state),
        Gate.state == GateState.STANDING,
    ]
    if around.bounds is not None:
        boxes = [
            inside_box(session, Gate.position, west=box.west, south=box.south, east=box.east, north=box.north)
            for box in around.bounds.without_antimeridian()
        ]
        conditions.append(or_(*boxes))
    if around.region_ids is not None:
        conditions.append(Estate.region_id.in_(around.region_ids))
    return conditions
