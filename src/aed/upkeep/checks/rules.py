"""Rules of checks: policies, questions, and the consequences of the answers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from aed.errors import InvalidInput
from aed.registry.devices.rules import WITH_PADS, ConsumableKind
from aed.upkeep.rules import MAX_CLOCK_AHEAD, MAX_DELAY, CheckKind, QuarantineReason, Question

QUESTION_WORDS: Final = {
    Question.STATUS_LIGHT: ("Does the status light show that the AED is ready?", "状态指示灯显示正常吗？"),
    Question.CABINET: ("Does the cabinet open?", "外箱柜体能正常打开吗？"),
    Question.CABINET_WHOLE: ("Is the cabinet undamaged?", "外箱柜体完好吗？"),
    Question.SEAL: ("Is the seal unbroken?", "封条完好吗？"),
    Question.SIGN: ("Can the sign be seen from afar?", "导向标识远处看得见吗？"),
    Question.PADS_IN_DATE: (
        "Are the pads in date and their pouch sealed?",
        "电极片在有效期内、包装未拆封吗？",
    ),
    Question.BATTERY_IN_DATE: ("Is the battery in date?", "电池在有效期内吗？"),
    Question.SPARE_PADS: ("Are the spare pads there?", "备用电极片在吗？"),
    Question.ALARM: ("Does the cabinet alarm sound?", "外箱柜体报警器会响吗？"),
    Question.BATTERY_LEVEL: ("Is the battery charged enough?", "电池电量充足吗？"),
    Question.FIRST_AID_KIT: ("Is the first-aid kit complete?", "急救包齐全吗？"),
    Question.ACCESS_AS_DESCRIBED: ("Can the AED be reached as described?", "取用方式与登记的一致吗？"),
    Question.PHOTO: ("Take a photo of the front.", "请拍一张正面照片。"),
}
"""Each question: English, Chinese."""

PROBLEMS: Final = {
    Question.STATUS_LIGHT: ("status light", "状态指示灯"),
    Question.CABINET: ("cabinet does not open", "外箱柜体打不开"),
    Question.CABINET_WHOLE: ("cabinet", "外箱柜体"),
    Question.SEAL: ("seal", "封条"),
    Question.SIGN: ("sign", "导向标识"),
    Question.PADS_IN_DATE: ("pads", "电极片"),
    Question.BATTERY_IN_DATE: ("battery", "电池"),
    Question.SPARE_PADS: ("spare pads", "备用电极片"),
    Question.ALARM: ("alarm", "外箱柜体报警器"),
    Question.BATTERY_LEVEL: ("battery level", "电池电量"),
    Question.FIRST_AID_KIT: ("first-aid kit", "急救包"),
    Question.ACCESS_AS_DESCRIBED: ("access", "取用方式"),
    Question.PHOTO: ("photo", "照片"),
}
"""The problem that a no indicates: English, Chinese."""
GLANCE_ASKS: Final = (Question.STATUS_LIGHT,)
"""The only questions of a glance, whatever the policy."""
MUST_ASK: Final = frozenset({Question.STATUS_LIGHT, Question.PADS_IN_DATE})
"""Questions that every policy includes, because a check cannot be passed without them."""
DEFAULT_ASKS: Final = (
    Question.STATUS_LIGHT,
    Question.CABINET,
    Question.CABINET_WHOLE,
    Question.SEAL,
    Question.SIGN,
    Question.PADS_IN_DATE,
    Question.BATTERY_IN_DATE,
    Question.ACCESS_AS_DESCRIBED,
)


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of a policy: check intervals (None means never), questions and consumable lifetimes."""

    glance_days: int | None
    check_days: int | None
    service_months: int | None
    asks: tuple[Question, ...]
    pads_months: int | None
    """Lifetime of pads without an expiry date (None requires a date), as `battery_months` for batteries."""
    battery_months: int | None
    life_years: int | None = None
    """Service life of a device without a date for its end, from its manufacture; None: not known."""
    approval_days: int | None = None
    """Days within which a second person is to approve a check that passed; None: it counts at once."""


DEFAULT: Final = Terms(
    glance_days=1, check_days=30, service_months=12, asks=DEFAULT_ASKS, pads_months=24, battery_months=48
)
"""Terms without a policy: glance daily, check monthly (HartslagNu; Guangzhou), service yearly.

Makers rate pads for two to five years and batteries for four to five; these are the shortest.
"""


MUST_BE_YES: Final = frozenset({Question.STATUS_LIGHT, Question.PADS_IN_DATE, Question.BATTERY_IN_DATE})
"""A no to one of these quarantines the device; a no to most others notifies its keepers."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A check as answered. A question without an answer was not examined."""

    kind: CheckKind
    answered_at: datetime
    is_there: bool
    was_used: bool
    answers: Mapping[Question, bool]
    replaced: frozenset[ConsumableKind]
    recall_is_done: bool = False
    has_had_new_pads: bool = False
    """True if an earlier check has replaced the pads since the device was used."""


@dataclass(frozen=True, slots=True)
class Consequences:
    """What follows from a check."""

    quarantines: tuple[QuarantineReason, ...]
    lifts: frozenset[QuarantineReason]
    is_passed: bool
    """True if every required question was asked and answered yes; the device then counts as checked."""
    to_notify_about: tuple[Question, ...]
    """Problems to notify keepers of that do not quarantine the device."""


def consequences(check: Answered, *, active_reasons: Collection[QuarantineReason]) -> Consequences:
    """Return what follows from a check of a device quarantined for the reasons `active_reasons`.

    1. A device that is not in its place is quarantined as missing; nothing else follows.
    2. A used device is quarantined unless its pads were replaced during the check.
    3. A no to a question in MUST_BE_YES fails the check. A cabinet that does not open is a separate reason.
    4. A passed check or service lifts: missing, not returned, failed check and failed self-test; failed
       fetches and a stuck cabinet if access is as described; a stuck cabinet if it opens; used if the pads
       were replaced by this or an earlier check; a recall if its remedy was done.

    A glance lifts nothing, because it only sees the status light through a window.
    """
    if not check.is_there:
        return Consequences((QuarantineReason.MISSING,), frozenset(), False, ())
    noes = [question for question, is_well in check.answers.items() if not is_well]
    fails = [question for question in noes if question in MUST_BE_YES]
    has_new_pads = not check.replaced.isdisjoint(WITH_PADS)
    quarantines: list[QuarantineReason] = []
    if check.was_used and not has_new_pads:
        quarantines.append(QuarantineReason.USED)
    if fails:
        quarantines.append(QuarantineReason.FAILED_CHECK)
    if Question.CABINET in noes:
        quarantines.append(QuarantineReason.CANNOT_OPEN)
    is_passed = check.kind is not CheckKind.GLANCE and not quarantines and _answers_all(check)
    lifts: set[QuarantineReason] = set()
    if is_passed:
        lifts = {
            QuarantineReason.MISSING,
            QuarantineReason.NOT_RETURNED,
            QuarantineReason.FAILED_CHECK,
            QuarantineReason.FAILED_SELF_TEST,
        }
        if check.answers.get(Question.ACCESS_AS_DESCRIBED):
            lifts |= {QuarantineReason.FAILED_FETCHES, QuarantineReason.CANNOT_OPEN}
        if check.answers.get(Question.CABINET):
            lifts.add(QuarantineReason.CANNOT_OPEN)
        if has_new_pads or check.has_had_new_pads:
            lifts.add(QuarantineReason.USED)
        if check.recall_is_done:
            lifts.add(QuarantineReason.RECALL)
    return Consequences(
        quarantines=tuple(quarantines),
        lifts=frozenset(lifts & set(active_reasons)),
        is_passed=is_passed,
        to_notify_about=tuple(
            question for question in noes if question not in (*MUST_BE_YES, Question.CABINET)
        ),
    )


def questions_of(
    asks: Sequence[Question], active_reasons: Collection[QuarantineReason]
) -> tuple[Question, ...]:
    """Return the policy's questions, plus those needed to resolve the device's quarantines."""
    could_not_be_had = {QuarantineReason.FAILED_FETCHES, QuarantineReason.CANNOT_OPEN} & set(active_reasons)
    if could_not_be_had and Question.ACCESS_AS_DESCRIBED not in asks:
        asks = (*asks, Question.ACCESS_AS_DESCRIBED)
    if QuarantineReason.CANNOT_OPEN in active_reasons and Question.CABINET not in asks:
        asks = (*asks, Question.CABINET)
    return tuple(asks)


def _answers_all(check: Answered) -> bool:
    """Return whether the status light, and the pads unless replaced, were examined."""
    asked = set(check.answers)
    return Question.STATUS_LIGHT in asked and (
        Question.PADS_IN_DATE in asked or not check.replaced.isdisjoint(WITH_PADS)
    )


APPROVAL_REMINDERS: Final = timedelta(days=7)
"""Time between two reminders of a check that waits too long."""
APPROVAL_REMINDER_HOURS: Final = range(9, 18)
"""The local hours in which they are sent."""


def is_approval_reminder_due(
    due_at: datetime, *, reminded_at: datetime | None, now: datetime, local_hour: int
) -> bool:
    """Return whether to remind people of a check that still waits for a second person."""
    return (
        due_at <= now
        and (reminded_at is None or reminded_at + APPROVAL_REMINDERS <= now)
        and local_hour in APPROVAL_REMINDER_HOURS
    )


def check_moment(answered_at: datetime, *, now: datetime) -> None:
    """Raise InvalidInput if the check was answered in the future or more than MAX_DELAY ago."""
    if answered_at > now + MAX_CLOCK_AHEAD:
        raise InvalidInput(
            "answered_at is in the future: correct the phone's clock, or leave it out.",
            field="answered_at",
        )
    if answered_at < now - MAX_DELAY:
        raise InvalidInput(
            "answered_at is more than {days} days ago: check the device again.",
            field="answered_at",
            days=MAX_DELAY.days,
        )
