"""Routes of the sign-in of the check page: number, code, second factor, and on to the form."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final
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
from aed.database.session import read_session
from aed.errors import InvalidInput, NotAllowed, NotFound, NotSignedIn
from aed.http.parameters import SettingsDep
from aed.http.query import ANY_PARAMETER
from aed.web.checks import queries
from aed.web.checks.page import form_of
from aed.web.checks.requests import MAX_KEPT, Code, Fields, device_id_in
from aed.web.checks.responses import form_page, known_number, sign_in_page
from aed.web.form_fields import BAD_PHONE
from aed.web.words import noop

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])

BAD_CODE: Final = noop("This code is wrong or has expired. Use the newest message, or get a new code.")
BAD_FACTOR: Final = noop("This code is wrong or was used already. Wait for the next code of the app.")


@dataclass(frozen=True)
class SignInStep:
    """A form of one step of the sign-in, and what it needs for its answer."""

    request: Request
    viewer: FormViewerDep
    database: DatabaseDep
    settings: SettingsDep
    code: Code
    fields: Fields

    @property
    def kept(self) -> str:
        """What had been entered into the form of the check before the sign-in."""
        return self.fields.get("kept", "")

    def page(
        self,
        step: str,
        *,
        phone: str = "",
        is_known: bool = False,
        person_id: int | None = None,
        problem: str = "",
        status: int = 200,
    ) -> Response:
        """Show a step, with what is kept for the form of the check."""
        with read_session(self.database) as session:
            return sign_in_page(
                self.request,
                session,
                self.viewer,
                self.code,
                phone=phone,
                is_known=is_known,
                step=step,
                person_id=person_id,
                kept=self.kept,
                problem=problem,
                status=status,
            )

    def number(self) -> str:
        """Return the number that was typed, or the keeper's if that button was used. Raises InvalidInput."""
        if "known" not in self.fields:
            return e164(self.fields.get("phone", "")[:40], country=self.settings.phone_country)
        with read_session(self.database) as session:
            number = known_number(self.request, session, self.code)
        if number is None:
            raise InvalidInput("Enter the phone number.", field="phone")
        return number

    def go_on(self, person_id: int, *, at: datetime) -> Response:
        """Return to the form; with what had been entered, if it was sent before the sign-in."""
        device_id = device_id_in(self.code)
        given = dict(parse_qsl(self.kept[:MAX_KEPT]))
        if given and device_id is not None:
            with read_session(self.database) as session:
                try:
                    viewer = viewer_of_person(session, person_id)
                    found = queries.device_form(session, viewer, device_id, at=at, settings=self.settings)
                except (NotFound, NotAllowed):
                    pass
                else:
                    return form_page(self.request, form_of(found, at=at), given, code=self.code)
        return RedirectResponse(f"/d/{quote(self.code, safe='')}/check", 303)


SignInStepDep = Annotated[SignInStep, Depends()]


@router.get("/d/{code}/check/code")
@router.get("/d/{code}/check/sign-in")
@router.get("/d/{code}/check/second-factor")
def go_to_check(request: Request, code: Code) -> Response:
    """Lead a reload or the language switch of a sign-in step back to the form."""
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"/d/{quote(code, safe='')}/check{query}", 303)


@router.post("/d/{code}/check/code", dependencies=[SIGN_IN_TURN, Depends(require_same_origin)])
def send_code(step: SignInStepDep) -> Response:
    """Send a code to the number if it has an account or is a keeper's; answer alike if it is neither.

    Without a number, ask for one.
    """
    at, phone, app = clock.now(), step.fields.get("phone", ""), step.request.app
    if not {"phone", "known"} & set(step.fields):
        return step.page("phone")
    try:
        number = step.number()
    except InvalidInput:
        return step.page("phone", phone=phone, problem=BAD_PHONE, status=422)
    code_key = sign_in_actions.request_code(
        step.database,
        phone=number,
        browser=browser_of(step.request, step.database, number, at=at),
        send=app.state.send,
        at=at,
        find_person=app.state.find_person,
    )
    response = step.page("code", phone=phone, is_known="known" in step.fields)
    set_cookie(response, CODE_COOKIE, code_key, lasts=CODE_LIFETIME)
    return response


@router.post("/d/{code}/check/sign-in", dependencies=[SIGN_IN_TURN, Depends(require_same_origin)])
def sign_in(step: SignInStepDep) -> Response:
    """Sign in with the code, and go on to the form, with what had been entered."""
    at, lasts = clock.now(), timedelta(hours=step.settings.sign_in_hours)
    try:
        number = step.number()
        done = sign_in_actions.sign_in_by_code(
            step.database,
            phone=number,
            code=step.fields.get("code", "")[:20],
            browser=browser_of(step.request, step.database, number, at=at),
            lasts=lasts,
            at=at,
            find_person=step.request.app.state.find_person,
        )
    except (InvalidInput, NotSignedIn):
        phone, is_known = step.fields.get("phone", ""), "known" in step.fields
        return step.page("code", phone=phone, is_known=is_known, problem=BAD_CODE, status=422)
    if done.needs_second_factor:
        response = step.page("second-factor", person_id=done.person_id)
    else:
        response = step.go_on(done.person_id, at=at)
    keep_session(step.request, response, step.database, done.key, phone=number, lasts=lasts, at=at)
    return response


@router.post("/d/{code}/check/second-factor", dependencies=[SIGN_IN_TURN, Depends(require_same_origin)])
def give_factor(step: SignInStepDep) -> Response:
    """Give the second factor, and go on to the form, with what had been entered."""
    at, key, person_id = clock.now(), session_key_in_cookie(step.request), step.viewer.person_id
    if person_id is None:
        if key is None:
            return step.page("phone")
        with read_session(step.database) as session:
            awaits = awaits_second_factor(session, key, at=at)
            has_factor = awaits and bool(
                second_factors(session, sign_in_by_key(session, key, at=at).person_id)
            )
        if not awaits:
            return step.page("phone")
        if not has_factor:
            return step.page("second-factor")
        try:
            give_second_factor_code(step.request, step.database, key, step.fields.get("code", "")[:40])
        except NotSignedIn:
            return step.page("second-factor", problem=BAD_FACTOR, status=422)
        with read_session(step.database) as session:
            person_id = sign_in_by_key(session, key, at=at).person_id
    return step.go_on(person_id, at=at)
