"""Routes of the check page, its sign-in step and its service worker."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Final
from urllib.parse import parse_qsl, quote, urlencode

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import (
    FormViewerDep,
    ViewerDep,
    require_same_origin,
    session_key_in_cookie,
)
from aed.accounts.masking import mask_phone
from aed.accounts.people.rules import e164
from aed.accounts.permissions import Viewer
from aed.accounts.second_factors.requests import give_second_factor_code
from aed.accounts.sessions import sign_in_by_key
from aed.accounts.sign_in import actions as sign_in_actions
from aed.accounts.sign_in.queries import awaits_second_factor, second_factors
from aed.accounts.sign_in.requests import SIGN_IN_TURN, browser_of, keep_session, set_cookie
from aed.accounts.sign_in.rules import CODE_COOKIE, CODE_LIFETIME, KNOWN_BROWSER_COOKIE
from aed.accounts.sign_in.throttling import known_browser_id
from aed.accounts.viewers import viewer_of_person
from aed.database.dependencies import DatabaseDep, database_of
from aed.database.session import Database, read_session, transaction
from aed.errors import AedError, InvalidInput, NotAllowed, NotFound, NotSignedIn
from aed.http.pages import wants_page
from aed.http.parameters import SettingsDep
from aed.http.query import ANY_PARAMETER
from aed.settings import Settings
from aed.upkeep.checks.actions import record_check
from aed.upkeep.checks.keepers import keeper_number
from aed.upkeep.checks.rules import DEFAULT
from aed.upkeep.confirmations import queries as confirmation_queries
from aed.upkeep.confirmations.actions import KEY_PREFIX, answer_request
from aed.upkeep.confirmations.schemas import ConfirmationRequestOut
from aed.upkeep.models import Check
from aed.upkeep.rounds.queries import AssignedRound
from aed.upkeep.rules import CheckKind, device_id_of
from aed.web import static
from aed.web.checks import queries
from aed.web.checks.page import DeviceForm, form_of, lines_of
from aed.web.checks.rules import BadForm, check_in_form
from aed.web.form_fields import fields_by_name
from aed.web.language import language_of
from aed.web.render import render
from aed.web.words import noop, translator

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])
TEMPLATE: Final = "checks/check.html.jinja"
SIGN_IN: Final = "checks/check_sign_in.html.jinja"
MAX_FIELDS: Final = 100
MAX_VALUE: Final = 2_000
MAX_KEPT: Final = 8_000
NO_STORE: Final = {"Cache-Control": "no-store"}
FOR_OFFLINE: Final = {"Cache-Control": "no-store", "X-Keep-Offline": "yes"}
"""The service worker keeps a page with this header for when there is no network."""

BAD_PHONE: Final = noop("This is not a phone number that can receive messages. Check the digits.")
BAD_CODE: Final = noop("This code is wrong or has expired. Use the newest message, or get a new code.")
BAD_FACTOR: Final = noop("This code is wrong or was used already. Wait for the next code of the app.")
SIGN_IN_AGAIN: Final = noop("Sign in to send this check. What you entered is kept.")
NOT_ACCEPTED: Final = noop("This check was not accepted. Look through what you entered, and send it again.")
NOT_YOURS: Final = noop("Your account may not check this AED.")
PASSED: Final = noop("Sent: the check is passed. Thank you.")
NOT_PASSED: Final = noop("Sent: not passed. The AED's keepers have been notified.")
GLANCED: Final = noop("Sent. Thank you for looking.")
INCOMPLETE: Final = noop(
    "Sent. It does not count as a full check: the status light or the pads were not answered."
)


async def _fields(request: Request) -> dict[str, str]:
    """Return the text fields of a form. Raises InvalidInput for one that this page did not make."""
    return await fields_by_name(request, max_fields=MAX_FIELDS, max_characters=MAX_KEPT)


Fields = Annotated[dict[str, str], Depends(_fields)]
Code = Annotated[str, Path(max_length=64)]


def _device_id(code: str) -> int | None:
    try:
        found = device_id_of(code)
    except InvalidInput:
        return None
    return found if found < 2**63 else None


# --- offline ---------------------------------------------------------------------------------------------


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
    return _form_page(request, None, {}, code="", headers=FOR_OFFLINE)


# --- the form --------------------------------------------------------------------------------------------


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
    device_id = _device_id(code)
    if device_id is None:
        return render(request, "checks/check_unknown.html.jinja", status=404, code=code, is_mistyped=True)
    with read_session(database) as session:
        try:
            found = queries.device_form(session, viewer, device_id, at=at, settings=settings)
        except (NotFound, NotSignedIn, NotAllowed) as error:
            return _refused(request, session, viewer, code, device_id, error)
        sent = request.query_params.get("sent", "")
        check = queries.own_check(session, viewer, found.device, sent) if sent else None
        walked = queries.round_of(session, viewer, device_id, at=at)
        return _form_page(
            request, form_of(found, at=at), {}, code=code, check=check, walked=walked, headers=FOR_OFFLINE
        )


def _refused(
    request: Request, session: Session, viewer: Viewer, code: str, device_id: int, error: AedError
) -> Response:
    if not viewer.is_signed_in:
        return _sign_in_page(request, session, viewer, code)
    if isinstance(error, NotFound):
        return render(request, "checks/check_unknown.html.jinja", status=404, code=code, is_mistyped=False)
    return render(
        request,
        "checks/check_refused.html.jinja",
        status=403,
        code=code,
        device=queries.visible_device(session, viewer, device_id),
    )


def _form_page(
    request: Request,
    form: DeviceForm | None,
    given: Mapping[str, str],
    *,
    code: str,
    status: int = 200,
    problem: BadForm | None = None,
    asks_again: bool = False,
    check: Check | None = None,
    walked: AssignedRound | None = None,
    headers: Mapping[str, str] = NO_STORE,
) -> Response:
    settings: Settings = request.app.state.settings
    return render(
        request,
        TEMPLATE,
        status=status,
        headers=headers,
        emergency_number=form.emergency_number if form is not None else None,
        code=code,
        form=form,
        lines=form.lines if form is not None else lines_of(DEFAULT.asks, None),
        kinds=form.kinds if form is not None else (CheckKind.CHECK, CheckKind.SERVICE, CheckKind.GLANCE),
        given=given,
        key=given.get("key") or str(uuid.uuid4()),
        problem=problem,
        asks_again=asks_again or (form is not None and form.checked_at is not None and check is None),
        check=check,
        round=walked,
        result=_result(check) if check is not None else "",
        photo_limit=settings.photo_limit_bytes,
    )


def _result(check: Check) -> str:
    """Return what was recorded, in English."""
    if check.kind is CheckKind.GLANCE:
        return GLANCED if all(check.answers.values()) and check.is_there else NOT_PASSED
    if check.is_passed:
        return PASSED
    is_well = check.is_there and not check.was_used and all(check.answers.values())
    return INCOMPLETE if is_well else NOT_PASSED


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
    device_id = _device_id(code)
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
                return _sign_in_page(request, session, viewer, code, kept=urlencode(fields), status=401)
            return _refused(request, session, viewer, code, device_id, error)
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
            return _form_page(request, form, fields, code=code, status=409, asks_again=True)
        with transaction(database) as session:
            check = record_check(session, viewer, device_id, new, at=at).check
            result = _result(check)
    except BadForm as error:
        return _problem(request, 422, error.sentence) or _form_page(
            request, form, fields, code=code, status=422, problem=error
        )
    except (AedError, ValueError) as error:
        status = error.status if isinstance(error, AedError) else 422
        if status >= 500:
            raise
        return _problem(request, status, NOT_ACCEPTED) or _form_page(
            request, form, fields, code=code, status=status, problem=BadForm("form", NOT_ACCEPTED)
        )
    if not wants_page(request):
        is_well = result in (PASSED, GLANCED)
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


# --- signing in ------------------------------------------------------------------------------------------


def _known_number(request: Request, session: Session, code: str) -> str | None:
    """Return the number of the device's keeper if it has signed in with this browser before, else None.

    Nobody else may learn it, nor whether there is one, nor send messages to it by scanning a label.
    """
    cookie, device_id = request.cookies.get(KNOWN_BROWSER_COOKIE), _device_id(code)
    if cookie is None or device_id is None:
        return None
    number = keeper_number(session, device_id)
    keys = database_of(request).keys
    if number is None or known_browser_id(keys, cookie, number, at=clock.now()) is None:
        return None
    return number


def _number(request: Request, database: Database, settings: Settings, code: str, fields: Fields) -> str:
    """Return the number that was typed, or the keeper's if that button was pressed. Raises InvalidInput."""
    if "known" not in fields:
        return e164(fields.get("phone", "")[:40], country=settings.phone_country)
    with read_session(database) as session:
        number = _known_number(request, session, code)
    if number is None:
        raise InvalidInput("Enter the phone number.", field="phone")
    return number


def _sign_in_page(
    request: Request,
    session: Session,
    viewer: Viewer,
    code: str,
    *,
    phone: str = "",
    is_known: bool = False,
    step: str = "",
    person_id: int | None = None,
    kept: str = "",
    problem: str = "",
    status: int = 200,
) -> Response:
    """Show a step of the sign-in; by default the one that this browser has to take next.

    `person_id` is whose second factor is asked for, if the browser does not have the session's cookie yet.
    """
    key, at = session_key_in_cookie(request), clock.now()
    if not step:
        is_limited = key is not None and awaits_second_factor(session, key, at=at)
        step = "second-factor" if is_limited else "phone"
    if step == "second-factor" and person_id is None and key is not None:
        person_id = sign_in_by_key(session, key, at=at).person_id
    device_id, known = _device_id(code), _known_number(request, session, code)
    return render(
        request,
        SIGN_IN,
        status=status,
        headers=NO_STORE,
        code=code,
        device=queries.visible_device(session, viewer, device_id) if device_id is not None else None,
        phone=phone,
        known=mask_phone(known) if known is not None else "",
        is_known=is_known and known is not None,
        step=step,
        has_factor=person_id is not None and bool(second_factors(session, person_id)),
        kept=kept[:MAX_KEPT],
        problem=problem,
        minutes=int(CODE_LIFETIME.total_seconds() // 60),
    )


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
            return _sign_in_page(request, session, viewer, code, step="phone", kept=kept)
    try:
        number = _number(request, database, settings, code, fields)
    except InvalidInput:
        with read_session(database) as session:
            return _sign_in_page(
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
        response = _sign_in_page(
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
            return _sign_in_page(
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
            response = _sign_in_page(
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
                return _sign_in_page(request, session, viewer, code, step="phone", kept=kept)
            if not second_factors(session, sign_in_by_key(session, key, at=at).person_id):
                return _sign_in_page(request, session, viewer, code, step="second-factor", kept=kept)
        try:
            give_second_factor_code(request, database, key, fields.get("code", "")[:40])
        except NotSignedIn:
            with read_session(database) as session:
                return _sign_in_page(
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
    device_id = _device_id(code)
    given = dict(parse_qsl(kept[:MAX_KEPT])) if kept else {}
    if given and device_id is not None:
        with read_session(database) as session:
            try:
                viewer = viewer_of_person(session, person_id)
                found = queries.device_form(session, viewer, device_id, at=at, settings=settings)
            except (NotFound, NotAllowed):
                pass
            else:
                return _form_page(request, form_of(found, at=at), given, code=code)
    return RedirectResponse(f"/d/{quote(code, safe='')}/check", 303)


# --- confirmation requests -------------------------------------------------------------------------------


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
