"""A browser for tests: it keeps its cookie and sends its CSRF token."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from aed.accounts.sessions import CSRF_HEADER
from aed.notifications.models import OutboxMessage
from aed.settings import Settings
from tests.apps import app_on


@dataclass
class Browser:
    """One person's browser, over HTTPS because the cookie requires it."""

    client: TestClient
    csrf: dict[str, str] = field(default_factory=dict)

    def sign_in(self, phone: str, **what: str) -> Any:
        answer = self.client.post("/v1/sign-in", json={"phone": phone, **what})
        if answer.status_code == 200:
            self.csrf = {CSRF_HEADER: answer.json()["csrf_token"]}
        return answer

    def ask_for_code(self, phone: str) -> Any:
        return self.client.post("/v1/sign-in/code", json={"phone": phone})

    def me(self) -> Any:
        return self.client.get("/v1/me").json()


@pytest.fixture
def browser(settings: Settings) -> Iterator[Callable[[], Browser]]:
    """Yield a function that opens new browsers, all on the same app."""
    app = app_on(settings)
    opened: list[TestClient] = []

    def new() -> Browser:
        client = TestClient(app, base_url="https://testserver", raise_server_exceptions=False)
        if not opened:
            client.__enter__()
        opened.append(client)
        return Browser(client)

    yield new
    if opened:
        opened[0].__exit__(None, None, None)


def codes_sent(session: Session) -> list[str]:
    """Return the sign-in codes in the outbox, oldest first.

    Tests read them from there, as the sending job does.
    """
    session.rollback()
    texts = session.scalars(select(OutboxMessage.text_en).order_by(OutboxMessage.id)).all()
    session.rollback()
    return [found.group() for each in texts if each and (found := re.search(r"\b\d{6}\b", each))]


def reset_attempts(session: Session) -> None:
    session.rollback()
    session.execute(text("DELETE FROM sign_in_attempts"))
    session.commit()
