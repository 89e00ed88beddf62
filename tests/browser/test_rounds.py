"""An inspector walks a round on a phone without a network."""

from __future__ import annotations

from datetime import date

from playwright.sync_api import expect

from aed import clock
from aed.accounts.permissions import Role
from aed.upkeep.rules import short_number
from tests import make
from tests.browser.checks import check
from tests.browser.conftest import OpenPage, Site, View
from tests.make import PATIENT, north_of


def test_a_round_is_walked_offline(open_page: OpenPage, site: Site, view: View) -> None:
    with site.database.write_sessions() as session, session.begin():
        estate = make.estate(session, name_en="Lakeside", name_zh="湖畔花园")
        places = [("Lobby of building 1", "1号楼大堂"), ("Club", "会所"), ("North gate", "北门岗亭")]
        devices = [
            make.device(
                session,
                of=estate,
                at=north_of(PATIENT, metres=40 + 60 * i),
                last_checked_on=date(2026, 1, 1),
                place_en=en,
                place_zh=zh,
                opening_hours="Mo-Su 00:00-23:30" if i else "24/7",
            )
            for i, (en, zh) in enumerate(places)
        ]
        inspector = make.person(session, name="王芳")
        make.role(session, inspector, Role.KEEPER, estate=estate)
        manager = make.person(session, name="周经理")
        make.role(session, manager, Role.ESTATE_MANAGER, estate=estate)
        number = make.inspection_round(session, estate, inspector, *devices, at=clock.now()).id
        key, managing = make.sign_in(session, inspector.id), make.sign_in(session, manager.id)
        codes = [short_number(each.id) for each in devices]

    phone = open_page(session_key=key)
    phone.goto(f"/rounds/{number}")
    expect(phone.locator("#round[data-ready]")).to_be_attached()
    check(phone, view, "round")
    expect(phone.locator("#round[data-kept]")).to_be_attached()

    phone.reload()  # now under the service worker
    expect(phone.locator("#round[data-ready]")).to_be_attached()
    phone.context.set_offline(True)
    phone.locator("#next a.button").click()
    phone.locator("button[value=well]").first.click()
    expect(phone.locator("#queue")).to_be_visible()
    phone.goto(f"/rounds/{number}")
    expect(phone.locator(f".stops li.waiting[data-code='{codes[0]}']")).to_be_visible()
    expect(phone.locator("#next .code")).to_have_text(f"AED {codes[1]}")
    phone.context.close()

    desk = open_page(session_key=managing)
    desk.goto(f"/rounds/new?place=estate-{estate.id}")
    desk.locator("input[name=inspector]").first.check()
    desk.locator("button[name=preview]").click()
    expect(desk.locator("#plan")).to_be_visible()
    check(desk, view, "rounds-assign")
    desk.goto("/rounds")
    check(desk, view, "rounds")
