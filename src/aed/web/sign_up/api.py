"""The pages that sign a person in, and open their account on the first time.

They answer the same whether a number has an account or not. Only the holder of the number, who receives the
code, can find out.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from aed import clock
from aed.accounts.authentication import (
    FormViewerDep,
    ViewerDep,
    require_same_origin,
    session_key_in_cookie,
)
from aed.accounts.people.rules import Language, e164
from aed.accounts.second_factors import actions as factor_actions
from aed.accounts.second_factors.actions import NewApp
from aed.accounts.second_factors.requests import give_second_factor_code
from aed.accounts.sessions import sign_in_by_key
from aed.accounts.sign_in import actions
from aed.accounts.sign_in.queries import awaits_second_factor, second_factors
from aed.accounts.sign_in.requests import SIGN_IN_TURN, browser_of, keep_session, set_cookie
from aed.accounts.sign_in.rules import CODE_COOKIE, CODE_LIFETIME, NewAccount, SignUp
from aed.database.dependencies import DatabaseDep, ReadSession, WriteSession
from aed.database.session import read_session
from aed.errors import InvalidInput, NotFound, NotSignedIn
from aed.files.typesetting import qr_svg
from aed.http.parameters import RowId, SettingsDep
from aed.http.query import ANY_PARAMETER
from aed.web.form_fields import BAD_PHONE, Text
from aed.web.language import language_of
from aed.web.render import render
from aed.web.sign_up.rules import HOME, name_in, own_path
from aed.web.words import noop, translator

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])

TEMPLATE: Final = "sign_up/sign_in.html.jinja"
NEW_NAME: Final = noop("New volunteer")
"""The name of a new account until the person gives theirs."""
BAD_CODE: Final = noop(
    "This code is wrong or has expired. Use the newest message, or send yourself a new code."
)
BAD_NAME: Final = noop("This name cannot be stored. Leave out unusual characters.")

BAD_APP_CODE: Final = noop("This is not the code that the app shows now. Enter its newest code.")
APP_NAME: Final = noop("Authenticator app")
"""The name of an app that is added here."""


def language_for(request: Request) -> Language:
    """Return the language in which a reader of this page gets messages."""
    return Language.ZH if language_of(request).startswith("zh") else Language.EN


@router.get("/sign-in")
def show_sign_in(
    request: Request,
    session: ReadSession,
    viewer: ViewerDep,
    settings: SettingsDep,
    go_to: Annotated[str, Query(alias="next", max_length=300)] = HOME,
) -> Response:
    """Show the form for a phone number; a browser that lacks only the second factor is led on to that."""
    if viewer.person_id is not None:
        return RedirectResponse(own_path(go_to), 303)
    key = session_key_in_cookie(request)
    if key is not None and awaits_second_factor(session, key, at=clock.now()):
        return RedirectResponse(f"/sign-in/second-factor?next={quote(own_path(go_to))}", 303)
    return _page(request, is_open=settings.sign_up_codes_per_day > 0, go_to=go_to)


def _page(
    request: Request,
    *,
    step: str = "phone",
    status: int = 200,
    is_open: bool = True,
    phone: str = "",
    name: str = "",
    go_to: str = HOME,
    phone_error: str = "",
    code_error: str = "",
    name_error: str = "",
    app: NewApp | None = None,
    recovery_codes: Sequence[str] = (),
) -> Response:
    return render(
        request,
        TEMPLATE,
        status=status,
        headers={"Cache-Control": "no-store"},
        step=step,
        is_open=is_open,
        phone=phone,
        name=name,
        go_to=own_path(go_to),
        platforms=[each for each in ("wecom", "dingtalk") if getattr(request.app.state, each) is not None],
        from_platform=f"/sign-in/second-factor?next={quote(own_path(go_to))}",
        minutes=int(CODE_LIFETIME.total_seconds() // 60),
        phone_error=phone_error,
        code_error=code_error,
        name_error=name_error,
        app=app,
        app_qr=qr_svg(app.uri) if app is not None else "",
        recovery_codes=recovery_codes,
    )


@router.post("/sign-in/code", dependencies=[SIGN_IN_TURN, Depends(require_same_origin)])
def send_code(
    request: Request,
    database: DatabaseDep,
    settings: SettingsDep,
    phone: Text = "",
    go_to: Annotated[str, Form(alias="next", max_length=300)] = HOME,
) -> Response:
    """Send a code to the number, whether it has an account or not, and show the form for the code."""
    at, is_open = clock.now(), settings.sign_up_codes_per_day > 0
    try:
        number = e164(phone, country=settings.phone_country)
    except InvalidInput:
        return _page(request, status=422, is_open=is_open, phone=phone, go_to=go_to, phone_error=BAD_PHONE)
    browser = browser_of(request, database, number, at=at)
    code_key = actions.request_code(
        database,
        phone=number,
        browser=browser,
        send=request.app.state.send,
        at=at,
        find_person=request.app.state.find_person,
        sign_up=SignUp(language_for(request), settings.phone_country, settings.sign_up_codes_per_day),
    )
    response = _page(request, step="code", is_open=is_open, phone=phone, go_to=go_to)
    set_cookie(response, CODE_COOKIE, code_key, lasts=CODE_LIFETIME)
    return response


@router.get("/sign-in/code")
def go_to_sign_in(request: Request) -> Response:
    """Lead a reload, a bookmark or the language switch of the second step back to the first."""
    return RedirectResponse(f"/sign-in?{request.url.query}", 303)


@router.post("/sign-in", dependencies=[SIGN_IN_TURN, Depends(require_same_origin)])
def give_code(
    request: Request,
    database: DatabaseDep,
    settings: SettingsDep,
    phone: Text = "",
    code: Text = "",
    name: Text = "",
    go_to: Annotated[str, Form(alias="next", max_length=300)] = HOME,
) -> Response:
    """Sign in with the code; open an account if the number has none."""
    at, lasts = clock.now(), timedelta(hours=settings.sign_in_hours)
    is_open = settings.sign_up_codes_per_day > 0
    try:
        number = e164(phone, country=settings.phone_country)
    except InvalidInput:
        return _page(request, status=422, is_open=is_open, phone=phone, go_to=go_to, phone_error=BAD_PHONE)
    own_name = name_in(name, otherwise=translator(language_of(request))(NEW_NAME))
    again = partial(
        _page, request, step="code", status=422, is_open=is_open, phone=phone, name=name, go_to=go_to
    )
    if own_name is None:
        return again(name_error=BAD_NAME)
    try:
        done = actions.sign_in_by_code(
            database,
            phone=number,
            code=code,
            browser=browser_of(request, database, number, at=at),
            lasts=lasts,
            at=at,
            find_person=request.app.state.find_person,
            new_account=(
                NewAccount(own_name, language_for(request), settings.phone_country) if is_open else None
            ),
        )
    except NotSignedIn:
        return again(code_error=BAD_CODE)
    to = own_path(go_to)
    if done.needs_second_factor:
        to = f"/sign-in/second-factor?next={quote(to)}"
    response = RedirectResponse(to, 303)
    keep_session(request, response, database, done.key, phone=number, lasts=lasts, at=at)
    return response


@router.get("/sign-in/second-factor")
def show_second_factor(
    request: Request,
    session: ReadSession,
    viewer: ViewerDep,
    go_to: Annotated[str, Query(alias="next", max_length=300)] = HOME,
) -> Response:
    """Ask for the code of an authenticator app or a recovery code; offer to add an app if there is none."""
    key = session_key_in_cookie(request)
    if viewer.person_id is not None or key is None:
        return RedirectResponse(own_path(go_to) if key is not None else "/sign-in", 303)
    own = sign_in_by_key(session, key, at=clock.now())
    has_factor = bool(second_factors(session, own.person_id))
    return _page(request, step="second-factor" if has_factor else "add-app", go_to=go_to)


@router.post("/sign-in/second-factor", dependencies=[SIGN_IN_TURN])
def give_factor(
    request: Request,
    viewer: FormViewerDep,
    database: DatabaseDep,
    code: Text = "",
    go_to: Annotated[str, Form(alias="next", max_length=300)] = HOME,
) -> Response:
    """Give the second factor."""
    key = session_key_in_cookie(request)
    if key is None:
        return RedirectResponse("/sign-in", 303)
    if viewer.person_id is None:
        with read_session(database) as session:
            sign_in_by_key(session, key, at=clock.now())
        try:
            give_second_factor_code(request, database, key, code)
        except NotSignedIn:
            return _page(request, step="second-factor", status=422, go_to=go_to, code_error=BAD_CODE)
    return RedirectResponse(own_path(go_to), 303)


# --- Adding an authenticator app ------------------------------------------------------------------------


@router.get("/sign-in/second-factor/app")
@router.get("/sign-in/second-factor/app/{factor_id}")
def go_to_second_factor(request: Request) -> Response:
    """Lead a reload, a bookmark or the language switch of these steps back to the first."""
    return RedirectResponse(f"/sign-in/second-factor?{request.url.query}", 303)


@router.post("/sign-in/second-factor/app", dependencies=[SIGN_IN_TURN])
def add_app(
    request: Request,
    _: FormViewerDep,
    session: WriteSession,
    go_to: Annotated[str, Form(alias="next", max_length=300)] = HOME,
) -> Response:
    """Begin to add an authenticator app, and show what the app has to scan."""
    key = session_key_in_cookie(request)
    if key is None:
        return RedirectResponse("/sign-in", 303)
    at = clock.now()
    own = sign_in_by_key(session, key, at=at, lock=True)
    app = factor_actions.add_app(session, own, translator(language_of(request))(APP_NAME), at=at)
    return _page(request, step="confirm-app", go_to=go_to, app=app)


@router.post("/sign-in/second-factor/app/{factor_id}", dependencies=[SIGN_IN_TURN])
def confirm_app(
    request: Request,
    _: FormViewerDep,
    session: WriteSession,
    factor_id: RowId,
    code: Text = "",
    go_to: Annotated[str, Form(alias="next", max_length=300)] = HOME,
) -> Response:
    """Activate the app by its first code, and show the recovery codes once."""
    key = session_key_in_cookie(request)
    if key is None:
        return RedirectResponse("/sign-in", 303)
    at = clock.now()
    own = sign_in_by_key(session, key, at=at, lock=True)
    try:
        codes = factor_actions.confirm_app(session, own, factor_id, code, at=at)
    except NotFound:  # confirmed by a double tap, or replaced in another tab
        return RedirectResponse(f"/sign-in/second-factor?next={quote(own_path(go_to))}", 303)
    except NotSignedIn:
        app = factor_actions.app_being_added(session, own, factor_id)
        return _page(request, step="confirm-app", status=422, go_to=go_to, app=app, code_error=BAD_APP_CODE)
    return _page(request, step="recovery-codes", go_to=go_to, recovery_codes=codes)
