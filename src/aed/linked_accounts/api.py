"""Routes of other cells."""

from __future__ import annotations

from fastapi import APIRouter, Response

from aed import clock
from aed.cells.dependencies import CellRequestDep
from aed.database.dependencies import WriteSession
from aed.linked_accounts import actions
from aed.linked_accounts.schemas import LinkMessageIn, LinkStateOut

router = APIRouter(tags=["cells"])


@router.post("/cells/links", response_model=LinkStateOut)
def receive_link_message(asked: CellRequestDep, session: WriteSession, body: LinkMessageIn) -> Response:
    """Take note that a person has confirmed or ended the link between two accounts, in the other cell."""
    state = actions.receive(session, asked.cell, body.key, body.message, at=clock.now())
    return asked.answer(LinkStateOut(state=state))
