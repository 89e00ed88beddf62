"""Caches of compiled SQL statements, shared by the engines of all tests in a process."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Dialect, Engine, Select, create_engine
from sqlalchemy.orm import Mapper
from sqlalchemy.util import LRUCache

from aed.database.compiled import compiled_for
from aed.database.encryption.columns import keyring_of
from aed.database.encryption.keys import SETTING


class SharedStatements(LRUCache[Any, Any]):
    """Statements compiled for engines of the same kind and with the same encryption keys.

    SQLAlchemy caches statements per dialect, and each engine has a dialect of its own. Each test has an
    engine, so without sharing it would compile all its statements again: a quarter of its time.
    """

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get((kind_of(key[0]), *key[1:]), default)

    def __setitem__(self, key: Any, compiled: Any) -> None:
        super().__setitem__((kind_of(key[0]), *key[1:]), compiled)


def kind_of(dialect: Dialect) -> object:
    """Return a key that is equal for dialects that compile statements to the same SQL."""
    try:
        ring = keyring_of(dialect)
    except KeyError:
        return dialect
    return (dialect.name, ring.ids) if ring.source == SETTING else dialect


_drivers_sql: dict[Any, tuple[str, dict[str, object]]] = {}


def shared_compiled_for(dialect: Dialect, statement: Select[Any]) -> tuple[str, dict[str, object]]:
    """Return what `compiled_for` returned for an equal statement with equal values, compiled once.

    The lookup compiles its statements once for an engine and a viewer, so each test would do so: 20 ms.
    """
    cache_key = statement._generate_cache_key()
    if cache_key is None:
        return compiled_for(dialect, statement)
    values = [each.effective_value for each in cache_key.bindparams]
    try:
        key = (dialect.name, cache_key.key, *((type(value), value) for value in values))
        if key not in _drivers_sql:
            _drivers_sql[key] = compiled_for(dialect, statement)
    except TypeError:  # a value that cannot be hashed
        return compiled_for(dialect, statement)
    sql, constants = _drivers_sql[key]
    return sql, dict(constants)


def share_compiled_statements(patch: pytest.MonkeyPatch) -> None:
    """Make all engines from `open_database` share their compiled statements."""
    statements = SharedStatements(3_000)

    def create(*given: Any, **options: Any) -> Engine:
        return create_engine(*given, **options, execution_options={"compiled_cache": statements})

    patch.setattr("aed.database.session.create_engine", create)
    patch.setattr(Mapper, "_compiled_cache", statements)
    for module in ("compiled", "nearest"):
        patch.setattr(f"aed.database.{module}.compiled_for", shared_compiled_for)
