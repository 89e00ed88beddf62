"""The page of a demo in a browser: step into a part, and watch an exercise from two windows."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.checks import check
from tests.browser.conftest import OpenPage, View


def test_a_newcomer_steps_into_each_part(page: Page, view: View) -> None:
    page.goto("/demo")
    check(page, view, "demo")
    page.locator('button[value="resident"]').click()
    expect(page.locator("[aria-current=true] .doors")).to_be_visible()
    expect(page.locator('button[value="resident"]')).to_have_count(0)
    page.locator('button[value="dispatcher"]').click()
    expect(page.locator('button[value="dispatcher"]')).to_have_count(0)
    check(page, view, "demo-dispatcher")
    page.locator('button[value="stranger"]').click()
    expect(page.locator('button[value="stranger"]')).to_have_count(0)


def test_an_exercise_is_watched_from_two_windows(page: Page, view: View) -> None:
    page.goto("/demo")
    page.locator('form[action="/demo/exercises"] button').click()
    phones = page.locator("#board form[target]")
    expect(phones.first).to_be_visible()
    check(page, view, "demo-exercise")
    with page.expect_popup() as opened:
        phones.first.locator("button").click()
    phone = opened.value
    phone.locator('button[value="accept"]').click()
    expect(phone.locator("#call")).to_have_attribute("data-state", "accepted")
    comes = "Comes" if view.language == "en" else "已接受"
    expect(page.locator("#board")).to_contain_text(comes)
    page.locator('form[action$="/end"] button').click()
    expect(page.locator("#board")).to_have_attribute("data-live", "no")
    expect(phone.locator("#call")).to_have_attribute("data-live", "no")
    check(page, view, "demo-exercise-over")


def test_without_javascript_an_exercise_can_be_followed(open_page: OpenPage, view: View) -> None:
    page = open_page(java_script_enabled=False)
    page.goto("/demo")
    page.locator('button[value="manager"]').click()
    expect(page.locator('button[value="manager"]')).to_have_count(0)
    page.locator('form[action="/demo/exercises"] button').click()
    expect(page.locator("#board form[target]").first).to_be_visible()
    page.locator('form[action$="/end"] button').click()
    expect(page.locator("#board")).to_have_attribute("data-live", "no")


def test_an_agreement_is_one_tap_away_as_the_manager_and_as_a_party(page: Page, view: View) -> None:
    page.goto("/demo")
    page.locator('button[value="manager"]').click()
    page.locator("[aria-current=true] a[href='/agreements']").click()
    expect(page.locator(".card")).to_have_count(2)
    expect(page.locator(".card .notice.warn")).to_have_count(1)
    check(page, view, "demo-agreements")

    page.goto("/demo")
    page.locator('form[action="/demo/agreements/party"] button').click()
    expect(page.locator("button[value=consent]")).to_be_visible()
    check(page, view, "demo-agreement-party")
