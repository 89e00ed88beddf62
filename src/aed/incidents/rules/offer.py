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
    shown_seconds: float | None = None
    """What dispatchers see in place of `seconds` until the person accepts: reckoned from the centre of the
    cell that the person is in. None: not an offer of this release, or of somebody who was asked before."""

    @property
    def order(self) -> tuple[float, int, int]:
        """The soonest first; who is as soon as another, by number."""
        return self.seconds, self.person_id, -1 if self.device_id is None else self.device_id


def shown_seconds(offer: Offer) -> float:
    """Return what may be shown of when the person is there. Raises ValueError where that is not known."""
    if offer.shown_seconds is None:
        raise ValueError("this offer has no seconds that may be shown")
    return offer.shown_seconds


def shown_order(offer: Offer) -> tuple[float, int]:
    """Order offers without telling who is nearer within a cell."""
    return shown_seconds(offer), offer.person_id
