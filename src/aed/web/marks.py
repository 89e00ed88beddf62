"""The marks of devices in words: a letter and a sentence each. Shapes are in `marks.html.jinja`."""

from __future__ import annotations

from typing import Final

from aed.registry.devices.rules import Mark
from aed.web.words import noop, pnoop

LETTERS: Final = {
    Mark.OPEN: pnoop("mark", "O"),
    Mark.ASSISTED: pnoop("mark", "A"),
    Mark.UNKNOWN: pnoop("mark", "?"),
    Mark.CLOSED: pnoop("mark", "C"),
    Mark.LAST_RESORT: pnoop("mark", "!"),
    Mark.OUT: pnoop("mark", "X"),
}
"""Letters in English; translate them with the context `mark`."""
SENTENCES: Final = {
    Mark.OPEN: noop("Open now"),
    Mark.ASSISTED: noop("Someone lets you in"),
    Mark.UNKNOWN: noop("Opening hours not known"),
    Mark.CLOSED: noop("Closed now"),
    Mark.LAST_RESORT: noop("Pads expired: last resort"),
    Mark.OUT: noop("Out of service"),
}
"""Sentences in English; translate them."""
