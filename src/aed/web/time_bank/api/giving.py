"""Routes of `/me/time-bank/give`: give points to relatives, donate them, pay into the family account.

A form is reviewed first: the page says what would happen, by trying it and rolling it back.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final
from uuid import UUID, uuid4

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import TypeAdapter
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import FormViewerDep, ViewerDep
from aed.accounts.permissions import Viewer
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import AedError
from aed.http.query import ANY_PARAMETER
from aed.timebank.families import actions as families
from aed.timebank.families.queries import family_account_id
from aed.timebank.giving import actions as giving
from aed.timebank.ledger.posting import find_person_account
from aed.timebank.ledger.queries import gift_units_left_of
from aed.timebank.permissions import require_person
from aed.timebank.regional_rules.queries import rules_at
from aed.timebank.rules import UNITS_PER_POINT, Currency
from aed.timebank.schemas import Points, units_of
from aed.web.render import NO_STORE, render, to_sign_in
from aed.web.time_bank import queries
from aed.web.time_bank.page import RELATIONS, problem_of
from aed.web.time_bank_words import points_text
from aed.web.words import noop

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])

POOLS: Final[Mapping[str, str]] = {
    "care_pool": noop("The care pool, for people who need help"),
    "region_pool": noop("The pool of the region"),
}
BAD_FORM: Final = noop("Choose who receives the points, and write how many, such as 2 or 2.5.")
_POINTS: Final[TypeAdapter[Decimal]] = TypeAdapter(Points)

ReceiverName = Annotated[str, Form(max_length=300)]
"""`person:ID` of a relative, `family`, or a name of `POOLS`."""
Amount = Annotated[str, Form(max_length=300)]


@router.get("/me/time-bank/give")
def show_giving(request: Request, session: ReadSession, viewer: ViewerDep) -> Response:
    """Show to whom the signed-in person can give points, and how many they can give this year."""
    if viewer.person_id is None:
        return to_sign_in("/me/time-bank/give")
    return _page(request, session, viewer)


def _page(
    request: Request,
    session: Session,
    viewer: Viewer,
    *,
    status: int = 200,
    problem: str = "",
    typed: Mapping[str, str] | None = None,
) -> Response:
    person_id = require_person(viewer)
    return render(
        request,
        "time_bank/give.html.jinja",
        status=status,
        headers=NO_STORE,
        problem=problem,
        typed=typed or {"to": "", "points": ""},
        receivers=_receivers(session, person_id),
        limits=_limits(session, person_id, clock.now()),
    )


def _receivers(session: Session, person_id: int) -> dict[str, tuple[str, str]]:
    """Return who can receive points: a name, and in words to be translated what they are."""
    found = {
        f"person:{each.person_id}": (each.name, RELATIONS[each.relation])
        for each in queries.relatives(session, person_id)
        if each.is_confirmed
    }
    if (family_id := family_account_id(session, person_id)) is not None:
        found["family"] = queries.family_account(session, family_id)[0], noop("Family account")
    return found | {name: ("", words) for name, words in POOLS.items()}


def _limits(
    session: Session, person_id: int, at: datetime, *, units: int = 0, to: str = ""
) -> dict[str, str] | None:
    """Return balance, gifts left this year and the yearly limit, as they are after a transfer of `units`.

    None: the person has no points account yet.
    """
    own = find_person_account(session, person_id, Currency.POINTS)
    if own is None:
        return None
    rules = rules_at(session, own.region_id, at)
    left = gift_units_left_of(session, own, rules, at) - (units if to.startswith("person:") else 0)
    return {
        "balance": points_text(own.balance - units),
        "left": points_text(left),
        "limit": points_text(rules.gift_points_a_year * UNITS_PER_POINT),
    }


@router.post("/me/time-bank/give/review")
def review_transfer(
    request: Request, session: WriteSession, viewer: FormViewerDep, to: ReceiverName = "", points: Amount = ""
) -> Response:
    """Show what a transfer would do, with the button that does it. Nothing is changed."""
    person_id, at = require_person(viewer), clock.now()
    typed = {"to": to, "points": points}
    receivers = _receivers(session, person_id)
    try:
        units = _units(to, points, receivers)
        trial = session.begin_nested()
        try:
            _transfer(session, viewer, to=to, units=units, key=f"trial {uuid4()}", at=at)
        finally:
            trial.rollback()
    except AedError as error:
        problem = problem_of(request, viewer, error)
        return _page(request, session, viewer, status=error.status, problem=problem, typed=typed)
    except ValueError:  # no number, or nobody on the list
        return _page(request, session, viewer, status=422, problem=BAD_FORM, typed=typed)
    return render(
        request,
        "time_bank/give_review.html.jinja",
        headers=NO_STORE,
        to=to,
        receiver=receivers[to],
        points=points_text(units),
        key=str(uuid4()),
        limits=_limits(session, person_id, at, units=units, to=to),
    )


@router.post("/me/time-bank/give")
def give_points(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    key: Annotated[UUID, Form()],
    to: ReceiverName = "",
    points: Amount = "",
) -> Response:
    """Move the points; the same form sent twice moves them once."""
    typed = {"to": to, "points": points}
    try:
        units = _units(to, points, _receivers(session, require_person(viewer)))
        with session.begin_nested():
            _transfer(session, viewer, to=to, units=units, key=str(key), at=clock.now())
    except AedError as error:
        problem = problem_of(request, viewer, error)
        return _page(request, session, viewer, status=error.status, problem=problem, typed=typed)
    except ValueError:  # no number, or nobody on the list
        return _page(request, session, viewer, status=422, problem=BAD_FORM, typed=typed)
    return RedirectResponse("/me/time-bank#statement", 303)


def _units(to: str, points: str, receivers: Mapping[str, tuple[str, str]]) -> int:
    """Return the units to move. Raises ValueError."""
    if to not in receivers:
        raise ValueError(to)
    return units_of(_POINTS.validate_python(points.strip()))


def _transfer(session: Session, viewer: Viewer, *, to: str, units: int, key: str, at: datetime) -> None:
    if to == "family":
        families.pay_into_family(session, viewer, units=units, key=key, at=at)
    elif to in POOLS:
        giving.donate(session, viewer, units=units, key=key, to=to, at=at)
    else:
        relative_id = int(to.removeprefix("person:"))
        giving.give(session, viewer, to_person_id=relative_id, units=units, key=key, at=at)
