"""Fixtures for the tests of web pages over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from aed.accounts.sessions import SESSION_COOKIE
from aed.settings import Settings
from tests import make
from tests.apps import app_on

type SignIn = Callable[[int | None], TestClient]
HEADERS = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html", "Accept-Language": "en"}


@pytest.fixture(scope="session")
def app() -> FastAPI:
    """Return the application without a database."""
    return app_on(Settings(database_url="postgresql+psycopg://nobody@127.0.0.1:1/none", access_log=False))


@pytest.fixture
def browser() -> dict[str, str]:
    """Return the headers of a browser that asks for a page."""
    return {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def browser_of(settings: Settings, session: Session) -> Iterator[SignIn]:
    """Yield a function that opens the browser of a person, or of a stranger."""
    with TestClient(app_on(settings)) as opened:

        def new(person_id: int | None) -> TestClient:
            client = TestClient(
                opened.app, base_url="https://testserver", headers=HEADERS, follow_redirects=False
            )
            if person_id is not None:
                client.cookies.set(SESSION_COOKIE, make.sign_in(session, person_id))
            session.commit()
            return client

        yield new
