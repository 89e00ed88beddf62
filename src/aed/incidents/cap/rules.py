"""The content of a CAP 1.2 message (Common Alerting Protocol, OASIS) about an incident."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from aed.errors import InvalidInput
from aed.geo import Position
from aed.incidents.rules import IncidentKind, IncidentOutcome

MAX_CASE_LENGTH: Final = 64
MAX_AREA_RADIUS_METRES: Final = 1_000.0
"""A larger area is not a patient's place."""


class CapStatus(StrEnum):
    ACTUAL = "Actual"
    EXERCISE = "Exercise"
    SYSTEM = "System"
    TEST = "Test"
    DRAFT = "Draft"


class CapMessageType(StrEnum):
    ALERT = "Alert"
    UPDATE = "Update"
    CANCEL = "Cancel"
    ACK = "Ack"
    ERROR = "Error"


STATUS_OF: Final = {
    IncidentKind.REAL: CapStatus.ACTUAL,
    IncidentKind.EXERCISE: CapStatus.EXERCISE,
    IncidentKind.TEST: CapStatus.TEST,
}
_KIND_OF: Final = {status: kind for kind, status in STATUS_OF.items()}


class CapParameter(StrEnum):
    """What CAP has no element for: the `valueName` of a `parameter` in `info`."""

    FLOOR = "floor"
    """A whole number; 0 is the ground floor."""
    STOREY = "storey"
    """As written on site: 3F, 3楼, B1. The region says how it counts."""
    ADDRESS = "address"
    """Beyond the gate: building, stairs, flat."""
    HAS_CPR = "has_cpr"
    """true or false: somebody there is doing compressions."""
    AMBULANCE_SECONDS = "ambulance_seconds"
    """From `sent` until the ambulance is at the patient's side; 0: it has arrived."""
    REGION = "region"
    """A region's code, if the place is in no estate."""
    OUTCOME = "outcome"
    """In a Cancel: handed_over, false_alarm or called_off."""


@dataclass(frozen=True, slots=True)
class CapReference:
    """An earlier message."""

    sender: str
    identifier: str
    sent: datetime


@dataclass(frozen=True, slots=True)
class CapMessage:
    """A CAP message in the terms of this program."""

    identifier: str
    sender: str
    sent: datetime
    """Whole seconds."""
    status: CapStatus
    message: CapMessageType
    references: tuple[CapReference, ...] = ()
    cases: tuple[str, ...] = ()
    """Case numbers of others for the incident."""
    position: Position | None = None
    floor: int | None = None
    storey: str | None = None
    address: str | None = None
    has_cpr: bool | None = None
    ambulance_seconds: float | None = None
    region: str | None = None
    outcome: IncidentOutcome | None = None
    onset: datetime | None = None
    expires: datetime | None = None
    words: str | None = field(default=None, compare=False)
    """Free text for people."""

    @property
    def name(self) -> str:
        return message_name(self.sender, self.identifier)


def message_name(sender: str, identifier: str) -> str:
    """Return a unique name: neither part contains a space."""
    return f"cap {sender} {identifier}"


def case_number_of(message: CapMessage) -> str:
    """Return the case number under which an Alert is reported."""
    case = f"{message.sender} {message.identifier}"
    if len(case) <= MAX_CASE_LENGTH:
        return case
    return "cap:" + hashlib.sha256(case.encode()).hexdigest()[: MAX_CASE_LENGTH - 4]


def incident_kind_of(status: CapStatus) -> IncidentKind:
    """Return the kind of incident. Raises InvalidInput for System and Draft."""
    kind = _KIND_OF.get(status)
    if kind is None:
        raise InvalidInput(
            "status {status} is not supported here: send Actual, Exercise or Test.",
            field="status",
            status=status,
        )
    return kind
