"""Servers with the demo district, and pages of them in Chromium, at two widths and in two languages.

Skipped where Chromium is not installed (`sh deploy/setup.sh test` installs it).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Route, expect, sync_playwright

from aed.accounts.sessions import SESSION_COOKIE
from tests.browser.site import Site, running_site
from tests.chromium import PROGRAM
from tests.throwaway_postgres import copy_database, drop_database

__all__ = ["OpenPage", "Site", "View"]

ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
HEIGHT: Final = 844
PATIENCE: Final = 60_000
"""Milliseconds until a page that does not change counts as broken, also on a busy machine."""

expect.set_options(timeout=PATIENCE)


@dataclass(frozen=True)
class View:
    """How a page is looked at."""

    width: int
    language: str
    """`zh-CN` or `en`."""

    def __str__(self) -> str:
        return f"{self.width}-{self.language.partition('-')[0]}"


VIEWS: Final = (View(390, "zh-CN"), View(1280, "en"), View(390, "en"), View(1280, "zh-CN"))
IS_EVERY_VIEW: Final = os.environ.get("AED_TEST_VIEWS") == "all"
USUAL_VIEWS: Final = VIEWS if IS_EVERY_VIEW else VIEWS[:2]
"""Each width and each language once. `make screens` looks at all four."""

type OpenPage = Callable[..., Page]
"""`open_page(**options)`: see the fixture of that name."""


@pytest.fixture(scope="session")
def spatialite_site(spatialite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Start a server with the demo district on SpatiaLite, shared by all tests of a worker."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copyfile(spatialite_template, folder / "aed.sqlite")
    with running_site(folder, f"sqlite:///{folder / 'aed.sqlite'}") as site:
        yield site


@pytest.fixture(scope="session")
def postgis_site(postgis_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Start a server with the demo district on PostGIS, shared by all tests of a worker."""
    url = copy_database(postgis_template, "browser_site")
    with running_site(tmp_path_factory.mktemp("site"), url) as site:
        yield site
    drop_database(url)


@pytest.fixture
def site(request: pytest.FixtureRequest, view: View) -> Site:
    """Return the server with the demo district: on a phone that on SpatiaLite, at a desk that on PostGIS."""
    engine = "spatialite" if view.width < 600 else "postgis"
    site: Site = request.getfixturevalue(f"{engine}_site")
    return site


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Start Chromium, once for each worker."""
    if PROGRAM is None:
        pytest.skip("Chromium is not installed: run sh deploy/setup.sh test")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(params=USUAL_VIEWS, ids=str)
def view(request: pytest.FixtureRequest) -> View:
    """Return the widths and languages in turn."""
    view: View = request.param
    return view


@pytest.fixture
def open_page(chromium: Browser, site: Site, view: View) -> Iterator[OpenPage]:
    """Yield a function that opens a new page in a context of its own, as on another phone.

    Options are those of Playwright's `new_context`, such as `java_script_enabled=False`,
    `geolocation={"latitude": …, "longitude": …}` and `permissions=["geolocation"]`; and `session_key`, the
    key of a person who is signed in (`make.sign_in`).

    After the test, fails if a page wrote an error to the console or asked another host for anything.
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def refuse(route: Route) -> None:
        complaints.append(f"asked another host: {route.request.url}")
        route.abort()

    def open_(*, session_key: str | None = None, **options: Any) -> Page:
        context = chromium.new_context(
            base_url=site.address,
            viewport={"width": view.width, "height": HEIGHT},
            locale=view.language,
            timezone_id="Asia/Shanghai",
            has_touch=view.width < 600,
            **options,
        )
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        context.route(lambda url: urlsplit(url).netloc != urlsplit(site.address).netloc, refuse)
        if session_key is not None:
            secure = site.address.replace("http:", "https:")
            context.add_cookies(
                [{"name": SESSION_COOKIE, "value": session_key, "url": secure, "secure": True}]
            )
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(f"script error: {error}"))
        page.on("console", lambda message: _note(message, page, complaints))
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


def _note(message: ConsoleMessage, page: Page, complaints: list[str]) -> None:
    """Record an error, except the status of the page itself: an error page is a page too.

    A request that fails because a test took the network away is no error either.
    """
    if "ERR_INTERNET_DISCONNECTED" in message.text:
        return
    if message.type == "error" and message.location.get("url") != page.url:
        complaints.append(f"console: {message.text} {message.location}")


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """Return a new page with JavaScript and without permission for geolocation."""
    return open_page()
