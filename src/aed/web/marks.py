"""The state of a device in lists and on maps: a shape, a letter and a colour each."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from aed.registry.devices.rules import Access, AccessAt, Readiness
from aed.web.words import noop, pnoop


class Mark(StrEnum):
    OPEN = "open"
    ASSISTED = "assisted"
    UNKNOWN = "unknown"
    CLOSED = "closed"
    LAST_RESORT = "last_resort"
    OUT = "out"

    @property
    def letter(self) -> str:
        """The letter in English; translate it with the context `mark`."""
        return _LETTERS[self]

    @property
    def sentence(self) -> str:
        """The text in English; translate it."""
        return _SENTENCES[self]


_LETTERS: Final = {
    Mark.OPEN: pnoop("mark", "O"),
    Mark.ASSISTED: pnoop("mark", "A"),
    Mark.UNKNOWN: pnoop("mark", "?"),
    Mark.CLOSED: pnoop("mark", "C"),
    Mark.LAST_RESORT: pnoop("mark", "!"),
    Mark.OUT: pnoop("mark", "X"),
}
_SENTENCES: Final = {
    Mark.OPEN: noop("Open now"),
    Mark.ASSISTED: noop("Someone lets you in"),
    Mark.UNKNOWN: noop("Opening hours not known"),
    Mark.CLOSED: noop("Closed now"),
    Mark.LAST_RESORT: noop("Pads expired: last resort"),
    Mark.OUT: noop("Out of service"),
}
_OF_ACCESS: Final = {
    Access.OPEN: Mark.OPEN,
    Access.ASSISTED: Mark.ASSISTED,
    Access.UNKNOWN: Mark.UNKNOWN,
    Access.CLOSED: Mark.CLOSED,
}


def mark_of(access: AccessAt, readiness: Readiness) -> Mark:
    """Return the mark of a device by its access and readiness at a moment."""
    if readiness is Readiness.PADS_EXPIRED and access.access is not Access.CLOSED:
        return Mark.LAST_RESORT
    if not readiness.is_usable:
        return Mark.OUT
    return _OF_ACCESS[access.access]
