"""Statements that are compiled once and asked often, with other values each time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Dialect, Select

from aed.database.execute import send
from aed.database.statements import compiled_for, row_factory


@dataclass(frozen=True)
class Compiled[R]:
    """A compiled statement. See `compiled`."""

    sql: str
    constants: Mapping[str, object]
    row: Callable[[Sequence[Any]], R]

    def send(self, connection: Connection, told: Mapping[str, object]) -> Callable[[], Sequence[R]]:
        """Asks with the values of what is `told_later`. What is given back reads the rows.

        Until then nothing else can be asked on the connection but what is sent, see `asking.sent`.
        """
        row, read = self.row, send(connection, self.sql, {**self.constants, **told})
        return lambda: [*map(row, read())]


def compiled[R](dialect: Dialect, statement: Select[*tuple[Any, ...]], *, row: type[R]) -> Compiled[R]:
    """`row` is a NamedTuple of the statement's columns."""
    sql, constants = compiled_for(dialect, statement)
    return Compiled(sql, constants, row_factory(row, statement))
