"""Catalogue and orders: order, hold, hand over against a code; cancelling gives everything back."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer, require_administrator
from aed.accounts.regions.queries import region_by_code, region_of_estate
from aed.database.idempotency import require_same_content
from aed.database.session import Database, transaction
from aed.errors import Conflict, InvalidInput, NotAllowed, NotFound
from aed.notifications.outbox import Notice, notify_person
from aed.timebank.goods.models import Goods, GoodsOrder, GoodsPhoto, Sponsor, StockChange
from aed.timebank.goods.queries import goods_by_id
from aed.timebank.goods.schemas import GoodsChangeIn, GoodsIn
from aed.timebank.ledger.posting import (
    Posting,
    PostingContext,
    lock_ledger,
    open_account,
    post,
    regional_account,
    require_balance,
)
from aed.timebank.mandates.actions import groups_of, payer
from aed.timebank.models import WebhookEventType
from aed.timebank.permissions import (
    require_account_manager,
    require_person,
)
from aed.timebank.regional_rules.queries import rules_at
from aed.timebank.rules import (
    AccountKind,
    Currency,
    LedgerKind,
    OrderState,
    PaidFrom,
    PriorityGroup,
    may_order,
    to_points,
)
from aed.timebank.schemas import units_of
from aed.timebank.webhooks.actions import WebhookEvent, enqueue_events

COLLECT_WITHIN: Final = timedelta(days=30)
"""Orders that are not collected in this time are cancelled by the nightly job."""
MAX_WRONG_CODES: Final = 10
"""After so many wrong codes an order is not handed over any more: ten guesses at a million codes."""


# --- Sponsors and goods ---------------------------------------------------------------------------------


def add_sponsor(
    session: Session, viewer: Viewer, *, region: str, name: str, budget: int, at: datetime
) -> Sponsor:
    """Add a sponsor who gives goods for up to `budget` units. For the administrator of the region."""
    region_id = region_by_code(session, region).id
    require_administrator(viewer, region_id=region_id)
    account = open_account(
        session, AccountKind.SPONSOR, region_id=region_id, estate_id=None, name=name, at=at
    )
    sponsor = Sponsor(account_id=account.id, region_id=region_id, name=name, budget=budget, committed=0)
    session.add(sponsor)
    session.flush()
    return sponsor


def set_budget(session: Session, viewer: Viewer, sponsor_id: int, *, budget: int) -> Sponsor:
    """Change the units for which a sponsor gives goods in all, but not below what is ordered.

    Raises NotSignedIn, NotAllowed, NotFound, Conflict. visibility: for the administrator of the region.
    """
    require_person(viewer)
    lock_ledger(session)
    found = session.get(Sponsor, sponsor_id, populate_existing=True)
    if found is None:
        raise NotFound("There is no sponsor {id}.", field="sponsor_id", id=sponsor_id)
    require_administrator(viewer, region_id=found.region_id)
    if budget < found.committed:
        raise Conflict("More than this is ordered already.", field="points")
    found.budget = budget
    session.flush()
    return found


def add_goods(session: Session, viewer: Viewer, new: GoodsIn) -> Goods:
    """Add goods to the catalogue of an estate. For its manager. Raises NotSignedIn, NotAllowed, NotFound."""
    region_id = region_of_estate(session, new.estate_id)
    require_account_manager(viewer, estate_id=new.estate_id, region_id=region_id)
    sponsor = session.get(Sponsor, new.sponsor_id)
    if sponsor is None or sponsor.region_id != region_id:
        raise NotFound("There is no sponsor {id}.", field="sponsor_id", id=new.sponsor_id)
    goods = Goods(
        region_id=region_id,
        estate_id=new.estate_id,
        sponsor_id=sponsor.id,
        name_en=new.name_en,
        name_zh=new.name_zh,
        price=units_of(new.points),
        stock=new.stock,
        first_for=[str(each) for each in new.first_for],
        first_until=new.first_until,
        is_open=True,
    )
    session.add(goods)
    session.flush()
    return goods


def amend_goods(session: Session, viewer: Viewer, goods_id: int, new: GoodsChangeIn) -> Goods:
    """Change name, price and whom the goods are kept for; orders that are placed keep their price.

    For the estate's manager. Raises NotSignedIn, NotAllowed, NotFound.
    """
    lock_ledger(session)
    goods = goods_by_id(session, goods_id)
    require_account_manager(viewer, estate_id=goods.estate_id, region_id=goods.region_id)
    goods.name_en, goods.name_zh, goods.price = new.name_en, new.name_zh, units_of(new.points)
    goods.first_for = [str(each) for each in new.first_for]
    goods.first_until, goods.is_open = new.first_until, new.is_open
    session.flush()
    return goods


def change_stock(
    session: Session,
    viewer: Viewer,
    goods_id: int,
    *,
    change: int,
    reason: str | None,
    is_open: bool | None = None,
    key: str | None = None,
    at: datetime,
) -> Goods:
    """Add to the stock, or take from it, and keep why; open or close the goods for orders.

    For the estate's manager. `reason` is required with a change. A change counts once for each `key`.

    Raises NotSignedIn, NotAllowed, NotFound; Conflict if there are not so many.

    visibility: for the estate's manager.
    """
    lock_ledger(session)
    goods = goods_by_id(session, goods_id)
    require_account_manager(viewer, estate_id=goods.estate_id, region_id=goods.region_id)
    known = select(StockChange.id).where(StockChange.goods_id == goods.id, StockChange.key == key)
    if key is not None and session.scalar(known) is not None:
        return goods
    if goods.stock + change < 0:
        raise Conflict("Only {stock} are left.", field="change", stock=goods.stock)
    goods.stock += change
    if change:
        assert reason is not None
        made = StockChange(
            goods_id=goods.id, key=key, change=change, reason=reason, changed_at=at, changed_by=viewer.name
        )
        session.add(made)
    if is_open is not None:
        goods.is_open = is_open
    session.flush()
    return goods


def set_photo(session: Session, viewer: Viewer, goods_id: int, *, jpeg: bytes | None) -> Goods:
    """Set the photo of goods, or remove it (None). For the estate's manager.

    Raises NotSignedIn, NotAllowed, NotFound. visibility: for the estate's manager.
    """
    goods = goods_by_id(session, goods_id)
    require_account_manager(viewer, estate_id=goods.estate_id, region_id=goods.region_id)
    session.execute(delete(GoodsPhoto).where(GoodsPhoto.goods_id == goods.id))
    goods.photo_sha256 = hashlib.sha256(jpeg).hexdigest() if jpeg is not None else None
    if jpeg is not None:
        session.add(GoodsPhoto(goods_id=goods.id, jpeg=jpeg))
    session.flush()
    return goods


# --- Orders ---------------------------------------------------------------------------------------------


def place_order(
    session: Session,
    viewer: Viewer,
    *,
    goods_id: int,
    quantity: int,
    key: str,
    acting_for: int | None = None,
    paid_from: PaidFrom = PaidFrom.OWN,
    address: str | None = None,
    at: datetime,
) -> GoodsOrder:
    """Order goods, once for each `key`; the points are held until they are handed over.

    They are delivered to `address`, or collected. A person for whom another one ordered is notified.

    1. Find the account that pays: one's own, the family's, that of a person who gave a mandate, or the care
       pool.
    2. Take the goods from the stock, and their price from the sponsor's budget, if there is so much left.
    3. Hold the points.

    Raises NotSignedIn, NotAllowed, NotFound; Conflict for goods that are sold out, kept for others or too
    dear.

    visibility: the person's own order.
    """
    require_person(viewer)
    lock_ledger(session)
    paying = payer(session, viewer, acting_for=acting_for, paid_from=paid_from, at=at)
    known = session.scalar(
        select(GoodsOrder)
        .where(GoodsOrder.payer_account_id == paying.account_id, GoodsOrder.key == key)
        .execution_options(populate_existing=True)
    )
    if known is not None:
        require_same_content((known.goods_id, known.quantity), (goods_id, quantity), "order")
        return known
    goods = goods_by_id(session, goods_id)
    if goods.region_id != paying.region_id or not goods.is_open:
        raise NotFound("There are no goods {id}.", field="goods_id", id=goods_id)
    groups = groups_of(session, paying.person_id)
    if not may_order([PriorityGroup(each) for each in goods.first_for], goods.first_until, groups, at):
        raise Conflict("These goods are kept for others for now.", field="goods_id")
    units = goods.price * quantity
    require_balance(session, paying.account_id, units)
    if goods.stock < quantity:
        raise Conflict("Only {stock} are left.", field="quantity", stock=goods.stock)
    sponsor = session.get_one(Sponsor, goods.sponsor_id, populate_existing=True)
    if sponsor.committed + units > sponsor.budget:
        raise Conflict("The sponsor's budget is used up.", field="goods_id")
    goods.stock -= quantity
    sponsor.committed += units
    order = GoodsOrder(
        goods_id=goods.id,
        person_id=paying.person_id,
        payer_account_id=paying.account_id,
        key=key,
        quantity=quantity,
        amount=units,
        state=OrderState.HELD,
        code=f"{secrets.randbelow(1_000_000):06}",
        ordered_at=at,
        ordered_by=viewer.name,
        address=address,
    )
    session.add(order)
    session.flush()
    suspense = regional_account(
        session, AccountKind.SUSPENSE, Currency.POINTS, region_id=goods.region_id, at=at
    )
    context = PostingContext(at, viewer.name, rules_at(session, goods.region_id, at).version)
    hold = Posting(LedgerKind.HOLD, Currency.POINTS, paying.account_id, suspense, units, f"order:{order.id}")
    post(session, context, [hold])
    placed = WebhookEvent(
        WebhookEventType.ORDER_PLACED,
        f"order:{order.id}",
        1,
        goods.region_id,
        goods.estate_id,
        {
            "order": order.id,
            "goods": goods.id,
            "person": order.person_id,
            "quantity": quantity,
            "amount": units,
        },
    )
    enqueue_events(session, [placed], at=at)
    if viewer.person_id != order.person_id:
        notify_person(session, order.person_id, _order_notice(order, goods), at)
    return order


def _order_notice(order: GoodsOrder, goods: Goods) -> Notice:
    points, count = to_points(order.amount), order.quantity
    return Notice(
        text_en=f"{count} × {goods.name_en} for {points} points of the time bank: ordered for you. On your "
        "page you can cancel it, and say afterwards whether you got it.",
        text_zh=f"已有人为您在时间银行兑换{goods.name_zh}×{count}（{points}分）。您可在个人页面取消，并在事后说明是否收到。",
        subject_en="Ordered for you",
        subject_zh="已为您兑换",
    )


def _wrong_codes_notice(goods: Goods) -> Notice:
    return Notice(
        text_en=f"Wrong codes were entered for your order ({goods.name_en}) in the time bank, "
        f"{MAX_WRONG_CODES} in all, so it cannot be handed over any more. On your page you can cancel it and "
        "order again. If you were not at the desk, tell the manager of the estate.",
        text_zh=f"您在时间银行的订单（{goods.name_zh}）已被输错取货码{MAX_WRONG_CODES}次，不能再取货。"
        "您可在个人页面取消后重新兑换。如非本人到场，请告知园区管理人员。",
        subject_en="Wrong codes for your order",
        subject_zh="取货码多次输错",
    )


def check_collection_code(
    database: Database, viewer: Viewer, order_id: int, code: str, *, at: datetime
) -> None:
    """Compare the code of an order before it is handed over; a wrong one is counted. For the manager.

    It has a transaction of its own, because that of `hand_over_order` is rolled back for a wrong code. The
    person who gets the goods has a message once no more codes are taken.

    Raises NotSignedIn, NotAllowed, NotFound; InvalidInput for a wrong code, Conflict after MAX_WRONG_CODES.
    """
    require_person(viewer)
    with transaction(database) as session:
        lock_ledger(session)
        order = _order(session, order_id)
        goods = goods_by_id(session, order.goods_id)
        require_account_manager(viewer, estate_id=goods.estate_id, region_id=goods.region_id)
        is_locked = order.state is OrderState.HELD and order.wrong_codes >= MAX_WRONG_CODES
        is_right = hmac.compare_digest(order.code.encode(), code.encode())
        if not is_locked and not is_right:
            order.wrong_codes += 1
            if order.wrong_codes == MAX_WRONG_CODES:
                notify_person(session, order.person_id, _wrong_codes_notice(goods), at)
    if is_locked:
        raise Conflict(
            "{count} wrong codes were entered for this order. Cancel it: the points go back, and the person "
            "can order again.",
            count=MAX_WRONG_CODES,
        )
    if not is_right:
        raise _wrong_code()


def _wrong_code() -> InvalidInput:
    return InvalidInput("This is not the code of the order.", field="code")


def hand_over_order(
    session: Session,
    viewer: Viewer,
    order_id: int,
    *,
    code: str,
    delivered_by: str | None = None,
    at: datetime,
) -> GoodsOrder:
    """Settle an order whose goods were collected or delivered, against its code. For the manager.

    The person says the code at the desk, or at the door to the person who delivers. The sponsor has the
    points. Doing it again changes nothing. `check_collection_code` limits the guesses at the code.

    Raises NotSignedIn, NotAllowed, NotFound; InvalidInput for a wrong code, or a delivery without a name;
    Conflict for a cancelled order.
    """
    require_person(viewer)
    lock_ledger(session)
    order = _order(session, order_id)
    goods = goods_by_id(session, order.goods_id)
    require_account_manager(viewer, estate_id=goods.estate_id, region_id=goods.region_id)
    if not hmac.compare_digest(order.code.encode(), code.encode()):
        raise _wrong_code()
    if order.state is OrderState.CANCELLED:
        raise Conflict("This order was cancelled.")
    if order.state is OrderState.HELD:
        if order.address is not None and delivered_by is None:
            raise InvalidInput("Say who delivered the goods.", field="delivered_by")
        sponsor = session.get_one(Sponsor, goods.sponsor_id)
        _move_held(session, order, goods, LedgerKind.SPEND, sponsor.account_id, by=viewer.name, at=at)
        order.state, order.ended_at, order.ended_by = OrderState.COLLECTED, at, viewer.name
        order.delivered_by, order.address = delivered_by, None
        session.flush()
    return order


def review_order(
    session: Session, viewer: Viewer, order_id: int, *, is_received: bool, at: datetime
) -> GoodsOrder:
    """Record whether the person received the goods of their order; a later answer replaces it.

    It moves no points: the desk shows who says that they have nothing. Raises NotSignedIn, NotAllowed,
    NotFound; Conflict for an order that was not handed over.
    """
    person_id = require_person(viewer)
    lock_ledger(session)
    order = _order(session, order_id)
    if order.person_id != person_id:
        raise NotAllowed("Only the person whose order it is says whether they got it.")
    if order.state is not OrderState.COLLECTED:
        raise Conflict("These goods were not handed over yet.")
    order.is_received, order.reviewed_at = is_received, at
    session.flush()
    return order


def cancel_order(session: Session, viewer: Viewer, order_id: int, *, at: datetime) -> GoodsOrder:
    """Cancel an order that was not handed over; points, stock and budget are given back.

    For the person, who ordered for them, and the manager. Cancelling again changes nothing. Raises
    NotSignedIn, NotFound; Conflict if it was handed over.
    """
    require_person(viewer)
    lock_ledger(session)
    order = _order(session, order_id)
    goods = goods_by_id(session, order.goods_id)
    if viewer.person_id != order.person_id and viewer.name != order.ordered_by:
        require_account_manager(viewer, estate_id=goods.estate_id, region_id=goods.region_id)
    if order.state is OrderState.COLLECTED:
        raise Conflict("The goods of this order were handed over already.")
    if order.state is OrderState.HELD:
        _give_back(session, order, goods, by=viewer.name, at=at)
    return order


def cancel_uncollected(session: Session, *, at: datetime) -> int:
    """Cancel orders that were not collected in time; return how many.

    visibility: for the nightly job.
    """
    lock_ledger(session)
    orders = session.scalars(
        select(GoodsOrder)
        .where(GoodsOrder.state == OrderState.HELD, GoodsOrder.ordered_at <= at - COLLECT_WITHIN)
        .order_by(GoodsOrder.id)
        .limit(500)
        .execution_options(populate_existing=True)
    ).all()
    for order in orders:
        _give_back(session, order, goods_by_id(session, order.goods_id), by="timetable", at=at)
    return len(orders)


def _order(session: Session, order_id: int) -> GoodsOrder:
    """visibility: the caller checks who may change it."""
    order = session.get(GoodsOrder, order_id, populate_existing=True)
    if order is None:
        raise NotFound("There is no order {id}.", field="order_id", id=order_id)
    return order


def _give_back(session: Session, order: GoodsOrder, goods: Goods, *, by: str, at: datetime) -> None:
    goods.stock += order.quantity
    sponsor = session.get_one(Sponsor, goods.sponsor_id, populate_existing=True)
    sponsor.committed -= order.amount
    _move_held(session, order, goods, LedgerKind.RELEASE, order.payer_account_id, by=by, at=at)
    order.state, order.ended_at, order.ended_by = OrderState.CANCELLED, at, by
    order.address = None
    session.flush()


def _move_held(
    session: Session,
    order: GoodsOrder,
    goods: Goods,
    kind: LedgerKind,
    to_account_id: int,
    *,
    by: str,
    at: datetime,
) -> None:
    suspense = regional_account(
        session, AccountKind.SUSPENSE, Currency.POINTS, region_id=goods.region_id, at=at
    )
    context = PostingContext(at, by, rules_at(session, goods.region_id, at).version)
    record = f"order:{order.id}"
    post(session, context, [Posting(kind, Currency.POINTS, suspense, to_account_id, order.amount, record)])
