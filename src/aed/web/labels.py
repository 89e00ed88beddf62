"""What pages call parts of a week, states of alerted people, and marks; in English, to be translated."""

from __future__ import annotations

from typing import Final

from aed.incidents.rules import AlertState, Task
from aed.planning.bands import Band
from aed.registry.devices.rules import Mark
from aed.web.words import noop, pnoop

BAND_NAMES: Final = {
    Band.DAY: noop("Day, Monday to Friday 8–20"),
    Band.EVENING: noop("Evening, Monday to Friday 20–23"),
    Band.NIGHT: noop("Night, 23–8"),
    Band.WEEKEND: noop("Weekend, 8–23"),
}


ALERT_STATES: Final = {
    AlertState.ASKED: noop("Called"),
    AlertState.SEEN: noop("Has opened the call"),
    AlertState.ACCEPTED: noop("Comes"),
    AlertState.ON_THE_WAY: noop("On the way"),
    AlertState.THERE: noop("With the patient"),
    AlertState.DECLINED: noop("Does not come"),
    AlertState.STOPPED: noop("Call ended"),
    AlertState.STOOD_DOWN: noop("Not needed"),
}
ALERT_TASKS: Final = {
    Task.DIRECT: noop("goes straight to the patient"),
    Task.FETCH: noop("fetches the AED"),
    Task.GUIDE: noop("meets the helpers and holds the lift"),
}


MARK_LETTERS: Final = {
    Mark.OPEN: pnoop("mark", "O"),
    Mark.ASSISTED: pnoop("mark", "A"),
    Mark.UNKNOWN: pnoop("mark", "?"),
    Mark.CLOSED: pnoop("mark", "C"),
    Mark.LAST_RESORT: pnoop("mark", "!"),
    Mark.OUT: pnoop("mark", "X"),
}
"""Letters in English; translate them with the context `mark`."""
MARK_SENTENCES: Final = {
    Mark.OPEN: noop("Open now"),
    Mark.ASSISTED: noop("Someone lets you in"),
    Mark.UNKNOWN: noop("Opening hours not known"),
    Mark.CLOSED: noop("Closed now"),
    Mark.LAST_RESORT: noop("Pads expired: last resort"),
    Mark.OUT: noop("Out of service"),
}
"""Sentences in English; translate them."""
