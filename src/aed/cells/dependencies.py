"""FastAPI dependency of routes that only other cells may use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel

from aed import clock
from aed.cells.neighbours import NeighbourClient
from aed.cells.requests import ANSWER_HEADER, REQUEST_HEADER, require_cell, sign_answer
from aed.cells.rules import Cell
from aed.cells.table import CellTable
from aed.errors import NotFound


@dataclass(frozen=True, slots=True)
class CellRequest:
    """A request that another cell has signed."""

    cell: Cell
    table: CellTable
    token: str

    def answer(self, content: BaseModel) -> Response:
        """Return a signed answer."""
        return self.answer_bytes(content.model_dump_json().encode())

    def answer_bytes(self, body: bytes) -> Response:
        """Return a signed answer of JSON."""
        headers = {ANSWER_HEADER: sign_answer(self.table, self.token, body)}
        return Response(body, media_type="application/json", headers=headers)


async def _cell_request(
    request: Request,
    token: Annotated[
        str | None, Header(alias=REQUEST_HEADER, description="Signature of the cell that asks")
    ] = None,
) -> CellRequest:
    neighbours: NeighbourClient | None = request.app.state.neighbours
    if neighbours is None:
        raise NotFound("This installation has no neighbouring cells.")
    table, body = neighbours.table, await request.body()
    path = f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
    cell = require_cell(table, token, method=request.method, path=path, at=clock.now(), body=body)
    return CellRequest(cell, table, token or "")


CellRequestDep = Annotated[CellRequest, Depends(_cell_request)]
