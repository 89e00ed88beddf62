"""Tables and sentences for people."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from aed.interchange.actions import Progress as Count

console = Console(width=int(os.environ.get("COLUMNS", "0")) or (None if sys.stdout.isatty() else 118))
errors = Console(stderr=True)


def say(text: str = "") -> None:
    """A line as it is: nothing in it is markup."""
    console.print(text, markup=False, highlight=False)


def table(
    title: str | None, columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()
) -> None:
    """A table; the columns named in `right` hold numbers."""
    shown = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        shown.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        shown.add_row(*("" if cell is None else str(cell).replace("[", r"\[") for cell in row))
    console.print(shown)


@contextmanager
def counting(what: str) -> Iterator[Count]:
    """Shows how many have been done, where somebody watches."""
    if not errors.is_terminal:
        yield lambda _done: None
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=errors, transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done: progress.update(task, completed=done)
