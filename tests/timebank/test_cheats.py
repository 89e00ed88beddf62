"""Tricks to get points or goods that are not one's own, each tried and refused.

Those about service records are in tests/volunteering/test_records.py; docs/use/time-bank.md lists all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Role, Viewer
from aed.database.session import Database, transaction
from aed.errors import AedError, Conflict, InvalidInput, NotAllowed, NotFound
from aed.notifications.models import OutboxMessage
from aed.registry.estates.models import Estate
from aed.timebank.families.actions import confirm_relative, declare_relative
from aed.timebank.giving.actions import claim_inheritance, donate, give
from aed.timebank.giving.jobs import run_nightly_time_bank_jobs
from aed.timebank.goods import actions as goods_actions
from aed.timebank.goods import queries as goods_queries
from aed.timebank.ledger.actions import reverse_service
from aed.timebank.ledger.posting import find_person_account
from aed.timebank.mandates import actions as mandates
from aed.timebank.models import LedgerAccount, LedgerEntry
from aed.timebank.rules import (
    UNITS_PER_POINT,
    Currency,
    LedgerKind,
    OfferKind,
    OrderState,
    PaidFrom,
    PriorityGroup,
    Relation,
)
from aed.timebank.services import actions as services
from aed.volunteering.models import ServiceRecord
from aed.volunteering.records.actions import confirm_record, record_service, void_record
from aed.volunteering.records.flags import dispute_record
from aed.volunteering.records.schemas import ServiceIn
from tests import make
from tests.make import NOW
from tests.timebank.callers import manager_of, oneself

POINT = UNITS_PER_POINT
HOURS = 100 * 60
DAY = timedelta(days=1)
CHINA = ZoneInfo("Asia/Shanghai")


@pytest.fixture
def estate(session: Session) -> Estate:
    return make.estate(session)


def served(session: Session, estate: Estate, *, at: datetime = NOW) -> Person:
    person = make.person(session)
    make.credited(session, person, estate, minutes=HOURS, at=at)
    return person


def units(session: Session, person: Person) -> int:
    account = find_person_account(session, person.id, Currency.POINTS)
    assert account is not None
    return account.balance


def relatives(session: Session, one: Person, other: Person) -> None:
    declared = declare_relative(session, oneself(one), relative_id=other.id, relation=Relation.SPOUSE, at=NOW)
    confirm_relative(session, oneself(other), declared.id, at=NOW)


def test_a_manager_decides_nothing_for_themself(session: Session, estate: Estate) -> None:
    person = served(session, estate)
    manager = manager_of(estate, person)
    neighbour = served(session, estate)
    died = make.inheritance(session, estate)
    region = make.region(session)
    officer = make.person_with_role(session, Role.ADMINISTRATOR, region=region)
    goods = make.goods(session, estate)
    assert officer.person_id is not None
    make.credited(session, session.get_one(Person, officer.person_id), estate)

    tricks: dict[str, Callable[[], object]] = {
        "a mandate for a neighbour's points": lambda: mandates.grant_mandate(
            session, manager, principal_id=neighbour.id, agent_id=person.id, days=9, at=NOW
        ),
        "first choice of goods": lambda: mandates.confirm_priority(
            session, manager, person_id=person.id, group=PriorityGroup.OVER_80, at=NOW
        ),
        "an inheritance": lambda: claim_inheritance(session, manager, died.id, heir_id=person.id, at=NOW),
        "goods from the care pool": lambda: goods_actions.place_order(
            session,
            officer,
            goods_id=goods.id,
            quantity=1,
            key="a",
            acting_for=officer.person_id,
            paid_from=PaidFrom.CARE_POOL,
            at=NOW,
        ),
    }
    for trick in tricks.values():
        with pytest.raises(NotAllowed, match="yourself"):
            trick()
    mandates.grant_mandate(
        session, oneself(neighbour), principal_id=neighbour.id, agent_id=person.id, days=9, at=NOW
    )


def test_once_a_mandate_has_ended_the_agent_confirms_nothing(session: Session, estate: Estate) -> None:
    elderly, agent, teacher = (served(session, estate) for _ in range(3))
    mandates.grant_mandate(
        session, oneself(elderly), principal_id=elderly.id, agent_id=agent.id, days=2, at=NOW
    )
    offer = services.offer_service(
        session, oneself(teacher), kind=OfferKind.LESSON, title="Phone", price=POINT, at=NOW
    )
    exchange = services.ask_for_service(
        session,
        oneself(agent),
        offer.id,
        starts_at=NOW + DAY,
        minutes=60,
        key="a",
        acting_for=elderly.id,
        at=NOW,
    )
    services.agree_on_service(session, oneself(teacher), exchange.id, at=NOW)
    services.confirm_service(session, oneself(teacher), exchange.id, at=NOW + DAY)

    with pytest.raises(NotAllowed):
        services.confirm_service(session, oneself(agent), exchange.id, at=NOW + 2 * DAY)
    assert units(session, teacher) == 100 * POINT

    nephew = make.person(session)  # a later mandate is as good as the first
    mandates.grant_mandate(
        session, oneself(elderly), principal_id=elderly.id, agent_id=nephew.id, days=2, at=NOW + 2 * DAY
    )
    services.confirm_service(session, oneself(nephew), exchange.id, at=NOW + 2 * DAY)
    assert units(session, teacher) == 101 * POINT


def test_an_agent_cannot_buy_their_own_service_for_their_principal(session: Session, estate: Estate) -> None:
    elderly, agent = served(session, estate), served(session, estate)
    mandates.grant_mandate(
        session, oneself(elderly), principal_id=elderly.id, agent_id=agent.id, days=9, at=NOW
    )
    offer = services.offer_service(
        session, oneself(agent), kind=OfferKind.OTHER, title="Nothing", price=POINT, at=NOW
    )

    with pytest.raises(InvalidInput):
        services.ask_for_service(
            session,
            oneself(agent),
            offer.id,
            starts_at=NOW + DAY,
            minutes=600,
            key="a",
            acting_for=elderly.id,
            at=NOW,
        )


def test_another_persons_order_is_neither_seen_nor_cancelled_nor_collected(
    session: Session, estate: Estate
) -> None:
    goods = make.goods(session, estate)
    mine = make.goods_order(session, goods, make.person(session))
    theirs = make.goods_order(session, goods, make.person(session))
    thief = oneself(session.get_one(Person, mine.person_id))
    manager = manager_of(estate, make.person(session))

    assert [each.id for each in goods_queries.orders(session, thief, limit=9, after_id=0)] == [mine.id]
    with pytest.raises(NotAllowed):
        goods_actions.cancel_order(session, thief, theirs.id, at=NOW)
    while theirs.code == mine.code:
        theirs.code = f"{int(theirs.code) + 1:06}"
    with pytest.raises(InvalidInput):
        goods_actions.hand_over_order(session, manager, theirs.id, code=mine.code, at=NOW)


def test_two_tabs_give_fifty_points_a_year_and_not_a_hundred(
    session: Session, database: Database, estate: Estate
) -> None:
    mother, son = served(session, estate), served(session, estate)
    relatives(session, mother, son)
    session.commit()

    def tab(_: int) -> bool:
        try:
            with transaction(database) as own:
                give(own, oneself(mother), to_person_id=son.id, units=50 * POINT, key=str(uuid4()), at=NOW)
        except AedError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        given = sum(pool.map(tab, range(8)))

    session.expire_all()
    assert given == 1
    assert (units(session, mother), units(session, son)) == (50 * POINT, 150 * POINT)


def test_the_year_of_gifts_begins_at_midnight_of_the_region(session: Session, estate: Estate) -> None:
    mother, son = served(session, estate), served(session, estate)
    relatives(session, mother, son)

    def gift(at: datetime) -> LedgerEntry:
        return give(session, oneself(mother), to_person_id=son.id, units=50 * POINT, key=str(uuid4()), at=at)

    gift(NOW)
    new_year = datetime(2027, 1, 1, tzinfo=CHINA)
    with pytest.raises(Conflict):
        gift(new_year - timedelta(seconds=1))
    gift(new_year)
    with pytest.raises(Conflict):
        gift(new_year)


def test_points_spent_before_the_service_is_void_are_owed(session: Session, estate: Estate) -> None:
    person, wife = make.person(session), served(session, estate)
    make.credited(session, person, estate, minutes=HOURS, record_id=7)
    relatives(session, person, wife)
    give(session, oneself(person), to_person_id=wife.id, units=50 * POINT, key="a", at=NOW)

    reverse_service(session, record_id=7, at=NOW, by="manager", reason="void")

    assert units(session, person) == -50 * POINT
    with pytest.raises(Conflict):
        give(session, oneself(person), to_person_id=wife.id, units=1, key="b", at=NOW + 200 * DAY)
    make.credited(session, person, estate, minutes=60 * 60)
    assert units(session, person) == 10 * POINT, "what is earned pays the debt first"


def test_an_order_on_the_last_day_keeps_points_and_a_day_later_there_are_none(
    session: Session, database: Database, estate: Estate
) -> None:
    last = datetime(2029, 9, 22, 2, 0, tzinfo=NOW.tzinfo) - timedelta(seconds=1)
    goods = make.goods(session, estate)
    late, early = served(session, estate), served(session, estate)
    order = goods_actions.place_order(
        session, oneself(early), goods_id=goods.id, quantity=1, key="a", at=last
    )
    session.commit()

    assert run_nightly_time_bank_jobs(database, last + timedelta(seconds=1))["expired"] == 1
    session.expire_all()
    with pytest.raises(Conflict):
        goods_actions.place_order(
            session, oneself(late), goods_id=goods.id, quantity=1, key="a", at=last + DAY
        )
    goods_actions.cancel_order(session, oneself(early), order.id, at=last + DAY)
    assert (units(session, late), units(session, early)) == (0, 100 * POINT)
    expired = select(func.sum(LedgerEntry.amount)).where(LedgerEntry.kind == LedgerKind.EXPIRE)
    assert session.scalar(expired) == 100 * POINT


def at_once(database: Database, tries: Sequence[Callable[[Session], object]]) -> list[bool]:
    """Try all of these at the same time, each in its own transaction; return which succeeded."""

    def attempt(trick: Callable[[Session], object]) -> bool:
        try:
            with transaction(database) as own:
                trick(own)
        except AedError:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        return list(pool.map(attempt, tries))


def test_an_order_is_cancelled_or_collected_and_not_both(
    session: Session, database: Database, estate: Estate
) -> None:
    buyer, manager = oneself(served(session, estate)), manager_of(estate, make.person(session))
    person = session.get_one(Person, buyer.person_id)
    order = make.goods_order(session, make.goods(session, estate), person)
    order_id, code, price = order.id, order.code, order.amount
    before = units(session, person)
    session.commit()

    done = at_once(
        database,
        [
            lambda own: goods_actions.cancel_order(own, buyer, order_id, at=NOW),
            lambda own: goods_actions.hand_over_order(own, manager, order_id, code=code, at=NOW),
        ]
        * 3,
    )

    session.expire_all()
    assert done in ([True, False] * 3, [False, True] * 3)
    assert units(session, person) == before + (price if done[0] else 0)


def test_a_manager_has_ten_guesses_at_the_code_of_an_order(
    session: Session, database: Database, estate: Estate
) -> None:
    order = make.goods_order(session, make.goods(session, estate), make.person(session))
    manager = manager_of(estate, make.person(session))
    order_id, code = order.id, order.code
    stranger = oneself(make.person(session))
    session.commit()

    def guess(tried: str, by: Viewer = manager) -> None:
        goods_actions.check_collection_code(database, by, order_id, tried, at=NOW)

    with pytest.raises(NotAllowed):
        guess(code, by=stranger)
    for number in range(1, 11):
        guess(code)
        with pytest.raises(InvalidInput):
            guess(f"{(int(code) + number) % 1_000_000:06}")
    with pytest.raises(Conflict, match="10 wrong codes"):
        guess(code)
    session.expire_all()
    (notice,) = session.scalars(select(OutboxMessage).where(OutboxMessage.person_id == order.person_id)).all()
    assert "Wrong codes" in (notice.text_en or "")

    goods_actions.cancel_order(session, manager, order_id, at=NOW)
    assert order.state is OrderState.CANCELLED


def test_the_same_points_are_used_once(session: Session, database: Database, estate: Estate) -> None:
    mother = served(session, estate)
    goods = make.goods(session, estate)
    goods.price, goods_id = 60 * POINT, goods.id
    who = oneself(mother)
    session.commit()

    def order(own: Session) -> object:
        return goods_actions.place_order(own, who, goods_id=goods_id, quantity=1, key=str(uuid4()), at=NOW)

    def donation(own: Session) -> object:
        return donate(own, who, to="care_pool", units=60 * POINT, key=str(uuid4()), at=NOW)

    assert sum(at_once(database, [order, donation] * 3)) == 1
    session.expire_all()
    assert units(session, mother) == 40 * POINT


def test_an_hour_counts_once_in_whatever_time_zone_and_from_however_many_phones(
    session: Session, database: Database, estate: Estate
) -> None:
    li = make.volunteer(session, estate)
    managers = [make.person_with_role(session, Role.ESTATE_MANAGER, estate=estate) for _ in range(2)]
    end = NOW - timedelta(hours=3)
    hour = {"person_id": li.person_id, "estate_id": estate.id, "activity": "夜间巡逻"}
    session.commit()

    def record(own: Session, *, zone: ZoneInfo) -> object:
        start = (end - timedelta(hours=1)).astimezone(zone)
        given = hour | {"key": uuid4(), "started_at": start, "ended_at": end.astimezone(zone)}
        return record_service(own, li, ServiceIn.model_validate(given), at=NOW)

    zones = [CHINA, ZoneInfo("UTC"), ZoneInfo("America/New_York")]
    assert sum(at_once(database, [partial(record, zone=each) for each in zones * 2])) == 1
    record_id = session.scalars(select(ServiceRecord.id)).one()
    session.rollback()  # SQLite has one writer
    confirm = partial(confirm_record, who=managers[0], record_id=record_id, rating=5, at=NOW)
    assert True in at_once(database, [confirm] * 6)
    person = session.get_one(Person, li.person_id)
    assert units(session, person) == POINT

    session.rollback()
    fields: dict[str, Any] = {"who": managers[1], "record_id": record_id, "reason": "No", "at": NOW}
    at_once(database, [partial(each, **fields) for each in (void_record, dispute_record)] * 3)
    session.expire_all()
    assert units(session, person) == 0


@pytest.mark.parametrize("points", [-5, 0, 0.001, 1e308, "Infinity", "NaN"])
def test_amounts_are_above_nothing_finite_and_in_hundredths(
    session: Session, client: TestClient, estate: Estate, points: float | str
) -> None:
    person = served(session, estate)
    key = make.sign_in(session, person.id, bearer=True)
    session.commit()
    body = {"to": "care_pool", "points": points, "key": str(uuid4())}

    answer = client.post("/v1/time-bank/donations", json=body, headers={"Authorization": f"Bearer {key}"})

    assert (answer.status_code, answer.json()["field"]) == (422, "points")
    session.expire_all()
    assert units(session, person) == 100 * POINT


def test_nobody_draws_from_an_account_that_is_not_theirs(session: Session, estate: Estate) -> None:
    thief, neighbour = served(session, estate), served(session, estate)
    make.goods(session, estate)  # with a sponsor
    others = session.scalars(
        select(LedgerAccount.id).where(
            LedgerAccount.currency == Currency.POINTS,
            func.coalesce(LedgerAccount.person_id, 0) != thief.id,
        )
    ).all()
    assert len(others) >= 3, "the neighbour, the sponsor and the region"
    for account_id in others:
        with pytest.raises(NotFound):
            donate(
                session,
                oneself(thief),
                to="care_pool",
                units=POINT,
                key=str(uuid4()),
                from_account_id=account_id,
                at=NOW,
            )
    assert units(session, neighbour) == 100 * POINT
