"""Services of members on the volunteer's pages: offered, asked for, agreed on, confirmed and rated."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.people.models import Person
from aed.errors import Conflict, NotAllowed
from aed.registry.estates.models import Estate
from aed.timebank.ledger.posting import balance_of, find_person_account
from aed.timebank.rules import UNITS_PER_POINT, Currency, ExchangeState, OfferKind
from aed.timebank.services import actions
from aed.timebank.services.models import ServiceExchange, ServiceOffer
from tests import make
from tests.timebank.callers import oneself
from tests.web.conftest import SignIn

PAGE = "/me/time-bank/services"
POINT = UNITS_PER_POINT


@pytest.fixture
def estate(session: Session) -> Estate:
    return make.estate(session)


@pytest.fixture
def asker(session: Session, estate: Estate) -> Person:
    made = make.person(session, name="王小明", phone="+8613900139001")
    make.credited(session, made, estate, minutes=100 * 60)
    return made


@pytest.fixture
def teacher(session: Session, estate: Estate) -> Person:
    made = make.person(session, name="李秀英", phone="+8613900139002")
    make.credited(session, made, estate)
    return made


def offer_form(**changed: str) -> dict[str, str]:
    return {
        "kind": "lesson",
        "title": "Smartphone lesson",
        "times": "Saturday afternoons",
        "place": "Lake estate",
        "points": "2",
    } | changed


def request_form(**changed: str) -> dict[str, str]:
    soon = clock.now() + timedelta(days=2)
    return {
        "key": str(uuid4()),
        "day": f"{soon:%Y-%m-%d}",
        "begins": "14:00",
        "minutes": "90",
        "address": "Building 6, room 502",
    } | changed


def points(session: Session, person: Person) -> int:
    account = find_person_account(session, person.id, Currency.POINTS)
    assert account is not None
    return balance_of(session, account.id) // POINT


def test_a_stranger_sees_no_services_and_asks_for_none(browser_of: SignIn, session: Session) -> None:
    stranger = browser_of(None)

    assert stranger.get(PAGE).headers["location"] == f"/sign-in?next={PAGE}"
    for path, data in (
        (f"{PAGE}/offers", offer_form()),
        (f"{PAGE}/offers/1/closing", {}),
        (f"{PAGE}/offers/1/requests", request_form()),
        (f"{PAGE}/exchanges/1", {"change": "agree"}),
    ):
        assert stranger.post(path, data=data).status_code == 401, path
    assert session.scalars(select(ServiceOffer)).all() == []


def test_a_lesson_is_offered_asked_for_and_agreed_on_before_numbers_are_shown(
    browser_of: SignIn, session: Session, asker: Person, teacher: Person
) -> None:
    phone, teachers = browser_of(asker.id), browser_of(teacher.id)
    assert teachers.post(f"{PAGE}/offers", data=offer_form()).status_code == 303
    offer_id = session.scalars(select(ServiceOffer.id)).one()
    session.rollback()
    page = phone.get(PAGE).text
    assert "Saturday afternoons · Lake estate" in page
    assert "2 points an hour · 李**" in page

    form = request_form()
    requests = f"{PAGE}/offers/{offer_id}/requests"
    assert [phone.post(requests, data=form).status_code for _ in range(2)] == [303, 303]
    exchange = session.scalars(select(ServiceExchange)).one()
    address, shown = f"{PAGE}/exchanges/{exchange.id}", exchange.starts_at.isoformat()
    session.rollback()
    before = teachers.get(PAGE).text
    assert "You do it for 王**" in before
    for secret in ("13900139001", "Building 6", "王小明"):
        assert secret not in before
    assert "13900139002" not in phone.get(PAGE).text
    assert phone.post(address, data={"change": "agree", "starts_at": shown}).status_code == 403

    later = {"change": "propose", "day": form["day"], "begins": "16:00"}
    assert teachers.post(address, data=later).status_code == 303
    late = phone.post(address, data={"change": "agree", "starts_at": shown})
    assert late.status_code == 409
    assert "Another time was proposed meanwhile" in late.text
    (seen,) = set(re.findall(r'name="starts_at" value="([^"]+)"', late.text))
    agree = {"change": "agree", "starts_at": seen}
    assert [phone.post(address, data=agree).status_code for _ in range(2)] == [303, 303]
    after = teachers.get(PAGE).text
    for known in ("13900139001", "Building 6", "王小明"):
        assert known in after
    assert points(session, asker) == 97


def test_both_confirm_the_points_move_and_it_is_rated_once(
    session: Session, asker: Person, teacher: Person, estate: Estate
) -> None:
    exchange = make.service_exchange(session, estate, asker)
    provider = session.get_one(Person, session.get_one(ServiceOffer, exchange.offer_id).person_id)
    at = exchange.starts_at
    actions.agree_on_service(session, oneself(provider), exchange.id, at=at)
    with pytest.raises(Conflict):
        actions.rate_service(session, oneself(asker), exchange.id, rating=5, at=at)
    for who in (provider, asker):
        actions.confirm_service(session, oneself(who), exchange.id, at=at)
    with pytest.raises(NotAllowed):
        actions.rate_service(session, oneself(provider), exchange.id, rating=5, at=at)
    with pytest.raises(NotAllowed):
        actions.rate_service(session, oneself(teacher), exchange.id, rating=1, at=at)
    for _ in range(2):
        actions.rate_service(session, oneself(asker), exchange.id, rating=4, at=at)
    with pytest.raises(Conflict):
        actions.rate_service(session, oneself(asker), exchange.id, rating=1, at=at)
    assert (exchange.state, exchange.rating) == (ExchangeState.SETTLED, 4)


def test_one_asks_for_an_elderly_neighbour_with_their_mandate(
    browser_of: SignIn, session: Session, asker: Person, teacher: Person
) -> None:
    helper = make.person(session, name="Zhao")
    offer = actions.offer_service(
        session,
        oneself(teacher),
        kind=OfferKind.LESSON,
        title="Lesson",
        price=POINT,
        at=clock.now(),
    )
    offer_id, asker_id = offer.id, asker.id
    phone = browser_of(helper.id)
    requests = f"{PAGE}/offers/{offer_id}/requests"
    assert phone.post(requests, data=request_form(acting_for=str(asker_id))).status_code == 403
    make.mandate(session, asker, helper)
    assert session.scalars(select(ServiceExchange)).all() == []
    session.commit()

    page = phone.get(f"{PAGE}?for={asker_id}").text
    assert "For 王小明" in page
    assert phone.post(requests, data=request_form(acting_for=str(asker_id))).status_code == 303
    made = session.scalars(select(ServiceExchange)).one()
    assert made.person_id == asker_id


@pytest.mark.parametrize("changed", [{"points": "many"}, {"kind": "<b>"}, {"title": ""}])
def test_a_bad_offer_keeps_what_was_typed(
    browser_of: SignIn, session: Session, teacher: Person, changed: dict[str, str]
) -> None:
    answer = browser_of(teacher.id).post(f"{PAGE}/offers", data=offer_form(place="Kept words") | changed)

    assert answer.status_code == 422
    assert "Kept words" in answer.text
    assert "field-error" in answer.text
    assert "<b>" not in answer.text


@pytest.mark.parametrize(
    "changed", [{"day": "soon"}, {"minutes": "x"}, {"day": "2001-01-01"}, {"minutes": "0"}]
)
def test_a_bad_request_keeps_what_was_typed(
    browser_of: SignIn, session: Session, estate: Estate, asker: Person, changed: dict[str, str]
) -> None:
    offer_id = make.service_exchange(session, estate, asker).offer_id
    phone = browser_of(asker.id)

    answer = phone.post(
        f"{PAGE}/offers/{offer_id}/requests", data=request_form(address="Kept words") | changed
    )

    assert answer.status_code == 422
    assert "Kept words" in answer.text
    assert "field-error" in answer.text
