"""Queries for spare stock: what is left, and what went in and out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session, joinedload

from aed.accounts.permissions import Viewer, require_can_see_history, require_keeper
from aed.errors import NotFound, NotSignedIn
from aed.registry.devices.models import Device
from aed.registry.devices.rules import ConsumableKind
from aed.registry.estates import queries as estate_queries
from aed.registry.estates.models import Estate
from aed.upkeep.spares.models import SpareMovement, SpareNotice, SpareStock
from aed.upkeep.spares.rules import SpareLot, SpareState, usable_quantity

_WITH_REGION: Final = joinedload(SpareStock.estate).joinedload(Estate.region)
"""The estate and its region, which have the time zone."""


@dataclass(frozen=True, slots=True)
class SpareCount:
    """A stock and what is left of each lot, the first to expire first."""

    stock: SpareStock
    lots: list[SpareLot]

    @property
    def quantity(self) -> int:
        return sum(each.quantity for each in self.lots)

    def usable(self, *, at: datetime) -> int:
        """Return how many of them have not expired where the stock is."""
        return usable_quantity(self.lots, on=today_at(self.stock, at=at))


def local_time(found: SpareStock, *, at: datetime) -> datetime:
    """Return the time where the stock is."""
    return at.astimezone(ZoneInfo(found.estate.time_zone or found.estate.region.time_zone))


def today_at(found: SpareStock, *, at: datetime) -> date:
    """Return the day where the stock is."""
    return local_time(found, at=at).date()


def estate_with_spares(session: Session, viewer: Viewer, estate_id: int) -> Estate:
    """Return an estate whose spares the viewer may read: its keepers and managers.

    Raises NotSignedIn, NotFound for an estate that the viewer may not see, and NotAllowed.
    """
    if not viewer.is_signed_in:
        raise NotSignedIn("Spare stock is shown to the keepers and managers of the estate: sign in.")
    estate = estate_queries.estate(session, viewer, estate_id)
    require_can_see_history(require_keeper, viewer, estate.id, region_id=estate.region_id)
    return estate


def stock(session: Session, viewer: Viewer, stock_id: int, *, for_update: bool = False) -> SpareStock:
    """Return a stock with its estate. Raises NotFound, and what `estate_with_spares` raises."""
    if not viewer.is_signed_in:
        raise NotSignedIn("Spare stock is shown to the keepers and managers of the estate: sign in.")
    statement = select(SpareStock).where(SpareStock.id == stock_id).options(_WITH_REGION)
    if for_update:
        statement = statement.with_for_update(of=SpareStock)
    found = session.scalar(statement)
    if found is None:
        raise NotFound("Spare stock {stock_id} does not exist.", field="stock_id", stock_id=stock_id)
    estate_with_spares(session, viewer, found.estate_id)
    return found


def stocks(session: Session, viewer: Viewer, estate_id: int) -> list[SpareCount]:
    """Return what the estate keeps and what is left of it. Raises what `estate_with_spares` raises."""
    estate = estate_with_spares(session, viewer, estate_id)
    found = session.scalars(
        select(SpareStock)
        .where(SpareStock.estate_id == estate.id, SpareStock.state == SpareState.KEPT)
        .options(_WITH_REGION)
        .order_by(SpareStock.maker, SpareStock.model, SpareStock.kind, SpareStock.id)
    ).all()
    lots = lots_of(session, [each.id for each in found])
    return [SpareCount(each, lots[each.id]) for each in found]


def count_of(session: Session, found: SpareStock) -> SpareCount:
    """Return a stock with what is left of each lot."""
    return SpareCount(found, lots_of(session, [found.id])[found.id])


def lots_of(session: Session, stock_ids: Sequence[int]) -> dict[int, list[SpareLot]]:
    """Return the lots of which anything is left, by stock, the first to expire first."""
    left = func.sum(SpareMovement.quantity)
    rows = session.execute(
        select(SpareMovement.stock_id, SpareMovement.lot, SpareMovement.expires_on, left)
        .where(SpareMovement.stock_id.in_(stock_ids))
        .group_by(SpareMovement.stock_id, SpareMovement.lot, SpareMovement.expires_on)
        .having(left != 0)
        .order_by(SpareMovement.expires_on, SpareMovement.lot)
    )
    found: dict[int, list[SpareLot]] = defaultdict(list)
    for stock_id, lot, expires_on, quantity in rows:
        found[stock_id].append(SpareLot(lot, expires_on, int(quantity)))
    return found


def movement_by_key(session: Session, key: str) -> SpareMovement | None:
    """Return the movement that was sent with this key."""
    return session.scalar(select(SpareMovement).where(SpareMovement.key == key))


def movements(
    session: Session, viewer: Viewer, stock_id: int, *, limit: int, before_id: int | None = None
) -> Sequence[SpareMovement]:
    """Return a page of the movements of a stock, the last first."""
    found = stock(session, viewer, stock_id)
    statement = select(SpareMovement).where(SpareMovement.stock_id == found.id)
    if before_id is not None:
        statement = statement.where(SpareMovement.id < before_id)
    return session.scalars(statement.order_by(SpareMovement.id.desc()).limit(limit)).all()


def latest_movements(
    session: Session, counts: Sequence[SpareCount], *, limit: int
) -> dict[int, list[SpareMovement]]:
    """Return the last movements of each stock, the last first, in one statement.

    visibility: of stocks that the viewer was shown.
    """
    age = func.row_number().over(partition_by=SpareMovement.stock_id, order_by=SpareMovement.id.desc())
    numbered = (
        select(SpareMovement.id, age.label("age"))
        .where(SpareMovement.stock_id.in_([each.stock.id for each in counts]))
        .subquery()
    )
    latest = select(numbered.c.id).where(numbered.c.age <= limit)
    found: dict[int, list[SpareMovement]] = {each.stock.id: [] for each in counts}
    for each in session.scalars(
        select(SpareMovement).where(SpareMovement.id.in_(latest)).order_by(SpareMovement.id.desc())
    ):
        found[each.stock_id].append(each)
    return found


def stocks_for(session: Session, device: Device, kinds: Collection[ConsumableKind]) -> Sequence[SpareStock]:
    """Lock and return the stocks of these kinds at the device's estate, in order of id.

    One statement for all kinds, so that two checks at once do not wait for each other.

    visibility: of a device that the caller checks.
    """
    return session.scalars(
        select(SpareStock)
        .where(
            SpareStock.estate_id == device.estate_id,
            SpareStock.kind.in_(kinds),
            SpareStock.state == SpareState.KEPT,
        )
        .options(_WITH_REGION)
        .order_by(SpareStock.id)
        .with_for_update(of=SpareStock)
    ).all()


def expiring_lots(session: Session, until: date) -> list[tuple[SpareStock, SpareLot]]:
    """Return the lots that expire by `until` of which nobody was notified, with their stock and estate.

    visibility: for the job that notifies the managers.
    """
    left = func.sum(SpareMovement.quantity)
    rows = session.execute(
        select(SpareMovement.stock_id, SpareMovement.lot, SpareMovement.expires_on, left)
        .join(SpareStock, SpareStock.id == SpareMovement.stock_id)
        .outerjoin(
            SpareNotice,
            and_(
                SpareNotice.stock_id == SpareMovement.stock_id,
                SpareNotice.lot == SpareMovement.lot,
                SpareNotice.expires_on == SpareMovement.expires_on,
            ),
        )
        .where(
            SpareStock.state == SpareState.KEPT,
            SpareMovement.expires_on <= until,
            SpareNotice.stock_id.is_(None),
        )
        .group_by(SpareMovement.stock_id, SpareMovement.lot, SpareMovement.expires_on)
        .having(left > 0)
        .order_by(SpareMovement.expires_on, SpareMovement.stock_id, SpareMovement.lot)
    ).all()
    stocks_by_id = {
        each.id: each
        for each in session.scalars(
            select(SpareStock).where(SpareStock.id.in_({row[0] for row in rows})).options(_WITH_REGION)
        )
    }
    return [
        (stocks_by_id[stock_id], SpareLot(lot, expires_on, int(quantity)))
        for stock_id, lot, expires_on, quantity in rows
    ]
