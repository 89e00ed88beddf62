"""Codes that open gates: of a keypad, or for visitors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime

from pydantic import BaseModel, ConfigDict
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.fields import Id
from aed.accounts.permissions import Viewer, require_can_see_history, require_estate_manager, require_keeper
from aed.database.geometry import position_of
from aed.errors import Conflict
from aed.registry.access_codes import AccessCode, AccessCodeOut
from aed.registry.changes import record_note
from aed.registry.estates import queries as estate_queries
from aed.registry.estates.models import Gate, GateCode
from aed.registry.estates.rules import GateState
from aed.registry.fields import PositionOut


class GateCodeIn(BaseModel):
    """A code that opens the gate; null removes the code."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"code": "2580#"}]})

    code: AccessCode | None


class GateCodeOut(AccessCodeOut):
    """The code that opens the gate, when it was set, and by whom; null if no code is known."""


class GateAndCodeOut(BaseModel):
    """A gate with its code, for people who are sent through it."""

    id: Id
    name_en: str
    name_zh: str
    position: PositionOut
    code: str


def gate_code(session: Session, viewer: Viewer, gate_id: int) -> GateCode | None:
    """Return the code of a gate, if there is one, for the keepers of its estate.

    Raises NotFound, NotSignedIn, NotAllowed. visibility: of a gate whose estate the viewer keeps.
    """
    gate = estate_queries.gate(session, viewer, gate_id)
    estate = estate_queries.estate(session, viewer, gate.estate_id)
    require_can_see_history(require_keeper, viewer, estate.id, region_id=estate.region_id)
    return session.get(GateCode, gate.id)


def codes_of_gates(session: Session, estate_id: int) -> dict[int, str]:
    """Return the codes of the gates of an estate, by gate id.

    visibility: the caller has checked that the viewer manages the estate.
    """
    rows = session.scalars(select(GateCode).join(Gate).where(Gate.estate_id == estate_id))
    return {kept.gate_id: kept.code for kept in rows}


def gates_with_codes(session: Session, estate_ids: Collection[int]) -> dict[int, list[GateAndCodeOut]]:
    """Return the active gates of these estates that have a code, by estate id.

    visibility: the caller has checked that the viewer is sent to the estates, or sends people there.
    """
    found: dict[int, list[GateAndCodeOut]] = defaultdict(list)
    if not estate_ids:
        return found
    rows = session.execute(
        select(Gate, GateCode)
        .join(GateCode, GateCode.gate_id == Gate.id)
        .where(Gate.estate_id.in_(estate_ids), Gate.state == GateState.ACTIVE)
        .order_by(Gate.id)
    )
    for gate, kept in rows:
        here = position_of(gate.position)
        found[gate.estate_id].append(
            GateAndCodeOut(
                id=gate.id,
                name_en=gate.name_en,
                name_zh=gate.name_zh,
                position=PositionOut(lat=here.lat, lon=here.lon),
                code=kept.code,
            )
        )
    return found


def set_gate_code(session: Session, who: Viewer, gate_id: int, code: str | None, *, at: datetime) -> None:
    """Set or remove (None) the code of a gate. The history records that it was set, without the code.

    Raises NotFound, NotSignedIn, NotAllowed; Conflict for a removed gate.
    visibility: the viewer manages the estate.
    """
    gate = estate_queries.gate(session, who, gate_id)
    estate = estate_queries.estate(session, who, gate.estate_id)
    require_estate_manager(who, estate.id, region_id=estate.region_id)
    if gate.state is GateState.WITHDRAWN:
        raise Conflict("This gate has been removed from the register.", field="gate_id")
    kept = session.get(GateCode, gate.id)
    before = kept.code if kept is not None else None
    if before == code:
        return
    if kept is not None and code is None:
        session.delete(kept)
    elif kept is not None:
        kept.code, kept.set_at, kept.set_by = code or "", at, who.name
    else:
        session.add(GateCode(gate_id=gate.id, code=code, set_at=at, set_by=who.name))
    shown = {True: "set", False: None}
    fields = {"gate_code": [shown[before is not None], shown[code is not None]]}
    record_note(session, who, gate, fields, at=at)
    session.flush()
