"""Spare pads and batteries: lots, what goes in and out, the reorder point, and spares that expire."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Final

import pytest
from pydantic import ValidationError
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from aed.accounts.permissions import ANYONE, Role
from aed.database.session import Database
from aed.errors import Conflict, InvalidInput, NotAllowed, NotFound, NotSignedIn
from aed.notifications.models import OutboxMessage
from aed.registry.devices.models import Device
from aed.registry.devices.rules import ConsumableKind
from aed.upkeep.spares.actions import notify_of_expiring_spares
from aed.upkeep.spares.models import SpareMovement, SpareStock
from aed.upkeep.spares.queries import latest_movements, movements, stocks
from aed.upkeep.spares.rules import (
    MAX_SCOPE_LENGTH,
    SpareLot,
    lot_to_take,
    must_order,
    scope_key,
    usable_quantity,
)
from aed.upkeep.spares.schemas import SpareStockIn, SpareStockOut
from tests import make
from tests.make import ADMINISTRATOR, NOW
from tests.waiting import eventually

KINDS: Final = ("pads", "battery")
EARLY, LATE = date(2027, 1, 31), date(2028, 6, 30)
LOTS = [SpareLot("B", LATE, 2), SpareLot("a1", EARLY, 1), SpareLot("gone", date(2026, 12, 1), 0)]


def test_a_spare_is_taken_by_its_lot_or_from_the_first_to_expire() -> None:
    assert lot_to_take(LOTS, lot="A1", expires_on=None) == LOTS[1]
    assert lot_to_take(LOTS, lot=None, expires_on=LATE) == LOTS[0]
    assert lot_to_take(LOTS, lot=None, expires_on=date(2031, 1, 1)) == LOTS[1]
    assert lot_to_take(LOTS, lot="gone", expires_on=None) is None, "it came from elsewhere"
    assert lot_to_take([], lot=None, expires_on=None) is None


def test_an_expired_spare_is_neither_fitted_nor_counted_as_usable() -> None:
    after = EARLY + timedelta(days=1)
    assert lot_to_take(LOTS, lot=None, expires_on=None, usable_on=EARLY) == LOTS[1], "on its last day"
    assert lot_to_take(LOTS, lot=None, expires_on=None, usable_on=after) == LOTS[0]
    assert lot_to_take(LOTS, lot="A1", expires_on=None, usable_on=after) is None
    assert [usable_quantity(LOTS, on=day) for day in (EARLY, after)] == [3, 2]


def test_ordering_is_asked_for_once_at_the_reorder_point() -> None:
    assert [must_order(before=n + 1, after=n, reorder_point=2) for n in (3, 2, 1)] == [False, True, False]
    assert not must_order(before=1, after=2, reorder_point=2), "something came in"


def test_a_stock_has_one_key_whatever_the_case_and_length_of_names() -> None:
    def key(maker: str | None, model: str | None = None) -> str:
        return scope_key(ConsumableKind.PADS, maker=maker, model=model)

    assert key("Heartline", "H1") == key("HEARTLINE", "h1") == "pads|heartline|h1"
    assert key(None) != key("Heartline") != key("Heartline", "H1")
    long = "\N{GREEK SMALL LETTER IOTA WITH DIALYTIKA AND TONOS}" * 100  # three characters if case is folded
    assert len(key(long, long)) <= MAX_SCOPE_LENGTH
    assert key(long, long) != key(long, long[1:])


def test_a_blank_maker_is_none_and_a_model_needs_one() -> None:
    assert SpareStockIn.model_validate({"kind": "pads", "maker": " ", "model": ""}).maker is None
    with pytest.raises(ValidationError, match="give the maker of this model too"):
        SpareStockIn.model_validate({"kind": "pads", "maker": " ", "model": "H1"})


def left(session: Session, stock: SpareStock) -> list[tuple[str, int]]:
    (found,) = [each for each in stocks(session, ADMINISTRATOR, stock.estate_id) if each.stock is stock]
    return [(each.lot, each.quantity) for each in found.lots]


def test_strangers_see_no_spares_and_only_keepers_move_them(session: Session) -> None:
    estate = make.estate(session)
    stock = make.spare_stock(session, estate, received=3)
    elsewhere = make.member(make.estate(session, in_region="CN-44"))

    with pytest.raises(NotSignedIn):
        stocks(session, ANYONE, estate.id)
    with pytest.raises(NotFound):
        stocks(session, elsewhere, estate.id)
    with pytest.raises(NotFound):
        make.spare_movement(session, stock, "fitted", 1, who=elsewhere)
    resident = make.person_with_role(session, Role.RESIDENT, estate=estate)
    with pytest.raises(NotAllowed):
        make.spare_movement(session, stock, "fitted", 1, who=resident)
    assert left(session, stock) == [("L1", 3)]


def test_spares_are_taken_by_lot_and_never_below_zero(session: Session) -> None:
    stock = make.spare_stock(session, make.estate(session), received=3)
    key = "5a0b7c52-92a3-4d8a-b6f7-0a6a0f6f1c11"
    make.spare_movement(session, stock, "received", 1, lot="OLD", expires_on="2027-01-31")

    for _ in range(2):
        make.spare_movement(session, stock, "discarded", 1, key=key, note="damp")
    make.spare_movement(session, stock, "counted", 2, lot="l1", expires_on="2029-01-31")

    assert left(session, stock) == [("L1", 2)], "the first to expire went first, once"
    for reason, quantity, error in (
        ("fitted", 3, Conflict),
        ("received", 1, InvalidInput),
        ("fitted", 0, InvalidInput),
        ("counted", 2, InvalidInput),
    ):
        with pytest.raises(error):
            make.spare_movement(session, stock, reason, quantity, lot="L1")
    with pytest.raises(Conflict, match="different movement"):
        make.spare_movement(session, stock, "discarded", 2, key=key)
    found = movements(session, ADMINISTRATOR, stock.id, limit=10)
    assert [(str(each.reason), each.quantity) for each in found] == [
        ("counted", -1),
        ("discarded", -1),
        ("received", 1),
        ("received", 3),
    ]


def test_a_check_takes_the_spare_of_the_model_and_asks_to_order(session: Session) -> None:
    estate = make.estate(session)
    manager = make.person(session, phone="+86 138 0013 8501")
    make.role(session, manager, Role.ESTATE_MANAGER, estate=estate)
    of_any = make.spare_stock(session, estate, received=5)
    of_model = make.spare_stock(session, estate, maker="heartline", model="H1", received=2, reorder_point=1)
    device = make.device(session, of=estate, maker="Heartline", model="h1")
    pads = {"kind": "pads", "expires_on": "2029-01-31"}

    made = make.check(session, device, replaced=[pads])
    make.check(session, device, at=NOW + timedelta(hours=1), replaced=[pads | {"lot": "from the maker"}])

    assert (left(session, of_model), left(session, of_any)) == ([("L1", 1)], [("L1", 5)])
    (taken,) = session.scalars(select(SpareMovement).where(SpareMovement.check_id.is_not(None)))
    assert (taken.device_id, taken.check_id, taken.by_name) == (device.id, made.check.id, made.check.by_name)
    texts = session.scalars(select(OutboxMessage.text_zh)).all()
    assert [text for text in texts if text and "采购" in text and "仅剩1件" in text]


def test_the_last_movements_of_all_stocks_are_read_at_once(session: Session) -> None:
    estate = make.estate(session)
    pads, battery = (make.spare_stock(session, estate, kind=kind, received=5) for kind in ("pads", "battery"))
    for _ in range(3):
        make.spare_movement(session, pads, "fitted", 1)

    found = latest_movements(session, stocks(session, ADMINISTRATOR, estate.id), limit=2)

    assert {key: [each.quantity for each in of] for key, of in found.items()} == {
        pads.id: [-1, -1],
        battery.id: [5],
    }


def test_a_check_locks_all_its_stocks_in_one_order(database: Database) -> None:
    """Two checks that fit the same kinds in another order must not wait for each other."""
    if database.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time: there is no order in which two could lock")
    with database.write_sessions.begin() as session:
        estate = make.estate(session)
        first, second = (make.spare_stock(session, estate, kind=kind, received=5).id for kind in KINDS)
        device = make.device(session, of=estate).id
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")

    def check() -> None:
        with database.write_sessions.begin() as session:
            replaced = [{"kind": kind, "expires_on": "2029-01-31"} for kind in reversed(KINDS)]
            make.check(session, session.get_one(Device, device), replaced=replaced)

    def locked(session: Session, stock_id: int) -> None:
        session.execute(select(SpareStock.id).where(SpareStock.id == stock_id).with_for_update(nowait=True))

    with ThreadPoolExecutor(1) as pool:
        with database.write_sessions.begin() as session:
            locked(session, first)
            done = pool.submit(check)

            def is_waiting() -> bool:
                with database.read_sessions() as reading:
                    return bool(reading.scalar(waiting))

            assert eventually(is_waiting)
            locked(session, second)
        done.result(60)


def test_expired_spares_are_discarded_first_and_are_no_stock(session: Session) -> None:
    estate = make.estate(session)
    manager = make.person(session, phone="+86 138 0013 8503")
    make.role(session, manager, Role.ESTATE_MANAGER, estate=estate)
    stock = make.spare_stock(session, estate, received=2, reorder_point=1)
    make.spare_movement(session, stock, "received", 5, lot="OLD", expires_on="2020-01-31")

    make.spare_movement(session, stock, "fitted", 1)
    make.spare_movement(session, stock, "discarded", 1)

    assert left(session, stock) == [("OLD", 4), ("L1", 1)]
    texts = session.scalars(select(OutboxMessage.text_zh)).all()
    assert [text for text in texts if text and "仅剩1件" in text], "the expired ones do not count"
    (found,) = stocks(session, ADMINISTRATOR, estate.id)
    shown = SpareStockOut.of(found, at=NOW)
    assert (shown.quantity, shown.usable, shown.must_order) == (5, 1, True)


def test_managers_are_notified_once_by_day_of_spares_that_expire(session: Session) -> None:
    estate = make.estate(session)
    manager = make.person(session, phone="+86 138 0013 8502")
    make.role(session, manager, Role.ESTATE_MANAGER, estate=estate)
    stock = make.spare_stock(session, estate, received=2)
    expires_at = NOW.replace(year=2029, month=1, day=31, hour=2)  # 10 o'clock in China

    def notified(days_before: int, hours: int = 0) -> int:
        at = expires_at - timedelta(days=days_before) + timedelta(hours=hours)
        return notify_of_expiring_spares(session, ADMINISTRATOR, at=at)

    assert notified(91) == 0
    assert notified(90, hours=12) == 0, "at night"
    assert notified(89) == 1
    assert notified(88) == 0
    (text,) = [text for text in session.scalars(select(OutboxMessage.text_zh)) if text]
    assert "备用电极片2件有效期至2029年1月31日" in text
    assert left(session, stock) == [("L1", 2)]
