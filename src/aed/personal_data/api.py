"""Routes of the person's own data. Correcting it is amending the person."""

from __future__ import annotations

from fastapi import APIRouter, Response

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.people import queries as people_queries
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import RowId
from aed.personal_data import actions
from aed.personal_data.schemas import OwnDataOut

router = APIRouter(tags=["own data"])


@router.get("/people/{person_id}/data")
def get_personal_data(
    session: ReadSession, viewer: ViewerDep, person_id: RowId, response: Response
) -> OwnDataOut:
    """All that is held about the person, as a file. For the person, and the network's administrator."""
    person = people_queries.require_self_or_administrator(session, viewer, person_id)
    response.headers["Content-Disposition"] = f'attachment; filename="person-{person_id}.json"'
    response.headers["Cache-Control"] = "no-store"
    return OwnDataOut.of(session, person, at=clock.now())


@router.delete("/people/{person_id}", status_code=204)
def erase_person(session: WriteSession, viewer: ViewerDep, person_id: RowId) -> None:
    """Erases what is held about the person, but for what the history needs, which then names nobody.

    It cannot be taken back; twice changes nothing.
    """
    actions.erase(session, viewer, person_id, at=clock.now())
