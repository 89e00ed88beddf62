"""Routes of an appeal: the panel of three parties, their votes, and who sits for a party."""

from __future__ import annotations

from typing import Annotated, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import FormViewerDep, ViewerDep
from aed.accounts.people.queries import names_of
from aed.accounts.permissions import Role, Viewer
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import AedError
from aed.http.parameters import RowId
from aed.http.query import ANY_PARAMETER
from aed.sharing.rules import PartyRole
from aed.translation import detail_of
from aed.volunteering.appeals import actions
from aed.volunteering.appeals import queries as appeal_queries
from aed.volunteering.appeals.schemas import VoteIn
from aed.volunteering.permissions import manages, require_signed_in
from aed.volunteering.records import queries as record_queries
from aed.volunteering.rules import AppealState
from aed.web.language import language_of
from aed.web.render import render, to_sign_in
from aed.web.time_bank_desk import page, queries, records
from aed.web.words import noop

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])

NO_REASON: Final = noop("Give the reason for your vote.")
NO_PERSON: Final = noop("You may see no person with this number.")


@router.get("/time-bank/appeals/{appeal_id}")
def show_appeal(request: Request, session: ReadSession, viewer: ViewerDep, appeal_id: RowId) -> Response:
    """Show an appeal to the volunteer, the members of the panel, and those who manage the estate."""
    if viewer.person_id is None:
        return to_sign_in(f"/time-bank/appeals/{appeal_id}")
    return _page(request, session, viewer, appeal_id)


@router.post("/time-bank/appeals/{appeal_id}")
def vote_on_appeal(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    appeal_id: RowId,
    vote: Annotated[str, Form(pattern="^(grant|dismiss)$")],
    reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Vote on an appeal for one's party."""
    try:
        given = VoteIn(is_granted=vote == "grant", reason=reason)
        with session.begin_nested():
            actions.vote_on_appeal(
                session,
                viewer,
                appeal_id,
                is_granted=given.is_granted,
                reason=given.reason,
                at=clock.now(),
            )
    except ValidationError:
        return _page(request, session, viewer, appeal_id, status=422, problem=NO_REASON)
    except AedError as error:
        if error.status in (401, 404, 500) or viewer.person_id is None:
            raise
        problem = detail_of(error, language_of(request))
        return _page(request, session, viewer, appeal_id, status=error.status, problem=problem, reason=reason)
    return RedirectResponse(f"/time-bank/appeals/{appeal_id}", 303)


@router.post("/time-bank/appeals/{appeal_id}/panel")
def set_panel_member(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    appeal_id: RowId,
    party: Annotated[PartyRole, Form()],
    phone: Annotated[str, Form(max_length=300)] = "",
) -> Response:
    """Set who decides appeals of the estate for a party, by their number. For the region's administrator."""
    require_signed_in(viewer)
    found = appeal_queries.appeal(session, viewer, appeal_id)
    try:
        person_id = queries.person_id_by_phone(session, viewer, phone, estate_id=found.record.estate_id)
        if person_id is None:
            return _page(request, session, viewer, appeal_id, status=422, panel_problem=NO_PERSON)
        with session.begin_nested():
            actions.set_panel_member(session, viewer, found.record.estate_id, party, person_id)
    except AedError as error:
        if error.status not in (409, 422) or viewer.person_id is None:
            raise
        problem = detail_of(error, language_of(request))
        return _page(request, session, viewer, appeal_id, status=error.status, panel_problem=problem)
    return RedirectResponse(f"/time-bank/appeals/{appeal_id}#panel", 303)


def _page(
    request: Request,
    session: Session,
    viewer: Viewer,
    appeal_id: int,
    *,
    status: int = 200,
    problem: str = "",
    panel_problem: str = "",
    reason: str = "",
) -> Response:
    appeal = appeal_queries.appeal(session, viewer, appeal_id)
    record = appeal.record
    zone = ZoneInfo(record_queries.time_zone_of(session, record.estate_id))
    panel = appeal_queries.panel_of(session, record.estate_id)
    votes = appeal_queries.votes_on(session, [appeal.id])[appeal.id]
    names = names_of(session, {*panel.values(), *(each.person_id for each in votes)})
    party = next((each for each, member in panel.items() if member == viewer.person_id), None)
    is_open = appeal.state is AppealState.OPEN
    is_administrator = viewer.is_administrator or viewer.has_role(
        {Role.ADMINISTRATOR}, estate_id=None, region_id=record.region_id
    )
    return render(
        request,
        "time_bank_desk/appeal.html.jinja",
        status=status,
        headers={"Cache-Control": "no-store"},
        problem=problem,
        panel_problem=panel_problem,
        typed_reason=reason,
        appeal=page.appeal_line(
            appeal,
            zone=zone,
            due=appeal_queries.appeal_day(session, record.estate_id, after=appeal.opened_at),
            today=clock.now().astimezone(zone).date(),
            votes=len(votes),
        ),
        appeal_reason=appeal.reason,
        is_open=is_open,
        panel=page.panel_lines(panel, votes, names),
        can_vote=is_open and party is not None and all(each.party is not party for each in votes),
        parties={each.value: label for each, label in page.PARTIES.items()} if is_administrator else {},
        is_manager=manages(viewer, estate_id=record.estate_id, region_id=record.region_id),
        **records.details_of(session, record),
    )
