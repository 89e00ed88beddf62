"""Signing up and my page in a browser: without JavaScript, by keyboard, at both widths."""

from __future__ import annotations

import re
from datetime import date

import pyotp
from playwright.sync_api import expect
from sqlalchemy import delete, select, update

from aed import clock
from aed.accounts.people.models import Person
from aed.accounts.permissions import Role
from aed.accounts.regions.models import Region
from aed.accounts.sign_in.models import SecondFactor
from aed.accounts.sign_in.rules import RECOVERY_CODE_COUNT
from aed.notifications.models import OutboxMessage
from aed.registry.estates.models import Estate
from aed.responders.models import Responder
from tests import make
from tests.browser.checks import check
from tests.browser.conftest import VIEWS, OpenPage, Site, View


def newest_code(site: Site) -> str:
    """Return the newest code in the outbox."""
    with site.database.read_sessions() as session:
        texts = session.scalars(select(OutboxMessage.text_en).order_by(OutboxMessage.id.desc()).limit(5))
        return next(found[0] for each in texts if each and (found := re.search(r"\b\d{6}\b", each)))


def test_a_person_without_account_signs_up_offers_and_pauses(
    open_page: OpenPage, site: Site, view: View
) -> None:
    page = open_page(java_script_enabled=False)
    page.goto("/sign-in")
    page.locator("#phone").fill("12")
    page.locator("main button").click()
    expect(page.locator("#phone-error")).to_be_visible()
    page.locator("#phone").fill(f"138 0013 44{VIEWS.index(view):02d}")
    page.locator("main button").click()
    expect(page.locator("#code")).to_be_visible()
    expect(page.locator("main input[name=phone]").first).to_have_attribute("value", re.compile("138"))


def test_the_pages_of_signing_in(open_page: OpenPage, view: View) -> None:
    page = open_page()
    page.goto("/sign-in")
    check(page, view, "sign-in")
    page.locator("#phone").fill(f"138 0013 55{VIEWS.index(view):02d}")
    page.locator("main button").click()
    expect(page.locator("#code")).to_be_visible()
    check(page, view, "sign-in-code")
    page.locator("#code").fill("000000")
    page.locator("main button").first.click()
    expect(page.locator("#code-error")).to_be_visible()
    check(page, view, "sign-in-wrong")


def test_a_dispatcher_sets_up_the_second_factor_that_the_region_requires(
    open_page: OpenPage, site: Site, view: View
) -> None:
    number = f"138 0013 66{VIEWS.index(view):02d}"
    with site.database.write_sessions() as session, session.begin():
        region = make.region(session, f"XA-{VIEWS.index(view)}")
        region.needs_second_factor = True
        make.role(session, make.person(session, phone=number), Role.DISPATCHER, region=region)
    page = open_page(java_script_enabled=False)
    page.goto("/sign-in?next=/learn")
    page.locator("#phone").fill(number)
    page.locator("main button").click()
    page.locator("#code").fill(newest_code(site))
    page.locator("main button").first.click()
    expect(page.locator("ol")).to_be_visible()
    page.locator("main button").click()
    key = page.locator("code.key").inner_text()
    page.locator("#code").fill("000000")
    page.locator("main button").click()
    expect(page.locator("#code-error")).to_be_visible()
    page.locator("#code").fill(pyotp.TOTP(key).now())
    page.locator("main button").click()
    expect(page.locator(".codes li")).to_have_count(RECOVERY_CODE_COUNT)
    page.locator("main a.big").click()
    expect(page).to_have_url(f"{site.address}/learn")

    with site.database.write_sessions() as session, session.begin():
        session.execute(delete(SecondFactor))
    page = open_page()
    page.goto("/sign-in?next=/learn")
    page.locator("#phone").fill(number)
    page.locator("main button").click()
    page.locator("#code").fill(newest_code(site))
    page.locator("main button").first.click()
    expect(page.locator("ol")).to_be_visible()
    check(page, view, "sign-in-add-app")
    page.locator("main button").click()
    expect(page.locator(".qr svg")).to_be_visible()
    check(page, view, "sign-in-confirm-app")
    page.locator("#code").fill(pyotp.TOTP(page.locator("code.key").inner_text()).now())
    page.locator("main button").click()
    expect(page.locator(".codes li")).to_have_count(RECOVERY_CODE_COUNT)
    check(page, view, "sign-in-recovery-codes")
    with site.database.write_sessions() as session, session.begin():
        # Administrators of the network, as whom other tests sign in, would need one too.
        session.execute(update(Region).values(needs_second_factor=False))


def test_my_page_from_offer_to_erasure(open_page: OpenPage, site: Site, view: View) -> None:
    with site.database.write_sessions() as session, session.begin():
        card = make.responder(session, valid_until=date(clock.now().year, 12, 31))
        person_id = session.get_one(Responder, card).person_id
        make.alert(session, make.incident(session), session.get_one(Person, person_id), key=str(view))
        key = make.sign_in(session, person_id)
        estate = session.scalars(select(Estate).order_by(Estate.id).limit(1)).one()
        make.role(session, session.get_one(Person, person_id), Role.ESTATE_MANAGER, estate=estate)
    page = open_page(session_key=key)
    page.goto("/me")
    check(page, view, "me")
    page.goto("/me/offer")
    check(page, view, "me-offer")
    page.locator("main form button").click()
    expect(page.locator("main [role=alert]").first).to_be_visible()
    check(page, view, "me-offer-wrong")
    page.locator("#position").fill("30.2901, 120.1003")
    page.locator("#of_age").check()
    page.locator("#consent").check()
    page.locator("main form button").click()
    expect(page.locator("#pause")).to_be_visible()
    check(page, view, "me-offered")
    page.locator("button[value='7']").click()
    expect(page.locator("#offer ~ .notice.warn")).to_be_visible()
    check(page, view, "me-paused")
    page.goto("/me/data")
    page.locator("summary").first.click()
    check(page, view, "me-data")
    page.goto("/me/erasure")
    check(page, view, "me-erasure")
    page.locator("#is_sure").check()
    page.locator("main form button").click()
    expect(page.locator(".notice.good")).to_be_visible()
