"""Routes: all that is stored about me, and its erasure."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from aed import clock
from aed.accounts.authentication import FormViewerDep, ViewerDep
from aed.accounts.people import queries as people_queries
from aed.accounts.sessions import SESSION_COOKIE
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.query import ANY_PARAMETER
from aed.personal_data import actions as personal_data
from aed.personal_data.schemas import OwnDataOut
from aed.web.form_fields import Text
from aed.web.my_page.page import OTHER_TABLE, TABLES
from aed.web.my_page.queries import person_of
from aed.web.render import NO_STORE, render, to_sign_in

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])


@router.get("/me/data")
def show_data(request: Request, session: ReadSession, viewer: ViewerDep) -> Response:
    """Show all that is stored about the person."""
    if viewer.person_id is None:
        return to_sign_in("/me/data")
    person = people_queries.require_self_or_administrator(session, viewer, viewer.person_id)
    data = OwnDataOut.of(session, person, at=clock.now())
    held = [(TABLES.get(each.table, OTHER_TABLE), each) for each in data.held if each.rows]
    return render(request, "my_page/data.html.jinja", headers=NO_STORE, held=held, data=data)


@router.get("/me/data.json")
def download_data(session: ReadSession, viewer: ViewerDep) -> Response:
    """Download all that is stored about the person."""
    person = people_queries.require_self_or_administrator(session, viewer, person_of(viewer))
    data = OwnDataOut.of(session, person, at=clock.now())
    name = {"Content-Disposition": f'attachment; filename="person-{person.id}.json"'}
    return Response(data.model_dump_json(indent=1), media_type="application/json", headers=NO_STORE | name)


@router.get("/me/erasure")
def show_erasure(request: Request, viewer: ViewerDep) -> Response:
    """Ask once more before the person's data is erased."""
    if viewer.person_id is None:
        return to_sign_in("/me/erasure")
    return _erasure_page(request, is_done=False)


@router.post("/me/erasure")
def erase(request: Request, session: WriteSession, viewer: FormViewerDep, is_sure: Text = "") -> Response:
    """Erase the person's data, if they have ticked that they are sure."""
    person_id = person_of(viewer)
    if is_sure != "yes":
        return _erasure_page(request, is_done=False, is_unsure=True)
    personal_data.erase(session, viewer, person_id, at=clock.now())
    response = _erasure_page(request, is_done=True)
    response.delete_cookie(SESSION_COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return response


def _erasure_page(request: Request, *, is_done: bool, is_unsure: bool = False) -> Response:
    return render(
        request,
        "my_page/erasure.html.jinja",
        status=422 if is_unsure else 200,
        headers=NO_STORE,
        is_done=is_done,
        is_unsure=is_unsure,
        has_cells=request.app.state.neighbours is not None,
    )
