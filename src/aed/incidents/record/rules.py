"""What dispatch centres are sent of a record: no names, telephone numbers or door codes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from aed.incidents.rules import COMING_STATES, AlertState

_SENT_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "opened": ("lat", "lon"),
    "joined": ("lat", "lon"),
    "planned": ("number",),
    "said": ("alert", "said"),
    "said_too_late": ("alert", "said"),
    "retasked": ("alert", "task", "device", "reason"),
    "stood_down": ("alerts",),
    "ambulance": ("seconds",),
    "signs": ("has_cpr",),
    "reminded": ("minutes",),
    "place": ("lat", "lon", "floor", "metres"),
    "split": ("into",),
    "held": (),
    "resumed": (),
    "asked_more": ("people",),
    "radius": ("metres",),
    "patient": ("age_group",),
    "hazard": ("hazard",),
    "stopped": ("alert", "because"),
    "left": ("alert", "because"),
    "closed": ("outcome",),
    "outcome": ("outcome",),
}
"""Fields that are sent, by the kind of entry. Entries of other kinds are not sent."""


def centre_payload(kind: str, said: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what is sent of an entry; None: nothing. A plan is sent as the number of people per task."""
    names = _SENT_FIELDS.get(kind)
    if names is None:
        return None
    sent = {name: said[name] for name in names if name in said}
    if "asked" in said:
        sent["asks"] = dict(Counter(str(each["task"]) for each in said["asked"]))
    return sent


def people_counts(states: Iterable[AlertState]) -> dict[str, int]:
    """Count the people who were alerted, who are coming, and who have arrived."""
    all_of_them = list(states)
    return {
        "called": len(all_of_them),
        "coming": sum(each in COMING_STATES for each in all_of_them),
        "there": sum(each is AlertState.THERE for each in all_of_them),
    }
