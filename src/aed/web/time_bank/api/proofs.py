"""Routes of `/me/time-bank/proofs`: asking for a proof of service, and downloading it."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final
from uuid import UUID, uuid4

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import FormViewerDep, ViewerDep
from aed.accounts.permissions import Viewer
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import AedError
from aed.http.parameters import RowId, SettingsDep
from aed.http.query import ANY_PARAMETER
from aed.settings import Settings
from aed.signatures import TokenPurpose, signed, signing_keys
from aed.timebank.permissions import require_person
from aed.volunteering.certificates import actions
from aed.volunteering.certificates import queries as proofs
from aed.volunteering.certificates.schemas import ProofRequestIn
from aed.volunteering.rules import ProofState
from aed.web.render import NO_STORE, render, to_sign_in
from aed.web.time_bank import queries
from aed.web.time_bank.page import MAX_SHOWN, problem_of
from aed.web.time_bank_words import PROOF_STATES, hours_and_minutes
from aed.web.words import noop

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])

BAD_FORM: Final = noop("Say what the proof is for, who receives it, and from which day until which.")
Words = Annotated[str, Form(max_length=200)]
Day = Annotated[str, Form(max_length=10)]


@router.get("/me/time-bank/proofs")
def show_proofs(request: Request, session: ReadSession, settings: SettingsDep, viewer: ViewerDep) -> Response:
    """Show the proofs of service of the signed-in person, and the form to ask for one."""
    if viewer.person_id is None:
        return to_sign_in("/me/time-bank/proofs")
    return _page(request, session, settings, viewer)


def _page(
    request: Request,
    session: Session,
    settings: Settings,
    viewer: Viewer,
    *,
    status: int = 200,
    problem: str = "",
    at_request: int | None = None,
    typed: dict[str, str] | None = None,
) -> Response:
    """Render the page; `problem` is shown at the request with that id, or else in the form."""
    person_id = require_person(viewer)
    volunteer = queries.volunteer_of(session, person_id)
    keys = signing_keys(settings)
    today = clock.now().astimezone(queries.zone_of(session, volunteer)).date()
    found = proofs.proof_requests(session, viewer, person_id=person_id, is_open=False, limit=MAX_SHOWN)
    issued = [
        each
        for each in proofs.certificates(session, viewer, person_id=person_id, limit=MAX_SHOWN)
        if each.id not in {one.certificate_id for one in found}
    ]
    return render(
        request,
        "time_bank/proofs.html.jinja",
        status=status,
        headers=NO_STORE,
        problem=problem,
        at_request=at_request,
        typed=typed
        or {"purpose": "", "recipient": "", "from_on": f"{today.year}-01-01", "until_on": f"{today}"},
        volunteer=volunteer,
        issuer=proofs.issuer_of(session, volunteer.estate_id) if volunteer is not None else None,
        today=today,
        requests=[(each, PROOF_STATES[each.state], each.state is ProofState.ASKED) for each in found],
        issued=issued,
        hours_and_minutes=hours_and_minutes,
        check_address={
            each.number: f"/v1/service-check/{signed(keys, TokenPurpose.SERVICE, each.number)}"
            for each in (*issued, *(one.certificate for one in found))
            if each is not None
        },
        key=str(uuid4()),
    )


@router.post("/me/time-bank/proofs")
def ask_for_proof(
    request: Request,
    session: WriteSession,
    settings: SettingsDep,
    viewer: FormViewerDep,
    key: Annotated[UUID, Form()],
    purpose: Words = "",
    recipient: Words = "",
    from_on: Day = "",
    until_on: Day = "",
    includes_identity: Annotated[str, Form(max_length=3)] = "",
) -> Response:
    """Ask for a proof of the signed-in person's service; the same form sent twice is one request."""
    require_person(viewer)
    typed = {
        "purpose": purpose,
        "recipient": recipient,
        "from_on": from_on,
        "until_on": until_on,
        "includes_identity": includes_identity,
    }
    try:
        new = ProofRequestIn(
            key=key,
            purpose=purpose,
            recipient=recipient,
            from_on=date.fromisoformat(from_on),
            until_on=date.fromisoformat(until_on),
            includes_identity=includes_identity == "yes",
        )
        with session.begin_nested():
            actions.ask_for_proof(session, viewer, new, at=clock.now())
    except AedError as error:
        problem = problem_of(request, viewer, error)
        return _page(request, session, settings, viewer, status=error.status, problem=problem, typed=typed)
    except ValueError:  # a day that is none, or a field that the schema refuses
        return _page(request, session, settings, viewer, status=422, problem=BAD_FORM, typed=typed)
    return RedirectResponse("/me/time-bank/proofs#requests", 303)


@router.post("/me/time-bank/proofs/{proof_request_id}/withdrawal")
def withdraw_proof_request(
    request: Request,
    session: WriteSession,
    settings: SettingsDep,
    viewer: FormViewerDep,
    proof_request_id: RowId,
) -> Response:
    """Withdraw a request for a proof."""
    require_person(viewer)
    try:
        with session.begin_nested():
            actions.withdraw_request(session, viewer, proof_request_id, at=clock.now())
    except AedError as error:
        problem = problem_of(request, viewer, error)
        return _page(
            request,
            session,
            settings,
            viewer,
            status=error.status,
            problem=problem,
            at_request=proof_request_id,
        )
    return RedirectResponse("/me/time-bank/proofs#requests", 303)
