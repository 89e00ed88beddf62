"""Routes for spare stock."""

from __future__ import annotations

from fastapi import APIRouter, Response

from aed import clock
from aed.accounts.authentication import ViewerDep
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
from aed.upkeep.spares import actions, queries
from aed.upkeep.spares.schemas import (
    SpareMovementIn,
    SpareMovementOut,
    SpareMovementPage,
    SpareStockAmend,
    SpareStockIn,
    SpareStockOut,
)

router = APIRouter(tags=["upkeep"])


@router.get("/estates/{estate_id}/spares")
def list_spares(session: ReadSession, viewer: ViewerDep, estate_id: RowId) -> list[SpareStockOut]:
    """List the spares that an estate keeps, with lots and expiry. For its keepers and managers."""
    return [SpareStockOut.of(each, at=clock.now()) for each in queries.stocks(session, viewer, estate_id)]


@router.post("/estates/{estate_id}/spares", status_code=201)
def create_spare_stock(
    session: WriteSession, viewer: ViewerDep, estate_id: RowId, new: SpareStockIn, response: Response
) -> SpareStockOut:
    """Keep spares of a kind for a model of device. For managers of the estate."""
    made = actions.create_stock(session, viewer, estate_id, new, at=clock.now())
    set_created(response, f"/v1/spares/{made.id}", version=made.version)
    return SpareStockOut.of(queries.count_of(session, made), at=clock.now())


@router.get("/spares/{stock_id}")
def get_spare_stock(
    session: ReadSession, viewer: ViewerDep, stock_id: RowId, response: Response
) -> SpareStockOut:
    """Return what is left of a stock. For keepers and managers of the estate."""
    found = queries.stock(session, viewer, stock_id)
    set_etag(response, found.version)
    return SpareStockOut.of(queries.count_of(session, found), at=clock.now())


@router.patch("/spares/{stock_id}")
def amend_spare_stock(
    session: WriteSession,
    viewer: ViewerDep,
    stock_id: RowId,
    change: SpareStockAmend,
    response: Response,
    if_match: IfMatch = None,
) -> SpareStockOut:
    """Set the reorder point. For managers of the estate."""
    version = version_from_if_match(if_match)
    found = actions.amend_stock(session, viewer, stock_id, change, version=version, at=clock.now())
    set_etag(response, found.version)
    return SpareStockOut.of(queries.count_of(session, found), at=clock.now())


@router.delete("/spares/{stock_id}", status_code=204)
def withdraw_spare_stock(
    session: WriteSession, viewer: ViewerDep, stock_id: RowId, if_match: IfMatch = None
) -> Response:
    """Keep these spares no longer; what went in and out stays. For managers of the estate."""
    version = version_from_if_match(if_match)
    actions.withdraw_stock(session, viewer, stock_id, version=version, at=clock.now())
    return Response(status_code=204)


@router.get("/spares/{stock_id}/movements")
def list_spare_movements(
    session: ReadSession, viewer: ViewerDep, stock_id: RowId, limit: Limit = 100, cursor: Cursor = None
) -> SpareMovementPage:
    """List what came in and went out, the last first. For keepers and managers of the estate."""
    found = queries.movements(session, viewer, stock_id, limit=limit + 1, before_id=cursor_id(cursor) or None)
    return SpareMovementPage(
        movements=[SpareMovementOut.of(each) for each in found[:limit]],
        next=str(found[limit - 1].id) if len(found) > limit else None,
    )


@router.post("/spares/{stock_id}/movements")
def record_spare_movement(
    session: WriteSession, viewer: ViewerDep, stock_id: RowId, new: SpareMovementIn
) -> SpareMovementOut:
    """Record spares that came in, went out or were counted. For keepers and managers of the estate.

    A check that fits pads, a battery or a cartridge takes one from the stock by itself.
    """
    return SpareMovementOut.of(actions.record_movement(session, viewer, stock_id, new, at=clock.now()))
