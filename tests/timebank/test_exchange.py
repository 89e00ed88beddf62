"""Goods and services of members: ordered, held, collected or cancelled; never more than there are."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Role, Viewer
from aed.database.session import Database, transaction
from aed.errors import AedError, Conflict, InvalidInput, NotAllowed, NotFound
from aed.notifications.models import OutboxMessage
from aed.registry.estates.models import Estate
from aed.timebank.families.actions import open_family, pay_into_family
from aed.timebank.giving.actions import donate
from aed.timebank.giving.jobs import run_nightly_time_bank_jobs
from aed.timebank.goods import actions as goods_actions
from aed.timebank.goods import queries as goods_queries
from aed.timebank.goods.models import Goods, GoodsOrder, Sponsor
from aed.timebank.goods.schemas import GoodsIn
from aed.timebank.ledger.posting import balance_of, find_person_account
from aed.timebank.mandates import actions as mandates
from aed.timebank.models import LedgerAccount
from aed.timebank.rules import (
    UNITS_PER_POINT,
    AccountKind,
    Currency,
    ExchangeState,
    OfferKind,
    OrderState,
    PaidFrom,
    PriorityGroup,
)
from aed.timebank.services import actions as services
from tests import make
from tests.make import ADMINISTRATOR, NOW
from tests.timebank.callers import manager_of, oneself

POINT = UNITS_PER_POINT


@pytest.fixture
def estate(session: Session) -> Estate:
    return make.estate(session)


@pytest.fixture
def manager(session: Session, estate: Estate) -> Viewer:
    return manager_of(estate, make.person(session))


@pytest.fixture
def volunteer(session: Session, estate: Estate) -> Person:
    return served(session, estate)


def served(session: Session, estate: Estate, *, hours: int = 100) -> Person:
    person = make.person(session)
    make.credited(session, person, estate, minutes=hours * 60)
    return person


def rice(
    session: Session, estate: Estate, manager: Viewer, *, stock: int = 20, budget: int = 1000, **given: object
) -> Goods:
    sponsor = goods_actions.add_sponsor(
        session, ADMINISTRATOR, region="CN-33", name="Shop", budget=budget * POINT, at=NOW
    )
    fields = {
        "estate_id": estate.id,
        "sponsor_id": sponsor.id,
        "name_en": "Rice",
        "name_zh": "大米",
        "points": 10,
        "stock": stock,
    }
    return goods_actions.add_goods(session, manager, GoodsIn.model_validate(fields | given))


def order(session: Session, who: Viewer, goods: Goods, **given: object) -> GoodsOrder:
    fields = {"quantity": 1, "key": str(uuid4()), "at": NOW}
    return goods_actions.place_order(session, who, goods_id=goods.id, **(fields | given))  # type: ignore[arg-type] # any of its arguments


def points(session: Session, person: Person) -> int:
    account = find_person_account(session, person.id, Currency.POINTS)
    return balance_of(session, account.id) // POINT if account is not None else 0


def stock_of(session: Session, goods: Goods) -> int:
    session.refresh(goods)
    return goods.stock


def test_an_order_is_held_and_collected_with_its_code(
    session: Session, estate: Estate, manager: Viewer, volunteer: Person
) -> None:
    goods = rice(session, estate, manager)
    made = order(session, oneself(volunteer), goods, quantity=2, key="a")
    assert order(session, oneself(volunteer), goods, quantity=2, key="a") is made
    with pytest.raises(Conflict):
        order(session, oneself(volunteer), goods, quantity=3, key="a")
    assert (points(session, volunteer), stock_of(session, goods)) == (80, 18)

    with pytest.raises(NotAllowed):
        goods_actions.hand_over_order(session, oneself(volunteer), made.id, code=made.code, at=NOW)
    wrong = "000000" if made.code != "000000" else "000001"
    with pytest.raises(InvalidInput):
        goods_actions.hand_over_order(session, manager, made.id, code=wrong, at=NOW)
    for _ in range(2):
        goods_actions.hand_over_order(session, manager, made.id, code=made.code, at=NOW)
    sponsor = session.get_one(Sponsor, goods.sponsor_id)
    assert balance_of(session, sponsor.account_id) == 20 * POINT
    with pytest.raises(Conflict):
        goods_actions.cancel_order(session, oneself(volunteer), made.id, at=NOW)


def test_a_delivery_is_settled_by_its_code_and_reviewed_by_the_person(
    session: Session, estate: Estate, manager: Viewer, volunteer: Person
) -> None:
    goods = rice(session, estate, manager)
    elderly = served(session, estate)
    mandates.grant_mandate(session, manager, principal_id=elderly.id, agent_id=volunteer.id, days=9, at=NOW)
    made = order(session, oneself(volunteer), goods, acting_for=elderly.id, address="Building 3, 502")
    (notice,) = session.scalars(select(OutboxMessage)).all()
    assert notice.person_id == elderly.id
    with pytest.raises(Conflict, match="not handed over"):
        goods_actions.review_order(session, oneself(elderly), made.id, is_received=True, at=NOW)
    with pytest.raises(InvalidInput, match="who delivered"):
        goods_actions.hand_over_order(session, manager, made.id, code=made.code, at=NOW)

    goods_actions.hand_over_order(session, manager, made.id, code=made.code, delivered_by="Wu Min", at=NOW)
    sponsor = session.get_one(Sponsor, goods.sponsor_id)
    assert balance_of(session, sponsor.account_id) == 10 * POINT
    assert (made.state, made.delivered_by, made.address) == (OrderState.COLLECTED, "Wu Min", None)
    with pytest.raises(NotAllowed):
        goods_actions.review_order(session, oneself(volunteer), made.id, is_received=True, at=NOW)
    goods_actions.review_order(session, oneself(elderly), made.id, is_received=False, at=NOW)
    assert made.is_received is False
    assert balance_of(session, sponsor.account_id) == 10 * POINT, "words move no points"


def test_a_cancelled_order_gives_everything_back(
    session: Session, database: Database, estate: Estate, manager: Viewer, volunteer: Person
) -> None:
    goods = rice(session, estate, manager, budget=25)
    made = order(session, oneself(volunteer), goods)
    order(session, oneself(volunteer), goods)
    with pytest.raises(Conflict, match="budget"):
        order(session, oneself(volunteer), goods)
    with pytest.raises(NotAllowed):
        goods_actions.cancel_order(session, oneself(make.person(session)), made.id, at=NOW)

    for _ in range(2):
        goods_actions.cancel_order(session, oneself(volunteer), made.id, at=NOW)
    assert (points(session, volunteer), stock_of(session, goods)) == (90, 19)
    session.commit()

    assert run_nightly_time_bank_jobs(database, NOW + timedelta(days=30))["cancelled"] == 1, (
        "nobody came for the other"
    )
    session.expire_all()
    assert (points(session, volunteer), stock_of(session, goods)) == (100, 20)
    assert session.get_one(Sponsor, goods.sponsor_id).committed == 0


def test_points_are_spent_from_a_hundred_hours_of_service_on(
    session: Session, estate: Estate, manager: Viewer
) -> None:
    goods = rice(session, estate, manager)
    new = served(session, estate, hours=99)
    with pytest.raises(Conflict, match="60 are missing"):
        order(session, oneself(new), goods)
    make.credited(session, new, estate)
    order(session, oneself(new), goods)
    with pytest.raises(Conflict, match=r"holds 90\.00 points"):
        order(session, oneself(new), goods, quantity=10)
    with pytest.raises(NotFound):
        order(session, oneself(served(session, make.estate(session, in_region="CN-44"))), goods)


def test_goods_are_kept_for_elderly_people_at_first(
    session: Session, estate: Estate, manager: Viewer, volunteer: Person
) -> None:
    later = NOW + timedelta(days=7)
    goods = rice(session, estate, manager, first_for=["over_60"], first_until=later.isoformat())
    elderly = served(session, estate)
    with pytest.raises(NotAllowed):
        mandates.confirm_priority(
            session, oneself(volunteer), person_id=elderly.id, group=PriorityGroup.OVER_80, at=NOW
        )
    mandates.confirm_priority(session, manager, person_id=elderly.id, group=PriorityGroup.OVER_80, at=NOW)

    order(session, oneself(elderly), goods)
    with pytest.raises(Conflict, match="kept for others"):
        order(session, oneself(volunteer), goods)
    order(session, oneself(volunteer), goods, at=later)


def test_a_neighbour_with_a_mandate_orders_for_an_elderly_person(
    session: Session, estate: Estate, manager: Viewer, volunteer: Person
) -> None:
    goods = rice(session, estate, manager)
    elderly = served(session, estate)
    with pytest.raises(NotAllowed, match="mandate"):
        order(session, oneself(volunteer), goods, acting_for=elderly.id)
    with pytest.raises(NotAllowed):
        mandates.grant_mandate(
            session, oneself(volunteer), principal_id=elderly.id, agent_id=volunteer.id, days=9, at=NOW
        )
    mandate = mandates.grant_mandate(
        session, manager, principal_id=elderly.id, agent_id=volunteer.id, days=9, at=NOW
    )

    made = order(session, oneself(volunteer), goods, acting_for=elderly.id)
    assert (points(session, elderly), points(session, volunteer)) == (90, 100)
    assert made.person_id == elderly.id
    with pytest.raises(NotAllowed):
        order(session, oneself(volunteer), goods, acting_for=elderly.id, at=NOW + timedelta(days=9))
    mandates.revoke_mandate(session, oneself(elderly), mandate.id, at=NOW)
    with pytest.raises(NotAllowed):
        order(session, oneself(volunteer), goods, acting_for=elderly.id)


def test_a_family_and_the_care_pool_pay(
    session: Session, estate: Estate, manager: Viewer, volunteer: Person
) -> None:
    goods = rice(session, estate, manager)
    family = open_family(session, oneself(volunteer), name="F", at=NOW)
    pay_into_family(session, oneself(volunteer), units=30 * POINT, key="a", at=NOW)
    order(session, oneself(volunteer), goods, paid_from=PaidFrom.FAMILY)
    assert balance_of(session, family.id) == 20 * POINT

    donate(session, oneself(volunteer), units=50 * POINT, key="a", to="care_pool", at=NOW)
    needy = served(session, estate, hours=1)
    region = make.region(session, "CN-33")
    officer = make.person_with_role(session, Role.ADMINISTRATOR, region=region)
    with pytest.raises(NotAllowed, match="over 60"):
        order(session, officer, goods, acting_for=needy.id, paid_from=PaidFrom.CARE_POOL)
    mandates.confirm_priority(session, manager, person_id=needy.id, group=PriorityGroup.DISABLED, at=NOW)
    with pytest.raises(NotAllowed):
        order(session, manager, goods, acting_for=needy.id, paid_from=PaidFrom.CARE_POOL)
    order(session, officer, goods, acting_for=needy.id, paid_from=PaidFrom.CARE_POOL)
    pool = session.scalar(select(LedgerAccount.balance).where(LedgerAccount.kind == AccountKind.CARE_POOL))
    assert pool == 40 * POINT


def test_three_hundred_orders_at_once_for_twenty_bags(
    session: Session, database: Database, estate: Estate, manager: Viewer
) -> None:
    goods = rice(session, estate, manager, points=1)
    buyers = [oneself(served(session, estate)) for _ in range(15)]
    session.commit()

    def buy(number: int) -> bool:
        try:
            with transaction(database) as own:
                order(own, buyers[number % len(buyers)], goods, key=str(number))
        except AedError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        sold = sum(pool.map(buy, range(300)))

    session.expire_all()
    assert sold == 20
    assert stock_of(session, goods) == 0
    assert session.scalar(select(func.count()).select_from(GoodsOrder)) == 20
    assert session.scalar(select(func.sum(LedgerAccount.balance))) == 0
    held = session.scalar(select(LedgerAccount.balance).where(LedgerAccount.kind == AccountKind.SUSPENSE))
    assert held == 20 * POINT


def test_a_lesson_is_agreed_on_given_and_confirmed_by_both(
    session: Session, estate: Estate, volunteer: Person
) -> None:
    teacher = served(session, estate, hours=1)
    offer = services.offer_service(
        session, oneself(teacher), kind=OfferKind.LESSON, title="Phone", price=2 * POINT, at=NOW
    )
    soon = NOW + timedelta(days=1)
    with pytest.raises(InvalidInput):
        services.ask_for_service(
            session, oneself(volunteer), offer.id, starts_at=NOW - timedelta(1), minutes=9, key="p", at=NOW
        )
    asked = [
        services.ask_for_service(
            session, oneself(volunteer), offer.id, starts_at=soon, minutes=90, key="a", at=NOW
        )
        for _ in range(2)
    ]
    assert asked[0] is asked[1]
    exchange = asked[0]
    with pytest.raises(NotAllowed):
        services.agree_on_service(session, oneself(volunteer), exchange.id, at=NOW)
    for _ in range(2):
        services.agree_on_service(session, oneself(teacher), exchange.id, at=NOW)
    assert points(session, volunteer) == 97
    with pytest.raises(Conflict):
        services.confirm_service(session, oneself(teacher), exchange.id, at=NOW)

    for _ in range(2):
        services.confirm_service(session, oneself(teacher), exchange.id, at=soon)
    assert points(session, teacher) == 1, "one of the two is not enough"
    with pytest.raises(NotAllowed):
        services.cancel_service(session, oneself(volunteer), exchange.id, at=soon)
    with pytest.raises(NotAllowed):
        services.confirm_service(session, oneself(make.person(session)), exchange.id, at=soon)
    for _ in range(2):
        services.confirm_service(session, oneself(volunteer), exchange.id, at=soon)
    assert exchange.state is ExchangeState.SETTLED
    assert (points(session, volunteer), points(session, teacher)) == (97, 4)


def test_a_cancelled_lesson_gives_the_points_back(
    session: Session, estate: Estate, volunteer: Person
) -> None:
    teacher = served(session, estate, hours=1)
    offer = services.offer_service(
        session, oneself(teacher), kind=OfferKind.LESSON, title="Phone", price=2 * POINT, at=NOW
    )
    exchange = services.ask_for_service(
        session, oneself(volunteer), offer.id, starts_at=NOW, minutes=60, key="a", at=NOW
    )
    services.agree_on_service(session, oneself(teacher), exchange.id, at=NOW)
    for _ in range(2):
        services.cancel_service(session, oneself(volunteer), exchange.id, at=NOW)
    assert points(session, volunteer) == 100
    with pytest.raises(Conflict):
        services.agree_on_service(session, oneself(teacher), exchange.id, at=NOW)
    services.close_offer(session, oneself(teacher), offer.id, at=NOW)
    assert services.offers(session, oneself(volunteer), limit=9, after_id=0, at=NOW) == []
    assert goods_queries.orders(session, oneself(volunteer), limit=9, after_id=0) == []
