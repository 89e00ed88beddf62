"""How a reply changes an alert: its state, its task, and the device."""

from __future__ import annotations

from typing import Final, NamedTuple

from aed.incidents.rules import (
    COMING_STATES,
    AlertReply,
    AlertState,
    FetchFailure,
    IncidentKind,
    Task,
    next_state,
)

_FAILURES: Final = {
    AlertReply.DEVICE_NOT_THERE: FetchFailure.NOT_THERE,
    AlertReply.CANNOT_OPEN: FetchFailure.CANNOT_OPEN,
}
_ON_THE_PATIENT: Final = (AlertReply.DEVICE_ATTACHED, AlertReply.SHOCK_GIVEN)


class AlertSituation(NamedTuple):
    """State of an alert as far as replies depend on it."""

    state: AlertState
    task: Task
    has_accepted: bool = False
    """The person has accepted at some time; others never saw where the device is."""
    has_device: bool = False
    failure: FetchFailure | None = None
    is_used: bool = False
    """The pads of the device are on a patient."""
    is_returned: bool = False
    """The device is back in its place."""

    @property
    def has_been_sent_for_a_device(self) -> bool:
        return self.task is Task.FETCH or self.failure is not None


def apply_reply(before: AlertSituation, reply: AlertReply) -> AlertSituation:
    """Return the situation after a reply. The same reply again changes nothing.

    1. The state follows `rules.next_state`.
    2. A person who reports "not there" or "cannot open" goes straight to the patient.
    3. "I have it" after that reverts it: a wrong tap, or the device was found after all.
    4. Replies about the device count after the end too: where it is stays worth knowing.
    """
    now = before._replace(state=next_state(before.state, reply))
    if now.state in COMING_STATES:
        now = now._replace(has_accepted=True)
    if not (now.has_accepted and now.has_been_sent_for_a_device):
        return now
    if reply in _FAILURES and now.task is Task.FETCH and not now.is_used:
        return now._replace(task=Task.DIRECT, failure=_FAILURES[reply], has_device=False, is_returned=False)
    if reply is AlertReply.DEVICE_TAKEN and not now.is_returned:
        return now._replace(task=Task.FETCH, has_device=True, failure=None)
    if reply in _ON_THE_PATIENT and now.task is Task.FETCH:
        return now._replace(has_device=True, is_used=True, is_returned=False)
    if reply is AlertReply.DEVICE_RETURNED and now.task is Task.FETCH and not now.is_used:
        return now._replace(has_device=False, is_returned=True)
    return now


def is_device_unavailable(situation: AlertSituation, kind: IncidentKind) -> bool:
    """True if the device that the person was sent for must not be offered to others.

    - A line test never makes a device unavailable: nobody is alerted.
    - An exercise does only when a person reports having the device, or that it cannot be had: then it really
      is not in its place, and sending a rescuer there would cost a patient minutes. Accepting in an exercise
      takes nothing from a real patient.
    - For a real patient it is unavailable from acceptance until the person declines without it, or it is
      known to be back.
    """
    if kind is IncidentKind.TEST or situation.is_returned:
        return False
    if situation.failure is not None or situation.has_device or situation.is_used:
        return True
    if kind is IncidentKind.EXERCISE or situation.task is not Task.FETCH:
        return False
    return situation.has_accepted and situation.state is not AlertState.DECLINED
