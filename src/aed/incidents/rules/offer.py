"""What somebody could be asked to do for a patient."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Task(StrEnum):
    """What somebody is asked to do."""

    DIRECT = "direct"
    """Go straight to the patient."""
    FETCH = "fetch"
    """Bring a device to the patient."""
    GUIDE = "guide"
    """Open the gate, hold the lift."""


class Offer(NamedTuple):
    """One task that a person could do, or has been given."""

    person_id: int
    task: Task
    seconds: float
    """From now until at the patient's side, with the device if one is fetched; for a guide, at the gate."""
    chance: float
    """That this person comes when asked; of one who was asked already, as it is now."""
    device_id: int | None = None
    works: float = 1.0
    """The chance that the device is there and works."""
    saved: float = 0.0
    """Of the seconds, what is saved when somebody guides."""

    @property
    def order(self) -> tuple[float, int, int]:
        """The soonest first; who is as soon as another, by number."""
        return self.seconds, self.person_id, -1 if self.device_id is None else self.device_id
