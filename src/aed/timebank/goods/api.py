"""Routes of sponsors, goods and orders."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.permissions import Viewer
from aed.accounts.regions.queries import region_by_code
from aed.database.dependencies import DatabaseDep, ReadSession, WriteSession
from aed.http.parameters import Cursor, Limit, cursor_id, next_cursor
from aed.timebank.goods import actions, queries
from aed.timebank.goods.models import GoodsOrder
from aed.timebank.goods.schemas import (
    BudgetIn,
    CollectionIn,
    GoodsChangeIn,
    GoodsIn,
    GoodsOut,
    GoodsPage,
    OrderIn,
    OrderOut,
    OrderPage,
    OrderReviewIn,
    SponsorIn,
    SponsorOut,
    SponsorPage,
    StockIn,
)
from aed.timebank.permissions import require_signed_in
from aed.timebank.schemas import units_of

router = APIRouter(tags=["time bank"])
RowPath = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]
RegionQuery = Annotated[
    str, Query(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9._:-]+$", examples=["CN-33"])
]


def _out(order: GoodsOrder, viewer: Viewer) -> OrderOut:
    shows_code = viewer.person_id == order.person_id or viewer.name == order.ordered_by
    return OrderOut.of(order, shows_code=shows_code)


@router.get("/time-bank/sponsors")
def list_sponsors(
    session: ReadSession, viewer: ViewerDep, limit: Limit = 100, cursor: Cursor = None
) -> SponsorPage:
    """List the sponsors in the regions of estates that you manage, with their budgets."""
    found = queries.sponsors(session, viewer, limit=limit + 1, after_id=cursor_id(cursor))
    return SponsorPage(
        sponsors=[SponsorOut.of(each) for each in found[:limit]], next=next_cursor(found, limit)
    )


@router.post("/time-bank/sponsors", status_code=201)
def add_sponsor(session: WriteSession, viewer: ViewerDep, new: SponsorIn) -> SponsorOut:
    """Add a sponsor of goods. For the region's administrator."""
    made = actions.add_sponsor(
        session, viewer, region=new.region, name=new.name, budget=units_of(new.points), at=clock.now()
    )
    return SponsorOut.of(made)


@router.put("/time-bank/sponsors/{sponsor_id}/budget")
def set_sponsor_budget(
    session: WriteSession, viewer: ViewerDep, sponsor_id: RowPath, new: BudgetIn
) -> SponsorOut:
    """Change the points for which a sponsor gives goods in all. For the region's administrator."""
    return SponsorOut.of(actions.set_budget(session, viewer, sponsor_id, budget=units_of(new.points)))


@router.get("/time-bank/goods")
def list_goods(
    session: ReadSession, viewer: ViewerDep, region: RegionQuery, limit: Limit = 100, cursor: Cursor = None
) -> GoodsPage:
    """List the goods of a region that points can be exchanged for."""
    require_signed_in(viewer)
    found = queries.catalogue(
        session, region_by_code(session, region).id, limit=limit + 1, after_id=cursor_id(cursor)
    )
    return GoodsPage(goods=[GoodsOut.of(each) for each in found[:limit]], next=next_cursor(found, limit))


@router.post("/time-bank/goods", status_code=201)
def add_goods(session: WriteSession, viewer: ViewerDep, new: GoodsIn) -> GoodsOut:
    """Add goods to the catalogue. For the estate's manager."""
    return GoodsOut.of(actions.add_goods(session, viewer, new))


@router.put("/time-bank/goods/{goods_id}")
def amend_goods(session: WriteSession, viewer: ViewerDep, goods_id: RowPath, new: GoodsChangeIn) -> GoodsOut:
    """Change the name, the price and whom goods are kept for. For the estate's manager."""
    return GoodsOut.of(actions.amend_goods(session, viewer, goods_id, new))


@router.post("/time-bank/goods/{goods_id}/stock")
def change_stock(session: WriteSession, viewer: ViewerDep, goods_id: RowPath, new: StockIn) -> GoodsOut:
    """Add to the stock or take from it, open or close the goods. For the estate's manager."""
    return GoodsOut.of(
        actions.change_stock(
            session,
            viewer,
            goods_id,
            change=new.change,
            reason=new.reason,
            key=str(new.key) if new.key is not None else None,
            is_open=new.is_open,
            at=clock.now(),
        )
    )


@router.get("/time-bank/orders")
def list_orders(
    session: ReadSession, viewer: ViewerDep, limit: Limit = 100, cursor: Cursor = None
) -> OrderPage:
    """List your orders; for managers also those of their estates."""
    found = queries.orders(session, viewer, limit=limit + 1, after_id=cursor_id(cursor))
    return OrderPage(orders=[_out(each, viewer) for each in found[:limit]], next=next_cursor(found, limit))


@router.post("/time-bank/orders", status_code=201)
def place_order(session: WriteSession, viewer: ViewerDep, new: OrderIn) -> OrderOut:
    """Order goods, for yourself or with a mandate for another person. The points are held."""
    made = actions.place_order(
        session,
        viewer,
        goods_id=new.goods_id,
        quantity=new.quantity,
        key=str(new.key),
        acting_for=new.acting_for,
        paid_from=new.paid_from,
        address=new.address,
        at=clock.now(),
    )
    return _out(made, viewer)


@router.post("/time-bank/orders/{order_id}/collection")
def collect_order(
    database: DatabaseDep, session: WriteSession, viewer: ViewerDep, order_id: RowPath, given: CollectionIn
) -> OrderOut:
    """Settle an order whose goods were collected or delivered, against its code. For the estate's manager.

    After ten wrong codes the order can only be cancelled.
    """
    actions.check_collection_code(database, viewer, order_id, given.code, at=clock.now())
    made = actions.hand_over_order(
        session, viewer, order_id, code=given.code, delivered_by=given.delivered_by, at=clock.now()
    )
    return _out(made, viewer)


@router.put("/time-bank/orders/{order_id}/review")
def review_order(session: WriteSession, viewer: ViewerDep, order_id: RowPath, new: OrderReviewIn) -> OrderOut:
    """Say whether you got the goods of your order, also if another person ordered or brought them."""
    made = actions.review_order(session, viewer, order_id, is_received=new.is_received, at=clock.now())
    return _out(made, viewer)


@router.post("/time-bank/orders/{order_id}/cancellation")
def cancel_order(session: WriteSession, viewer: ViewerDep, order_id: RowPath) -> OrderOut:
    """Cancel an order that was not handed over; the points come back."""
    return _out(actions.cancel_order(session, viewer, order_id, at=clock.now()), viewer)
