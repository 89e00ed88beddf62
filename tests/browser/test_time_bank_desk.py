"""The desk of the time bank in a browser: what waits, a flagged record, an appeal and its panel."""

from __future__ import annotations

from datetime import timedelta

from playwright.sync_api import expect
from sqlalchemy import select

from aed import clock
from aed.accounts.people.models import Person
from aed.accounts.permissions import Role
from aed.accounts.regions.models import Region
from aed.accounts.viewers import viewer_of_person
from aed.registry.estates.models import Estate
from aed.sharing.rules import PartyRole
from aed.volunteering.appeals import actions as appeal_actions
from aed.volunteering.records import actions as service_actions
from aed.volunteering.records import flags
from tests import make
from tests.browser.checks import check
from tests.browser.conftest import OpenPage, Site, View
from tests.make import ADMINISTRATOR


def test_flagged_records_and_appeals_are_listed_as_waiting(
    open_page: OpenPage, site: Site, view: View
) -> None:
    now = clock.now()
    with site.database.write_sessions() as session, session.begin():
        estate = session.scalars(select(Estate).order_by(Estate.id).limit(1)).one()
        first = make.person_with_role(session, Role.ESTATE_MANAGER, estate=estate)
        second = make.person_with_role(session, Role.ESTATE_MANAGER, estate=estate)
        objector = make.person_with_role(session, Role.RESIDENT, estate=estate)
        records = []
        for hours in (2, 30):
            volunteer = make.volunteer(session, estate, at=now - timedelta(days=30))
            record = make.service(session, volunteer, estate, ended_at=now - timedelta(hours=hours), at=now)
            records.append(service_actions.confirm_record(session, first, record.id, rating=None, at=now))
        flagged, void = records
        flags.object_to_record(session, objector, flagged.id, reason="他当晚在外地", at=now)
        service_actions.void_record(session, first, void.id, reason="无人看到", at=now)
        who = viewer_of_person(session, void.person_id)
        appeal = appeal_actions.open_appeal(session, who, void.id, reason="门岗可以证明", at=now)
        for party, member in zip(PartyRole, (objector, who, second), strict=True):
            assert member.person_id is not None
            appeal_actions.set_panel_member(session, ADMINISTRATOR, estate.id, party, member.person_id)
        person = make.person(session)
        goods = make.goods(session, estate)
        make.goods_order(session, goods, session.get_one(Person, person.id))
        assert second.person_id is not None
        key = make.sign_in(session, second.person_id)
        record_id, appeal_id, goods_id = flagged.id, appeal.id, goods.id
    page = open_page(session_key=key)

    page.goto("/time-bank")
    check(page, view, "time-bank-desk")
    page.locator(f"a[href='/time-bank/records/{record_id}']").click()
    expect(page.locator("#reason")).to_be_visible()
    check(page, view, "time-bank-desk-record")
    page.locator("#reason").fill("有车票为证")
    page.locator("button[value=release]").click()
    expect(page.locator("#history ~ ul li", has_text="有车票为证")).to_be_visible()

    page.goto(f"/time-bank/appeals/{appeal_id}")
    check(page, view, "time-bank-desk-appeal")
    page.locator("#reason").fill("门岗记录属实")
    page.locator("button[value=grant]").click()
    expect(page.locator("#panel ~ dl", has_text="门岗记录属实")).to_be_visible()
    expect(page.locator("#reason")).to_have_count(0)

    page.goto("/time-bank/goods")
    check(page, view, "time-bank-desk-goods")
    page.goto(f"/time-bank/goods/{goods_id}")
    check(page, view, "time-bank-desk-goods-item")
    page.locator("#change").fill("−2")
    page.locator("#stock-reason").fill("破损")
    page.locator("#stock-reason ~ button").click()
    expect(page.locator("#stock ~ ul li", has_text="破损")).to_be_visible()


def test_a_region_reads_its_report_and_its_rules(open_page: OpenPage, site: Site, view: View) -> None:
    now = clock.now()
    with site.database.write_sessions() as session, session.begin():
        estate = session.scalars(select(Estate).order_by(Estate.id).limit(1)).one()
        manager = make.person_with_role(session, Role.ESTATE_MANAGER, estate=estate)
        volunteer = make.volunteer(session, estate, at=now - timedelta(days=30), birth_year=1955)
        record = make.service(session, volunteer, estate, ended_at=now - timedelta(hours=2), at=now)
        service_actions.confirm_record(session, manager, record.id, rating=None, at=now)
        region = session.get_one(Region, estate.region_id)
        office = make.person_with_role(session, Role.ADMINISTRATOR, region=region)
        assert office.person_id is not None
        key = make.sign_in(session, office.person_id)
    page = open_page(session_key=key)

    page.goto("/time-bank/report")
    expect(page.locator("#minutes ~ table tbody tr")).to_have_count(9)
    check(page, view, "time-bank-desk-report")
    page.goto("/time-bank/rules")
    check(page, view, "time-bank-desk-rules")
