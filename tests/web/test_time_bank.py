"""The pages of the time bank: joining, recording, confirming, ordering; what strangers and others get."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.people.models import Person
from aed.accounts.permissions import Role, Viewer
from aed.registry.estates.models import Estate
from aed.timebank.goods import actions as goods_actions
from aed.timebank.goods.models import Goods, GoodsOrder
from aed.timebank.goods.schemas import GoodsIn
from aed.timebank.ledger.posting import balance_of, find_person_account
from aed.timebank.mandates.actions import grant_mandate
from aed.timebank.rules import UNITS_PER_POINT, Currency, OrderState
from aed.volunteering.models import ServiceRecord, Volunteer
from aed.volunteering.rules import ServiceState
from tests import make
from tests.make import ADMINISTRATOR
from tests.timebank.callers import oneself
from tests.web.conftest import SignIn

PAGE = "/me/time-bank"


@pytest.fixture
def estate(session: Session) -> Estate:
    return make.estate(session)


@pytest.fixture
def manager(session: Session, estate: Estate) -> Viewer:
    return make.person_with_role(session, Role.ESTATE_MANAGER, estate=estate)


def rice(session: Session, estate: Estate, *, stock: int = 2) -> Goods:
    sponsor = goods_actions.add_sponsor(
        session, ADMINISTRATOR, region="CN-33", name="Shop", budget=1000 * UNITS_PER_POINT, at=clock.now()
    )
    new = GoodsIn(
        estate_id=estate.id,
        sponsor_id=sponsor.id,
        name_en="Rice",
        name_zh="大米",
        points=10,
        stock=stock,
    )
    return goods_actions.add_goods(session, ADMINISTRATOR, new)


def patrol(**changed: str) -> dict[str, str]:
    yesterday = clock.now() - timedelta(days=1)
    return {
        "key": str(uuid4()),
        "source": "patrol",
        "activity": "Evening patrol",
        "day": f"{yesterday:%Y-%m-%d}",
        "begins": "08:00",
        "ends": "09:30",
    } | changed


def test_a_stranger_is_led_to_the_sign_in_and_changes_nothing(browser_of: SignIn, session: Session) -> None:
    stranger = browser_of(None)

    assert stranger.get(PAGE).headers["location"] == f"/sign-in?next={PAGE}"
    assert stranger.get("/service").headers["location"] == "/sign-in?next=/service"
    for path, data in (
        (f"{PAGE}/volunteer", {"estate_id": "1"}),
        (f"{PAGE}/service", patrol()),
        (f"{PAGE}/orders", {"goods_id": "1", "key": str(uuid4())}),
        (f"{PAGE}/orders/1/cancellation", {}),
        ("/service/1/confirmation", {}),
    ):
        assert stranger.post(path, data=data).status_code == 401, path
    assert session.scalars(select(ServiceRecord)).all() == []


def test_a_resident_joins_records_a_patrol_and_the_manager_confirms_it(
    browser_of: SignIn, session: Session, estate: Estate, manager: Viewer
) -> None:
    resident = make.person_with_role(session, Role.RESIDENT, estate=estate)
    phone, desk = browser_of(resident.person_id), browser_of(manager.person_id)

    assert phone.post(f"{PAGE}/service", data=patrol()).status_code == 422, "not a volunteer yet"
    joined = phone.post(f"{PAGE}/volunteer", data={"estate_id": str(estate.id)})
    assert joined.status_code == 303
    assert session.scalars(select(Volunteer.person_id)).all() == [resident.person_id]
    session.rollback()

    form = patrol()
    assert [phone.post(f"{PAGE}/service", data=form).status_code for _ in range(2)] == [303, 303]
    assert "Waits to be confirmed" in phone.get(PAGE).text
    record = session.scalars(select(ServiceRecord)).one()
    assert record.minutes == 90
    record_id = record.id
    session.rollback()

    assert "Service of others to confirm: 1" in desk.get(PAGE).text
    assert "Evening patrol" in desk.get("/service").text
    assert "Evening patrol" not in phone.get("/service").text
    assert desk.post(f"/service/{record_id}/confirmation").status_code == 303
    again = desk.post(f"/service/{record_id}/confirmation")
    assert again.status_code == 409
    assert "is confirmed, not pending" in again.text
    page = phone.get(PAGE).text
    assert "Confirmed" in page
    assert re.search(r"1 h 30 min.*?<dd>1\.5</dd>", page, re.S)
    assert "Earned by service" in page


def test_one_estates_manager_confirms_nothing_of_another(
    browser_of: SignIn, session: Session, estate: Estate
) -> None:
    record = make.service(session, make.volunteer(session, estate), estate)
    other = make.person_with_role(session, Role.ESTATE_MANAGER, estate=make.estate(session))
    desk = browser_of(other.person_id)

    assert record.number not in desk.get("/service").text
    assert desk.post(f"/service/{record.id}/confirmation").status_code == 404
    session.refresh(record)
    assert record.state is ServiceState.PENDING


@pytest.mark.parametrize(
    "changed",
    [
        {"day": "soon"},
        {"begins": ""},
        {"ends": "25:00"},
        {"source": "check"},
        {"source": "<b>"},
        {"activity": ""},
        {"day": "2001-01-01"},
        {"ends": "08:00", "begins": "07:59", "day": "2090-01-01"},
    ],
)
def test_a_bad_form_gets_a_sentence_and_keeps_what_was_typed(
    browser_of: SignIn, session: Session, estate: Estate, changed: dict[str, str]
) -> None:
    phone = browser_of(make.volunteer(session, estate).person_id)

    answer = phone.post(f"{PAGE}/service", data=patrol(activity="Kept words") | changed)

    assert answer.status_code == 422
    assert "field-error" in answer.text
    assert ("Kept words" in answer.text) is ("activity" not in changed)
    assert "<b>" not in answer.text
    assert session.scalars(select(ServiceRecord)).all() == []


def test_one_orders_and_cancels_and_the_same_form_is_one_order(
    browser_of: SignIn, session: Session, estate: Estate
) -> None:
    volunteer = make.volunteer(session, estate)
    assert volunteer.person_id is not None
    person = session.get_one(Person, volunteer.person_id)
    account = make.credited(session, person, estate, minutes=100 * 60)
    goods = rice(session, estate, stock=2)
    phone = browser_of(person.id)
    assert "Order: Rice" in phone.get(PAGE).text

    form = {"goods_id": str(goods.id), "key": str(uuid4())}
    assert [phone.post(f"{PAGE}/orders", data=form).status_code for _ in range(2)] == [303, 303]
    order = session.scalars(select(GoodsOrder)).one()
    order_id, account_id, code = order.id, account.id, order.code
    assert f"say the code {order.code} at the desk" in phone.get(PAGE).text
    assert balance_of(session, account_id) == 90 * UNITS_PER_POINT
    session.rollback()

    assert phone.post(f"{PAGE}/orders/{order_id}/cancellation").status_code == 303
    session.refresh(order)
    assert order.state is OrderState.CANCELLED
    assert balance_of(session, account_id) == 100 * UNITS_PER_POINT
    assert code not in phone.get(PAGE).text
    session.rollback()


def test_goods_are_refused_in_a_sentence(browser_of: SignIn, session: Session, estate: Estate) -> None:
    volunteer = make.volunteer(session, estate)
    assert volunteer.person_id is not None
    make.credited(session, session.get_one(Person, volunteer.person_id), estate, minutes=99 * 60)
    goods = rice(session, estate, stock=1)
    phone = browser_of(volunteer.person_id)

    page = phone.get(PAGE).text
    assert "Points can be exchanged once enough time is served: 1 h 0 min to go." in page
    assert "Order: Rice" not in page
    refused = phone.post(f"{PAGE}/orders", data={"goods_id": str(goods.id), "key": str(uuid4())})
    assert refused.status_code in (403, 409)
    assert "field-error" in refused.text
    unknown = phone.post(f"{PAGE}/orders", data={"goods_id": "999999", "key": str(uuid4())})
    assert unknown.status_code in (404, 409)
    assert find_person_account(session, volunteer.person_id, Currency.POINTS) is not None


def test_another_persons_order_is_not_cancelled(browser_of: SignIn, session: Session, estate: Estate) -> None:
    owner = make.volunteer(session, estate)
    assert owner.person_id is not None
    person = session.get_one(Person, owner.person_id)
    make.credited(session, person, estate, minutes=100 * 60)
    order = make.goods_order(session, rice(session, estate), person)
    other = make.volunteer(session, estate)

    answer = browser_of(other.person_id).post(f"{PAGE}/orders/{order.id}/cancellation")

    assert answer.status_code in (403, 404)
    session.refresh(order)
    assert order.state is OrderState.HELD


def test_one_orders_for_an_elderly_neighbour_who_says_afterwards_whether_it_came(
    browser_of: SignIn, session: Session, estate: Estate, manager: Viewer
) -> None:
    elderly, helper = (make.person(session) for _ in range(2))
    make.credited(session, elderly, estate, minutes=100 * 60)
    goods = rice(session, estate)
    grant_mandate(
        session,
        oneself(elderly),
        principal_id=elderly.id,
        agent_id=helper.id,
        days=30,
        at=clock.now(),
    )
    phone, theirs, desk = (browser_of(each) for each in (helper.id, elderly.id, manager.person_id))
    page = phone.get(PAGE, params={"for": str(elderly.id)}).text
    assert "Order: Rice" in page
    form = {"goods_id": str(goods.id), "key": str(uuid4()), "acting_for": str(elderly.id)}
    assert phone.post(f"{PAGE}/orders", data=form | {"address": "Building 3, 502"}).status_code == 303
    order = session.scalars(select(GoodsOrder)).one()
    collecting, review = f"/time-bank/orders/{order.id}/collection", f"{PAGE}/orders/{order.id}/review"
    assert f"say the code {order.code} at your door" in theirs.get(PAGE).text
    assert "Deliver to: Building 3, 502" in desk.get("/time-bank").text
    code = order.code
    session.rollback()

    assert desk.post(collecting, data={"code": code}).status_code == 422
    assert desk.post(collecting, data={"code": code, "delivered_by": "Wu Min"}).status_code == 303
    assert "delivered by Wu Min" in theirs.get(PAGE).text
    assert phone.post(review, data={"is_received": "yes"}).status_code == 403
    assert theirs.post(review, data={"is_received": "no"}).status_code == 303
    assert "Says: I did not get it" in desk.get(f"/time-bank/goods/{goods.id}").text


def test_the_photo_of_goods_is_public_and_set_by_the_manager(
    browser_of: SignIn, session: Session, estate: Estate, manager: Viewer
) -> None:
    goods = rice(session, estate)
    path = f"/time-bank/goods/{goods.id}/photo"
    stranger, desk = browser_of(None), browser_of(manager.person_id)
    sent = {"photo": ("rice.jpg", make.jpeg(), "image/jpeg")}
    assert stranger.get(path).status_code == 404
    assert stranger.post(path, files=sent).status_code == 401
    assert desk.post(path, files={"photo": ("x.jpg", b"no photo", "image/jpeg")}).status_code == 422
    assert desk.post(path, files=sent).status_code == 303
    assert "/photo?v=" in desk.get(f"/time-bank/goods/{goods.id}").text
    shown = stranger.get(path)
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/jpeg")
