"""Read assigned inspection rounds, with the checks that have arrived."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, false, or_, select, true
from sqlalchemy.orm import Session, aliased, joinedload

from aed.accounts.permissions import Viewer
from aed.accounts.visibility import visible_to
from aed.errors import NotFound
from aed.geo import Position
from aed.registry.devices.models import Device
from aed.registry.devices.rules import DeviceState
from aed.upkeep.models import Check, CheckApproval
from aed.upkeep.permissions import assigned_places
from aed.upkeep.rounds.models import InspectionRound, RoundStop
from aed.upkeep.rounds.planning import RoundDevice, RoundQuestion, device_in_words
from aed.upkeep.rounds.routing import (
    NotVisitedReason,
)
from aed.upkeep.rounds.rules import (
    RoundState,
    counts_until,
    local_moment,
    repeat_day,
    round_state,
)
from aed.upkeep.rules import ApprovalState, CheckKind


@dataclass(frozen=True, slots=True)
class StopSeen:
    """A device of an assigned round, with the check that has arrived."""

    stop: RoundStop
    device: RoundDevice
    checked_at: datetime | None
    is_passed: bool | None
    waits_for_approval: bool
    """True if the check counts only once a second person has approved it."""

    @property
    def is_checked(self) -> bool:
        """True if it has a check that counts."""
        return self.checked_at is not None and not self.waits_for_approval

    @property
    def reason(self) -> NotVisitedReason | None:
        """Why the device is not in the order; None if it is."""
        given = self.stop.not_visited_reason
        return NotVisitedReason(given) if given is not None else None


class _RoundCheck(NamedTuple):
    """A check that counts for a round, or waits to be approved by a second person."""

    answered_at: datetime
    is_passed: bool
    approval: ApprovalState | None


@dataclass(frozen=True, slots=True)
class AssignedRound:
    """An assigned round with its devices and state. Withdrawn devices are left out."""

    row: InspectionRound
    time_zone: str
    stops: tuple[StopSeen, ...]
    state: RoundState

    @property
    def in_order(self) -> tuple[StopSeen, ...]:
        """The devices that are visited, in order."""
        return tuple(each for each in self.stops if each.reason is None)

    @property
    def checked(self) -> int:
        return sum(each.is_checked for each in self.in_order)

    @property
    def waiting(self) -> int:
        """How many devices wait for a second person's approval of their check."""
        return sum(each.waits_for_approval for each in self.in_order)

    @property
    def next_stop(self) -> StopSeen | None:
        """The first device in the order at which nothing was checked, or whose check was refused."""
        return next((each for each in self.in_order if each.checked_at is None), None)


def assigned_by_viewer(viewer: Viewer) -> ColumnElement[bool]:
    """Select the rounds of the estates and regions where the viewer assigns rounds."""
    if viewer.is_administrator:
        return true()
    places = assigned_places(viewer)
    return or_(
        InspectionRound.estate_id.in_(places.estate_ids),
        InspectionRound.region_id.in_(places.region_ids),
        InspectionRound.region_id.in_(places.managed_region_ids) & InspectionRound.estate_id.is_not(None),
    )


def _known_to(viewer: Viewer) -> ColumnElement[bool]:
    """Select the viewer's own rounds, and those that they assign."""
    own = InspectionRound.inspector_id == viewer.person_id if viewer.person_id is not None else false()
    return or_(own, assigned_by_viewer(viewer))


def rounds(
    session: Session,
    viewer: Viewer,
    *,
    at: datetime,
    limit: int,
    before_id: int | None = None,
    estate_id: int | None = None,
    is_own: bool = False,
    since: date | None = None,
) -> list[AssignedRound]:
    """Return rounds that the viewer walks or assigns, the last assigned first. Runs three statements."""
    statement = (
        select(InspectionRound)
        .where(_known_to(viewer))
        .options(
            joinedload(InspectionRound.inspector),
            joinedload(InspectionRound.region),
            joinedload(InspectionRound.estate),
        )
        .order_by(InspectionRound.id.desc())
        .limit(limit)
    )
    if before_id is not None:
        statement = statement.where(InspectionRound.id < before_id)
    if estate_id is not None:
        statement = statement.where(InspectionRound.estate_id == estate_id)
    if is_own:
        statement = statement.where(InspectionRound.inspector_id == viewer.person_id)
    if since is not None:
        statement = statement.where(InspectionRound.day >= since)
    return _with_stops(session, viewer, session.scalars(statement).all(), at=at)


def round_by_id(session: Session, viewer: Viewer, round_id: int, *, at: datetime) -> AssignedRound:
    """Return a round that the viewer walks or assigns. Raises NotFound."""
    row = session.scalar(
        select(InspectionRound)
        .where(InspectionRound.id == round_id, _known_to(viewer))
        .options(
            joinedload(InspectionRound.inspector),
            joinedload(InspectionRound.region),
            joinedload(InspectionRound.estate),
        )
    )
    if row is None:
        raise NotFound("There is no round {round_id}.", field="round_id", round_id=round_id)
    return _with_stops(session, viewer, [row], at=at)[0]


def _with_stops(
    session: Session, viewer: Viewer, rows: Sequence[InspectionRound], *, at: datetime
) -> list[AssignedRound]:
    """Return rounds with their devices and the checks that count for them."""
    if not rows:
        return []
    stops: dict[int, list[tuple[RoundStop, Device]]] = defaultdict(list)
    for stop, device in session.execute(
        select(RoundStop, Device)
        .join(Device, Device.id == RoundStop.device_id)
        .where(
            RoundStop.round_id.in_([row.id for row in rows]),
            visible_to(viewer, Device),
            Device.state != DeviceState.WITHDRAWN,
        )
        .options(joinedload(Device.estate))
        .order_by(RoundStop.round_id, RoundStop.position)
    ):
        stops[stop.round_id].append((stop, device))
    checks: dict[int, list[_RoundCheck]] = defaultdict(list)
    first_day = local_moment(min(row.day for row in rows) - timedelta(days=1), 0, "UTC")
    for device_id, answered_at, is_passed, approval in session.execute(
        select(
            Check.device_id,
            Check.answered_at,
            Check.is_passed,
            CheckApproval.state,
        )
        .outerjoin(CheckApproval, CheckApproval.check_id == Check.id)
        .where(  # visibility: of devices that the statement above has found
            Check.device_id.in_({device.id for pairs in stops.values() for _, device in pairs}),
            Check.kind != CheckKind.GLANCE,
            Check.answered_at >= first_day,
            or_(CheckApproval.state.is_(None), CheckApproval.state != ApprovalState.REFUSED),
        )
        .order_by(Check.answered_at)
    ):
        checks[device_id].append(_RoundCheck(answered_at, is_passed, approval))
    return [_seen(row, stops[row.id], checks, at=at) for row in rows]


def _seen(
    row: InspectionRound,
    pairs: Sequence[tuple[RoundStop, Device]],
    checks: dict[int, list[_RoundCheck]],
    *,
    at: datetime,
) -> AssignedRound:
    """Return a round with the last check of each device that counts for it."""
    time_zone = (row.estate.time_zone if row.estate is not None else None) or row.region.time_zone
    first = local_moment(row.day, 0, time_zone)
    last = local_moment(counts_until(row.day, row.every_days), 0, time_zone)
    seen = []
    for stop, device in pairs:
        counting = [each for each in checks[device.id] if first <= each.answered_at < last]
        last_check = counting[-1] if counting else None
        seen.append(_stop_seen(stop, device_in_words(device), last_check))
    left = sum(each.reason is None and each.checked_at is None for each in seen)
    waiting = sum(each.reason is None and each.waits_for_approval for each in seen)
    state = round_state(
        row.day,
        today=at.astimezone(ZoneInfo(time_zone)).date(),
        left=left,
        waiting=waiting,
        every_days=row.every_days,
        is_cancelled=row.cancelled_at is not None,
    )
    return AssignedRound(row, time_zone, tuple(seen), state)


def _stop_seen(stop: RoundStop, device: RoundDevice, check: _RoundCheck | None) -> StopSeen:
    if check is None:
        return StopSeen(stop, device, None, None, waits_for_approval=False)
    return StopSeen(
        stop,
        device,
        check.answered_at,
        check.is_passed and check.approval is not ApprovalState.FAILED,
        waits_for_approval=check.approval is ApprovalState.WAITING,
    )


def rounds_to_repeat(session: Session, *, at: datetime) -> list[tuple[int, RoundQuestion]]:
    """Return the rounds to repeat today or tomorrow that are not assigned yet, each with its question.

    visibility: for the scheduler.
    """
    following = aliased(InspectionRound)
    rows = session.scalars(
        select(InspectionRound)
        .where(
            InspectionRound.every_days.is_not(None),
            InspectionRound.cancelled_at.is_(None),
            InspectionRound.start_lat.is_not(None),
            InspectionRound.day <= at.date() + timedelta(days=1),
            ~select(following.id).where(following.repeats_id == InspectionRound.id).exists(),
        )
        .options(joinedload(InspectionRound.region), joinedload(InspectionRound.estate))
        .order_by(InspectionRound.id)
    )
    found = []
    for row in rows:
        zone = ZoneInfo((row.estate.time_zone if row.estate is not None else None) or row.region.time_zone)
        today = at.astimezone(zone).date()
        assert row.every_days is not None
        assert row.start_lat is not None
        assert row.start_lon is not None
        day = repeat_day(row.day, row.every_days, today=today)
        if day > today + timedelta(days=1):
            continue
        device_ids = session.scalars(
            select(RoundStop.device_id)
            .join(Device, Device.id == RoundStop.device_id)
            .where(RoundStop.round_id == row.id, Device.state != DeviceState.WITHDRAWN)
            .order_by(RoundStop.position)
        )
        question = RoundQuestion(
            estate_id=row.estate_id,
            region_id=row.region_id,
            inspector_ids=(row.inspector_id,),
            day=day,
            starts=row.starts_at.astimezone(zone).time(),
            ends_by=row.ends_by.astimezone(zone).time(),
            start=Position(row.start_lat, row.start_lon),
            end=Position(row.end_lat, row.end_lon)
            if row.end_lat is not None and row.end_lon is not None
            else None,
            device_ids=tuple(device_ids),
            due_within_days=0,
            check_minutes=row.check_minutes,
            every_days=row.every_days,
        )
        found.append((row.id, question))
    return found
