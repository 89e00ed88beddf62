"""The time bank in an app's web view, opened through the documented examples of an app's server."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx2
from playwright.sync_api import Page, expect
from sqlalchemy import select

from aed.registry.estates.models import Estate
from tests import make
from tests.browser.checks import check, save_screenshot
from tests.browser.conftest import Site, View
from tests.throwaway_postgres import free_port

EXAMPLES: Final = Path(__file__).parents[2] / "docs/connect/examples"
IN_PYTHON: Final = [sys.executable, "time_bank_link.py"]
IN_JAVASCRIPT: Final = ["node", "time_bank_link.mjs"]


@contextmanager
def app_server(view: View, site: Site, log: Path, *, client: dict[str, str]) -> Iterator[str]:
    """Run the server of an app: the example in JavaScript for the wide view, in Python for the narrow one."""
    is_wide = view.width > 600 and shutil.which("node") is not None
    address = f"http://127.0.0.1:{(port := free_port())}"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [*(IN_JAVASCRIPT if is_wide else IN_PYTHON), site.address, str(port)],
            cwd=EXAMPLES,
            env=os.environ | client,
            stdout=output,
            stderr=output,
        )
    try:
        while True:
            try:
                assert httpx2.post(address, timeout=60).status_code == 404
            except httpx2.ConnectError:
                assert server.poll() is None, log.read_text(encoding="utf-8")
                time.sleep(0.05)  # between attempts: a server does not signal that it listens
            else:
                break
        yield address
    finally:
        server.terminate()
        server.wait(300)


def test_an_app_shows_balance_statement_and_catalogue(
    page: Page, site: Site, view: View, tmp_path: Path
) -> None:
    with site.database.write_sessions() as session, session.begin():
        estate = session.scalars(select(Estate).order_by(Estate.id).limit(1)).one()
        person = make.person(session)
        make.goods_order(session, make.goods(session, estate), person)
        app, secret = make.client_app(session, estate)
        client = {"CLIENT_ID": app.client_id, "CLIENT_SECRET": secret}
        token = make.sign_in(session, person.id, bearer=True)
    with app_server(view, site, tmp_path / "app.log", client=client) as address:
        refused = httpx2.post(f"{address}/time-bank", timeout=60)
        assert (refused.status_code, refused.json()) == (401, {"error": "sign in again"})
        headers = {"Authorization": f"Bearer {token}"}
        link = httpx2.post(f"{address}/time-bank", headers=headers, timeout=60).json()["url"]

    page.goto(link)
    expect(page.locator("#statement")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(2)
    check(page, view, "embed-time-bank")
    page.locator("header nav a").click()
    expect(page.locator("html")).not_to_have_attribute("lang", view.language)
    save_screenshot(page, f"embed-time-bank-{view}-other-language")

    page.goto(link)
    expect(page.locator("[role=alert]")).to_be_visible()
    check(page, view, "embed-expired")
