"""The time bank in a browser: joining, recording, confirming and ordering."""

from __future__ import annotations

from datetime import timedelta

from playwright.sync_api import expect
from sqlalchemy import select

from aed import clock
from aed.accounts.people.models import Person
from aed.accounts.permissions import Role
from aed.accounts.regions.models import Region
from aed.registry.estates.models import Estate
from aed.timebank.goods import actions as goods_actions
from aed.timebank.goods.schemas import GoodsIn
from aed.timebank.rules import UNITS_PER_POINT, PriorityGroup
from tests import make
from tests.browser.checks import check
from tests.browser.conftest import OpenPage, Site, View
from tests.make import ADMINISTRATOR


def test_a_volunteer_joins_records_is_confirmed_and_orders(
    open_page: OpenPage, site: Site, view: View
) -> None:
    with site.database.write_sessions() as session, session.begin():
        estate = session.scalars(select(Estate).order_by(Estate.id).limit(1)).one()
        resident = make.person_with_role(session, Role.RESIDENT, estate=estate)
        manager = make.person_with_role(session, Role.ESTATE_MANAGER, estate=estate)
        assert resident.person_id is not None
        assert manager.person_id is not None
        keys = [make.sign_in(session, each) for each in (resident.person_id, manager.person_id)]
        person_id, region_id, estate_id = resident.person_id, estate.region_id, estate.id
    phone, desk = (open_page(session_key=key) for key in keys)

    phone.goto("/me/time-bank")
    check(phone, view, "time-bank-new")
    phone.locator("select[name=estate_id] + button").click()
    expect(phone.locator("#activity")).to_be_visible()
    yesterday = clock.now() - timedelta(days=1)
    for name, value in {"day": f"{yesterday:%Y-%m-%d}", "begins": "19:00", "ends": "20:30"}.items():
        phone.locator(f"#{name}").fill(value)
    phone.locator("#activity").fill("夜间巡逻 1–6 幢")
    phone.locator("#ends ~ button").click()
    expect(phone.locator("#service ~ ul li")).to_have_count(1)

    desk.goto("/service")
    mine = desk.locator("section.card", has_text="夜间巡逻 1–6 幢").first
    check(desk, view, "service-to-confirm")
    mine.locator("button").click()

    with site.database.write_sessions() as session, session.begin():
        estate = session.get_one(Estate, estate_id)
        make.credited(session, session.get_one(Person, person_id), estate, minutes=6000)
        sponsor = goods_actions.add_sponsor(
            session,
            ADMINISTRATOR,
            region=session.get_one(Region, region_id).code,
            name="街角超市",
            budget=1000 * UNITS_PER_POINT,
            at=clock.now(),
        )
        new = GoodsIn(
            estate_id=estate_id,
            sponsor_id=sponsor.id,
            name_en="Rice, 5 kg",
            name_zh="大米5公斤",
            points=10,
            stock=3,
        )
        rice_id = goods_actions.add_goods(session, ADMINISTRATOR, new).id
        goods_actions.set_photo(session, ADMINISTRATOR, rice_id, jpeg=make.jpeg(width=400, height=300))
        kept = new.model_copy(
            update={
                "name_en": "Walking stick",
                "name_zh": "手杖",
                "first_for": [PriorityGroup.OVER_80],
                "first_until": clock.now() + timedelta(days=9),
            }
        )
        goods_actions.add_goods(session, ADMINISTRATOR, kept)
    phone.goto("/me/time-bank")
    phone.locator("#goods ~ ul summary").last.click()
    phone.locator("#goods ~ ul button").last.click()
    expect(phone.locator("#goods ~ .field-error")).to_be_visible()  # kept for people over 80
    check(phone, view, "time-bank-refused")
    rice = phone.locator("#goods ~ ul li", has_text="5").first
    rice.locator("summary").click()
    rice.locator("input[name=address]").fill("3 幢 502 室")
    rice.locator("button").click()
    expect(phone.locator("#orders ~ ul li form")).to_have_count(1)
    check(phone, view, "time-bank")
    phone.locator("#orders ~ ul li form button").click()
    expect(phone.locator("#orders ~ ul li form")).to_have_count(0)

    phone.goto("/me/time-bank/people")
    phone.locator("#invite ~ form button").click()
    expect(phone.locator(".notice img")).to_be_visible()
    check(phone, view, "time-bank-people")
    phone.goto("/me/time-bank/give")
    phone.locator("#points").fill("12")
    check(phone, view, "time-bank-give")
    phone.locator("#points ~ button").click()
    expect(phone.locator(".notice.warn")).to_be_visible()
    check(phone, view, "time-bank-give-review")
    phone.goto("/me/time-bank/proofs")
    check(phone, view, "time-bank-proofs")

    with site.database.write_sessions() as session, session.begin():
        person, estate = session.get_one(Person, person_id), session.get_one(Estate, estate_id)
        make.mandate(session, make.person_at(session, estate), person)
        make.service_exchange(session, estate, person)
    phone.goto("/me/time-bank/services")
    expect(phone.locator("#exchanges ~ .card")).to_have_count(1)
    check(phone, view, "time-bank-services")
