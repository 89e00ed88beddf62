"""The states of an incident and of an alert, and what is known of the scene."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from aed.geo import Position, distance_metres
from aed.settings import Planning

MAX_AMBULANCE_SECONDS: Final = 14_400


class IncidentKind(StrEnum):
    """Told apart from the start, and never changed."""

    REAL = "real"
    EXERCISE = "exercise"
    """A drill: people are called, and told that it is one."""
    TEST = "test"
    """Of the line: it is planned, and nobody is called."""


class IncidentState(StrEnum):
    OPEN = "open"
    CLOSED = "closed"


class IncidentOutcome(StrEnum):
    """How it ended."""

    HANDED_OVER = "handed_over"
    """The ambulance has the patient."""
    FALSE_ALARM = "false_alarm"
    CALLED_OFF = "called_off"
    """Nobody is needed: the patient is well, or help of another kind is there."""
    LAPSED = "lapsed"
    """Nobody closed it: it closed by itself when its time was over."""


class AlertReply(StrEnum):
    """What somebody who was called says, by a link or through a dispatcher."""

    SEEN = "seen"
    ACCEPT = "accept"
    DECLINE = "decline"
    """At once, or after having accepted: the person does not come."""
    ON_THE_WAY = "on_the_way"
    THERE = "there"
    DEVICE_TAKEN = "device_taken"
    """The person has the device in their hands."""
    DEVICE_NOT_THERE = "device_not_there"
    """Said before the cabinet: it is empty, or there is none."""
    CANNOT_OPEN = "cannot_open"
    """Said before the cabinet or its door: the device cannot be got out."""
    DEVICE_RETURNED = "device_returned"
    """The device is back in its place, unused."""
    DEVICE_ATTACHED = "device_attached"
    SHOCK_GIVEN = "shock_given"
    HANDED_OVER = "handed_over"


class AlertState(StrEnum):
    """Where somebody who was called stands."""

    ASKED = "asked"
    SEEN = "seen"
    ACCEPTED = "accepted"
    ON_THE_WAY = "on_the_way"
    THERE = "there"
    DECLINED = "declined"
    STOPPED = "stopped"
    """It is over."""
    STOOD_DOWN = "stood_down"
    """Enough others come: not needed as long as that is so."""


class StopReason(StrEnum):
    """Why somebody who was called is not needed at that patient any longer."""

    OVER = "over"
    """The incident was closed, or the ambulance is there."""
    CALLED_AWAY = "called_away"
    """From an exercise or a test to a real patient."""
    COMES_ELSEWHERE = "comes_elsewhere"
    """The person said that they come to another patient."""
    EXCLUDED = "excluded"
    """A dispatcher took the person, or the device that they were to fetch, out of the plan."""
    HAZARD = "hazard"
    """Nobody is sent there for now."""


COMING_STATES: Final = frozenset({AlertState.ACCEPTED, AlertState.ON_THE_WAY, AlertState.THERE})
"""Said that he comes, and has not said otherwise: who knows where the patient is."""
LIVE_STATES: Final = frozenset({AlertState.ASKED, AlertState.SEEN}) | COMING_STATES
_ORDER: Final = (
    AlertState.ASKED,
    AlertState.SEEN,
    AlertState.ACCEPTED,
    AlertState.ON_THE_WAY,
    AlertState.THERE,
)
_BECOMES: Final = {
    AlertReply.SEEN: AlertState.SEEN,
    AlertReply.ACCEPT: AlertState.ACCEPTED,
    AlertReply.ON_THE_WAY: AlertState.ON_THE_WAY,
    AlertReply.THERE: AlertState.THERE,
    AlertReply.DEVICE_TAKEN: AlertState.ON_THE_WAY,
    AlertReply.DEVICE_NOT_THERE: AlertState.ON_THE_WAY,
    AlertReply.CANNOT_OPEN: AlertState.ON_THE_WAY,
    AlertReply.DEVICE_ATTACHED: AlertState.THERE,
    AlertReply.SHOCK_GIVEN: AlertState.THERE,
    AlertReply.HANDED_OVER: AlertState.THERE,
}


def next_state(state: AlertState, reply: AlertReply) -> AlertState:
    """Where somebody stands after saying that. What was said already, or is older news, changes nothing;
    who declined and then accepts comes after all; nothing is changed by words that come after the stop.
    Somebody who was stood down is needed again only if they are at the patient's side all the same; a later
    "accept" is for `rules.enough` to judge."""
    if state is AlertState.STOPPED or reply is AlertReply.DEVICE_RETURNED:
        return state
    if reply is AlertReply.DECLINE:
        return AlertState.DECLINED
    new = _BECOMES[reply]
    if state is AlertState.STOOD_DOWN:
        return new if new is AlertState.THERE else state
    if state is AlertState.DECLINED:
        return new if new in COMING_STATES else state
    return max(state, new, key=_ORDER.index)


# --- where those are who come -----------------------------------------------------------------------------

EXACT_LOCATION_KEPT_FOR: Final = timedelta(hours=24)
"""From then on only the rough area is kept."""
LOCATION_KEPT_FOR: Final = timedelta(days=90)
AT_DEVICE_METRES: Final = 30.0
"""This near on the map somebody is where the device hangs."""
MIN_LOCATION_INTERVAL: Final = timedelta(seconds=5)
"""Places that come sooner one after the other say nothing more."""


REALERT_REASONS: Final = frozenset(
    {StopReason.OVER, StopReason.EXCLUDED, StopReason.HAZARD, StopReason.COMES_ELSEWHERE}
)
"""After these somebody may be called to the same patient once more, if it goes on: a dispatcher took back
what was said, or the other patient needs them no longer."""


def can_be_alerted_again(state: AlertState, reason: StopReason | None) -> bool:
    """Return whether somebody whose alert ended may be called to the same patient once more.

    Those who were stood down because enough others came may be, if those drop out.
    """
    if state is AlertState.STOOD_DOWN:
        return True
    return state is AlertState.STOPPED and reason in REALERT_REASONS


# --- how long an incident lasts ---------------------------------------------------------------------------


def max_duration(kind: IncidentKind, numbers: Planning) -> timedelta:
    """Return how long an incident of that kind stays open without anybody closing it.

    A real one counts from its opening or, if that is later, from when the ambulance is expected.
    """
    match kind:
        case IncidentKind.TEST:
            return timedelta(minutes=numbers.test_minutes)
        case IncidentKind.EXERCISE:
            return timedelta(minutes=numbers.exercise_minutes)
        case IncidentKind.REAL:
            return timedelta(hours=numbers.lapse_hours)


def lapses_at(
    kind: IncidentKind, *, opened_at: datetime, ambulance_at: datetime, numbers: Planning
) -> datetime:
    """Return the moment from which an open incident no longer counts, whether or not a job has closed it."""
    since = max(opened_at, ambulance_at) if kind is IncidentKind.REAL else opened_at
    return since + max_duration(kind, numbers)


def ambulance_seconds(ambulance_at: datetime, at: datetime, numbers: Planning) -> float:
    """Return the seconds until the ambulance is there, for planning, as long as nobody says that it is.

    Estimates are often some minutes short: one that has passed means that the ambulance is still
    `overdue_ambulance_seconds` away, and people are still asked. After `overdue_seconds` it is taken to be
    there (return 0) and nobody new is asked: the crew may have arrived without anybody saying so.
    """
    left = (ambulance_at - at).total_seconds()
    if left > 0:
        return left
    return numbers.overdue_ambulance_seconds if -left <= numbers.overdue_seconds else 0.0


# --- one patient, two reports -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KnownIncident:
    """An open incident, as far as it matters whether a report is of the same patient."""

    id: int
    kind: IncidentKind
    position: Position
    floor: int
    opened_at: datetime


def find_same_patient(
    known: Collection[KnownIncident],
    *,
    kind: IncidentKind,
    position: Position,
    floor: int | None,
    at: datetime,
    numbers: Planning,
) -> KnownIncident | None:
    """The open incident that a report is of, the nearest; None: a new one.

    Of the same kind, within the distance and the time, and not of another floor when the report names one.
    """
    found = [
        (metres, each.id, each)
        for each in known
        if each.kind is kind
        and abs(at - each.opened_at) <= timedelta(minutes=numbers.same_patient_minutes)
        and (floor is None or floor == each.floor)
        and (metres := distance_metres(position, each.position)) <= numbers.same_patient_metres
    ]
    return min(found)[2] if found else None


class Task(StrEnum):
    """What somebody is asked to do."""

    DIRECT = "direct"
    """Go straight to the patient."""
    FETCH = "fetch"
    """Bring a device to the patient."""
    GUIDE = "guide"
    """Open the gate, hold the lift."""


class FetchFailure(StrEnum):
    """Why somebody who stood before the cabinet came away without the device."""

    NOT_THERE = "not_there"
    CANNOT_OPEN = "cannot_open"


class TimeOfDay(StrEnum):
    """By the clock of the region."""

    NIGHT = "night"
    """22:00 to 06:00; asleep."""
    MORNING = "morning"
    """06:00 to 09:00; on the way to work."""
    DAY = "day"
    """09:00 to 17:00; at work."""
    EVENING = "evening"
    """17:00 to 22:00; at home."""


class AgeGroup(StrEnum):
    """How old the patient is, as far as it matters for the pads."""

    UNKNOWN = "unknown"
    ADULT = "adult"
    CHILD = "child"
    """From one year to about eight, or under 25 kg."""
    INFANT = "infant"
    """Under one year."""


NEEDS_CHILD_PADS: Final = frozenset({AgeGroup.CHILD, AgeGroup.INFANT})
AGE_GROUP_LABELS: Final = {
    AgeGroup.ADULT: ("Adult", "成人"),
    AgeGroup.CHILD: ("Child (1-8 years)", "儿童（1-8岁）"),
    AgeGroup.INFANT: ("Infant (under 1 year)", "婴儿（1岁以下）"),
}


class Hazard(StrEnum):
    """Whether people may be sent to the scene."""

    NONE = "none"
    INFORM = "inform"
    """People are called, and told of it before they accept."""
    NOBODY_IS_SENT = "nobody_is_sent"
    """Nobody is called, and everybody who was is called back."""


class ChildPads(StrEnum):
    """What is known of a device's pads for children."""

    FITTED = "fitted"
    EXPIRED = "expired"
    NOT_KNOWN = "not_known"


CHILD_PADS_ADVICE: Final = {
    ChildPads.FITTED: ("Child pads are with this device.", "该AED配有儿童电极片。"),
    ChildPads.EXPIRED: (
        "The child pads of this device have expired: use them if there are no others.",
        "该AED的儿童电极片已过期，仅在无其他电极片时使用。",
    ),
    ChildPads.NOT_KNOWN: (
        "No child pads are known here: look for a child key or mode. Else use adult pads, one on the chest "
        "and one on the back.",
        "未登记儿童电极片：先找儿童模式或儿童钥匙；没有时使用成人电极片，一片贴胸前、一片贴背后。",
    ),
}
"""European Resuscitation Council 2021, Paediatric Life Support: adult pads if there are no others."""
