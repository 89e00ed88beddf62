"""Connections that are refused when they are lent, as those to a server that is no longer the right one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, repeat

import pytest
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DisconnectionError

from aed.database.session import retry_on_stale_connection, translate_database_errors
from aed.errors import DatabaseUnavailable

REFUSALS_OF_THE_POOL = 2
"""How many connections, one after another, SQLAlchemy's pool opens before it gives up."""


def _one(connection: Connection) -> object:
    return connection.execute(text("SELECT 1")).scalar_one()


@contextmanager
def _refusing(answers: Iterator[bool]) -> Iterator[Engine]:
    engine = create_engine("sqlite://")

    @event.listens_for(engine, "checkout")
    def refuse(*_given: object) -> None:
        if next(answers):
            raise DisconnectionError

    yield engine
    engine.dispose()


@pytest.mark.parametrize("refusals", [0, 1, REFUSALS_OF_THE_POOL])
def test_a_read_is_repeated_when_the_pool_has_given_up(refusals: int) -> None:
    with _refusing(chain(repeat(True, refusals), repeat(False))) as engine:
        assert retry_on_stale_connection(_one, engine.connect) == 1


def test_the_answer_is_unavailable_when_every_connection_is_refused() -> None:
    with _refusing(repeat(True)) as engine:
        with pytest.raises(DatabaseUnavailable):
            retry_on_stale_connection(_one, engine.connect)
        with pytest.raises(DatabaseUnavailable), translate_database_errors():
            engine.connect()
