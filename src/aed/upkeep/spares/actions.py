"""Keep spare stock: create it, record what comes in and goes out, notify managers."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from aed.accounts.free_text import MAX_PLACE_CHARACTERS, quote
from aed.accounts.permissions import Viewer, require_estate_manager, require_keeper
from aed.accounts.role_grants import managers_of
from aed.database.idempotency import content_digest, require_same_content
from aed.database.types import require_version
from aed.errors import Conflict, InvalidInput
from aed.notifications.outbox import Notice, notify_person
from aed.notifications.rules import MessageTopic
from aed.registry.changes import flush_or_conflict, record_amendment, record_creation
from aed.registry.devices.models import Device
from aed.registry.devices.schemas import ConsumableIn
from aed.registry.estates import queries as estate_queries
from aed.registry.estates.models import Estate
from aed.upkeep.models import Check
from aed.upkeep.rules import PolicyScope, closest
from aed.upkeep.spares import queries
from aed.upkeep.spares.models import SpareMovement, SpareNotice, SpareStock
from aed.upkeep.spares.rules import (
    KIND_WORDS,
    NOTICE_DAYS,
    NOTICE_HOURS,
    SpareLot,
    SpareReason,
    SpareState,
    lot_to_take,
    must_order,
    scope_key,
    usable_quantity,
)
from aed.upkeep.spares.schemas import SpareMovementIn, SpareStockAmend, SpareStockIn


def create_stock(
    session: Session, who: Viewer, estate_id: int, new: SpareStockIn, *, at: datetime
) -> SpareStock:
    """Keep spares of a kind for a model. For managers of the estate. Raises Conflict if they are kept."""
    if who.person_id is None:
        require_estate_manager(who, estate_id)  # before revealing whether the estate exists
    estate = estate_queries.estate(session, who, estate_id)
    require_estate_manager(who, estate.id, region_id=estate.region_id)
    found = SpareStock(
        **new.model_dump(),
        estate=estate,
        scope=scope_key(new.kind, maker=new.maker, model=new.model),
        state=SpareState.KEPT,
    )
    session.add(found)
    flush_or_conflict(session, "The estate keeps these spares already.", "model")
    record_creation(session, who, found, at=at)
    return found


def amend_stock(
    session: Session, who: Viewer, stock_id: int, change: SpareStockAmend, *, version: int, at: datetime
) -> SpareStock:
    """Set the reorder point. For managers of the estate."""
    found = _stock_to_manage(session, who, stock_id)
    require_version(found, version)
    found.reorder_point = change.reorder_point
    record_amendment(session, who, found, at=at)
    flush_or_conflict(session, "The reorder point cannot be changed to this value.", None)
    return found


def withdraw_stock(session: Session, who: Viewer, stock_id: int, *, version: int, at: datetime) -> SpareStock:
    """Keep these spares no longer; their movements stay. For managers of the estate."""
    found = _stock_to_manage(session, who, stock_id)
    require_version(found, version)
    found.state = SpareState.WITHDRAWN
    record_amendment(session, who, found, at=at)
    flush_or_conflict(session, "The spares cannot be withdrawn.", None)
    return found


def _stock_to_manage(session: Session, who: Viewer, stock_id: int) -> SpareStock:
    found = queries.stock(session, who, stock_id, for_update=True)
    require_estate_manager(who, found.estate_id, region_id=found.estate.region_id)
    return found


def record_movement(
    session: Session, who: Viewer, stock_id: int, new: SpareMovementIn, *, at: datetime
) -> SpareMovement:
    """Record spares that came in, went out or were counted. For keepers and managers of the estate.

    1. Return the stored movement if the same one was sent before under its key.
    2. Find the lot: the given one, or for what goes out the first to expire.
    3. Refuse to take more than is left, and a count that changes nothing.
    4. Notify the managers if the reorder point is reached.
    """
    found = queries.stock(session, who, stock_id, for_update=True)
    require_keeper(who, found.estate_id, region_id=found.estate.region_id)
    digest = content_digest(f"{stock_id} {new.model_dump_json()}")
    known = queries.movement_by_key(session, str(new.key))
    if known is not None:
        require_same_content(known.digest, digest, "movement")
        return known
    if found.state is not SpareState.KEPT:
        raise Conflict("These spares are no longer kept.", field="stock_id")
    lots = queries.lots_of(session, [found.id])[found.id]
    movement = _movement(new, lots, today=queries.today_at(found, at=at))
    movement.key, movement.digest = str(new.key), digest
    _record(session, who, found, movement, lots, at=at)
    return movement


def _movement(new: SpareMovementIn, lots: Sequence[SpareLot], *, today: date) -> SpareMovement:
    """Return the lot and the signed quantity of a movement. Raises InvalidInput, Conflict."""
    if new.reason is SpareReason.RECEIVED and new.expires_on is None:
        raise InvalidInput("Give expires_on, the expiry date on the spares.", field="expires_on")
    if new.reason is not SpareReason.COUNTED and new.quantity == 0:
        raise InvalidInput("Give a quantity of at least 1.", field="quantity")
    if new.expires_on is not None:
        lot, expires_on = new.lot or "", new.expires_on
    else:
        usable_on = today if new.reason is SpareReason.FITTED else None
        taken = lot_to_take(lots, lot=new.lot, expires_on=None, usable_on=usable_on)
        if taken is None:
            raise Conflict("There is no such lot in stock.", field="lot")
        lot, expires_on = taken.lot, taken.expires_on
    left = sum(
        each.quantity
        for each in lots
        if each.expires_on == expires_on and each.lot.casefold() == lot.casefold()
    )
    lot = next(
        (
            each.lot
            for each in lots
            if each.expires_on == expires_on and each.lot.casefold() == lot.casefold()
        ),
        lot,
    )
    match new.reason:
        case SpareReason.RECEIVED:
            quantity = new.quantity
        case SpareReason.COUNTED:
            quantity = new.quantity - left
            if quantity == 0:
                raise InvalidInput(
                    "Of this lot {left} are registered already: nothing to change.",
                    field="quantity",
                    left=left,
                )
        case SpareReason.FITTED | SpareReason.DISCARDED | SpareReason.PASSED_ON:
            quantity = -new.quantity
            if new.quantity > left:
                raise Conflict("Of this lot only {left} are left.", field="quantity", left=left)
    return SpareMovement(lot=lot, expires_on=expires_on, quantity=quantity, reason=new.reason, note=new.note)


def _record(
    session: Session,
    who: Viewer,
    found: SpareStock,
    movement: SpareMovement,
    lots: Sequence[SpareLot],
    *,
    at: datetime,
) -> None:
    movement.stock_id, movement.at = found.id, at
    movement.by_id, movement.by_name = who.person_id, who.name
    session.add(movement)
    flush_or_conflict(session, "This movement arrived twice at the same time. Send it again.", "key")
    today = queries.today_at(found, at=at)
    before = usable_quantity(lots, on=today)
    after = before + (movement.quantity if movement.expires_on >= today else 0)
    if must_order(before=before, after=after, reorder_point=found.reorder_point):
        en, zh = _names(found)
        _notify_managers(
            session,
            who,
            found.estate,
            en=f"{en}: {after} left. Please order more.",
            zh=f"{zh}仅剩{after}件，请及时采购。",
            at=at,
        )


def take_for_check(
    session: Session,
    who: Viewer,
    device: Device,
    check: Check,
    fitted: Sequence[ConsumableIn],
    *,
    at: datetime,
) -> None:
    """Take from stock what a check fitted. What is not in stock, or expired, came from elsewhere.

    visibility: of a device that the viewer checks.
    """
    if device.estate_id is None or not fitted:
        return
    kept = queries.stocks_for(session, device, [each.kind for each in fitted])
    for each in fitted:
        scopes = [(PolicyScope(None, one.maker, one.model), one) for one in kept if one.kind is each.kind]
        found = closest(scopes, PolicyScope(None, device.maker, device.model))
        if found is None:
            continue
        lots = queries.lots_of(session, [found.id])[found.id]
        today = queries.today_at(found, at=at)
        lot = lot_to_take(lots, lot=each.lot, expires_on=each.expires_on, usable_on=today)
        if lot is None:
            continue
        key = str(uuid.uuid5(uuid.UUID(check.key), each.kind))
        movement = SpareMovement(
            key=key,
            digest=content_digest(key),
            lot=lot.lot,
            expires_on=lot.expires_on,
            quantity=-1,
            reason=SpareReason.FITTED,
            device_id=device.id,
            check_id=check.id,
        )
        _record(session, who, found, movement, lots, at=at)


def notify_of_expiring_spares(session: Session, who: Viewer, *, at: datetime) -> int:
    """Notify the managers of each estate once of each lot that expires soon, by day; return how many lots."""
    latest = (at + timedelta(days=NOTICE_DAYS + 1)).date()
    by_estate: dict[int, list[tuple[SpareStock, SpareLot]]] = defaultdict(list)
    for found, lot in queries.expiring_lots(session, latest):
        local = queries.local_time(found, at=at)
        if local.hour in NOTICE_HOURS and (lot.expires_on - local.date()).days <= NOTICE_DAYS:
            by_estate[found.estate_id].append((found, lot))
    for expiring in by_estate.values():
        _notify_managers(session, who, expiring[0][0].estate, **_sentences(expiring), at=at)
        session.add_all(
            SpareNotice(stock_id=found.id, lot=lot.lot, expires_on=lot.expires_on, sent_at=at)
            for found, lot in expiring
        )
    session.flush()
    return sum(map(len, by_estate.values()))


def _sentences(expiring: Sequence[tuple[SpareStock, SpareLot]]) -> dict[str, str]:
    first, lot = expiring[0]
    en, zh = _names(first)
    more = len(expiring) - 1
    return {
        "en": f"{en}: {lot.quantity} usable until {lot.expires_on}"
        + (f", and {more} more lots soon." if more else "."),
        "zh": f"{zh}{lot.quantity}件有效期至{_day_zh(lot.expires_on)}"
        + (f"，另有{more}批也将到期。" if more else "。"),
    }


def _day_zh(day: date) -> str:
    return f"{day.year}年{day.month}月{day.day}日"


def _names(found: SpareStock) -> tuple[str, str]:
    """Return the spares in words, with the model that they fit: English, Chinese."""
    en, zh = KIND_WORDS[found.kind]
    model = quote(" ".join(each for each in (found.maker, found.model) if each), limit=MAX_PLACE_CHARACTERS)
    return (f"{en} for {model}", f"{model}{zh}") if model else (en, zh)


def _notify_managers(
    session: Session, who: Viewer, estate: Estate, *, en: str, zh: str, at: datetime
) -> None:
    """Notify the estate's managers, except who did it."""
    name_en, name_zh = (quote(each, limit=MAX_PLACE_CHARACTERS) for each in (estate.name_en, estate.name_zh))
    notice = Notice(text_en=f"{name_en}: {en}", text_zh=f"{name_zh}：{zh}", topic=MessageTopic.DEVICE)
    for person_id in managers_of(session, estate.id):
        if person_id != who.person_id:
            notify_person(session, person_id, notice, at)
