"""Fixtures for the tests of web pages over HTTP."""

from __future__ import annotations

import pytest
from fastapi import FastAPI

from aed.app import create_app
from aed.settings import Settings


@pytest.fixture(scope="session")
def app() -> FastAPI:
    """Return the application without a database."""
    return create_app(Settings(database_url="postgresql+psycopg://nobody@127.0.0.1:1/none", access_log=False))


@pytest.fixture
def browser() -> dict[str, str]:
    """Return the headers of a browser that asks for a page."""
    return {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
