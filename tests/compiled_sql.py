"""SQL that SQLAlchemy compiled for one test's engine, kept for those of later tests."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Dialect, Engine, create_engine
from sqlalchemy.orm import Mapper
from sqlalchemy.util import LRUCache

from aed.database.encryption.columns import keyring_of
from aed.database.encryption.keys import SETTING


class SharedStatements(LRUCache[Any, Any]):
    """Compiled statements of all engines of one kind that have the same encryption keys.

    SQLAlchemy looks a statement up together with the engine's dialect. Each engine has a dialect of its own,
    and each test an engine, so each test would compile all its statements anew: a quarter of its time.
    """

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get((kind_of(key[0]), *key[1:]), default)

    def __setitem__(self, key: Any, compiled: Any) -> None:
        super().__setitem__((kind_of(key[0]), *key[1:]), compiled)


def kind_of(dialect: Dialect) -> object:
    """Return what engines have in common whose compiled statements are the same."""
    try:
        ring = keyring_of(dialect)
    except KeyError:
        return dialect
    return (dialect.name, ring.ids) if ring.source == SETTING else dialect


def share_compiled_statements(patch: pytest.MonkeyPatch) -> None:
    """Let all engines that `open_database` makes share what was compiled."""
    statements = SharedStatements(3_000)

    def create(*given: Any, **options: Any) -> Engine:
        return create_engine(*given, **options, execution_options={"compiled_cache": statements})

    patch.setattr("aed.database.session.create_engine", create)
    patch.setattr(Mapper, "_compiled_cache", statements)
