"""Any sequence of actions: nothing is lost, doubled or invented. `make fuzz IN=timebank` tries 1,000."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Role, Viewer
from aed.accounts.regions.models import Region
from aed.database.session import Database, transaction
from aed.errors import AedError
from aed.timebank.families import actions as families
from aed.timebank.giving import actions as giving
from aed.timebank.giving.jobs import expire_points, settle_inheritances
from aed.timebank.goods import actions as goods_actions
from aed.timebank.goods.models import Goods, GoodsOrder
from aed.timebank.ledger import actions as ledger
from aed.timebank.models import Inheritance, LedgerAccount, LedgerEntry
from aed.timebank.rules import (
    ONCE_KINDS,
    UNITS_PER_POINT,
    AccountKind,
    Currency,
    ExchangeState,
    LedgerKind,
    OfferKind,
    OrderState,
    Relation,
    ServiceKind,
)
from aed.timebank.services import actions as services
from aed.timebank.services.models import ServiceExchange
from tests import make
from tests.examples import examples
from tests.make import ADMINISTRATOR, NOW
from tests.timebank.callers import oneself

PEOPLE = st.integers(0, 3)
RECORDS = st.integers(1, 12)
POINTS = st.sampled_from([1, 20, 60, 800])


@dataclass(frozen=True)
class World:
    """Four people, of whom the first three are relatives with a family account, in one estate."""

    estate_id: int
    region_id: int
    people: tuple[int, ...]
    viewers: tuple[Viewer, ...]
    goods_id: int
    offer_id: int


def build(session: Session) -> World:
    estate = make.estate(session)
    people = [make.person(session) for _ in range(4)]
    viewers = [oneself(each) for each in people]
    for other in (1, 2):
        declared = families.declare_relative(
            session, viewers[0], relative_id=people[other].id, relation=Relation.CHILD, at=NOW
        )
        families.confirm_relative(session, viewers[other], declared.id, at=NOW)
    for each in people:
        make.credited(session, each, estate, minutes=110 * 60)
    families.open_family(session, viewers[0], name="F", at=NOW)
    goods = make.goods(session, estate)
    offer = services.offer_service(
        session, viewers[3], kind=OfferKind.LESSON, title="Lesson", price=UNITS_PER_POINT, at=NOW
    )
    ids = tuple(each.id for each in people)
    return World(estate.id, estate.region_id, ids, tuple(viewers), goods.id, offer.id)


class LedgerMachine(RuleBasedStateMachine):
    """Each sequence begins with the same world, and is rolled back at its end."""

    database: Database
    world: World

    @initialize()
    def begin(self) -> None:
        self.session: Session = self.database.write_sessions()
        self.at = NOW
        self.people, self.viewers = self.world.people, self.world.viewers
        self.key = 0
        self.balances: dict[int, int] = defaultdict(int)
        self.seen = 0

    def teardown(self) -> None:
        if hasattr(self, "session"):
            self.session.rollback()
            self.session.close()

    @contextmanager
    def refusable(self) -> Iterator[None]:
        """Let an action be refused, which leaves no entry."""
        before = self.last_number()
        try:
            yield
        except AedError:
            assert self.last_number() == before, "a refusal wrote entries"

    def last_number(self) -> int:
        return (
            self.session.scalar(select(LedgerEntry.number).order_by(LedgerEntry.number.desc()).limit(1)) or 0
        )

    def twice(self, action: Callable[[], Any]) -> None:
        """Do it twice: the second time, as when an answer was lost, nothing is written."""
        with self.refusable():
            action()
            after = self.last_number()
            action()
            assert self.last_number() == after, "a repetition wrote entries"

    def new_key(self) -> str:
        self.key += 1
        return str(self.key)

    @rule(
        record=RECORDS,
        who=PEOPLE,
        minutes=st.sampled_from([1, 7, 60, 1000 * 60]),
        kind=st.sampled_from(ServiceKind),
    )
    def credit(self, record: int, who: int, minutes: int, kind: ServiceKind) -> None:
        self.twice(
            lambda: ledger.credit_service(
                self.session,
                record_id=record,
                person_id=self.people[who],
                estate_id=self.world.estate_id,
                minutes=minutes,
                kind=kind,
                at=self.at,
                by="test",
                subject="device:1",
            )
        )

    @rule(record=RECORDS)
    def reverse(self, record: int) -> None:
        self.twice(
            lambda: ledger.reverse_service(
                self.session, record_id=record, at=self.at, by="test", reason="void"
            )
        )
        net: dict[int, int] = defaultdict(int)
        for each in ledger.entries_of_record(self.session, ledger.service_record(record)):
            net[each.from_account_id] -= each.amount
            net[each.to_account_id] += each.amount
        assert set(net.values()) <= {0}, "a reversal restores every account"

    @rule(record=RECORDS)
    def hold(self, record: int) -> None:
        self.twice(lambda: ledger.hold_service(self.session, record_id=record, at=self.at, by="test"))

    @rule(record=RECORDS)
    def release(self, record: int) -> None:
        self.twice(lambda: ledger.release_service(self.session, record_id=record, at=self.at, by="test"))

    @rule(who=PEOPLE, to=PEOPLE, points=POINTS)
    def give(self, who: int, to: int, points: int) -> None:
        key = self.new_key()
        self.twice(
            lambda: giving.give(
                self.session,
                self.viewers[who],
                to_person_id=self.people[to],
                units=points * UNITS_PER_POINT,
                key=key,
                at=self.at,
            )
        )

    @rule(who=PEOPLE, points=POINTS, to=st.sampled_from(sorted(giving.DONATION_POOLS)))
    def donate(self, who: int, points: int, to: str) -> None:
        key = self.new_key()
        self.twice(
            lambda: giving.donate(
                self.session,
                self.viewers[who],
                units=points * UNITS_PER_POINT,
                key=key,
                to=to,
                at=self.at,
            )
        )

    @rule(who=PEOPLE, points=POINTS)
    def pay_into_family(self, who: int, points: int) -> None:
        key = self.new_key()
        self.twice(
            lambda: families.pay_into_family(
                self.session, self.viewers[who], units=points * UNITS_PER_POINT, key=key, at=self.at
            )
        )

    @rule(who=PEOPLE, quantity=st.sampled_from([1, 4, 9]))
    def order(self, who: int, quantity: int) -> None:
        key = self.new_key()
        self.twice(
            lambda: goods_actions.place_order(
                self.session,
                self.viewers[who],
                goods_id=self.world.goods_id,
                quantity=quantity,
                key=key,
                at=self.at,
            )
        )

    @rule(number=RECORDS, is_collected=st.booleans())
    def end_order(self, number: int, is_collected: bool) -> None:
        found = self.session.scalars(select(GoodsOrder).order_by(GoodsOrder.id)).all()
        if not found:
            return
        order = found[number % len(found)]
        if is_collected:
            manager = make.person_with_role(
                self.session, Role.ADMINISTRATOR, region=self.session.get_one(Region, self.world.region_id)
            )
            self.twice(
                lambda: goods_actions.hand_over_order(
                    self.session, manager, order.id, code=order.code, at=self.at
                )
            )
        else:
            self.twice(
                lambda: goods_actions.cancel_order(
                    self.session, oneself(self.session.get_one(Person, order.person_id)), order.id, at=self.at
                )
            )

    @rule(who=PEOPLE, minutes=st.sampled_from([7, 60, 600]))
    def ask_for_lesson(self, who: int, minutes: int) -> None:
        key = self.new_key()
        self.twice(
            lambda: services.ask_for_service(
                self.session,
                self.viewers[who],
                self.world.offer_id,
                starts_at=self.at,
                minutes=minutes,
                key=key,
                at=self.at,
            )
        )

    @rule(number=RECORDS, who=PEOPLE, what=st.sampled_from(["agree_on", "confirm", "confirm", "cancel"]))
    def go_on_with_lesson(self, number: int, who: int, what: str) -> None:
        found = self.session.scalars(select(ServiceExchange.id).order_by(ServiceExchange.id)).all()
        if not found:
            return
        action = getattr(services, f"{what}_service")
        exchange_id = found[number % len(found)]
        self.twice(lambda: action(self.session, self.viewers[who], exchange_id, at=self.at))

    @invariant()
    def what_is_held_is_of_open_orders_lessons_and_records(self) -> None:
        if not hasattr(self, "session"):
            return
        goods = self.session.get_one(Goods, self.world.goods_id, populate_existing=True)
        sold = self.session.scalar(
            select(func.sum(GoodsOrder.quantity)).where(GoodsOrder.state != OrderState.CANCELLED)
        )
        assert goods.stock + (sold or 0) == 10, "never oversold"
        orders = select(func.sum(GoodsOrder.amount)).where(GoodsOrder.state == OrderState.HELD)
        lessons = select(func.sum(ServiceExchange.amount)).where(
            ServiceExchange.state == ExchangeState.AGREED
        )
        signs = {LedgerKind.HOLD: 1, LedgerKind.RELEASE: -1}
        records = sum(
            signs[row.kind] * row.amount
            for row in self.session.execute(
                select(LedgerEntry.kind, LedgerEntry.amount).where(
                    LedgerEntry.kind.in_(signs), LedgerEntry.record.startswith("service:")
                )
            )
        )
        held = self.session.scalar(
            select(func.sum(LedgerAccount.balance)).where(LedgerAccount.kind == AccountKind.SUSPENSE)
        )
        due = (self.session.scalar(orders) or 0) + (self.session.scalar(lessons) or 0) + records
        assert (held or 0) == due

    @rule(days=st.sampled_from([1, 40, 400, 1100]))
    def nights(self, days: int) -> None:
        self.at += timedelta(days=days)

        def night() -> None:
            goods_actions.cancel_uncollected(self.session, at=self.at)
            expire_points(self.session, self.world.region_id, after_id=0, at=self.at)
            settle_inheritances(self.session, at=self.at)

        self.twice(night)

    @rule(who=PEOPLE)
    def die(self, who: int) -> None:
        self.twice(
            lambda: giving.record_death(
                self.session,
                ADMINISTRATOR,
                person_id=self.people[who],
                died_on=self.at.date(),
                at=self.at,
            )
        )

    @rule(heir=PEOPLE)
    def claim(self, heir: int) -> None:
        found = self.session.scalar(select(Inheritance.id).order_by(Inheritance.id.desc()).limit(1))
        if found is not None:
            self.twice(
                lambda: giving.claim_inheritance(
                    self.session,
                    replace(ADMINISTRATOR, name="another administrator"),
                    found,
                    heir_id=self.people[heir],
                    at=self.at,
                )
            )

    @invariant()
    def every_balance_is_the_replay_of_all_entries(self) -> None:
        if not hasattr(self, "session"):
            return
        accounts = {
            row.id: row
            for row in self.session.execute(
                select(LedgerAccount.id, LedgerAccount.balance, LedgerAccount.minimum, LedgerAccount.currency)
            )
        }
        new = self.session.execute(
            select(
                LedgerEntry.number,
                LedgerEntry.kind,
                LedgerEntry.from_account_id,
                LedgerEntry.to_account_id,
                LedgerEntry.amount,
            )
            .where(LedgerEntry.number > self.seen)
            .order_by(LedgerEntry.number)
        )
        for entry in new:
            self.balances[entry.from_account_id] -= entry.amount
            self.balances[entry.to_account_id] += entry.amount
            self.seen = entry.number
            minimum = accounts[entry.from_account_id].minimum
            is_above = minimum is None or self.balances[entry.from_account_id] >= minimum
            assert is_above or entry.kind is LedgerKind.REVERSE, "a balance below its limit"
        assert {key: row.balance for key, row in accounts.items()} == {
            key: self.balances[key] for key in accounts
        }
        for currency in Currency:
            assert sum(row.balance for row in accounts.values() if row.currency is currency) == 0

    @invariant()
    def each_record_counts_once(self) -> None:
        if not hasattr(self, "session"):
            return
        counted = Counter(
            (row.record, row.kind, row.currency)
            for row in self.session.execute(
                select(LedgerEntry.record, LedgerEntry.kind, LedgerEntry.currency).where(
                    LedgerEntry.kind.in_(ONCE_KINDS)
                )
            )
        )
        assert set(counted.values()) <= {1}
        issued = self.session.scalar(
            select(LedgerAccount.balance).where(
                LedgerAccount.kind == AccountKind.ISSUANCE, LedgerAccount.currency == Currency.POINTS
            )
        )
        assert (issued or 0) <= 0


def test_nothing_is_lost_doubled_or_invented(database: Database) -> None:
    with transaction(database) as session:
        world = build(session)
    machine = type("Machine", (LedgerMachine,), {"database": database, "world": world})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples(30, in_depth=1000),
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
