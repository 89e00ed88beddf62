"""What pages call the states of a person who was alerted, and their tasks; in English, to be translated."""

from __future__ import annotations

from typing import Final

from aed.incidents.rules import AlertState, Task
from aed.web.words import noop

STATES: Final = {
    AlertState.ASKED: noop("Called"),
    AlertState.SEEN: noop("Has opened the call"),
    AlertState.ACCEPTED: noop("Comes"),
    AlertState.ON_THE_WAY: noop("On the way"),
    AlertState.THERE: noop("With the patient"),
    AlertState.DECLINED: noop("Does not come"),
    AlertState.STOPPED: noop("Call ended"),
    AlertState.STOOD_DOWN: noop("Not needed"),
}
TASKS: Final = {
    Task.DIRECT: noop("goes straight to the patient"),
    Task.FETCH: noop("fetches the AED"),
    Task.GUIDE: noop("meets the helpers and holds the lift"),
}
