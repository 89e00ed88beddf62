"""Routes of the check page: the form, the check that it sends, and what a phone keeps for offline use."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import (
    FormViewerDep,
    ViewerDep,
)
from aed.accounts.permissions import Viewer
from aed.database.dependencies import DatabaseDep
from aed.database.session import read_session, transaction
from aed.errors import AedError, NotAllowed, NotFound, NotSignedIn
from aed.http.pages import wants_page
from aed.http.parameters import SettingsDep
from aed.http.query import ANY_PARAMETER
from aed.upkeep.checks.actions import record_check
from aed.upkeep.checks.queries import approvals_of
from aed.upkeep.confirmations import queries as confirmation_queries
from aed.upkeep.confirmations.actions import KEY_PREFIX, answer_request
from aed.upkeep.confirmations.schemas import ConfirmationRequestOut
from aed.web import static
from aed.web.checks import queries
from aed.web.checks.page import form_of
from aed.web.checks.requests import Code, Fields, device_id_in
from aed.web.checks.responses import GLANCED, PASSED, WAITS, form_page, refusal_page, result_of, sign_in_page
from aed.web.checks.rules import BadForm, check_in_form
from aed.web.language import language_of
from aed.web.moved_devices import redirect_after_move
from aed.web.render import NO_STORE, render
from aed.web.words import noop, translator

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])

FOR_OFFLINE: Final = {"Cache-Control": "no-store", "X-Keep-Offline": "yes"}
"""The service worker keeps a page with this header for when there is no network."""
SIGN_IN_AGAIN: Final = noop("Sign in to send this check. What you entered is kept.")
NOT_ACCEPTED: Final = noop("This check was not accepted. Look through what you entered, and send it again.")
NOT_YOURS: Final = noop("Your account may not check this AED.")


@router.get("/d/worker.js")
def get_worker() -> Response:
    """Return the service worker of the pages below `/d/`; its address says which pages it may serve."""
    file = static.files()["js/check_worker.js"]
    headers = {
        "Cache-Control": "no-cache",
        "Content-Security-Policy": "default-src 'none'; connect-src 'self'",
    }
    return Response(file.content, media_type=file.media_type, headers=headers)


@router.get("/d/open")
def show_offline_form(request: Request) -> Response:
    """Show the form without a device; a phone opens it where it has neither a network nor the page."""
    return form_page(request, None, {}, code="", headers=FOR_OFFLINE)


@router.get("/d/{code}/check")
def show_check(
    request: Request, viewer: ViewerDep, database: DatabaseDep, settings: SettingsDep, code: Code
) -> Response:
    """Show the form to those who may check the device, and the sign-in to others.

    To a stranger a hidden device looks like a number that belongs to none.
    """
    at = clock.now()
    if code.startswith(KEY_PREFIX):
        with read_session(database) as session:
            return _question(request, session, viewer, code, at=at)
    device_id = device_id_in(code)
    if device_id is None:
        return render(request, "checks/check_unknown.html.jinja", status=404, code=code, is_mistyped=True)
    if (moved := redirect_after_move(request, device_id, page="/check")) is not None:
        return moved
    with read_session(database) as session:
        try:
            found = queries.device_form(session, viewer, device_id, at=at, settings=settings)
        except (NotFound, NotSignedIn, NotAllowed) as error:
            return refusal_page(request, session, viewer, code, device_id, error)
        sent = request.query_params.get("sent", "")
        check = queries.own_check(session, viewer, found.device, sent) if sent else None
        approval = approvals_of(session, [check]).get(check.id) if check is not None else None
        walked = queries.round_of(session, viewer, device_id, at=at)
        return form_page(
            request,
            form_of(found, at=at),
            {},
            code=code,
            check=check,
            approval=approval,
            walked=walked,
            headers=FOR_OFFLINE,
        )


@router.post("/d/{code}/check")
def send_check(
    request: Request,
    viewer: FormViewerDep,
    database: DatabaseDep,
    settings: SettingsDep,
    code: Code,
    fields: Fields,
) -> Response:
    """Record a check, or the answer to a confirmation request; go on to its result.

    The page's script sends the form with `queued` and gets JSON. The same form again changes nothing.
    """
    at = clock.now()
    if code.startswith(KEY_PREFIX):
        with transaction(database) as session:
            answer_request(session, viewer, code, fields.get("answer", ""), None, at=at)
        return RedirectResponse(f"/d/{quote(code, safe='')}/check", 303)
    device_id = device_id_in(code)
    if device_id is None:
        return _problem(request, 404, NOT_ACCEPTED) or render(
            request, "checks/check_unknown.html.jinja", status=404, code=code, is_mistyped=True
        )
    try:
        with read_session(database) as session:
            found = queries.device_form(session, viewer, device_id, at=at, settings=settings)
            form = form_of(found, at=at)
    except (NotFound, NotSignedIn, NotAllowed) as error:
        sentence = NOT_YOURS if viewer.is_signed_in else SIGN_IN_AGAIN
        refused = _problem(request, error.status if viewer.is_signed_in else 401, sentence)
        if refused is not None:
            return refused
        with read_session(database) as session:
            if not viewer.is_signed_in:
                return sign_in_page(request, session, viewer, code, kept=urlencode(fields), status=401)
            return refusal_page(request, session, viewer, code, device_id, error)
    try:
        new = check_in_form(
            fields,
            found.asks,
            today=form.today,
            language=language_of(request),
            counts_ground_as_one=form.counts_ground_as_one,
            now=at,
            has_cartridge=form.has_cartridge,
        )
        is_repeated = found.last_check is not None and found.last_check.key == str(new.key)
        if form.checked_at is not None and not is_repeated and not {"again", "queued"} & set(fields):
            return form_page(request, form, fields, code=code, status=409, asks_again=True)
        with transaction(database) as session:
            check = record_check(session, viewer, device_id, new, at=at).check
            result = result_of(check, approvals_of(session, [check]).get(check.id))
    except BadForm as error:
        return _problem(request, 422, error.sentence) or form_page(
            request, form, fields, code=code, status=422, problem=error
        )
    except (AedError, ValueError) as error:
        status = error.status if isinstance(error, AedError) else 422
        if status >= 500:
            raise
        return _problem(request, status, NOT_ACCEPTED) or form_page(
            request, form, fields, code=code, status=status, problem=BadForm("form", NOT_ACCEPTED)
        )
    if not wants_page(request):
        is_well = result in (PASSED, WAITS, GLANCED)
        message = translator(language_of(request))(result)
        return JSONResponse(
            {"sentence": message, "is_well": is_well, "key": check.key}, headers=dict(NO_STORE)
        )
    return RedirectResponse(f"/d/{quote(code, safe='')}/check?sent={check.key}", 303)


def _problem(request: Request, status: int, sentence: str) -> Response | None:
    """Return a sentence for the page's script, or None for a browser without it."""
    if wants_page(request):
        return None
    message = translator(language_of(request))(sentence)
    return JSONResponse({"sentence": message}, status, headers=dict(NO_STORE))


def _question(request: Request, session: Session, viewer: Viewer, key: str, *, at: datetime) -> Response:
    """Show the question of a confirmation request; the key in the link is sufficient to answer it."""
    try:
        asked = confirmation_queries.confirmation_request(session, viewer, key)
    except NotFound:
        return render(
            request, "checks/question.html.jinja", status=404, headers=NO_STORE, key=key, question=None
        )
    where = confirmation_queries.places_of(session, [asked.device_id])[asked.device_id]
    retrieval = confirmation_queries.retrieval_of(session, asked)
    question = ConfirmationRequestOut.of(asked, retrieval=retrieval, where=where, at=at)
    return render(request, "checks/question.html.jinja", headers=NO_STORE, key=key, question=question)
