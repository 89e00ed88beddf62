"""Routes of estates and gates."""

from __future__ import annotations

from fastapi import APIRouter, Response

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.permissions import require_can_see_history, require_estate_manager
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import (
    Cursor,
    IfMatch,
    Limit,
    RowId,
    cursor_id,
    set_created,
    set_etag,
    version_from_if_match,
)
from aed.registry.changes import RegistryChangeOut, changes_of
from aed.registry.estates import actions as estate_actions
from aed.registry.estates import queries as estate_queries
from aed.registry.estates.gate_codes import GateCodeIn, GateCodeOut, gate_code, set_gate_code
from aed.registry.estates.schemas import EstateAmend, EstateIn, EstateOut, GateAmend, GateIn, GateOut

router = APIRouter(tags=["registry"])


@router.get("/estates")
def list_estates(
    session: ReadSession, viewer: ViewerDep, limit: Limit = 100, cursor: Cursor = None
) -> list[EstateOut]:
    """List the estates that you may see.

    They are those of your neighbourhood or your region. For the next page, set `cursor` to the last id.
    """
    return [
        EstateOut.of(estate)
        for estate in estate_queries.estates(session, viewer, limit=limit, after_id=cursor_id(cursor))
    ]


@router.get("/estates/{estate_id}")
def get_estate(session: ReadSession, viewer: ViewerDep, estate_id: RowId, response: Response) -> EstateOut:
    """Get an estate."""
    estate = estate_queries.estate(session, viewer, estate_id)
    set_etag(response, estate.version)
    return EstateOut.of(estate)


@router.post("/estates", status_code=201)
def create_estate(session: WriteSession, viewer: ViewerDep, new: EstateIn, response: Response) -> EstateOut:
    """Create an estate."""
    estate = estate_actions.create_estate(session, viewer, new, at=clock.now())
    set_created(response, f"/v1/estates/{estate.id}", version=estate.version)
    return EstateOut.of(estate)


@router.patch("/estates/{estate_id}")
def amend_estate(
    session: WriteSession,
    viewer: ViewerDep,
    estate_id: RowId,
    change: EstateAmend,
    response: Response,
    if_match: IfMatch = None,
) -> EstateOut:
    """Amend the given fields of an estate."""
    estate = estate_actions.amend_estate(
        session, viewer, estate_id, change, version=version_from_if_match(if_match), at=clock.now()
    )
    set_etag(response, estate.version)
    return EstateOut.of(estate)


@router.delete("/estates/{estate_id}", status_code=204)
def withdraw_estate(
    session: WriteSession, viewer: ViewerDep, estate_id: RowId, if_match: IfMatch = None
) -> None:
    """Withdraw an estate and its gates.

    Refused while it has devices.
    """
    estate_actions.withdraw_estate(
        session, viewer, estate_id, version=version_from_if_match(if_match), at=clock.now()
    )


@router.get("/estates/{estate_id}/history")
def list_estate_history(session: ReadSession, viewer: ViewerDep, estate_id: RowId) -> list[RegistryChangeOut]:
    """List the changes of an estate, newest first."""
    estate = estate_queries.estate(session, viewer, estate_id)
    require_can_see_history(require_estate_manager, viewer, estate.id, region_id=estate.region_id)
    return [
        RegistryChangeOut.of(change)
        for change in changes_of(session, subject="estates", subject_id=str(estate.id))
    ]


@router.get("/estates/{estate_id}/gates")
def list_gates(session: ReadSession, viewer: ViewerDep, estate_id: RowId) -> list[GateOut]:
    """List the gates of an estate."""
    estate_queries.estate(session, viewer, estate_id)
    return [GateOut.of(gate) for gate in estate_queries.gates(session, viewer, estate_id=estate_id)]


@router.post("/estates/{estate_id}/gates", status_code=201)
def create_gate(
    session: WriteSession, viewer: ViewerDep, estate_id: RowId, new: GateIn, response: Response
) -> GateOut:
    """Create a gate."""
    gate = estate_actions.create_gate(session, viewer, estate_id, new, at=clock.now())
    set_created(response, f"/v1/gates/{gate.id}", version=gate.version)
    return GateOut.of(gate)


@router.get("/gates/{gate_id}")
def get_gate(session: ReadSession, viewer: ViewerDep, gate_id: RowId, response: Response) -> GateOut:
    """Get a gate."""
    gate = estate_queries.gate(session, viewer, gate_id)
    set_etag(response, gate.version)
    return GateOut.of(gate)


@router.patch("/gates/{gate_id}")
def amend_gate(
    session: WriteSession,
    viewer: ViewerDep,
    gate_id: RowId,
    change: GateAmend,
    response: Response,
    if_match: IfMatch = None,
) -> GateOut:
    """Amend the given fields of a gate.

    The next lookup uses the new data.
    """
    gate = estate_actions.amend_gate(
        session, viewer, gate_id, change, version=version_from_if_match(if_match), at=clock.now()
    )
    set_etag(response, gate.version)
    return GateOut.of(gate)


@router.get("/gates/{gate_id}/code")
def get_gate_code(session: ReadSession, viewer: ViewerDep, gate_id: RowId, response: Response) -> GateCodeOut:
    """Get the code of a gate.

    For those who keep the estate. Responders who come see it after accepting, and dispatchers, while the
    incident is open.
    """
    response.headers["Cache-Control"] = "no-store"
    return GateCodeOut.of(gate_code(session, viewer, gate_id))


@router.put("/gates/{gate_id}/code", status_code=204)
def put_gate_code(session: WriteSession, viewer: ViewerDep, gate_id: RowId, given: GateCodeIn) -> None:
    """Set the code of a gate.

    The code is encrypted in the database, and never appears in lists, exports or histories.
    """
    set_gate_code(session, viewer, gate_id, given.code, at=clock.now())


@router.delete("/gates/{gate_id}", status_code=204)
def withdraw_gate(session: WriteSession, viewer: ViewerDep, gate_id: RowId, if_match: IfMatch = None) -> None:
    """Withdraw a gate."""
    estate_actions.withdraw_gate(
        session, viewer, gate_id, version=version_from_if_match(if_match), at=clock.now()
    )
