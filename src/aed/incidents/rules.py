"""The states of an incident and of an alert, and what is known of the scene."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from aed.geo import Position, distance_metres
from aed.settings.planning import Planning

MAX_AMBULANCE_SECONDS: Final = 14_400


class IncidentKind(StrEnum):
    """Whether an incident is real. Set when it is opened, and never changed."""

    REAL = "real"
    EXERCISE = "exercise"
    """People are alerted, and every message says that it is an exercise."""
    TEST = "test"
    """A line test: a plan is made, and nobody is alerted."""


class IncidentState(StrEnum):
    OPEN = "open"
    CLOSED = "closed"


class IncidentOutcome(StrEnum):
    """How an incident ended."""

    HANDED_OVER = "handed_over"
    """The ambulance has taken over the patient."""
    FALSE_ALARM = "false_alarm"
    CALLED_OFF = "called_off"
    """Help is not needed: the patient is well, or other help is there."""
    LAPSED = "lapsed"
    """Closed automatically when its time was over."""


class AlertReply(StrEnum):
    """What a person who was alerted replies, by their link or through a dispatcher."""

    SEEN = "seen"
    ACCEPT = "accept"
    DECLINE = "decline"
    """The person does not come; also after having accepted."""
    ON_THE_WAY = "on_the_way"
    THERE = "there"
    DEVICE_TAKEN = "device_taken"
    """The person has the device in their hands."""
    DEVICE_NOT_THERE = "device_not_there"
    """At the cabinet: it is empty, or there is none."""
    CANNOT_OPEN = "cannot_open"
    """At the cabinet: it or a door on the way cannot be opened."""
    DEVICE_RETURNED = "device_returned"
    """The device is back in its cabinet, unused."""
    DEVICE_ATTACHED = "device_attached"
    SHOCK_GIVEN = "shock_given"
    HANDED_OVER = "handed_over"


class AlertState(StrEnum):
    """How far the person who was alerted has come."""

    ASKED = "asked"
    SEEN = "seen"
    ACCEPTED = "accepted"
    ON_THE_WAY = "on_the_way"
    THERE = "there"
    DECLINED = "declined"
    STOPPED = "stopped"
    """The incident is over, or the person is needed elsewhere: see StopReason."""
    STOOD_DOWN = "stood_down"
    """Enough others come. The person may be alerted again if they drop out."""


class StopReason(StrEnum):
    """Why an alert was stopped."""

    OVER = "over"
    """The incident was closed, or the ambulance has arrived."""
    CALLED_AWAY = "called_away"
    """From an exercise or a line test to a real patient."""
    COMES_ELSEWHERE = "comes_elsewhere"
    """The person accepted a call to another patient."""
    EXCLUDED = "excluded"
    """A dispatcher excluded the person, or the device that they were to fetch."""
    HAZARD = "hazard"
    """Nobody is sent to the scene for now."""


COMING_STATES: Final = frozenset({AlertState.ACCEPTED, AlertState.ON_THE_WAY, AlertState.THERE})
"""The person has accepted and not declined since: they see where the patient is."""
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
    """Return the state after a reply.

    1. A repeated or older reply changes nothing; nothing changes a stopped alert.
    2. A person who declined and then accepts is coming.
    3. A person who was stood down counts again only if they are at the patient's side; a late "accept" is for
       `plan.rules.sufficiency` to judge.
    """
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
"""After this long only the rough area (H3 cell) is kept."""
LOCATION_KEPT_FOR: Final = timedelta(days=90)
AT_DEVICE_METRES: Final = 30.0
"""Closer than this to the device on the map, a person counts as having reached it."""
MIN_LOCATION_INTERVAL: Final = timedelta(seconds=5)
"""Locations that follow sooner after another are ignored."""


REALERT_REASONS: Final = frozenset(
    {StopReason.OVER, StopReason.EXCLUDED, StopReason.HAZARD, StopReason.COMES_ELSEWHERE}
)
"""Alerts that ended for these reasons may be sent again to the same person, if the incident goes on."""


def can_be_alerted_again(state: AlertState, reason: StopReason | None) -> bool:
    """True if a person whose alert ended may be alerted to the same patient again.

    People who were stood down may be, if others drop out.
    """
    if state is AlertState.STOOD_DOWN:
        return True
    return state is AlertState.STOPPED and reason in REALERT_REASONS


# --- how long an incident lasts ---------------------------------------------------------------------------


def max_duration(kind: IncidentKind, numbers: Planning) -> timedelta:
    """Return how long an incident of that kind stays open if nobody closes it.

    For a real one, counted from its opening or from the expected arrival of the ambulance, if that is later.
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
    """Return when an open incident stops counting, whether or not a job has closed it by then."""
    since = max(opened_at, ambulance_at) if kind is IncidentKind.REAL else opened_at
    return since + max_duration(kind, numbers)


def ambulance_seconds(ambulance_at: datetime, at: datetime, numbers: Planning) -> float:
    """Return the seconds until the ambulance arrives, for planning.

    Estimates are often some minutes short: after one has passed, the ambulance is taken to be
    `overdue_ambulance_seconds` away, and people are still alerted. After `overdue_seconds` it is taken to
    have arrived (0), and nobody new is alerted: the crew may have arrived without anybody reporting it.
    """
    left = (ambulance_at - at).total_seconds()
    if left > 0:
        return left
    return numbers.overdue_ambulance_seconds if -left <= numbers.overdue_seconds else 0.0


# --- one patient, two reports -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KnownIncident:
    """What of an open incident decides whether a report is of the same patient."""

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
    """Return the nearest open incident that a report is of; None: it is a new patient.

    An incident matches if kind, distance and time do, and the floor, when the report names one.
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
    """What a person is asked to do."""

    DIRECT = "direct"
    """Go straight to the patient."""
    FETCH = "fetch"
    """Bring a device to the patient."""
    GUIDE = "guide"
    """Open the gate and hold the lift for others."""


class FetchFailure(StrEnum):
    """Why a person came away from the cabinet without the device."""

    NOT_THERE = "not_there"
    CANNOT_OPEN = "cannot_open"


class TimeOfDay(StrEnum):
    """Part of the day, by the region's local time."""

    NIGHT = "night"
    """22:00 to 06:00; asleep."""
    MORNING = "morning"
    """06:00 to 09:00; on the way to work."""
    DAY = "day"
    """09:00 to 17:00; at work."""
    EVENING = "evening"
    """17:00 to 22:00; at home."""


class AgeGroup(StrEnum):
    """The patient's age group, as far as it matters for the pads."""

    UNKNOWN = "unknown"
    ADULT = "adult"
    CHILD = "child"
    """One to about eight years, or under 25 kg."""
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
    """People are alerted, and see the hazard before they accept."""
    NOBODY_IS_SENT = "nobody_is_sent"
    """Nobody is alerted, and everybody who was is called back."""


class ChildPads(StrEnum):
    """What is known of a device's child pads."""

    FITTED = "fitted"
    EXPIRED = "expired"
    NOT_KNOWN = "not_known"


CHILD_PADS_ADVICE: Final = {
    ChildPads.FITTED: ("This AED has child pads.", "该AED配有儿童电极片。"),
    ChildPads.EXPIRED: (
        "The child pads of this AED have expired: use them only if there are no others.",
        "该AED的儿童电极片已过期，仅在无其他电极片时使用。",
    ),
    ChildPads.NOT_KNOWN: (
        "No child pads are registered for this AED: look for a child key or mode. Otherwise use adult "
        "pads, one on the chest and one on the back.",
        "未登记儿童电极片：先找儿童模式或儿童钥匙；没有时使用成人电极片，一片贴胸前、一片贴背后。",
    ),
}
"""European Resuscitation Council 2021, Paediatric Life Support: adult pads if there are no others."""
