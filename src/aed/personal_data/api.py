"""Routes of personal data. A person corrects their data through the routes of people."""

from __future__ import annotations

from fastapi import APIRouter, Response

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.people import queries as people_queries
from aed.cells.dependencies import CellRequestDep
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import RowId
from aed.linked_accounts.schemas import ErasureIn, LinkStateOut
from aed.personal_data import actions
from aed.personal_data.schemas import OwnDataOut

router = APIRouter(tags=["own data"])


@router.get("/people/{person_id}/data")
def get_personal_data(
    session: ReadSession, viewer: ViewerDep, person_id: RowId, response: Response
) -> OwnDataOut:
    """Download all data stored about a person.

    For the person and network administrators.
    """
    person = people_queries.require_self_or_administrator(session, viewer, person_id)
    response.headers["Content-Disposition"] = f'attachment; filename="person-{person_id}.json"'
    response.headers["Cache-Control"] = "no-store"
    return OwnDataOut.of(session, person, at=clock.now())


@router.delete("/people/{person_id}", status_code=204)
def erase_person(session: WriteSession, viewer: ViewerDep, person_id: RowId) -> None:
    """Erase the data stored about a person.

    Rows that the history requires stay, but no longer identify the person. This cannot be undone. Repeating
    the request changes nothing.
    """
    actions.erase(session, viewer, person_id, at=clock.now())


@router.post("/cells/erasures", response_model=LinkStateOut)
def erase_person_of_home_cell(asked: CellRequestDep, session: WriteSession, body: ErasureIn) -> Response:
    """Erase a person whose home account is in the cell that asks, and was erased there."""
    state = actions.erase_for_home_cell(session, asked.cell, body.key, at=clock.now())
    return asked.answer(LinkStateOut(state=state))
