"""What the pages of the demo show: the parts, and the people who were called."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from aed.accounts.demo_people import DemoRole
from aed.incidents.models import Alert
from aed.incidents.rules import LIVE_STATES, AlertState
from aed.web.labels import ALERT_STATES, ALERT_TASKS
from aed.web.words import noop


@dataclass(frozen=True, slots=True)
class Part:
    """A part that a newcomer can play; texts are in English, to be translated."""

    name: str
    what: str
    """What this person does in the network."""


STRANGER: Final = Part(noop("A stranger"), noop("Not signed in: sees public AEDs alone."))
PARTS: Final[Mapping[str, Part]] = {
    "stranger": STRANGER,
    DemoRole.RESIDENT: Part(
        noop("A resident"), noop("Also sees the AEDs of their estate and its neighbours.")
    ),
    DemoRole.VOLUNTEER: Part(noop("A volunteer"), noop("Has a certificate, is called to patients nearby.")),
    DemoRole.KEEPER: Part(noop("A keeper"), noop("Looks after the AEDs of an estate, and checks them.")),
    DemoRole.TRAINER: Part(noop("A trainer"), noop("Runs courses and their rosters.")),
    DemoRole.DISPATCHER: Part(noop("A dispatcher"), noop("Opens incidents, and sees who comes.")),
    DemoRole.MANAGER: Part(
        noop("An estate manager"), noop("Answers for an estate, its AEDs and its people.")
    ),
    DemoRole.ADMINISTRATOR: Part(
        noop("An administrator"), noop("Runs the network: people, messages, jobs, keys.")
    ),
    DemoRole.REGION: Part(
        noop("A region's administrator"), noop("Runs all estates of a region, and reports on them.")
    ),
}


@dataclass(frozen=True, slots=True)
class Desk:
    """A desk that one tap opens as its person; the name is in English, to be translated."""

    part: DemoRole
    path: str
    name: str


DESKS: Final = (
    Desk(DemoRole.MANAGER, "/desk", noop("Estate desk")),
    Desk(DemoRole.MANAGER, "/lists", noop("Import a list")),
    Desk(DemoRole.KEEPER, "/rounds", noop("Inspection rounds")),
    Desk(DemoRole.TRAINER, "/training", noop("Training desk")),
    Desk(DemoRole.TRAINER, "/issuer-batches", noop("Results for issuers")),
    Desk(DemoRole.DISPATCHER, "/board", noop("Dispatcher's board")),
    Desk(DemoRole.MANAGER, "/time-bank", noop("Time bank desk")),
    Desk(DemoRole.REGION, "/region", noop("Region dashboard")),
    Desk(DemoRole.ADMINISTRATOR, "/administration", noop("Administration")),
)


@dataclass(frozen=True, slots=True)
class AlertLine:
    """A person who was called; texts are in English, to be translated."""

    alert_id: int
    task: str
    state: str
    device: Mapping[str, str | None]
    has_device: bool
    minutes: int | None


def part_of(person_id: int | None, people: Mapping[DemoRole, int]) -> str:
    """Return which part the signed-in person is; "" for an account that is none of them."""
    if person_id is None:
        return "stranger"
    return next((role for role, each in people.items() if each == person_id), "")


def alert_lines(alerts: Sequence[Alert], *, at: datetime) -> list[AlertLine]:
    """Return the people who were called, in the order in which they were."""
    return [_line(each, at) for each in alerts]


def _line(alert: Alert, at: datetime) -> AlertLine:
    due = alert.shown_due_at if alert.state in LIVE_STATES - {AlertState.THERE} else None
    device = alert.device
    return AlertLine(
        alert_id=alert.id,
        task=ALERT_TASKS[alert.task],
        state=ALERT_STATES[alert.state],
        device={"en": device.place_en, "zh": device.place_zh} if device is not None else {},
        has_device=alert.device_taken_at is not None and alert.device_returned_at is None,
        minutes=max(0, math.ceil((due - at).total_seconds() / 60)) if due is not None else None,
    )
