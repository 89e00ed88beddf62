"""What the forms of my page take, and the words for what happened."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from aed.incidents.models import Alert
from aed.incidents.rules import LIVE_STATES, AlertState
from aed.issuers.rules import CertificateKind
from aed.training.rules import AttendanceState, EnrolmentState
from aed.web.words import noop

PAUSES: Final = {1: noop("One day"), 7: noop("One week"), 30: noop("30 days")}
"""Days of a pause."""
HOURS: Final = {
    "24/7": noop("At any hour"),
    "Mo-Fr 18:00-23:00; Sa-Su,PH 08:00-23:00": noop("Evenings, weekends and holidays"),
    "Mo-Fr 08:00-18:00": noop("On working days, 8:00 to 18:00"),
    "Mo-Su 08:00-22:00": noop("Every day, 8:00 to 22:00"),
}
"""Opening hours expressions that people choose from."""
CERTIFICATE_KINDS: Final[Mapping[CertificateKind, str]] = {
    CertificateKind.FIRST_AID: noop("First aid"),
    CertificateKind.CPR_AED: noop("CPR and AED"),
    CertificateKind.PROFESSIONAL: noop("Health professional"),
}
ENROLMENTS: Final[Mapping[EnrolmentState, str]] = {
    EnrolmentState.ENROLLED: noop("You have a place"),
    EnrolmentState.WAITING: noop("On the waiting list"),
    EnrolmentState.OFFERED: noop("A place is reserved for you: accept it"),
    EnrolmentState.WITHDRAWN: noop("You cancelled"),
    EnrolmentState.LAPSED: noop("Not accepted in time"),
    EnrolmentState.CANCELLED: noop("The session was cancelled"),
}


def pause_end(days: int, *, at: datetime) -> datetime | None:
    """Return when a pause of so many days ends; None for 0, which ends a pause."""
    return at + timedelta(days=days) if days in PAUSES else None


def enrolment_words(state: EnrolmentState, attendance: AttendanceState | None, passed: bool | None) -> str:
    """Return what became of an enrolment, in English."""
    if passed is not None:
        return noop("Passed") if passed else noop("Attended, not passed yet")
    if attendance is AttendanceState.ATTENDED:
        return noop("Attended")
    if attendance is AttendanceState.NO_SHOW:
        return noop("You were not there")
    return ENROLMENTS[state]


def call_words(alert: Alert) -> str:
    """Return how a call ended for the person, in English."""
    if alert.there_at is not None:
        return noop("You were with the patient")
    if alert.state is AlertState.DECLINED:
        return noop("You could not come")
    if alert.state in LIVE_STATES:
        return noop("You said that you come") if alert.accepted_at is not None else noop("Not answered")
    if alert.state is AlertState.STOOD_DOWN:
        return noop("Enough others came")
    if alert.accepted_at is not None:
        return noop("The call ended while you were on your way")
    return noop("The call ended before you answered")
