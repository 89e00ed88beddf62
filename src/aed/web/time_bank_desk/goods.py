"""Routes of the catalogue at the desk: goods, their stock, their orders, and sponsors with their budgets."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Annotated, Any, Final
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import FormViewerDep, ViewerDep
from aed.accounts.people.queries import names_by_actor
from aed.accounts.permissions import Viewer
from aed.accounts.regions.queries import region_of_estate
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import AedError
from aed.http.parameters import RowId
from aed.http.query import ANY_PARAMETER
from aed.timebank.goods import actions
from aed.timebank.goods import queries as goods_queries
from aed.timebank.goods.models import Goods
from aed.timebank.goods.schemas import BudgetIn, GoodsChangeIn, GoodsIn, SponsorIn, StockIn, photo_path
from aed.timebank.permissions import require_account_manager
from aed.timebank.regional_rules.queries import zone_of_region
from aed.timebank.rules import OrderState
from aed.timebank.schemas import units_of
from aed.translation import detail_of
from aed.volunteering.permissions import require_any_manager
from aed.web.form_fields import Text
from aed.web.language import language_of
from aed.web.render import render, to_sign_in
from aed.web.time_bank_desk import queries
from aed.web.time_bank_words import GROUPS, ORDERS, points_text
from aed.web.words import noop

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])

MAX_LISTED: Final = 200
MAX_CHANGES: Final = 20
BAD_GOODS: Final = noop("Give both names, a price above 0 with at most two decimals, and how many there are.")
BAD_STOCK: Final = noop("Say how many came in or went out, as a whole number, and why.")
BAD_BUDGET: Final = noop("Give a number of points above 0, with at most two decimals.")
Groups = Annotated[list[str] | None, Form(max_length=3)]


@router.get("/time-bank/goods")
def show_goods(request: Request, session: ReadSession, viewer: ViewerDep) -> Response:
    """List the goods of estates that the viewer manages, and the sponsors of their regions."""
    if viewer.person_id is None:
        return to_sign_in("/time-bank/goods")
    return _list_page(request, session, viewer)


@router.post("/time-bank/goods")
def add_goods(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    estate_id: Text = "",
    sponsor_id: Text = "",
    name_zh: Text = "",
    name_en: Text = "",
    points: Text = "",
    stock: Text = "",
    first_for: Groups = None,
    first_until: Text = "",
) -> Response:
    """Add goods to the catalogue of an estate."""
    typed = {
        "estate_id": estate_id,
        "sponsor_id": sponsor_id,
        "name_zh": name_zh,
        "name_en": name_en,
        "points": points,
        "stock": stock,
        "first_for": first_for or [],
        "first_until": first_until,
    }
    require_any_manager(viewer)
    try:
        zone = zone_of_region(session, region_of_estate(session, int(estate_id)))
        new = GoodsIn.model_validate({**typed, "first_until": _moment(first_until, zone)})
        with session.begin_nested():
            made = actions.add_goods(session, viewer, new)
    except ValueError:
        return _list_page(request, session, viewer, status=422, problem=BAD_GOODS, typed=typed)
    except AedError as error:
        problem = _own(error, viewer, request)
        return _list_page(request, session, viewer, status=error.status, problem=problem, typed=typed)
    return RedirectResponse(f"/time-bank/goods/{made.id}", 303)


@router.get("/time-bank/goods/{goods_id}")
def show_goods_item(request: Request, session: ReadSession, viewer: ViewerDep, goods_id: RowId) -> Response:
    """Show goods of an estate that the viewer manages: their stock, its changes, and orders."""
    if viewer.person_id is None:
        return to_sign_in(f"/time-bank/goods/{goods_id}")
    return item_page(request, session, viewer, goods_id)


@router.post("/time-bank/goods/{goods_id}")
def amend_goods(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    goods_id: RowId,
    name_zh: Text = "",
    name_en: Text = "",
    points: Text = "",
    first_for: Groups = None,
    first_until: Text = "",
    is_open: Text = "",
) -> Response:
    """Change the name, the price and whom goods are kept for; open or close them for orders."""
    typed = {
        "name_zh": name_zh,
        "name_en": name_en,
        "points": points,
        "first_for": first_for or [],
        "first_until": first_until,
        "is_open": bool(is_open),
    }
    found = managed(session, viewer, goods_id)
    try:
        until = _moment(first_until, zone_of_region(session, found.region_id))
        new = GoodsChangeIn.model_validate({**typed, "first_until": until})
    except ValueError:
        return item_page(
            request, session, viewer, goods_id, status=422, problem=BAD_GOODS, at="amend", typed=typed
        )
    actions.amend_goods(session, viewer, goods_id, new)
    return RedirectResponse(f"/time-bank/goods/{goods_id}", 303)


@router.post("/time-bank/goods/{goods_id}/stock")
def change_stock(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    goods_id: RowId,
    change: Text = "",
    reason: Text = "",
    key: Annotated[UUID | None, Form()] = None,
) -> Response:
    """Book goods that came in, or went out otherwise than by an order."""
    typed = {"change": change, "reason": reason}
    managed(session, viewer, goods_id)
    problem, status = BAD_STOCK, 422
    try:
        new = StockIn.model_validate({"change": change.replace("−", "-"), "reason": reason})
        if new.change:
            with session.begin_nested():
                actions.change_stock(
                    session,
                    viewer,
                    goods_id,
                    change=new.change,
                    reason=new.reason,
                    key=str(key) if key is not None else None,
                    at=clock.now(),
                )
            return RedirectResponse(f"/time-bank/goods/{goods_id}#stock", 303)
    except AedError as error:
        problem, status = _own(error, viewer, request), error.status
    except ValidationError:
        pass
    return item_page(
        request, session, viewer, goods_id, status=status, problem=problem, at="stock", typed=typed
    )


@router.post("/time-bank/goods/{goods_id}/orders/{order_id}/cancellation")
def cancel_order(
    request: Request, session: WriteSession, viewer: FormViewerDep, goods_id: RowId, order_id: RowId
) -> Response:
    """Cancel an order that was not handed out: points, stock and budget are given back."""
    managed(session, viewer, goods_id)
    try:
        with session.begin_nested():
            actions.cancel_order(session, viewer, order_id, at=clock.now())
    except AedError as error:
        problem = _own(error, viewer, request)
        return item_page(
            request, session, viewer, goods_id, status=error.status, problem=problem, at="orders"
        )
    return RedirectResponse(f"/time-bank/goods/{goods_id}#orders", 303)


@router.post("/time-bank/sponsors")
def add_sponsor(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    region: Text = "",
    name: Text = "",
    budget: Text = "",
) -> Response:
    """Add a sponsor with a budget in points. For the administrator of the region."""
    require_any_manager(viewer)
    typed = {"new_sponsor": name, "new_budget": budget}
    try:
        new = SponsorIn.model_validate({"region": region, "name": name, "points": budget})
        with session.begin_nested():
            actions.add_sponsor(
                session,
                viewer,
                region=new.region,
                name=new.name,
                budget=units_of(new.points),
                at=clock.now(),
            )
    except ValidationError:
        return _list_page(request, session, viewer, status=422, sponsor_problem=BAD_BUDGET, typed=typed)
    except AedError as error:
        problem = _own(error, viewer, request)
        return _list_page(request, session, viewer, status=error.status, sponsor_problem=problem, typed=typed)
    return RedirectResponse("/time-bank/goods#sponsors", 303)


@router.post("/time-bank/sponsors/{sponsor_id}")
def set_sponsor_budget(
    request: Request, session: WriteSession, viewer: FormViewerDep, sponsor_id: RowId, budget: Text = ""
) -> Response:
    """Set how many points the goods of a sponsor may cost in total. For the administrator of the region."""
    require_any_manager(viewer)
    typed = {"budget_of": sponsor_id, "budget": budget}
    try:
        new = BudgetIn.model_validate({"points": budget})
        with session.begin_nested():
            actions.set_budget(session, viewer, sponsor_id, budget=units_of(new.points))
    except ValidationError:
        return _list_page(request, session, viewer, status=422, sponsor_problem=BAD_BUDGET, typed=typed)
    except AedError as error:
        problem = _own(error, viewer, request)
        return _list_page(request, session, viewer, status=error.status, sponsor_problem=problem)
    return RedirectResponse("/time-bank/goods#sponsors", 303)


def managed(session: Session, viewer: Viewer, goods_id: int) -> Goods:
    """Return goods that the viewer manages. Raises NotSignedIn, NotAllowed, NotFound."""
    require_any_manager(viewer)
    found = goods_queries.goods_by_id(session, goods_id)
    require_account_manager(viewer, estate_id=found.estate_id, region_id=found.region_id)
    return found


def _own(error: AedError, viewer: Viewer, request: Request) -> str:
    """Return the sentence of an error that the page shows; raise any other."""
    if error.status not in (409, 422) or viewer.person_id is None:
        raise error
    return detail_of(error, language_of(request))


def _moment(day: str, zone: ZoneInfo) -> datetime | None:
    """Return the start of a day, None for nothing. Raises ValueError."""
    return datetime.combine(date.fromisoformat(day), time(), zone) if day else None


def _list_page(
    request: Request,
    session: Session,
    viewer: Viewer,
    *,
    status: int = 200,
    problem: str = "",
    sponsor_problem: str = "",
    typed: Mapping[str, Any] | None = None,
) -> Response:
    require_any_manager(viewer)
    found = goods_queries.managed_goods(session, viewer, limit=MAX_LISTED)
    names = queries.estate_names(session, [each.estate_id for each in found if each.estate_id is not None])
    sponsors = goods_queries.sponsors(session, viewer, limit=MAX_LISTED)
    return render(
        request,
        "time_bank_desk/goods.html.jinja",
        status=status,
        headers={"Cache-Control": "no-store"},
        goods=[(each, points_text(each.price), names.get(each.estate_id or 0)) for each in found],
        sponsors=[
            (
                each,
                points_text(each.budget),
                points_text(each.committed),
                points_text(each.budget - each.committed),
            )
            for each in sponsors
        ],
        estates=queries.managed_estates(session, viewer, limit=MAX_LISTED),
        regions=queries.administered_regions(session, viewer),
        groups={each.value: label for each, label in GROUPS.items()},
        problem=problem,
        sponsor_problem=sponsor_problem,
        typed={
            "estate_id": "",
            "sponsor_id": "",
            "name_zh": "",
            "name_en": "",
            "points": "",
            "stock": "",
            "first_for": [],
            "first_until": "",
            "new_sponsor": "",
            "new_budget": "",
            "budget_of": None,
            "budget": "",
            **(typed or {}),
        },
    )


def item_page(
    request: Request,
    session: Session,
    viewer: Viewer,
    goods_id: int,
    *,
    status: int = 200,
    problem: str = "",
    at: str = "",
    typed: Mapping[str, Any] | None = None,
) -> Response:
    """Render the page of goods; `problem` is shown in the section `at`."""
    found = managed(session, viewer, goods_id)
    zone = zone_of_region(session, found.region_id)
    changes = goods_queries.stock_changes(session, goods_id, limit=MAX_CHANGES)
    by = names_by_actor(session, {each.changed_by for each in changes})
    return render(
        request,
        "time_bank_desk/goods_item.html.jinja",
        status=status,
        headers={"Cache-Control": "no-store"},
        goods=found,
        photo_path=photo_path(found),
        max_bytes=request.app.state.settings.list_limit_bytes,
        price=points_text(found.price),
        groups={each.value: label for each, label in GROUPS.items()},
        changes=[
            (
                f"{each.changed_at.astimezone(zone):%Y-%m-%d %H:%M}",
                f"{each.change:+}".replace("-", "−"),
                each.reason,
                by.get(each.changed_by, each.changed_by),
            )
            for each in changes
        ],
        orders=[
            (
                order,
                name,
                f"{order.ordered_at.astimezone(zone):%Y-%m-%d}",
                points_text(order.amount),
                ORDERS[order.state],
                order.state is OrderState.HELD,
            )
            for order, name in queries.latest_orders_of(session, goods_id, limit=MAX_LISTED)
        ],
        problem=problem,
        at_section=at,
        key=str(uuid4()),
        typed={
            "name_zh": found.name_zh,
            "name_en": found.name_en,
            "points": points_text(found.price),
            "first_for": found.first_for,
            "first_until": _day(found.first_until, zone),
            "is_open": found.is_open,
            "change": "",
            "reason": "",
            **(typed or {}),
        },
    )


def _day(moment: datetime | None, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d}" if moment is not None else ""
