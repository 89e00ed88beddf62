"""Read the catalogue, sponsors and orders."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Row, false, or_, select, true
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Viewer
from aed.errors import NotFound
from aed.registry.estates.models import Estate
from aed.timebank.goods.models import Goods, GoodsOrder, GoodsPhoto, Sponsor, StockChange
from aed.timebank.models import LedgerAccount
from aed.timebank.permissions import MANAGERS, account_visible_to, require_person, require_signed_in
from aed.timebank.rules import AccountKind, OrderState


def sponsors(session: Session, viewer: Viewer, *, limit: int, after_id: int = 0) -> Sequence[Sponsor]:
    """Return a page of the sponsors in the regions of estates that the viewer manages.

    visibility: by the viewer's roles.
    """
    require_signed_in(viewer)
    seen: list[ColumnElement[bool]] = [true()] if viewer.is_administrator else []
    for held in viewer.role_assignments:
        if held.role in MANAGERS and held.estate_id is not None:
            region = select(Estate.region_id).where(Estate.id == held.estate_id)
            seen.append(Sponsor.region_id.in_(region))
        elif held.role in MANAGERS:
            seen.append(Sponsor.region_id.in_(held.region_ids))
    return session.scalars(
        select(Sponsor)
        .where(Sponsor.id > after_id, or_(*seen) if seen else false())
        .order_by(Sponsor.id)
        .limit(limit)
    ).all()


def goods_by_id(session: Session, goods_id: int) -> Goods:
    """Return goods as they are now. Raises NotFound."""
    goods = session.get(Goods, goods_id, populate_existing=True)
    if goods is None:
        raise NotFound("There are no goods {id}.", field="goods_id", id=goods_id)
    return goods


def managed_goods(session: Session, viewer: Viewer, *, limit: int) -> Sequence[Goods]:
    """Return the goods of estates that the viewer manages, also those that cannot be ordered."""
    return session.scalars(
        select(Goods).where(goods_managed_by(viewer)).order_by(Goods.is_open.desc(), Goods.id).limit(limit)
    ).all()


def stock_changes(session: Session, goods_id: int, *, limit: int) -> Sequence[StockChange]:
    """Return the changes of the stock, newest first. visibility: of goods that the caller manages."""
    return session.scalars(
        select(StockChange)
        .where(StockChange.goods_id == goods_id)
        .order_by(StockChange.id.desc())
        .limit(limit)
    ).all()


def catalogue(session: Session, region_id: int, *, limit: int, after_id: int) -> Sequence[Goods]:
    """Return the goods of a region that can be ordered."""
    return session.scalars(
        select(Goods)
        .where(Goods.region_id == region_id, Goods.is_open, Goods.id > after_id)
        .order_by(Goods.id)
        .limit(limit)
    ).all()


def photo_of(session: Session, goods_id: int) -> bytes:
    """Return the photo of goods as JPEG. Raises NotFound. visibility: photos of goods are public."""
    found = session.scalar(select(GoodsPhoto.jpeg).where(GoodsPhoto.goods_id == goods_id))
    if found is None:
        raise NotFound("There is no photo of goods {id}.", field="goods_id", id=goods_id)
    return found


def orders_visible_to(viewer: Viewer) -> ColumnElement[bool]:
    """Select the orders that the viewer may see: their own, those paid by accounts that they may see, and
    those of goods of estates that they manage.

    visibility: it is a predicate itself.
    """
    paid = select(LedgerAccount.id).where(
        LedgerAccount.kind.in_((AccountKind.PERSON, AccountKind.FAMILY)), account_visible_to(viewer)
    )
    seen = [
        GoodsOrder.person_id == viewer.person_id,
        GoodsOrder.ordered_by == viewer.name,
        GoodsOrder.payer_account_id.in_(paid),
    ]
    return or_(*seen, GoodsOrder.goods_id.in_(select(Goods.id).where(goods_managed_by(viewer))))


def orders(session: Session, viewer: Viewer, *, limit: int, after_id: int) -> Sequence[GoodsOrder]:
    """Return orders that the viewer may see, in order."""
    require_person(viewer)
    return session.scalars(
        select(GoodsOrder)
        .where(GoodsOrder.id > after_id, orders_visible_to(viewer))
        .order_by(GoodsOrder.id)
        .limit(limit)
    ).all()


def orders_to_hand_out(
    session: Session, viewer: Viewer, *, limit: int
) -> Sequence[Row[GoodsOrder, Goods, Person]]:
    """Return the held orders of goods of estates that the viewer manages, oldest first.

    visibility: by `goods_managed_by`.
    """
    return session.execute(
        select(GoodsOrder, Goods, Person)
        .join(Goods, Goods.id == GoodsOrder.goods_id)
        .join(Person, Person.id == GoodsOrder.person_id)
        .where(GoodsOrder.state == OrderState.HELD, goods_managed_by(viewer))
        .order_by(GoodsOrder.id)
        .limit(limit)
    ).all()


def goods_managed_by(viewer: Viewer) -> ColumnElement[bool]:
    """Select the goods of estates that the viewer manages: all, for the network's administrator.

    visibility: it is a predicate itself.
    """
    if viewer.is_administrator:
        return true()
    places = [
        Goods.estate_id == held.estate_id
        if held.estate_id is not None
        else Goods.region_id.in_(held.region_ids)
        for held in viewer.role_assignments
        if held.role in MANAGERS
    ]
    return or_(*places) if places else false()
