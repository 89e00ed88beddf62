"""Routes: I also help in another province."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import FormViewerDep, ViewerDep
from aed.accounts.people import queries as people_queries
from aed.accounts.permissions import Viewer
from aed.cells.neighbours import NeighbourClient
from aed.cells.rules import Cell
from aed.cells.table import CellTable
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import Conflict, InvalidInput, NotFound
from aed.http.parameters import RowId
from aed.http.query import ANY_PARAMETER
from aed.linked_accounts import actions
from aed.linked_accounts.queries import links_of
from aed.linked_accounts.schemas import read_invitation
from aed.translation import detail_of
from aed.web.form_fields import Text
from aed.web.language import language_of
from aed.web.my_page.page import linked_account_view
from aed.web.my_page.queries import person_of
from aed.web.render import NO_STORE, render, to_sign_in

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])

LIST = "/me/other-provinces"
Invitation = Annotated[str, Path(max_length=300)]


def _table(request: Request) -> CellTable:
    """Return the table of cells. Raises NotFound for an installation that is alone."""
    neighbours: NeighbourClient | None = request.app.state.neighbours
    if neighbours is None:
        raise NotFound("This installation has no neighbouring cells.")
    return neighbours.table


@router.get(LIST)
def show_linked_accounts(request: Request, session: ReadSession, viewer: ViewerDep) -> Response:
    """Show the person's accounts in other provinces."""
    table, at = _table(request), clock.now()
    if viewer.person_id is None:
        return to_sign_in(LIST)
    links = [linked_account_view(each, table, at=at) for each in links_of(session, viewer.person_id)]
    linked = {each.code for each in links if each.is_confirmed}
    return render(
        request,
        "my_page/linked_accounts.html.jinja",
        headers=NO_STORE,
        links=links,
        cells=[each for each in table.others if each.code not in linked],
        has_home=any(not each.is_home for each in links),
    )


@router.post(LIST)
def invite(request: Request, session: WriteSession, viewer: FormViewerDep, cell: Text = "") -> Response:
    """Make a link that the person opens in the other province."""
    actions.invite(session, viewer, table=_table(request), to=cell, at=clock.now())
    return RedirectResponse(LIST, 303)


@router.post(LIST + "/{linked_account_id}/end")
def end_link(
    request: Request, session: WriteSession, viewer: FormViewerDep, linked_account_id: RowId
) -> Response:
    """End a link between two accounts."""
    _table(request)
    actions.end(session, viewer, linked_account_id, at=clock.now())
    return RedirectResponse(LIST, 303)


@router.get(LIST + "/link/{invitation}")
def show_invitation(
    request: Request, session: ReadSession, viewer: ViewerDep, invitation: Invitation
) -> Response:
    """Ask a person whose home account is in another province to confirm the link."""
    try:
        home, _invited = read_invitation(_table(request), invitation, at=clock.now())
    except InvalidInput as error:
        return _refused(request, error)
    if viewer.person_id is None:
        return to_sign_in(f"{LIST}/link/{invitation}")
    return _link_page(request, session, viewer, home)


@router.post(LIST + "/link/{invitation}")
def accept(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    invitation: Invitation,
    is_sure: Text = "",
) -> Response:
    """Link the person's account here to their home account, if they have ticked that they made the link.

    Otherwise the link of someone else, opened by mistake, would let them erase this account.
    """
    at = clock.now()
    try:
        home, invited = read_invitation(_table(request), invitation, at=at)
        if is_sure != "yes":
            return _link_page(request, session, viewer, home, is_unsure=True)
        actions.accept(session, viewer, home, invited, at=at)
    except (InvalidInput, Conflict) as error:
        return _refused(request, error)
    return RedirectResponse(LIST, 303)


def _refused(request: Request, error: InvalidInput | Conflict) -> Response:
    return render(
        request,
        "my_page/link_account.html.jinja",
        status=error.status,
        headers=NO_STORE,
        problem=detail_of(error, language_of(request)),
    )


def _link_page(
    request: Request, session: Session, viewer: Viewer, home: Cell, *, is_unsure: bool = False
) -> Response:
    person, _account = people_queries.person(session, viewer, person_of(viewer))
    return render(
        request,
        "my_page/link_account.html.jinja",
        status=422 if is_unsure else 200,
        headers=NO_STORE,
        home={"en": home.name_en, "zh": home.name_zh},
        person=person,
        is_unsure=is_unsure,
        problem="",
    )
