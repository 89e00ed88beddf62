"""Commands that are the same for all rows with an id: amend, withdraw, show and history."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Protocol

import typer
from pydantic import BaseModel
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.permissions import Viewer
from aed.cli.context import cli_read_session, cli_transaction, operator
from aed.cli.fields import Fields, fields_in, taking
from aed.cli.screen import say
from aed.registry.changes import RecordedRow, changes_of

MAX_ID = 2**63 - 1
SHOWN = 100
"""Number of rows on a page."""
Id = Annotated[int, typer.Argument(help="Its id", min=1, max=MAX_ID, show_default=False)]
RowId = Annotated[int, typer.Argument(help="Its id", min=1, max=MAX_ID, show_default=False, metavar="ID")]
Version = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MAX_ID,
        help="Refuse if the row is no longer at this version (see show); default: the current version",
    ),
]
After = Annotated[int, typer.Option(min=0, max=MAX_ID, help="Only those with a larger id")]


class VersionedRow(RecordedRow, Protocol):
    """A row of the register with a version."""

    version: Any  # Any: an SQLAlchemy column


class Amend[RowT: VersionedRow, AmendT: BaseModel](Protocol):
    """An action that changes a row."""

    def __call__(
        self, session: Session, who: Viewer, row_id: int, change: AmendT, /, *, version: int, at: datetime
    ) -> RowT: ...


class Withdraw(Protocol):
    """An action that withdraws a row."""

    def __call__(
        self, session: Session, who: Viewer, row_id: int, /, *, version: int, at: datetime
    ) -> object: ...


@dataclass(frozen=True, slots=True)
class RowKind[RowT: VersionedRow, AmendT: BaseModel]:
    """A kind of row, and the functions of its commands."""

    name: str
    amending: str
    """Help text of the command `amend`; `withdrawing` is that of `withdraw`."""
    withdrawing: str
    read: Callable[[Session, Viewer, int], RowT]
    shown: Callable[[RowT], BaseModel]
    shape: type[AmendT]
    """The schema of a change."""
    amend: Amend[RowT, AmendT]
    withdraw: Withdraw


def add_commands[RowT: VersionedRow, AmendT: BaseModel](
    group: typer.Typer, kind: RowKind[RowT, AmendT]
) -> None:
    """Add the commands amend, withdraw, show and history to the group."""
    name = kind.name.capitalize()

    @group.command("amend", help=kind.amending, cls=taking(kind.shape))
    def amend(row_id: RowId, given: Fields, version: Version = None) -> None:
        with cli_transaction() as session:
            change = fields_in(kind.shape, given)
            present = kind.read(session, operator(), row_id).version
            row = kind.amend(session, operator(), row_id, change, version=version or present, at=clock.now())
            say(f"{name} {row.id} is at version {row.version}.")

    @group.command("withdraw", help=kind.withdrawing)
    def withdraw(row_id: RowId, version: Version = None) -> None:
        with cli_transaction() as session:
            present = kind.read(session, operator(), row_id).version
            kind.withdraw(session, operator(), row_id, version=version or present, at=clock.now())
            say(f"{name} {row_id} is withdrawn.")

    @group.command("show", help=f"Show one {kind.name}.")
    def show(row_id: RowId) -> None:
        with cli_read_session() as session:
            show_all(kind.shown(kind.read(session, operator(), row_id)))

    @group.command("history", help="Show who changed what and when, newest first.")
    def history(row_id: RowId) -> None:
        with cli_read_session() as session:
            row = kind.read(session, operator(), row_id)
            show_history(session, row.__tablename__, row.id)


def show_all(shown: BaseModel) -> None:
    """Print each field on a line."""
    for name, value in shown.model_dump(mode="json").items():
        if isinstance(value, dict | list):
            value = json.dumps(value, ensure_ascii=False)
        say(f"{name}: {'' if value is None else value}")


def show_history(session: Session, subject: str, subject_id: int) -> None:
    """Print the changes of a row, newest first: who, what and when."""
    for change in changes_of(session, subject=subject, subject_id=str(subject_id)):
        say(f"{change.at:%Y-%m-%d %H:%M:%SZ}  {change.who}")
        for name, (before, after) in change.fields.items():
            say(f"    {name}: {before} → {after}")
