"""Responses of both the check and its sign-in: the form, a refusal, a step of the sign-in."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Final

from fastapi import Request, Response
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import session_key_in_cookie
from aed.accounts.masking import mask_phone
from aed.accounts.permissions import Viewer
from aed.accounts.sessions import sign_in_by_key
from aed.accounts.sign_in.queries import awaits_second_factor, second_factors
from aed.accounts.sign_in.rules import CODE_LIFETIME, KNOWN_BROWSER_COOKIE
from aed.accounts.sign_in.throttling import known_browser_id
from aed.database.dependencies import database_of
from aed.errors import AedError, NotFound
from aed.settings import Settings
from aed.upkeep.checks.keepers import keeper_number
from aed.upkeep.checks.rules import DEFAULT
from aed.upkeep.models import Check, CheckApproval
from aed.upkeep.rounds.queries import AssignedRound
from aed.upkeep.rules import ApprovalState, CheckKind
from aed.web.checks import queries
from aed.web.checks.page import DeviceForm, lines_of
from aed.web.checks.requests import MAX_KEPT, device_id_in
from aed.web.checks.rules import BadForm
from aed.web.render import NO_STORE, render
from aed.web.words import noop

TEMPLATE: Final = "checks/check.html.jinja"
SIGN_IN: Final = "checks/check_sign_in.html.jinja"
PASSED: Final = noop("Sent: the check is passed. Thank you.")
WAITS: Final = noop("Sent: the check is passed. It counts once a second person has approved it.")
NOT_PASSED: Final = noop("Sent: not passed. The AED's keepers have been notified.")
GLANCED: Final = noop("Sent. Thank you for looking.")
INCOMPLETE: Final = noop(
    "Sent. It does not count as a full check: the status light or the pads were not answered."
)


def form_page(
    request: Request,
    form: DeviceForm | None,
    given: Mapping[str, str],
    *,
    code: str,
    status: int = 200,
    problem: BadForm | None = None,
    asks_again: bool = False,
    check: Check | None = None,
    approval: CheckApproval | None = None,
    walked: AssignedRound | None = None,
    headers: Mapping[str, str] = NO_STORE,
) -> Response:
    """Show the form of a check with the values `given`; after it was sent, with its result.

    Without `form`, show the empty form that a phone keeps for a device it has no page of.
    """
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
        result=result_of(check, approval) if check is not None else "",
        photo_limit=settings.photo_limit_bytes,
    )


def result_of(check: Check, approval: CheckApproval | None) -> str:
    """Return what was recorded, in English."""
    if check.kind is CheckKind.GLANCE:
        return GLANCED if all(check.answers.values()) and check.is_there else NOT_PASSED
    if check.is_passed:
        waits = approval is not None and approval.state is ApprovalState.WAITING
        return WAITS if waits else PASSED
    is_well = check.is_there and not check.was_used and all(check.answers.values())
    return INCOMPLETE if is_well else NOT_PASSED


def refusal_page(
    request: Request, session: Session, viewer: Viewer, code: str, device_id: int, error: AedError
) -> Response:
    """Ask a stranger to sign in; tell others that the device is unknown or that they may not check it."""
    if not viewer.is_signed_in:
        return sign_in_page(request, session, viewer, code)
    if isinstance(error, NotFound):
        return render(request, "checks/check_unknown.html.jinja", status=404, code=code, is_mistyped=False)
    return render(
        request,
        "checks/check_refused.html.jinja",
        status=403,
        code=code,
        device=queries.visible_device(session, viewer, device_id),
    )


def known_number(request: Request, session: Session, code: str) -> str | None:
    """Return the number of the device's keeper if it has signed in with this browser before, else None.

    Nobody else may learn it, nor whether there is one, nor send messages to it by scanning a label.
    """
    cookie, device_id = request.cookies.get(KNOWN_BROWSER_COOKIE), device_id_in(code)
    if cookie is None or device_id is None:
        return None
    number = keeper_number(session, device_id)
    keys = database_of(request).keys
    if number is None or known_browser_id(keys, cookie, number, at=clock.now()) is None:
        return None
    return number


def sign_in_page(
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
    device_id, known = device_id_in(code), known_number(request, session, code)
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
