"""Create, amend and withdraw estates and gates; import buildings."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import column, delete, select, table
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer, require_administrator, require_estate_manager
from aed.accounts.regions.queries import region_by_code
from aed.database.bulk import in_array
from aed.database.geometry import area, point, position_of, shape_of
from aed.database.types import require_version
from aed.errors import Conflict
from aed.geo import Position
from aed.registry.changes import (
    PutOutcome,
    flush_or_conflict,
    record_amendment,
    record_creation,
    require_not_null,
)
from aed.registry.estates import queries as estate_queries
from aed.registry.estates.models import Building, Estate, Gate, GateCode
from aed.registry.estates.placement import require_active_estate, require_near_estate
from aed.registry.estates.rules import EstateState, GateState, parse_boundary
from aed.registry.estates.schemas import EstateAmend, EstateIn, GateAmend, GateIn

_devices = table(
    "devices", column("id"), column("estate_id"), column("state")
)  # its model lies on a higher layer


def create_estate(session: Session, who: Viewer, new: EstateIn, *, at: datetime) -> Estate:
    """Create an estate, as an administrator of its region. Raises Conflict if its source id is taken."""
    if not who.role_assignments:
        require_administrator(who)
    region = region_by_code(session, new.region)
    require_administrator(who, region_id=region.id)
    if new.neighbourhood is not None:
        require_administrator(who)  # members of a neighbourhood see what the others share
    estate = Estate(
        source=new.source,
        source_id=new.source_id or str(uuid.uuid4()),
        region=region,
        name_en=new.name_en,
        name_zh=new.name_zh,
        neighbourhood=new.neighbourhood,
        time_zone=new.time_zone,
        guard_phone=new.guard_phone,
        boundary=area(parse_boundary(new.boundary)),
        emergency_override=new.emergency_override,
        state=EstateState.ACTIVE,
    )
    session.add(estate)
    flush_or_conflict(
        session, f"The source '{estate.source}' already has an estate '{estate.source_id}'.", "source_id"
    )
    record_creation(session, who, estate, at=at)
    return estate


def put_estate(session: Session, who: Viewer, given: EstateIn, *, at: datetime) -> tuple[Estate, PutOutcome]:
    """Create or amend the estate with this source id, so that it is as given."""
    require_administrator(who)
    estate = session.scalar(
        select(Estate).where(  # visibility: for an administrator
            Estate.source == given.source, Estate.source_id == given.source_id
        )
    )
    if estate is None:
        return create_estate(session, who, given, at=at), PutOutcome.NEW
    estate.region_id = region_by_code(session, given.region).id
    for name in given.model_fields_set & set(EstateAmend.model_fields) - {"boundary"}:
        setattr(estate, name, getattr(given, name))
    boundary = parse_boundary(given.boundary)
    if not shape_of(estate.boundary).equals(boundary):
        estate.boundary = area(boundary)
    estate.state = EstateState.ACTIVE
    outcome = record_amendment(session, who, estate, at=at)
    flush_or_conflict(session, "The estate cannot be changed to these values.", None)
    return estate, outcome


def amend_estate(
    session: Session, who: Viewer, estate_id: int, change: EstateAmend, *, version: int, at: datetime
) -> Estate:
    estate = estate_queries.estate(session, who, estate_id)
    require_estate_manager(who, estate.id, region_id=estate.region_id)
    require_version(estate, version)
    require_not_null(estate, change, change.model_fields_set)
    if "neighbourhood" in change.model_fields_set and change.neighbourhood != estate.neighbourhood:
        require_administrator(who)  # members of a neighbourhood see what the others share
    for name in change.model_fields_set - {"boundary"}:
        setattr(estate, name, getattr(change, name))
    if change.boundary is not None:
        boundary = parse_boundary(change.boundary)
        if not shape_of(estate.boundary).equals(boundary):
            estate.boundary = area(boundary)
    record_amendment(session, who, estate, at=at)
    flush_or_conflict(session, "The estate cannot be changed to these values.", None)
    return estate


def withdraw_estate(session: Session, who: Viewer, estate_id: int, *, version: int, at: datetime) -> Estate:
    """Withdraw an estate with its gates. Raises Conflict while it has devices."""
    if not who.role_assignments:
        require_administrator(who)
    estate = estate_queries.estate(session, who, estate_id)
    require_administrator(who, region_id=estate.region_id)
    require_version(estate, version)
    remaining = session.scalar(
        select(_devices.c.id)
        # visibility: for an administrator, and only whether there is one
        .where(_devices.c.estate_id == estate.id, _devices.c.state != "withdrawn")
        .limit(1)
    )
    if remaining is not None:
        raise Conflict("The estate still has devices: withdraw them first.", field="estate_id")
    for gate in estate_queries.gates(session, who, estate_id=estate.id):
        _withdraw(session, who, gate, at=at)
    estate.state = EstateState.WITHDRAWN
    record_amendment(session, who, estate, at=at)
    flush_or_conflict(session, "The estate cannot be withdrawn.", None)
    return estate


def _region_of(session: Session, who: Viewer, gate: Gate) -> int:
    return estate_queries.estate(session, who, gate.estate_id).region_id


def create_gate(session: Session, who: Viewer, estate_id: int, new: GateIn, *, at: datetime) -> Gate:
    estate = estate_queries.estate(session, who, estate_id)
    require_estate_manager(who, estate.id, region_id=estate.region_id)
    require_active_estate(estate)
    here = new.position.position()
    require_near_estate(estate, here, new.position)
    gate = Gate(
        estate_id=estate.id,
        source=new.source,
        source_id=new.source_id or str(uuid.uuid4()),
        name_en=new.name_en,
        name_zh=new.name_zh,
        position=point(here),
        passage=new.passage,
        opening_hours=new.opening_hours,
        state=GateState.ACTIVE,
    )
    session.add(gate)
    flush_or_conflict(
        session, f"The source '{gate.source}' already has a gate '{gate.source_id}'.", "source_id"
    )
    record_creation(session, who, gate, at=at)
    return gate


def put_gate(session: Session, who: Viewer, estate_id: int, given: GateIn, *, at: datetime) -> PutOutcome:
    """Create or amend the gate with this source id, so that it is as given."""
    require_administrator(who)
    gate = session.scalar(
        select(Gate).where(  # visibility: for an administrator
            Gate.source == given.source, Gate.source_id == given.source_id
        )
    )
    if gate is None:
        create_gate(session, who, estate_id, given, at=at)
        return PutOutcome.NEW
    here = given.position.position()
    require_near_estate(estate_queries.estate(session, who, estate_id), here, given.position)
    gate.estate_id, gate.state = estate_id, GateState.ACTIVE
    if position_of(gate.position) != here:
        gate.position = point(here)
    for name in given.model_fields_set & set(GateAmend.model_fields) - {"position"}:
        setattr(gate, name, getattr(given, name))
    outcome = record_amendment(session, who, gate, at=at)
    flush_or_conflict(session, "The gate cannot be changed to these values.", None)
    return outcome


def amend_gate(
    session: Session, who: Viewer, gate_id: int, change: GateAmend, *, version: int, at: datetime
) -> Gate:
    gate = estate_queries.gate(session, who, gate_id)
    require_estate_manager(who, gate.estate_id, region_id=_region_of(session, who, gate))
    require_version(gate, version)
    require_not_null(gate, change, change.model_fields_set)
    if change.position is not None:
        here = change.position.position()
        # This must come first: loading the estate flushes pending changes before they are recorded.
        require_near_estate(estate_queries.estate(session, who, gate.estate_id), here, change.position)
        if position_of(gate.position) != here:
            gate.position = point(here)
    for name in change.model_fields_set - {"position"}:
        setattr(gate, name, getattr(change, name))
    record_amendment(session, who, gate, at=at)
    flush_or_conflict(session, "The gate cannot be changed to these values.", None)
    return gate


def withdraw_gate(session: Session, who: Viewer, gate_id: int, *, version: int, at: datetime) -> Gate:
    gate = estate_queries.gate(session, who, gate_id)
    require_estate_manager(who, gate.estate_id, region_id=_region_of(session, who, gate))
    require_version(gate, version)
    _withdraw(session, who, gate, at=at)
    flush_or_conflict(session, "The gate cannot be withdrawn.", None)
    return gate


def _withdraw(session: Session, who: Viewer, gate: Gate, *, at: datetime) -> None:
    """Withdraw a gate, and delete its code. visibility: the caller may withdraw it."""
    gate.state = GateState.WITHDRAWN
    record_amendment(session, who, gate, at=at)
    session.execute(delete(GateCode).where(GateCode.gate_id == gate.id))


@dataclass(frozen=True, slots=True)
class ImportedBuilding:
    source: str
    source_id: str
    estate_id: int
    name_en: str
    name_zh: str
    floors: int | None
    position: Position


def put_buildings(session: Session, who: Viewer, given: Sequence[ImportedBuilding]) -> list[PutOutcome]:
    """Create or amend buildings by their source ids, in a constant number of statements.

    visibility: for an administrator.
    """
    require_administrator(who)
    wanted: dict[str, list[str]] = defaultdict(list)
    for each in given:
        wanted[each.source].append(each.source_id)
    known = {
        (row.source, row.source_id): row
        for source, source_ids in wanted.items()
        for row in session.scalars(
            select(Building).where(
                Building.source == source, in_array(session, Building.source_id, source_ids)
            )
        )
    }
    outcomes = []
    for each in given:
        found = known.get((each.source, each.source_id))
        is_new = found is None
        if found is None:
            found = Building(source=each.source, source_id=each.source_id, position=point(each.position))
            session.add(found)
        for name in ("estate_id", "name_en", "name_zh", "floors"):
            setattr(found, name, getattr(each, name))
        if position_of(found.position) != each.position:
            found.position = point(each.position)
        has_changed = is_new or session.is_modified(found)
        outcomes.append(PutOutcome.of(is_new if has_changed else None))
    session.flush()
    return outcomes


def delete_missing_buildings(
    session: Session, who: Viewer, *, source: str, of_estates: Iterable[int], but: Collection[str]
) -> int:
    """Delete the source's buildings in these estates, except the source ids in `but`; return how many.

    visibility: for an administrator.
    """
    require_administrator(who)
    remaining = session.execute(
        select(Building.id, Building.source_id).where(
            Building.source == source, Building.estate_id.in_(sorted(set(of_estates)))
        )
    )
    gone = [row.id for row in remaining if row.source_id not in but]
    if gone:
        session.execute(delete(Building).where(Building.id.in_(gone)))
    return len(gone)
