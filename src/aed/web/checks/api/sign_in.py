"""Routes of the sign-in of the check page: number, code, second factor, and on to the form."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl, quote

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from aed import clock
from aed.accounts.authentication import (
    FormViewerDep,
    require_same_origin,
    session_key_in_cookie,
)
from aed.accounts.people.rules import e164
from aed.accounts.second_factors.requests import give_second_factor_code
from aed.accounts.sessions import sign_in_by_key
from aed.accounts.sign_in import actions as sign_in_actions
from aed.accounts.sign_in.queries import awaits_second_factor, second_factors
from aed.accounts.sign_in.requests import SIGN_IN_TURN, browser_of, keep_session, set_cookie
from aed.accounts.sign_in.rules import CODE_COOKIE, CODE_LIFETIME
from aed.accounts.viewers import viewer_of_person
from aed.database.dependencies import DatabaseDep
from aed.database.session import Database, read_session
from aed.errors import InvalidInput, NotAllowed, NotFound, NotSignedIn
from aed.http.parameters import SettingsDep
from aed.http.query import ANY_PARAMETER
from aed.settings import Settings
from aed.web.checks import queries
from aed.web.checks.page import form_of
from aed.web.checks.requests import MAX_KEPT, Code, Fields, device_id_in
from aed.web.checks.responses import form_page, known_number, sign_in_page
from aed.web.form_fields import BAD_PHONE
from aed.web.words import noop

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])

BAD_CODE: Final = noop("This code is wrong or has expired. Use the newest message, or get a new code.")
BAD_FACTOR: Final = noop("This code is wrong or was used already. Wait for the next code of the app.")


@router.get("/d/{code}/check/code")
@router.get("/d/{code}/check/sign-in")
@router.get("/d/{code}/check/second-factor")
def go_to_check(request: Request, code: Code) -> Response:
    """Lead a reload or the language switch of a sign-in step back to the form."""
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"/d/{quote(code, safe='')}/check{query}", 303)


@router.post("/d/{code}/check/code", dependencies=[SIGN_IN_TURN, Depends(require_same_origin)])
def send_code(
    request: Request,
    viewer: FormViewerDep,
    database: DatabaseDep,
    settings: SettingsDep,
    code: Code,
    fields: Fields,
) -> Response:
    """Send a code to the number if it has an account or is a keeper's; answer alike if it is neither.

    Without a number, ask for one.
    """
    at, phone, kept = clock.now(), fields.get("phone", ""), fields.get("kept", "")
    if not {"phone", "known"} & set(fields):
        with read_session(database) as session:
            return sign_in_page(request, session, viewer, code, step="phone", kept=kept)
    try:
        number = _number(request, database, settings, code, fields)
    except InvalidInput:
        with read_session(database) as session:
            return sign_in_page(
                request,
                session,
                viewer,
                code,
                phone=phone,
                step="phone",
                kept=kept,
                problem=BAD_PHONE,
                status=422,
            )
    browser = browser_of(request, database, number, at=at)
    code_key = sign_in_actions.request_code(
        database,
        phone=number,
        browser=browser,
        send=request.app.state.send,
        at=at,
        find_person=request.app.state.find_person,
    )
    with read_session(database) as session:
        response = sign_in_page(
            request, session, viewer, code, phone=phone, is_known="known" in fields, step="code", kept=kept
        )
    set_cookie(response, CODE_COOKIE, code_key, lasts=CODE_LIFETIME)
    return response


@router.post("/d/{code}/check/sign-in", dependencies=[SIGN_IN_TURN, Depends(require_same_origin)])
def sign_in(
    request: Request,
    viewer: FormViewerDep,
    database: DatabaseDep,
    settings: SettingsDep,
    code: Code,
    fields: Fields,
) -> Response:
    """Sign in with the code, and go on to the form, with what had been entered."""
    at, lasts = clock.now(), timedelta(hours=settings.sign_in_hours)
    phone, kept = fields.get("phone", ""), fields.get("kept", "")
    try:
        number = _number(request, database, settings, code, fields)
        done = sign_in_actions.sign_in_by_code(
            database,
            phone=number,
            code=fields.get("code", "")[:20],
            browser=browser_of(request, database, number, at=at),
            lasts=lasts,
            at=at,
            find_person=request.app.state.find_person,
        )
    except (InvalidInput, NotSignedIn):
        with read_session(database) as session:
            return sign_in_page(
                request,
                session,
                viewer,
                code,
                phone=phone,
                is_known="known" in fields,
                step="code",
                kept=kept,
                problem=BAD_CODE,
                status=422,
            )
    if done.needs_second_factor:
        with read_session(database) as session:
            response = sign_in_page(
                request, session, viewer, code, step="second-factor", person_id=done.person_id, kept=kept
            )
    else:
        response = _after_sign_in(request, database, settings, code, done.person_id, kept, at=at)
    keep_session(request, response, database, done.key, phone=number, lasts=lasts, at=at)
    return response


@router.post("/d/{code}/check/second-factor", dependencies=[SIGN_IN_TURN, Depends(require_same_origin)])
def give_factor(
    request: Request,
    viewer: FormViewerDep,
    database: DatabaseDep,
    settings: SettingsDep,
    code: Code,
    fields: Fields,
) -> Response:
    """Give the second factor, and go on to the form, with what had been entered."""
    at, kept, key = clock.now(), fields.get("kept", ""), session_key_in_cookie(request)
    person_id = viewer.person_id
    if person_id is None:
        with read_session(database) as session:
            if key is None or not awaits_second_factor(session, key, at=at):
                return sign_in_page(request, session, viewer, code, step="phone", kept=kept)
            if not second_factors(session, sign_in_by_key(session, key, at=at).person_id):
                return sign_in_page(request, session, viewer, code, step="second-factor", kept=kept)
        try:
            give_second_factor_code(request, database, key, fields.get("code", "")[:40])
        except NotSignedIn:
            with read_session(database) as session:
                return sign_in_page(
                    request,
                    session,
                    viewer,
                    code,
                    step="second-factor",
                    kept=kept,
                    problem=BAD_FACTOR,
                    status=422,
                )
        with read_session(database) as session:
            person_id = sign_in_by_key(session, key, at=at).person_id
    return _after_sign_in(request, database, settings, code, person_id, kept, at=at)


def _after_sign_in(
    request: Request,
    database: Database,
    settings: Settings,
    code: str,
    person_id: int,
    kept: str,
    *,
    at: datetime,
) -> Response:
    """Return to the form; with what had been entered, if it was sent before the sign-in."""
    device_id = device_id_in(code)
    given = dict(parse_qsl(kept[:MAX_KEPT])) if kept else {}
    if given and device_id is not None:
        with read_session(database) as session:
            try:
                viewer = viewer_of_person(session, person_id)
                found = queries.device_form(session, viewer, device_id, at=at, settings=settings)
            except (NotFound, NotAllowed):
                pass
            else:
                return form_page(request, form_of(found, at=at), given, code=code)
    return RedirectResponse(f"/d/{quote(code, safe='')}/check", 303)


def _number(request: Request, database: Database, settings: Settings, code: str, fields: Fields) -> str:
    """Return the number that was typed, or the keeper's if that button was pressed. Raises InvalidInput."""
    if "known" not in fields:
        return e164(fields.get("phone", "")[:40], country=settings.phone_country)
    with read_session(database) as session:
        number = known_number(request, session, code)
    if number is None:
        raise InvalidInput("Enter the phone number.", field="phone")
    return number
