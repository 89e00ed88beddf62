"""What a message of the Common Alerting Protocol (CAP 1.2, OASIS) says of an incident."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from aed.errors import InvalidInput
from aed.geo import Position
from aed.incidents.rules import Kind, Outcome

LONGEST_CASE: Final = 64
MOST_METRES: Final = 1_000.0
"""A place that is larger is no patient's."""


class Status(StrEnum):
    ACTUAL = "Actual"
    EXERCISE = "Exercise"
    SYSTEM = "System"
    TEST = "Test"
    DRAFT = "Draft"


class MessageType(StrEnum):
    ALERT = "Alert"
    UPDATE = "Update"
    CANCEL = "Cancel"
    ACK = "Ack"
    ERROR = "Error"


STATUS_OF: Final = {Kind.REAL: Status.ACTUAL, Kind.EXERCISE: Status.EXERCISE, Kind.TEST: Status.TEST}
_KIND_OF: Final = {status: kind for kind, status in STATUS_OF.items()}


class Parameter(StrEnum):
    """What CAP has no element for: the `valueName` of a `parameter` in `info`."""

    FLOOR = "floor"
    """A whole number; 0 is the ground floor."""
    STOREY = "storey"
    """The same in the words of the place: 3F, 3楼, B1. The region says how it counts."""
    ADDRESS = "address"
    """Beyond the gate: building, stairs, flat."""
    HAS_CPR = "has_cpr"
    """true or false: somebody there is doing compressions."""
    AMBULANCE_SECONDS = "ambulance_seconds"
    """From `sent` until it is at the patient's side; 0: it is there."""
    REGION = "region"
    """A region's code, where the place is in no estate."""
    OUTCOME = "outcome"
    """Of a Cancel: handed_over, false_alarm or called_off."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An earlier message."""

    sender: str
    identifier: str
    sent: datetime


@dataclass(frozen=True, slots=True)
class CapMessage:
    """A message, in the terms of this program."""

    identifier: str
    sender: str
    sent: datetime
    """To the second."""
    status: Status
    message: MessageType
    references: tuple[Reference, ...] = ()
    cases: tuple[str, ...] = ()
    """What others call the incident."""
    position: Position | None = None
    floor: int | None = None
    storey: str | None = None
    address: str | None = None
    has_cpr: bool | None = None
    ambulance_seconds: float | None = None
    region: str | None = None
    outcome: Outcome | None = None
    onset: datetime | None = None
    expires: datetime | None = None
    words: str | None = field(default=None, compare=False)
    """What it says to people."""

    @property
    def name(self) -> str:
        return name_of(self.sender, self.identifier)


def name_of(sender: str, identifier: str) -> str:
    """One of a kind: neither holds a space."""
    return f"cap {sender} {identifier}"


def case_of(message: CapMessage) -> str:
    """The case number under which an Alert is reported."""
    case = f"{message.sender} {message.identifier}"
    if len(case) <= LONGEST_CASE:
        return case
    return "cap:" + hashlib.sha256(case.encode()).hexdigest()[: LONGEST_CASE - 4]


def kind_of(status: Status) -> Kind:
    """Raises InvalidInput for what is about the systems, or not finished."""
    kind = _KIND_OF.get(status)
    if kind is None:
        raise InvalidInput(
            f"status {status} says nothing of a patient: send Actual, Exercise or Test.", field="status"
        )
    return kind
