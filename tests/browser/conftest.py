"""A server with the demo district, and pages of it in Chromium, at two widths and in two languages.

Skipped where Chromium is not installed (`sh deploy/setup.sh test` installs it).
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Route, sync_playwright

from aed.accounts.sessions import SESSION_COOKIE
from aed.database.session import Database, open_database
from aed.settings import Settings

CHROMIUM: Final = shutil.which("chromium")
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


@dataclass(frozen=True)
class Site:
    """A running server on a database of its own with the demo district, shared by all tests of a worker."""

    address: str
    settings: Settings
    database: Database
    """The server's database, to prepare what a test needs."""


@dataclass(frozen=True)
class View:
    """How a page is looked at."""

    width: int
    language: str
    """`zh-CN` or `en`."""

    def __str__(self) -> str:
        return f"{self.width}-{self.language.partition('-')[0]}"


VIEWS: Final = (View(390, "zh-CN"), View(1280, "en"), View(390, "en"), View(1280, "zh-CN"))
USUAL_VIEWS: Final = VIEWS if os.environ.get("AED_TEST_VIEWS") == "all" else VIEWS[:2]
"""Each width and each language once. `make screens` looks at all four."""

type OpenPage = Callable[..., Page]
"""`open_page(**options)`: see the fixture of that name."""


@pytest.fixture(scope="session")
def site(spatialite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Start `aed serve` on a copy of the demo district."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copyfile(spatialite_template, folder / "aed.sqlite")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    settings = {
        "AED_DATABASE_URL": f"sqlite:///{folder / 'aed.sqlite'}",
        "AED_WALKING_NETWORK": str(folder / "walking.npz"),
        "AED_BASEMAP": str(folder / "basemap.pmtiles"),
        "AED_SIGNING_KEYS": str(folder / "signing-keys.json"),
        "AED_OUTBOX_SPOOL": str(folder / "outbox"),
        "AED_RUN_JOBS": "false",
        "AED_PUBLIC_URL": f"http://127.0.0.1:{port}",
    }
    environment = {**os.environ, **settings}
    subprocess.run(
        [sys.executable, "-m", "aed", "demo"], env=environment, check=True, capture_output=True, timeout=300
    )
    with (folder / "serve.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "aed", "serve", "--port", str(port)],
            env=environment,
            stdout=log,
            stderr=log,
        )
    address = f"http://127.0.0.1:{port}"
    _wait_for(address, server, folder / "serve.log")
    opened = Settings(
        database_url=settings["AED_DATABASE_URL"],
        walking_network=folder / "walking.npz",
        basemap=folder / "basemap.pmtiles",
        signing_keys=folder / "signing-keys.json",
        public_url=settings["AED_PUBLIC_URL"],
    )
    database = open_database(opened)
    yield Site(address, opened, database)
    database.close()
    server.terminate()
    server.wait(30)


def _wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        try:
            httpx2.get(f"{address}/healthz", timeout=2)
        except httpx2.TransportError:
            assert server.poll() is None, log.read_text(encoding="utf-8")
            time.sleep(0.1)  # between attempts, until the server listens
        else:
            return
    raise AssertionError(f"{address} did not answer")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Start Chromium, once for each worker."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: run sh deploy/setup.sh test")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
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
        context.set_default_timeout(15_000)
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
