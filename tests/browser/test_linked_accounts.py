"""A person links accounts in two provinces in a browser: from their page in one to the other, and back."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from aed import clock
from aed.accounts.sessions import SESSION_COOKIE
from aed.linked_accounts.schemas import Invitation, sign_invitation
from tests.browser.checks import check
from tests.browser.conftest import HEIGHT, PATIENCE, View
from tests.cells.pairs import ServedCell, served_pair


@pytest.fixture(scope="module")
def pair(spatialite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[ServedCell]]:
    """Serve two cells, each on an address of its own: cookies are those of a host, whatever its port."""
    folder = tmp_path_factory.mktemp("linked")
    urls = []
    for name in ("home", "other"):
        shutil.copyfile(spatialite_template, folder / f"{name}.sqlite")
        urls.append(f"sqlite:///{folder / name}.sqlite")
    with served_pair(folder, urls, ("127.0.0.1", "127.0.0.2")) as cells:
        yield cells


@pytest.fixture
def page(chromium: Browser, pair: list[ServedCell], view: View) -> Iterator[Page]:
    """Return a page of a person who is signed in to both cells."""
    context = chromium.new_context(
        base_url=pair[0].address,
        viewport={"width": view.width, "height": HEIGHT},
        locale=view.language,
        timezone_id="Asia/Shanghai",
        has_touch=view.width < 600,
    )
    context.set_default_timeout(PATIENCE)
    for cell in pair:
        secure = cell.address.replace("http:", "https:")
        key = cell.new_person()[1]
        context.add_cookies([{"name": SESSION_COOKIE, "value": key, "url": secure, "secure": True}])
    yield context.new_page()
    context.close()


def test_a_person_links_their_accounts(page: Page, pair: list[ServedCell], view: View) -> None:
    _home, other = pair
    page.goto("/me")
    page.locator("a[href='/me/other-provinces']").click()
    expect(page.locator("#cell")).to_be_visible()
    check(page, view, "linked-accounts-none")
    page.locator("#cell").select_option("34")
    page.locator("main button.big").click()
    there = page.locator("main a.button.big")
    expect(there).to_be_visible()
    check(page, view, "linked-accounts-made")

    there.click()
    expect(page.locator("#is_sure")).to_be_visible()
    page.locator("main button.big").click()
    expect(page.locator("#sure-error")).to_be_visible()
    check(page, view, "linked-accounts-confirm")
    page.locator("#is_sure").check()
    page.locator("main button.big").click()
    expect(page).to_have_url(f"{other.address}/me/other-provinces")
    expect(page.locator(".notice.warn")).to_be_visible()
    check(page, view, "linked-accounts-waiting")
    with ThreadPoolExecutor(1) as thread:  # Playwright has an event loop in this one
        assert thread.submit(other.tell).result() == (1, 0)
    page.reload()
    expect(page.locator(".notice.good")).to_be_visible()
    check(page, view, "linked-accounts-there")
    page.goto("/me/other-provinces")
    expect(page.locator(".notice.good")).to_be_visible()
    check(page, view, "linked-accounts-here")


def test_links_that_lead_nowhere(page: Page, pair: list[ServedCell], view: View) -> None:
    """A link that has expired, one for another province, and one that someone else has used."""
    home, other = pair
    until = clock.now() + timedelta(minutes=30)
    for name, given in (
        ("expired", Invitation("34", "0" * 24, until - timedelta(hours=1))),
        ("elsewhere", Invitation("35", "0" * 24, until)),
    ):
        page.goto(f"{other.address}/me/other-provinces/link/{sign_invitation(home.table, given)}")
        expect(page.locator("h1")).to_be_visible()
        check(page, view, f"linked-accounts-{name}")
    used = Invitation("34", secrets.token_hex(12), until)
    token = sign_invitation(home.table, used)
    other.page(f"/me/other-provinces/link/{token}", other.new_person()[1], form={"is_sure": "yes"})
    page.goto(f"{other.address}/me/other-provinces/link/{token}")
    page.locator("#is_sure").check()
    page.locator("main button.big").click()
    expect(page.locator(".notice.warn[role=alert]")).to_be_visible()
    check(page, view, "linked-accounts-used")
    page.goto(f"{other.address}/me/erasure")
    check(page, view, "linked-accounts-erasure")
