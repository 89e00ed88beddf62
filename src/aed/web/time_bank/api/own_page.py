"""Routes of `/me/time-bank`: joining, recording service, ordering goods."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Annotated, Final, Literal
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import FormViewerDep, ViewerDep
from aed.accounts.permissions import Viewer
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import AedError, InvalidInput
from aed.http.parameters import RowId
from aed.http.query import ANY_PARAMETER
from aed.timebank.goods import actions as goods_actions
from aed.timebank.goods import queries as goods_queries
from aed.timebank.ledger import queries as ledger
from aed.timebank.ledger.posting import find_person_account
from aed.timebank.permissions import require_person
from aed.timebank.regional_rules.queries import rules_at
from aed.timebank.rules import AccountKind, Currency, PriorityGroup
from aed.volunteering.records import actions as service_actions
from aed.volunteering.records.schemas import ServiceIn
from aed.volunteering.rules import ServiceSource
from aed.volunteering.volunteers import actions as volunteer_actions
from aed.volunteering.volunteers.schemas import VolunteerIn
from aed.web.form_fields import Text
from aed.web.render import NO_STORE, render, to_sign_in
from aed.web.time_bank import queries
from aed.web.time_bank.page import MAX_SHOWN, MAX_TO_CONFIRM, problem_of, service_line
from aed.web.time_bank_words import GROUPS, SOURCES, entry_line, hours_and_minutes, points_text
from aed.web.words import noop

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])

BY_HAND: Final = (ServiceSource.PATROL, ServiceSource.OTHER)
"""What a volunteer records on the page."""
NOTHING_TYPED: Final = dict.fromkeys(
    ("source", "activity", "day", "begins", "ends", "address", "goods_id"), ""
)
BAD_FORM: Final = noop("Say what you did, on which day, and from when until when.")


@router.get("/me/time-bank")
def show_time_bank(
    request: Request,
    session: ReadSession,
    viewer: ViewerDep,
    acting_for: Annotated[int, Query(alias="for", ge=0, le=2**63 - 1)] = 0,
) -> Response:
    """Show minutes, points, service, goods and orders of the signed-in person.

    `for` is the person for whom they order goods, with a mandate.
    """
    if viewer.person_id is None:
        return to_sign_in("/me/time-bank")
    return _page(request, session, viewer, acting_for=acting_for)


def _page(
    request: Request,
    session: Session,
    viewer: Viewer,
    *,
    status: int = 200,
    problem: str = "",
    at_section: str = "",
    typed: dict[str, str] | None = None,
    acting_for: int = 0,
) -> Response:
    """Render the page; `problem` is shown in the section with that name, beside what was typed."""
    person_id = require_person(viewer)
    volunteer = queries.volunteer_of(session, person_id)
    zone = queries.zone_of(session, volunteer)
    accounts = {
        each.currency: each
        for each in ledger.accounts_of(session, viewer, person_id)
        if each.kind is AccountKind.PERSON
    }
    minutes, points = accounts.get(Currency.MINUTES), accounts.get(Currency.POINTS)
    region_id = points.region_id if points else volunteer.region_id if volunteer else None
    rules = rules_at(session, region_id, clock.now()) if region_id is not None else None
    served = minutes.balance if minutes else 0
    principals = [each for each in queries.mandates(session, person_id, clock.now()) if not each.is_mine]
    if acting_for not in {each.person_id for each in principals}:
        acting_for = 0
    goods_region_id = region_id
    if acting_for:
        theirs = find_person_account(session, acting_for, Currency.POINTS)
        goods_region_id = theirs.region_id if theirs is not None else None
    goods = (
        goods_queries.catalogue(session, goods_region_id, limit=MAX_SHOWN, after_id=0)
        if goods_region_id is not None
        else []
    )
    return render(
        request,
        "time_bank/time_bank.html.jinja",
        status=status,
        headers=NO_STORE,
        problem=problem,
        at_section=at_section,
        typed={**NOTHING_TYPED, **(typed or {})},
        volunteer=volunteer,
        estates=queries.estates_to_join(session, viewer),
        served=hours_and_minutes(served),
        missing=hours_and_minutes(max(0, rules.spend_from_minutes - served) if rules else 0),
        points=points_text(points.balance if points else 0),
        to_confirm=len(queries.service_to_confirm(session, viewer, limit=MAX_TO_CONFIRM)),
        service=[
            service_line(each, zone) for each in queries.latest_service(session, person_id, limit=MAX_SHOWN)
        ],
        entries=[
            entry_line(each, zone)
            for each in (ledger.statement(session, points.id, limit=MAX_SHOWN) if points else [])
        ],
        goods=[
            (each, points_text(each.price), [GROUPS[PriorityGroup(group)] for group in each.first_for])
            for each in goods
        ],
        orders=queries.order_lines(session, viewer, limit=MAX_SHOWN),
        principals=principals,
        acting_for=acting_for,
        can_order=bool(acting_for) or (rules is not None and served >= rules.spend_from_minutes),
        sources={each.value: SOURCES[each] for each in BY_HAND},
        today=f"{clock.now().astimezone(zone):%Y-%m-%d}",
        key=str(uuid4()),
    )


def _refused(
    request: Request,
    session: Session,
    viewer: Viewer,
    error: AedError,
    *,
    section: str,
    typed: dict[str, str] | None = None,
) -> Response:
    """Render the page with a refusal in its section. Raises the error if it is not the reader's."""
    problem = problem_of(request, viewer, error)
    return _page(
        request, session, viewer, status=error.status, problem=problem, at_section=section, typed=typed
    )


@router.post("/me/time-bank/volunteer")
def join_team(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    estate_id: Annotated[int, Form(ge=1, le=2**63 - 1)],
) -> Response:
    """Register the signed-in person as a volunteer of their estate."""
    person_id = require_person(viewer)
    try:
        with session.begin_nested():
            new = VolunteerIn(estate_id=estate_id)
            volunteer_actions.register_volunteer(session, viewer, person_id, new, at=clock.now())
    except AedError as error:
        return _refused(request, session, viewer, error, section="volunteer")
    return RedirectResponse("/me/time-bank", 303)


@router.post("/me/time-bank/service")
def record_own_service(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    key: Annotated[UUID, Form()],
    source: Annotated[str, Form(max_length=20)] = "",
    activity: Text = "",
    day: Annotated[str, Form(max_length=10)] = "",
    begins: Annotated[str, Form(max_length=8)] = "",
    ends: Annotated[str, Form(max_length=8)] = "",
) -> Response:
    """Record a patrol or another service of the signed-in person, which another person confirms."""
    person_id = require_person(viewer)
    typed = {
        "source": source,
        "activity": activity,
        "day": day,
        "begins": begins,
        "ends": ends,
    }
    try:
        volunteer = queries.volunteer_of(session, person_id)
        if volunteer is None:
            raise InvalidInput("Join the volunteers of your estate first.", field="person_id")
        started_at, ended_at = _period(day, begins, ends, queries.zone_of(session, volunteer))
        new = ServiceIn(
            key=key,
            source=ServiceSource(source),
            person_id=person_id,
            estate_id=volunteer.estate_id,
            activity=activity,
            started_at=started_at,
            ended_at=ended_at,
        )
        with session.begin_nested():
            service_actions.record_service(session, viewer, new, at=clock.now())
    except AedError as error:
        return _refused(request, session, viewer, error, section="record", typed=typed)
    except ValueError:  # a day, a time, or a field that the schema refuses
        return _page(request, session, viewer, status=422, problem=BAD_FORM, at_section="record", typed=typed)
    return RedirectResponse("/me/time-bank#service", 303)


def _period(day: str, begins: str, ends: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return start and end; an end before the start is on the next day. Raises ValueError."""
    on = date.fromisoformat(day)
    start = datetime.combine(on, time.fromisoformat(begins), zone)
    end = datetime.combine(on, time.fromisoformat(ends), zone)
    return start, end if end > start else end + timedelta(days=1)


@router.post("/me/time-bank/orders")
def order_goods(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    goods_id: Annotated[int, Form(ge=1, le=2**63 - 1)],
    key: Annotated[UUID, Form()],
    acting_for: Annotated[int, Form(ge=0, le=2**63 - 1)] = 0,
    address: Text = "",
) -> Response:
    """Order one piece of goods, with a mandate also for another person; sent twice, it is one order."""
    typed = {"address": address, "goods_id": str(goods_id)}
    try:
        with session.begin_nested():
            goods_actions.place_order(
                session,
                viewer,
                goods_id=goods_id,
                quantity=1,
                key=str(key),
                acting_for=acting_for or None,
                address=address.strip() or None,
                at=clock.now(),
            )
    except AedError as error:
        problem = problem_of(request, viewer, error)
        return _page(
            request,
            session,
            viewer,
            status=error.status,
            problem=problem,
            at_section="goods",
            typed=typed,
            acting_for=acting_for,
        )
    return RedirectResponse("/me/time-bank#orders", 303)


@router.post("/me/time-bank/orders/{order_id}/cancellation")
def cancel_own_order(
    request: Request, session: WriteSession, viewer: FormViewerDep, order_id: RowId
) -> Response:
    """Cancel an order that was not handed over."""
    try:
        with session.begin_nested():
            goods_actions.cancel_order(session, viewer, order_id, at=clock.now())
    except AedError as error:
        return _refused(request, session, viewer, error, section="orders")
    return RedirectResponse("/me/time-bank#orders", 303)


@router.post("/me/time-bank/orders/{order_id}/review")
def review_own_order(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    order_id: RowId,
    is_received: Annotated[Literal["yes", "no"], Form()],
) -> Response:
    """Say whether one got the goods of one's order."""
    try:
        with session.begin_nested():
            goods_actions.review_order(
                session, viewer, order_id, is_received=is_received == "yes", at=clock.now()
            )
    except AedError as error:
        return _refused(request, session, viewer, error, section="orders")
    return RedirectResponse("/me/time-bank#orders", 303)
