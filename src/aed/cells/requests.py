"""Sign requests between cells, and verify them.

A request carries a token (JWS, Ed25519) over the cell that asks, the cell that is asked, the method, the
path with its query, the hash of the body, and the time. Each request reads, or changes nothing when it is
repeated, so one that is replayed within `MAX_CLOCK_SECONDS` does no harm, and nothing has to be remembered.
The answer carries a token over the request's token and the hash of its own body.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from aed.cells.rules import Cell
from aed.cells.table import CellTable
from aed.errors import NotAllowed
from aed.signatures import TokenPurpose, opened, signed

REQUEST_HEADER: Final = "AED-Cell-Request"
ANSWER_HEADER: Final = "AED-Cell-Answer"
MAX_CLOCK_SECONDS: Final = 300


class SignedRequest(BaseModel):
    """What a request's token says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    asked_by: str
    asked: str
    method: Literal["GET", "POST"]
    path: str
    body: str
    """SHA-256, in hexadecimal digits."""
    at: int
    """Seconds since 1970."""


def sign_request(
    table: CellTable,
    asked: Cell,
    *,
    method: Literal["GET", "POST"],
    path: str,
    at: datetime,
    body: bytes = b"",
) -> str:
    """Return the token of a request to another cell."""
    text = SignedRequest(
        asked_by=table.own.code,
        asked=asked.code,
        method=method,
        path=path,
        body=_hash(body),
        at=int(at.timestamp()),
    )
    return signed(table.keys, TokenPurpose.CELL_REQUEST, text.model_dump_json())


def require_cell(
    table: CellTable, token: str | None, *, method: str, path: str, at: datetime, body: bytes = b""
) -> Cell:
    """Return the cell that signed a request. Raises NotAllowed unless it signed this very one, just now."""
    for cell in table.others:
        text = opened(cell.keys, TokenPurpose.CELL_REQUEST, token or "")
        if text is None:
            continue
        try:
            said = SignedRequest.model_validate_json(text)
        except ValidationError:
            break
        if abs(said.at - at.timestamp()) > MAX_CLOCK_SECONDS:
            raise NotAllowed(
                "The clocks of the two cells differ by more than {minutes} minutes, or this request is old.",
                minutes=MAX_CLOCK_SECONDS // 60,
            )
        is_this_one = (said.method, said.path, said.body) == (method, path, _hash(body))
        if is_this_one and (said.asked_by, said.asked) == (cell.code, table.own.code):
            return cell
        break
    raise NotAllowed("Only cells of the table may ask this, with a request that they have signed.")


def sign_answer(table: CellTable, request_token: str, body: bytes) -> str:
    """Return the token of an answer to a request."""
    return signed(table.keys, TokenPurpose.CELL_ANSWER, _answer_text(request_token, body))


def is_answer_of(cell: Cell, token: str | None, request_token: str, body: bytes) -> bool:
    """Return whether a cell has signed this answer to this request."""
    text = opened(cell.keys, TokenPurpose.CELL_ANSWER, token or "")
    return text == _answer_text(request_token, body)


def _answer_text(request_token: str, body: bytes) -> str:
    return f"{_hash(request_token.encode())} {_hash(body)}"


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
