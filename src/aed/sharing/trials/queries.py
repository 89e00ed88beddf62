"""What a trial brought: uses, times, checks, cost, and what residents gained by the preview."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.errors import Conflict
from aed.sharing.agreements.queries import preview_row
from aed.sharing.higher_tables import ALERTS, CHECKS, DEVICES, INCIDENTS, QUARANTINES
from aed.sharing.models import Agreement, CostCase
from aed.sharing.rules import AgreementKind, CostCaseState, days_in_date, end_of, start_of
from aed.sharing.shares.queries import time_zone_of

GAIN_MINUTES = 5
"""Residents count as gaining a device that they can fetch there and back within this time."""


@dataclass(frozen=True, slots=True)
class BandGain:
    """People who gained a device in one part of the week, by the preview."""

    band: str
    residents: float
    outsiders: float


@dataclass(frozen=True, slots=True)
class TrialReport:
    """What a trial brought from its first day to its last, or until today."""

    agreement_id: int
    estate_id: int
    first_day: date
    last_day: date
    is_over: bool
    devices: int
    uses: int
    fetches: int
    """Times that a person came to a patient with one of the devices."""
    median_minutes_there: float | None
    """From the alert to the patient's side, of these fetches."""
    longest_minutes_there: float | None
    checks: int
    checks_kept_percent: float
    """Share of all days on which the last check of a device was not overdue."""
    cost_open_minor: int
    cost_paid_minor: int
    cases_waived: int
    preview_id: int | None
    gains: tuple[BandGain, ...]


def trial_report(session: Session, agreement: Agreement, *, at: datetime) -> TrialReport:
    """Return what a trial brought. Raises Conflict if the agreement is not a trial, or not begun.

    visibility: of an agreement with its shares that the viewer may see; it contains counts only.
    """
    if agreement.kind is not AgreementKind.TRIAL or agreement.confirmed_at is None:
        raise Conflict(
            "Agreement {agreement_id} is not a trial that was confirmed.", agreement_id=agreement.id
        )
    assert agreement.ends_on is not None
    zone = time_zone_of(session, agreement.estate_id)
    starts_at = min(each.starts_at for each in agreement.shares)
    first = starts_at.astimezone(ZoneInfo(zone)).date()
    today = at.astimezone(ZoneInfo(zone)).date()
    stopped_at = min(at, agreement.withdrawn_at or at)
    last = min(agreement.ends_on, stopped_at.astimezone(ZoneInfo(zone)).date())
    if last < first:
        raise Conflict("The trial begins on {first_day}.", first_day=first)
    until = end_of(last, zone)
    assert until is not None
    devices = [each.device_id for each in agreement.shares]
    minutes = _minutes_there(session, devices, since=starts_at, before=until)
    interval = int(agreement.terms["check_interval_days"])
    checks = _checks(session, devices, since=start_of(first, zone) - timedelta(days=interval), before=until)
    days = {
        device_id: [each.astimezone(ZoneInfo(zone)).date() for each in moments]
        for device_id, moments in checks.items()
    }
    known = {device_id: day for device_id, day in _last_checks(session, devices).items() if day <= last}
    in_date = sum(
        days_in_date(
            [*days.get(device_id, []), *([known[device_id]] if device_id in known else [])],
            first=first,
            last=last,
            interval_days=interval,
        )
        for device_id in devices
    )
    cases = session.scalars(select(CostCase).where(CostCase.agreement_id == agreement.id)).all()
    return TrialReport(
        agreement_id=agreement.id,
        estate_id=agreement.estate_id,
        first_day=first,
        last_day=last,
        is_over=agreement.withdrawn_at is not None or agreement.ends_on < today,
        devices=len(devices),
        uses=_uses(session, devices, since=starts_at, before=until),
        fetches=len(minutes),
        median_minutes_there=round(median(minutes), 1) if minutes else None,
        longest_minutes_there=round(max(minutes), 1) if minutes else None,
        checks=sum(first <= day for each in days.values() for day in each),
        checks_kept_percent=round(100 * in_date / (len(devices) * ((last - first).days + 1)), 1),
        cost_open_minor=sum(each.amount_minor or 0 for each in cases if each.state is CostCaseState.OPEN),
        cost_paid_minor=sum(each.paid_minor or 0 for each in cases),
        cases_waived=sum(each.state is CostCaseState.WAIVED for each in cases),
        preview_id=agreement.preview_id,
        gains=_gains(session, agreement.preview_id),
    )


def _uses(session: Session, devices: Collection[int], *, since: datetime, before: datetime) -> int:
    """visibility: a count."""
    statement = select(func.count()).where(
        QUARANTINES.c.device_id.in_(devices),
        QUARANTINES.c.reason == "used",
        QUARANTINES.c.since >= since,
        QUARANTINES.c.since < before,
    )
    return session.scalar(statement) or 0


def _minutes_there(
    session: Session, devices: Collection[int], *, since: datetime, before: datetime
) -> list[float]:
    """Return the minutes from the alert to a real patient's side of people who fetched a device.

    visibility: times without people and places.
    """
    rows = session.execute(
        select(ALERTS.c.asked_at, ALERTS.c.there_at)
        .join(INCIDENTS, INCIDENTS.c.id == ALERTS.c.incident_id)
        .where(
            ALERTS.c.device_id.in_(devices),
            ALERTS.c.asked_at >= since,
            ALERTS.c.asked_at < before,
            ALERTS.c.there_at.is_not(None),
            INCIDENTS.c.kind == "real",
        )
    )
    return [(row.there_at - row.asked_at).total_seconds() / 60 for row in rows]


def _checks(
    session: Session, devices: Collection[int], *, since: datetime, before: datetime
) -> Mapping[int, list[datetime]]:
    """visibility: moments of checks, for a share of days."""
    found: dict[int, list[datetime]] = defaultdict(list)
    for row in session.execute(
        select(CHECKS.c.device_id, CHECKS.c.answered_at).where(
            CHECKS.c.device_id.in_(devices),
            CHECKS.c.kind != "glance",
            CHECKS.c.answered_at >= since,
            CHECKS.c.answered_at < before,
        )
    ):
        found[row.device_id].append(row.answered_at)
    return found


def _last_checks(session: Session, devices: Collection[int]) -> dict[int, date]:
    """Return the day of each device's last check by the register, which knows also checks on paper.

    visibility: days of checks, for a share of days.
    """
    rows = session.execute(
        select(DEVICES.c.id, DEVICES.c.last_checked_on).where(
            DEVICES.c.id.in_(devices), DEVICES.c.last_checked_on.is_not(None)
        )
    )
    return {row.id: row.last_checked_on for row in rows}


def _gains(session: Session, preview_id: int | None) -> tuple[BandGain, ...]:
    row = preview_row(session, preview_id) if preview_id is not None else None
    if row is None:
        return ()
    return tuple(_gain(each) for each in row.result["bands"])


def _gain(band: Mapping[str, Any]) -> BandGain:
    found = next(each for each in band["gains"] if each["minutes"] == GAIN_MINUTES)
    return BandGain(band["band"], found["residents"], found["outsiders"])
