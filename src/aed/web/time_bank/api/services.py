"""Routes of `/me/time-bank/services`: services that members offer each other."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Annotated, Final
from uuid import UUID, uuid4

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import TypeAdapter
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import FormViewerDep, ViewerDep
from aed.accounts.permissions import Viewer
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import AedError, InvalidInput
from aed.http.parameters import RowId
from aed.http.query import ANY_PARAMETER
from aed.timebank.ledger.posting import find_person_account
from aed.timebank.permissions import require_person
from aed.timebank.regional_rules.queries import zone_of_region
from aed.timebank.rules import Currency, ExchangeState, OfferKind
from aed.timebank.schemas import Points, units_of
from aed.timebank.services import actions
from aed.timebank.services.schemas import ExchangeIn, ServiceOfferIn
from aed.web.form_fields import Text
from aed.web.render import NO_STORE, render, to_sign_in
from aed.web.time_bank import queries
from aed.web.time_bank.page import EXCHANGES, MAX_SHOWN, OFFERS, problem_of
from aed.web.time_bank_words import points_text
from aed.web.words import noop

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])

MAX_OFFERS: Final = 100
BAD_OFFER: Final = noop("Say what you offer, and for how many points an hour, such as 1 or 1.5.")
BAD_TIME: Final = noop("Choose a day and a time to come, and for how many minutes.")
_POINTS: Final[TypeAdapter[Decimal]] = TypeAdapter(Points)

ActingFor = Annotated[int, Form(ge=0, le=2**63 - 1)]
Day = Annotated[str, Form(max_length=10)]
Time = Annotated[str, Form(max_length=8)]


@router.get("/me/time-bank/services")
def show_services(
    request: Request,
    session: ReadSession,
    viewer: ViewerDep,
    acting_for: Annotated[int, Query(alias="for", ge=0, le=2**63 - 1)] = 0,
) -> Response:
    """Show what members offer, what was agreed on, and the form to offer something."""
    if viewer.person_id is None:
        return to_sign_in("/me/time-bank/services")
    return _page(request, session, viewer, acting_for=acting_for)


def _page(
    request: Request,
    session: Session,
    viewer: Viewer,
    *,
    acting_for: int = 0,
    status: int = 200,
    problem: str = "",
    at_section: str = "",
    typed: Mapping[str, str] | None = None,
) -> Response:
    """Render the page; `problem` is shown in `at_section`: `new`, `offer-ID` or `exchange-ID`."""
    person_id, at = require_person(viewer), clock.now()
    principals = [each for each in queries.mandates(session, person_id, at) if not each.is_mine]
    if acting_for not in {each.person_id for each in principals}:
        acting_for = 0
    account = find_person_account(session, acting_for or person_id, Currency.POINTS)
    offers, exchanges = [], []
    if account is not None:
        zone = zone_of_region(session, account.region_id)
        offers = queries.offer_lines(
            session, viewer, acting_for=acting_for or None, at=at, limit=MAX_OFFERS, person_id=person_id
        )
        exchanges = queries.exchange_lines(session, viewer, zone=zone, at=at, limit=MAX_SHOWN)
    return render(
        request,
        "time_bank/services.html.jinja",
        status=status,
        headers=NO_STORE,
        problem=problem,
        at_section=at_section,
        typed=typed or {},
        has_account=account is not None,
        balance=points_text(account.balance) if account is not None else "",
        principals=principals,
        acting_for=acting_for,
        offers=offers,
        exchanges=exchanges,
        kinds={each.value: words for each, words in OFFERS.items()},
        offer_words=OFFERS,
        states=EXCHANGES,
        open_states=(ExchangeState.ASKED, ExchangeState.AGREED),
        key=str(uuid4()),
    )


@router.post("/me/time-bank/services/offers")
def offer_service(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    kind: Annotated[str, Form(max_length=300)] = "",
    title: Annotated[str, Form(max_length=300)] = "",
    times: Annotated[str, Form(max_length=300)] = "",
    place: Annotated[str, Form(max_length=300)] = "",
    points: Annotated[str, Form(max_length=300)] = "",
) -> Response:
    """Offer to do something for members of the region."""
    require_person(viewer)
    typed = {"kind": kind, "title": title, "times": times, "place": place, "points": points}
    try:
        new = ServiceOfferIn(
            kind=OfferKind(kind),
            title=title,
            times=times.strip() or None,
            place=place.strip() or None,
            points_per_hour=_POINTS.validate_python(points.strip()),
        )
        with session.begin_nested():
            actions.offer_service(
                session,
                viewer,
                kind=new.kind,
                title=new.title,
                times=new.times,
                place=new.place,
                price=units_of(new.points_per_hour),
                at=clock.now(),
            )
    except AedError as error:
        problem = problem_of(request, viewer, error)
        return _page(
            request, session, viewer, status=error.status, problem=problem, at_section="new", typed=typed
        )
    except ValueError:  # no such kind, no title, no number
        return _page(request, session, viewer, status=422, problem=BAD_OFFER, at_section="new", typed=typed)
    return RedirectResponse("/me/time-bank/services", 303)


@router.post("/me/time-bank/services/offers/{offer_id}/closing")
def close_offer(request: Request, session: WriteSession, viewer: FormViewerDep, offer_id: RowId) -> Response:
    """Close an offer of one's own; what was asked for before goes on."""
    try:
        with session.begin_nested():
            actions.close_offer(session, viewer, offer_id, at=clock.now())
    except AedError as error:
        problem = problem_of(request, viewer, error)
        return _page(request, session, viewer, status=error.status, problem=problem, at_section="new")
    return RedirectResponse("/me/time-bank/services", 303)


@router.post("/me/time-bank/services/offers/{offer_id}/requests")
def ask_for_service(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    offer_id: RowId,
    key: Annotated[UUID, Form()],
    acting_for: ActingFor = 0,
    day: Day = "",
    begins: Time = "",
    minutes: Annotated[str, Form(max_length=5)] = "",
    address: Text = "",
) -> Response:
    """Ask for a service; the same form sent twice is one request."""
    person_id, at = require_person(viewer), clock.now()
    typed = {"day": day, "begins": begins, "minutes": minutes, "address": address}
    section = f"offer-{offer_id}"
    try:
        new = ExchangeIn(
            starts_at=_moment(session, acting_for or person_id, day, begins),
            minutes=int(minutes),
            key=key,
            acting_for=acting_for or None,
            address=address.strip() or None,
        )
        with session.begin_nested():
            actions.ask_for_service(
                session,
                viewer,
                offer_id,
                starts_at=new.starts_at,
                minutes=new.minutes,
                address=new.address,
                key=str(new.key),
                acting_for=new.acting_for,
                at=at,
            )
    except AedError as error:
        problem, status = problem_of(request, viewer, error), error.status
    except ValueError:  # a day, a time or minutes that are none
        problem, status = BAD_TIME, 422
    else:
        return RedirectResponse("/me/time-bank/services#exchanges", 303)
    return _page(
        request,
        session,
        viewer,
        acting_for=acting_for,
        status=status,
        problem=problem,
        at_section=section,
        typed=typed,
    )


@router.post("/me/time-bank/services/exchanges/{exchange_id}")
def change_exchange(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    exchange_id: RowId,
    change: Annotated[str, Form(max_length=20)] = "",
    starts_at: Annotated[str, Form(max_length=40)] = "",
    day: Day = "",
    begins: Time = "",
    rating: Annotated[int, Form(ge=1, le=5)] = 5,
) -> Response:
    """Agree on the time shown, propose another, confirm that it was done, rate it, or cancel it.

    `starts_at` is the time that the reader saw: agreeing to another one is refused.
    """
    person_id, at = require_person(viewer), clock.now()
    typed = {"day": day, "begins": begins}
    try:
        with session.begin_nested():
            match change:
                case "agree":
                    seen = datetime.fromisoformat(starts_at)
                    actions.agree_on_service(session, viewer, exchange_id, starts_at=seen, at=at)
                case "propose":
                    proposed = _moment(session, person_id, day, begins)
                    actions.propose_time(session, viewer, exchange_id, starts_at=proposed, at=at)
                case "confirm":
                    actions.confirm_service(session, viewer, exchange_id, at=at)
                case "rate":
                    actions.rate_service(session, viewer, exchange_id, rating=rating, at=at)
                case "cancel":
                    actions.cancel_service(session, viewer, exchange_id, at=at)
                case _:
                    raise InvalidInput("Choose what to do.", field="change")
    except AedError as error:
        problem, status = problem_of(request, viewer, error), error.status
    except ValueError:  # a day or a time that is none
        problem, status = BAD_TIME, 422
    else:
        return RedirectResponse("/me/time-bank/services#exchanges", 303)
    section = f"exchange-{exchange_id}"
    return _page(request, session, viewer, status=status, problem=problem, at_section=section, typed=typed)


def _moment(session: Session, person_id: int, day: str, begins: str) -> datetime:
    """Return a time in the time zone of the person's region. Raises ValueError."""
    account = find_person_account(session, person_id, Currency.POINTS)
    if account is None:
        raise ValueError("no account")
    zone = zone_of_region(session, account.region_id)
    return datetime.combine(date.fromisoformat(day), time.fromisoformat(begins), zone)
