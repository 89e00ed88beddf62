"""A party decides on a phone, by its link; the manager sees what waits for whom."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

from aed import clock
from aed.accounts.permissions import Role
from aed.sharing.agreements import queries
from aed.sharing.decisions.actions import create_link
from aed.sharing.decisions.schemas import LinkIn
from tests import make
from tests.browser.checks import check
from tests.browser.conftest import OpenPage, Site, View
from tests.make import ADMINISTRATOR


def test_a_party_decides_and_the_manager_follows(open_page: OpenPage, site: Site, view: View) -> None:
    with site.database.write_sessions() as session, session.begin():
        estate = make.estate(session, name_en="Lakeside", name_zh="湖畔花园")
        today = clock.now().date()
        device = make.device(
            session,
            of=estate,
            audience="estate",
            last_checked_on=today,
            place_en="Lobby of building 2",
            place_zh="2号楼大堂",
        )
        period: dict[str, Any] = {
            "starts_on": today.isoformat(),
            "ends_on": "2090-01-01",
        }
        made = make.draft(session, estate, device, **period, share={"hours": "22:00-06:00"})
        party = queries.agreement(session, ADMINISTRATOR, made.id).parties[0]
        _, key = create_link(session, party, LinkIn(), by="test", at=clock.now())
        manager = make.person(session)
        make.role(session, manager, Role.ESTATE_MANAGER, estate=estate)
        signed_in = make.sign_in(session, manager.id)
        number = made.id

    page = open_page()
    page.goto(f"/agreements/party/{key}")
    check(page, view, "agreement-party")
    page.locator("button[value=consent]").click()
    expect(page.locator(".notice.good")).to_be_visible()
    check(page, view, "agreement-party-consented")

    desk = open_page(session_key=signed_in)
    desk.goto("/agreements")
    check(desk, view, "agreements")
    desk.goto(f"/agreements/{number}")
    check(desk, view, "agreement")
