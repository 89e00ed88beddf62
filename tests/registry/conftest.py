"""Clients of the registry API: an administrator, and members of estates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session
from tests import make

from aed.accounts.permissions import TokenRole
from aed.registry.estates.models import Estate


@dataclass(frozen=True)
class Desk:
    """A client, with or without a token, that updates correctly: it reads, then sends the ETag back."""

    client: TestClient
    headers: dict[str, str]

    def get(self, path: str) -> Any:
        return self.client.get(path, headers=self.headers)

    def post(self, path: str, body: Any) -> Any:
        return self.client.post(path, json=body, headers=self.headers)

    def put(self, path: str, body: Any, *, etag: str | None = None) -> Any:
        return self.client.put(path, json=body, headers=self._with(etag))

    def patch(self, path: str, body: Any, *, etag: str | None = '"1"') -> Any:
        return self.client.patch(path, json=body, headers=self._with(etag))

    def delete(self, path: str, *, etag: str | None = '"1"') -> Any:
        return self.client.delete(path, headers=self._with(etag))

    def _with(self, etag: str | None) -> dict[str, str]:
        return self.headers if etag is None else {**self.headers, "If-Match": etag}


@pytest.fixture
def nobody(client: TestClient) -> Desk:
    return Desk(client, {})


@pytest.fixture
def office(session: Session, client: TestClient) -> Desk:
    """Return an administrator with write access; region CN-33 exists."""
    make.region(session)
    headers = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
    session.commit()
    return Desk(client, headers)


@pytest.fixture
def desk_of(session: Session, client: TestClient) -> Callable[..., Desk]:
    """Return a function that creates a member of an estate, by default with write access."""

    def make_desk(estate: Estate, *, writes: bool = True) -> Desk:
        headers = make.key(session, TokenRole.MEMBER, estate=estate, writes=writes)
        session.commit()
        return Desk(client, headers)

    return make_desk
