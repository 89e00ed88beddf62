"""Rules shared by all of upkeep: label numbers, enumerations, report kinds and serial number ranges."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from aed.registry.devices.rules import device_id_of as device_id_of
from aed.registry.devices.rules import short_number as short_number
from aed.settings.upkeep import Returns, TrustSettings


class PolicyState(StrEnum):
    """Whether a check policy applies."""

    IN_FORCE = "in_force"
    WITHDRAWN = "withdrawn"


class RecallState(StrEnum):
    """Whether a recall still applies to further devices."""

    OPEN = "open"
    CLOSED = "closed"
    """No further devices are quarantined for it."""


class FaultReportState(StrEnum):
    """Whether a fault report is open, or how it was closed."""

    OPEN = "open"
    CONFIRMED = "confirmed"
    """Someone who may check the device confirmed it."""
    DISMISSED = "dismissed"
    """Someone who may check the device found it wrong."""
    ANSWERED = "answered"
    """The device was checked after the report."""


class CheckKind(StrEnum):
    """How thorough an inspection is."""

    GLANCE = "glance"
    """In passing: the device is there and its status light is green."""
    CHECK = "check"
    """With the cabinet open, following the form."""
    SERVICE = "service"
    """By a trained person, following the maker's instructions."""


class Question(StrEnum):
    """A question that a check may ask. The answer is yes when all is well."""

    STATUS_LIGHT = "status_light"
    CABINET = "cabinet"
    """Whether the cabinet opens; a no quarantines the device."""
    CABINET_WHOLE = "cabinet_whole"
    SEAL = "seal"
    SIGN = "sign"
    PADS_IN_DATE = "pads_in_date"
    BATTERY_IN_DATE = "battery_in_date"
    SPARE_PADS = "spare_pads"
    ALARM = "alarm"
    BATTERY_LEVEL = "battery_level"
    FIRST_AID_KIT = "first_aid_kit"
    ACCESS_AS_DESCRIBED = "access_as_described"
    PHOTO = "photo"


class ApprovalState(StrEnum):
    """Whether a second person has approved a check."""

    WAITING = "waiting"
    APPROVED = "approved"
    REFUSED = "refused"
    """The check is to be done again; a report says why."""
    FAILED = "failed"
    """The device is not all right, and was quarantined."""
    OVERTAKEN = "overtaken"
    """The device was checked again before anyone decided."""


class DueKind(StrEnum):
    """A kind of upkeep that can be due on a device."""

    GLANCE = "glance"
    CHECK = "check"
    SERVICE = "service"
    PADS = "pads"
    CHILD_PADS = "child_pads"
    BATTERY = "battery"
    CARTRIDGE = "cartridge"
    RETURN = "return"
    """The device is quarantined; a check that resolves the reason returns it to service."""
    END_OF_LIFE = "end_of_life"
    """The device is to be replaced: its maker supports it no longer. It is offered all the same."""
    LOAN = "loan"
    """The loaner is to be returned: the device for which it stands in should be back."""


class Fact(StrEnum):
    """A registered fact about a device that people confirm from time to time."""

    POSITION = "position"
    HOURS = "hours"
    """Opening hours and how to get in."""
    READINESS = "readiness"
    """Confirmed only by a passed check."""


class RetrievalOutcome(StrEnum):
    """The outcome of sending someone to fetch a device."""

    RETURNED = "returned"
    """Back in its place and not used."""
    USED = "used"
    NOT_RETURNED = "not_returned"
    """Not back in its place."""
    NOT_FETCHED = "not_fetched"
    """It could not be fetched."""
    NOT_NEEDED = "not_needed"
    """Nobody took it."""
    CHECKED = "checked"
    """A later check shows its condition."""
    SILENT = "silent"
    """Nobody answered in time."""


class ReminderLevel(StrEnum):
    """The level to which a reminder has escalated. Lower levels continue to be notified."""

    KEEPER = "keeper"
    MANAGER = "manager"
    REGION = "region"

    @property
    def above(self) -> ReminderLevel | None:
        """The next level, or None at the top."""
        return {ReminderLevel.KEEPER: ReminderLevel.MANAGER, ReminderLevel.MANAGER: ReminderLevel.REGION}.get(
            self
        )


class ReminderAnswer(StrEnum):
    """A one-tap answer to a reminder."""

    DONE = "done"
    """Done, and a check will confirm it; the matter does not escalate for a week."""
    NOT_ME = "not_me"
    """Not responsible; escalate to the next level at once."""
    LATER = "later"
    """Do not remind for a week, except on the last day."""


MAX_CLOCK_AHEAD: Final = timedelta(minutes=10)
"""How far a client's clock may run ahead."""
MAX_DELAY: Final = timedelta(days=60)
"""How long answers may wait on a phone without a network."""


class QuarantineReason(StrEnum):
    """Why a device must not be offered."""

    USED = "used"
    """Used; pads are for single use and must be replaced."""
    FAILED_CHECK = "failed_check"
    MISSING = "missing"
    RECALL = "recall"
    FAILED_FETCHES = "failed_fetches"
    """Two people who were sent for it could not fetch it."""
    CANNOT_OPEN = "cannot_open"
    """A check found that the cabinet does not open."""
    NOT_RETURNED = "not_returned"
    """Taken, and not reported as returned."""
    FAILED_SELF_TEST = "failed_self_test"
    """The device reported that its own test failed; a check that passed afterwards returns it to service."""


QUARANTINE_WORDS: Final = {
    QuarantineReason.USED: ("used; its pads must be replaced", "已使用，须更换电极片"),
    QuarantineReason.FAILED_CHECK: ("failed its last check", "上次巡检未通过"),
    QuarantineReason.MISSING: ("not in place", "不在原位"),
    QuarantineReason.RECALL: ("recalled by its maker", "厂家召回"),
    QuarantineReason.FAILED_FETCHES: ("could not be fetched twice", "两次未能取到"),
    QuarantineReason.CANNOT_OPEN: ("could not be taken out of its cabinet", "外箱柜体打不开，无法取出"),
    QuarantineReason.NOT_RETURNED: ("taken and not returned", "取走后未归还"),
    QuarantineReason.FAILED_SELF_TEST: ("failed its self-test", "自检未通过"),
}


class FaultKind(StrEnum):
    """What a person may report about a device, in passing or after trying to fetch it."""

    MISSING = "missing"
    BEEPING = "beeping"
    DAMAGED = "damaged"
    NO_ACCESS = "no_access"
    OTHER = "other"
    USED = "used"
    NOT_FETCHED = "not_fetched"
    """Someone was sent for it and could not fetch it."""


REPORT_WORDS: Final = {
    FaultKind.MISSING: ("not there", "不在原位"),
    FaultKind.BEEPING: ("it is beeping", "设备报警"),
    FaultKind.DAMAGED: ("damaged", "设备损坏"),
    FaultKind.NO_ACCESS: ("it cannot be reached", "无法取用"),
    FaultKind.OTHER: ("something else", "其他问题"),
    FaultKind.USED: ("it was used", "已使用"),
    FaultKind.NOT_FETCHED: ("it could not be fetched", "未能取到"),
}
BY_NAME_ONLY: Final = frozenset({FaultKind.USED, FaultKind.NOT_FETCHED})
"""Kinds that can quarantine at once, so strangers may not report them.

They are accepted only from people and tokens of the estate and from dispatchers. Otherwise strangers could
take a network down.
"""
MAX_FAILED_FETCHES: Final = 2
WHEN_CONFIRMED: Final = {
    FaultKind.MISSING: QuarantineReason.MISSING,
    FaultKind.BEEPING: QuarantineReason.FAILED_CHECK,
    FaultKind.DAMAGED: QuarantineReason.FAILED_CHECK,
}
"""The quarantine that a report leads to once it is confirmed."""


def quarantine_reason_of(kind: FaultKind, *, failed_fetches: int) -> QuarantineReason | None:
    """Return the reason to quarantine at once because of a report, or None.

    `failed_fetches` is the number of NOT_FETCHED reports since the last check, including this one.
    """
    if kind is FaultKind.USED:
        return QuarantineReason.USED
    if kind is FaultKind.NOT_FETCHED and failed_fetches >= MAX_FAILED_FETCHES:
        return QuarantineReason.FAILED_FETCHES
    return None


def serial_key(serial: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key for serial numbers: digit runs by value, letters case-insensitively.

    `B-9` sorts before `b10`; spaces and hyphens are ignored.
    """
    parts = re.findall(r"\d+|[^\W\d_]+", serial.casefold())
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts)


def in_range(serial: str, first: str, last: str) -> bool:
    """Return whether a serial number lies between `first` and `last`, inclusive.

    It must have the same pattern of digit and letter runs as both ends, so `X1200` is not between `1000` and
    `2000`.
    """
    key, low, high = serial_key(serial), serial_key(first), serial_key(last)
    return _shape(key) == _shape(low) == _shape(high) and low <= key <= high


def _shape(key: tuple[tuple[int, int, str], ...]) -> tuple[int, ...]:
    """Return the pattern of a serial number: 0 for a run of digits, 1 for a run of letters."""
    return tuple(part[0] for part in key)


ANSWERABLE_OUTCOMES: Final = (
    RetrievalOutcome.RETURNED,
    RetrievalOutcome.USED,
    RetrievalOutcome.NOT_RETURNED,
    RetrievalOutcome.NOT_FETCHED,
    RetrievalOutcome.NOT_NEEDED,
)
"""Outcomes that a person can report; the others are set automatically."""
OUTCOME_WORDS: Final = {
    RetrievalOutcome.RETURNED: ("back, not used", "已归还，未使用"),
    RetrievalOutcome.USED: ("used", "已使用"),
    RetrievalOutcome.NOT_RETURNED: ("not back", "尚未归还"),
    RetrievalOutcome.NOT_FETCHED: ("could not be fetched", "未能取到"),
    RetrievalOutcome.NOT_NEEDED: ("nobody took it", "未取用"),
    RetrievalOutcome.CHECKED: ("checked since", "已巡检"),
    RetrievalOutcome.SILENT: ("nobody answered", "无人答复"),
}


def follows_from_outcome(outcome: RetrievalOutcome) -> QuarantineReason | None:
    """Return the reason to quarantine the device after this outcome, or None.

    NOT_FETCHED is counted as a failed fetch instead.
    """
    return {
        RetrievalOutcome.USED: QuarantineReason.USED,
        RetrievalOutcome.NOT_RETURNED: QuarantineReason.NOT_RETURNED,
        RetrievalOutcome.SILENT: QuarantineReason.NOT_RETURNED,
    }.get(outcome)


def first_follow_up_at(since: datetime, numbers: Returns) -> datetime:
    """Return when to follow up first.

    `since` is the end of the call, or when the person was sent if that is unknown.
    """
    return since + timedelta(minutes=min(numbers.ask_after_minutes, numbers.quarantine_after_minutes))


def is_retrieval_abandoned(since: datetime, now: datetime, numbers: Returns) -> bool:
    """Return whether a retrieval has been without an answer long enough to give up."""
    return now >= since + timedelta(minutes=numbers.quarantine_after_minutes)


def next_follow_up_at(since: datetime, now: datetime, numbers: Returns) -> datetime:
    """Return when to follow up next, or to give up if that comes first."""
    again = now + timedelta(minutes=numbers.ask_again_minutes)
    return min(again, since + timedelta(minutes=numbers.quarantine_after_minutes))


ASK_INTERVAL_HOURS: Final = 1
"""How often the job `confirmations` runs."""
ASKED: Final = (Fact.POSITION, Fact.HOURS)
"""Facts that anyone can verify in passing, so that people nearby are asked about them."""
FACT_QUESTIONS: Final = {
    Fact.POSITION: ("Is the AED still there?", "AED还在原处吗？"),
    Fact.HOURS: ("Can the AED be reached as described?", "能按登记的时间和方式取到AED吗？"),
    Fact.READINESS: ("Is the AED ready?", "AED状态正常吗？"),
}


class FactAnswer(StrEnum):
    """An answer to a confirmation request about a fact."""

    YES = "yes"
    NO = "no"
    NOT_NOW = "not_now"
    """The person cannot say; someone else may be asked."""


def half_life_days(fact: Fact, numbers: TrustSettings) -> float:
    """Return the number of days in which confidence in a fact halves."""
    return {
        Fact.POSITION: numbers.position_half_life_days,
        Fact.HOURS: numbers.hours_half_life_days,
        Fact.READINESS: numbers.readiness_half_life_days,
    }[fact]


def confirmed_by_check(
    kind: CheckKind, *, is_there: bool, is_passed: bool, answers: Mapping[Question, bool]
) -> frozenset[Fact]:
    """Return the facts that a check confirms."""
    found = set()
    if is_there:
        found.add(Fact.POSITION)
    if answers.get(Question.ACCESS_AS_DESCRIBED):
        found.add(Fact.HOURS)
    if is_passed and kind is not CheckKind.GLANCE:
        found.add(Fact.READINESS)
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class PolicyScope:
    """The devices that a policy applies to: an estate, a maker, or a maker's model; by default all."""

    estate_id: int | None = None
    maker: str | None = None
    model: str | None = None

    def covers(self, other: PolicyScope) -> bool:
        """Return whether the policy applies to devices of `other`. Ignores the case of maker and model."""
        return (
            self.estate_id in (None, other.estate_id)
            and (self.maker is None or _is_same_text(self.maker, other.maker))
            and (self.model is None or _is_same_text(self.model, other.model))
        )

    @property
    def closeness(self) -> int:
        """The precedence of a policy that covers a device: estate before model before maker."""
        return 4 * (self.estate_id is not None) + 2 * (self.model is not None) + (self.maker is not None)


def _is_same_text(one: str, other: str | None) -> bool:
    return other is not None and one.casefold() == other.casefold()


def closest[P](policies: Iterable[tuple[PolicyScope, P]], device: PolicyScope) -> P | None:
    """Return the policy with the highest precedence that covers the device, or None."""
    covering = [(scope.closeness, policy) for scope, policy in policies if scope.covers(device)]
    return max(covering, key=lambda pair: pair[0])[1] if covering else None
