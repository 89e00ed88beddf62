"""Processes are killed at random between steps: nothing is lost or doubled.

The environment variable KILLS is the number of kills; `make soak` sets it to 200.
"""

from __future__ import annotations

import os
import random
import time
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Viewer
from aed.database.session import Database, open_database, transaction
from aed.errors import AedError
from aed.registry.estates.models import Estate
from aed.settings import Settings
from aed.timebank.families.actions import confirm_relative, declare_relative
from aed.timebank.giving.actions import donate, give
from aed.timebank.goods.actions import cancel_order, hand_over_order, place_order
from aed.timebank.goods.models import Goods, GoodsOrder
from aed.timebank.ledger.actions import credit_service, hold_service, reverse_service
from aed.timebank.ledger.posting import find_person_account
from aed.timebank.ledger.verification import verify_ledger
from aed.timebank.models import LedgerAccount, LedgerEntry
from aed.timebank.rules import UNITS_PER_POINT, AccountKind, Currency, LedgerKind, Relation, ServiceKind
from tests import make
from tests.forked import FORKING
from tests.make import NOW
from tests.timebank.callers import manager_of, oneself
from tests.worker.processes import end

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("KILLS", "3"))
STEPS = 24 + 4 * KILLS
POINT = UNITS_PER_POINT


def run_step(session: Session, number: int, people: tuple[int, int], estate_id: int, goods_id: int) -> None:
    """Do one step of the work; doing it again changes nothing."""
    giver, heir = (oneself(session.get_one(Person, each)) for each in people)
    manager = manager_of(session.get_one(Estate, estate_id), session.get_one(Person, people[1]))
    key = f"step {number}"
    match number % 4:
        case 0:
            credit_service(
                session,
                record_id=number + 1,
                person_id=people[number % 2],
                estate_id=estate_id,
                minutes=60,
                kind=ServiceKind.PATROL,
                at=NOW,
                by="test",
            )
            if number % 8 == 0:
                hold_service(session, record_id=number + 1, at=NOW, by="test")
                reverse_service(session, record_id=number + 1, at=NOW, by="test", reason="void")
        case 1:
            give(session, giver, to_person_id=people[1], units=POINT // 100, key=key, at=NOW)
        case 2:
            donate(session, heir, units=POINT // 100, key=key, to="care_pool", at=NOW)
        case 3:
            order = place_order(session, giver, goods_id=goods_id, quantity=1, key=key, at=NOW)
            if number % 8 == 3:
                cancel_order(session, giver, order.id, at=NOW)
            else:
                hand_over_order(session, manager, order.id, code=order.code, at=NOW)


def work(is_working: Event, url: str, people: tuple[int, int], estate_id: int, goods_id: int) -> None:
    """Do all steps in a random order, each in a transaction, until none is left."""
    database = open_database(Settings(database_url=url, threads=2))
    left = list(range(STEPS))
    random.shuffle(left)
    while left:
        number = left.pop()
        try:
            with transaction(database) as session:
                run_step(session, number, people, estate_id, goods_id)
                is_working.set()
                time.sleep(0.003)  # so that a kill can come before the commit
        except AedError:
            left.insert(0, number)
            time.sleep(0.01)
    database.close()


def start(url: str, *given: object) -> tuple[BaseProcess, Event]:
    is_working = FORKING.Event()
    process = FORKING.Process(target=work, args=(is_working, url, *given))
    process.start()
    return process, is_working


def test_after_kills_every_step_counts_once(database: Database, settings: Settings) -> None:
    with transaction(database) as session:
        estate = make.estate(session)
        people = make.person(session), make.person(session)
        for each in people:
            make.credited(session, each, estate, minutes=6000)
        viewers: list[Viewer] = [oneself(each) for each in people]
        declared = declare_relative(
            session, viewers[0], relative_id=people[1].id, relation=Relation.SPOUSE, at=NOW
        )
        confirm_relative(session, viewers[1], declared.id, at=NOW)
        goods = make.goods(session, estate)
        goods.stock = stock = 1000
        goods.price = price = POINT // 100
        ids = (people[0].id, people[1].id)
        goods_id, estate_id = goods.id, estate.id
    given = (ids, estate_id, goods_id)
    running = [start(settings.database_url, *given) for _ in range(2)]
    try:
        for _ in range(KILLS):
            victim = random.randrange(len(running))
            process, is_working = running[victim]
            assert is_working.wait(600)
            time.sleep(random.uniform(0, 0.3))  # the kill comes at any moment of its work
            end(process)
            running[victim] = start(settings.database_url, *given)
        for process, _ in running:
            process.join(600)
            assert process.exitcode == 0
    finally:
        for process, _ in running:
            end(process)

    with database.read_sessions() as session:
        state = verify_ledger(session)
        assert (state.first_broken, state.wrong_accounts) == (None, [])
        rows = session.execute(select(LedgerEntry.kind, func.count()).group_by(LedgerEntry.kind))
        counts = {row[0]: row[1] for row in rows}
        credited = len(range(0, STEPS, 4))
        void = len(range(0, STEPS, 8))
        ordered = len(range(3, STEPS, 4))
        cancelled = len(range(3, STEPS, 8))
        assert counts == {
            LedgerKind.EARN: 2 * (2 + credited),
            LedgerKind.GIFT: len(range(1, STEPS, 4)),
            LedgerKind.DONATE: len(range(2, STEPS, 4)),
            LedgerKind.REVERSE: 2 * void,
            LedgerKind.HOLD: void + ordered,
            LedgerKind.RELEASE: void + cancelled,
            LedgerKind.SPEND: ordered - cancelled,
        }
        assert session.get_one(Goods, goods_id).stock == stock - (ordered - cancelled)
        assert session.scalar(select(func.count()).select_from(GoodsOrder)) == ordered
        assert session.scalar(select(func.sum(LedgerAccount.balance))) == 0
        held = select(LedgerAccount.balance).where(LedgerAccount.kind == AccountKind.SUSPENSE)
        assert set(session.scalars(held)) <= {0}
        accounts = [find_person_account(session, each, Currency.POINTS) for each in ids]
        total = sum(each.balance for each in accounts if each is not None)
        given_away = len(range(2, STEPS, 4)) * (POINT // 100) + (ordered - cancelled) * price
        assert total == 200 * POINT + (credited - void) * POINT - given_away
