"""Lead links of devices that another cell has taken over to their pages there."""

from __future__ import annotations

import structlog
from fastapi import Request
from fastapi.responses import RedirectResponse

from aed.cells.neighbours import NeighbourClient
from aed.database.dependencies import database_of
from aed.database.session import read_session
from aed.errors import AedError
from aed.transfers.queries import address_after_move

log = structlog.get_logger("aed")


def redirect_after_move(request: Request, device_id: int, *, page: str = "") -> RedirectResponse | None:
    """Return a redirect to the page of a device in its new cell; `page` is what follows its address there.

    None if no cell has taken it over, and without a database: the page then says what is wrong.
    """
    neighbours: NeighbourClient | None = request.app.state.neighbours
    if neighbours is None:
        return None
    try:
        with read_session(database_of(request)) as session:
            address = address_after_move(session, neighbours.table, device_id)
    except AedError as error:
        log.error("not known whether the device has moved", reason=error.detail)
        return None
    return RedirectResponse(address + page, 303) if address is not None else None
