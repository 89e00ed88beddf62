"""Print tables and sentences for people."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

type Count = Callable[[int], None]
"""Called with the number of things done so far."""

NARROWEST, WIDEST, UNKNOWN_WIDTH = 60, 120, 100


def _console() -> Console:
    """Return a console as wide as the terminal, between 60 and 120 columns for readability."""
    if not sys.stdout.isatty() and not os.environ.get("COLUMNS", "").isdecimal():
        return Console(width=UNKNOWN_WIDTH)
    wide = Console().width
    return Console(width=max(NARROWEST, min(WIDEST, wide)))


console = _console()
errors = Console(stderr=True)


def say(text: str = "") -> None:
    """Print a line verbatim: no markup, and no line breaks (in a key, in JSON) to fit the screen."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def paragraph(text: str) -> None:
    """Print sentences, wrapped to fit the screen."""
    console.print(text, markup=False, highlight=False)


def warn(text: str) -> None:
    """Print a line to standard error, so that it does not mix with output such as JSON."""
    errors.print(text, markup=False, highlight=False, soft_wrap=True)


def plural(number: int, noun: str, several: str | None = None) -> str:
    """Return the number and the noun in singular or plural: 1 device, 1,200 devices."""
    return f"{number:,} {noun if number == 1 else several or f'{noun}s'}"


def heading(text: str) -> None:
    say()
    console.print(text, style="bold", markup=False, highlight=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """An item of a list: figures in columns, text beside them, and lines below the text."""

    figures: Sequence[str]
    text: str
    below: Sequence[str] = ()


def entries(columns: Sequence[str], found: Sequence[Entry]) -> None:
    """Print a list: narrow columns of figures on the left, text in the remaining width."""
    rows = [columns, *(each.figures for each in found)]
    widths = [max(cell_len(row[column]) for row in rows) for column in range(len(columns))]
    _text_column(columns, widths, [], style="dim")
    for each in found:
        _text_column(each.figures, widths, [each.text], style="bold")
        _text_column([""] * len(columns), widths, each.below, style="")


def _text_column(figures: Sequence[str], widths: Sequence[int], words: Sequence[str], *, style: str) -> None:
    """Print right-aligned figures and, beside them, each of the texts on a line of its own."""
    left = "".join(
        " " * (width - cell_len(figure)) + figure + "  "
        for figure, width in zip(figures, widths, strict=True)
    )
    room = console.width - cell_len(left)
    lines = [line for each in words for line in Text(each).wrap(console, room)] or [Text("")]
    if not words and not left.strip():
        return
    for number, line in enumerate(lines):
        beginning = left if number == 0 else " " * cell_len(left)
        shown = Text(beginning + line.plain.rstrip(), style=style)
        shown.rstrip()
        console.print(shown, soft_wrap=True)


def table(
    title: str | None, columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()
) -> None:
    """Print a table; the columns named in `right` hold numbers."""
    shown = Table(title=title, title_justify="left", header_style="bold", box=box.SIMPLE_HEAD)
    for column in columns:
        shown.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        shown.add_row(*("" if cell is None else str(cell).replace("[", r"\[") for cell in row))
    console.print(shown)


@contextmanager
def counting(what: str) -> Iterator[Count]:
    """Show a progress counter if standard error is a terminal."""
    if not errors.is_terminal:
        yield lambda _done: None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    # Standard output must not be redirected through this display to standard error.
    with Progress(*columns, console=errors, transient=True, redirect_stdout=False) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done: progress.update(task, completed=done)


def counted[ThingT](things: Iterable[ThingT], count: Count) -> Iterator[ThingT]:
    """Yield the items, counting each once it has been processed."""
    for done, thing in enumerate(things, start=1):
        yield thing
        count(done)
