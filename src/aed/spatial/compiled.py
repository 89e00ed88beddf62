"""Statements that are compiled once and asked often, with other values each time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Dialect, Select

from aed.spatial.asking import sent
from aed.spatial.statements import check_columns, compiled_for


@dataclass(frozen=True)
class Compiled[R]:
    """A compiled statement. See `compiled`."""

    sql: str
    constants: Mapping[str, object]
    row: Callable[..., R]

    def sent(self, connection: Connection, told: Mapping[str, object]) -> Callable[[], Sequence[R]]:
        """Asks with the values of what is `told_later`. What is given back reads the rows.

        Until then nothing else can be asked on the connection but what is sent, see `asking.sent`.
        """
        row, read = self.row, sent(connection, self.sql, {**self.constants, **told})
        return lambda: [row(*values) for values in read()]


def compiled[R](dialect: Dialect, statement: Select[*tuple[Any, ...]], *, row: type[R]) -> Compiled[R]:
    """`row` is a NamedTuple of the statement's columns; those that are left out at its end have defaults."""
    sql, constants = compiled_for(dialect, statement)
    check_columns(statement, row)
    return Compiled(sql, constants, row)
