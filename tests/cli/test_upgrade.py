"""`aed db upgrade --plan`."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import text

from aed.database.session import Database
from tests.cli.conftest import Aed


def test_the_plan_is_printed_and_changes_nothing(
    aed: Aed, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert aed("db", "upgrade", "--plan").out == "No migration is pending.\n"
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0044'"))

    printed = aed("db", "upgrade", "--plan", "0045").out

    assert "0045" in printed
    if database.engine.dialect.name == "postgresql":
        assert re.search(r"devices +SHARE +writes +builds an index +0 *\n", printed), printed
    with database.engine.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "0044"
