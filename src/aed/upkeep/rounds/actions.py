"""Assign inspection rounds, cancel and repeat them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.database.session import SETTINGS, Database, read_session
from aed.http.parameters import one_at_a_time
from aed.notifications import outbox
from aed.notifications.outbox import Notice
from aed.notifications.rules import MessageTopic
from aed.registry.changes import flush_or_conflict, record_amendment, record_creation
from aed.settings import Settings
from aed.upkeep.permissions import require_round_assigner
from aed.upkeep.rounds import planning, queries
from aed.upkeep.rounds.models import InspectionRound, RoundStop
from aed.upkeep.rounds.planning import PlannedRoute, RoundPlan, RoundQuestion
from aed.upkeep.rounds.schemas import RoundsIn
from aed.walking.network import WalkingNetwork

_PLANNING: Final = threading.BoundedSemaphore(2)
"""Planning keeps a processor busy for up to a second or two."""


def plan_in_turn(
    database: Database,
    viewer: Viewer,
    new: RoundsIn,
    *,
    at: datetime,
    network: WalkingNetwork | None,
    settings: Settings,
) -> RoundPlan:
    """Return the plan of rounds, computed before anything is locked.

    Raises TooBusy while others are being planned, and what `planning.plan_rounds` raises.
    """
    with (
        one_at_a_time(_PLANNING, "Other rounds are being planned. Try again in a few seconds."),
        read_session(database) as session,
    ):
        question = RoundQuestion(
            estate_id=new.estate_id,
            region_id=planning.region_of_rounds(session, viewer, new.estate_id, new.region),
            inspector_ids=tuple(new.inspector_ids),
            day=new.day,
            starts=new.starts,
            ends_by=new.ends_by,
            start=new.start.position(),
            end=new.end.position() if new.end is not None else None,
            device_ids=tuple(new.device_ids) if new.device_ids is not None else None,
            due_within_days=new.due_within_days,
            check_minutes=new.check_minutes,
            every_days=new.every_days,
        )
        return planning.plan_rounds(session, viewer, question, at=at, network=network, settings=settings)


def assign_rounds(
    session: Session, who: Viewer, plan: RoundPlan, *, at: datetime, repeats: InspectionRound | None = None
) -> list[InspectionRound]:
    """Store the rounds of a plan and notify each inspector. `repeats` is the round before in a series.

    Devices that cannot be visited are kept with the first round, with the reason. Raises Conflict if an
    inspector already has a round at that time; NotSignedIn, NotAllowed.
    """
    question = plan.question
    require_round_assigner(who, question.estate_id, question.region_id)
    made: list[InspectionRound] = []
    for route in plan.routes:
        row = InspectionRound(
            region_id=question.region_id,
            estate_id=question.estate_id,
            inspector_id=route.inspector_id,
            assigned_by=repeats.assigned_by if repeats is not None else who.name,
            assigned_at=at,
            day=question.day,
            starts_at=plan.starts_at,
            ends_by=plan.ends_by,
            ends_at=route.ends_at,
            every_days=question.every_days,
            check_minutes=question.check_minutes,
            walking_seconds=route.walking_seconds,
            start_lat=question.start.lat,
            start_lon=question.start.lon,
            end_lat=question.end.lat if question.end is not None else None,
            end_lon=question.end.lon if question.end is not None else None,
            repeats_id=repeats.id if repeats is not None else None,
        )
        session.add(row)
        flush_or_conflict(session, "An inspector already has a round at that time.", "inspector_ids")
        record_creation(session, who, row, at=at)
        session.add_all(_stops(row, route, plan if not made else None))
        made.append(row)
        _notify_inspector(session, row, route, plan, at=at)
    session.flush()
    return made


def _stops(row: InspectionRound, route: PlannedRoute, plan: RoundPlan | None) -> Sequence[RoundStop]:
    stops = [
        RoundStop(
            round_id=row.id,
            position=position,
            device_id=stop.device.id,
            begins_at=stop.begins_at,
            closes_at=stop.closes_at,
            hours_known=stop.hours_known,
        )
        for position, stop in enumerate(route.stops, start=1)
    ]
    if plan is not None:
        stops += [
            RoundStop(
                round_id=row.id,
                position=position,
                device_id=device.id,
                hours_known=True,
                not_visited_reason=reason.value,
            )
            for position, (device, reason) in enumerate(plan.not_visited, start=len(stops) + 1)
        ]
    return stops


def _notify_inspector(
    session: Session, row: InspectionRound, route: PlannedRoute, plan: RoundPlan, *, at: datetime
) -> None:
    public_url: str | None = session.info[SETTINGS].public_url
    link = f" {public_url}/rounds/{row.id}" if public_url is not None else ""
    count = len(route.stops)
    start = f"{plan.question.starts:%H:%M}"
    notice = Notice(
        text_en=f"Inspection round on {row.day}: {count} AEDs, start {start}.{link}",
        text_zh=f"巡检任务：{row.day}，{count}台AED，{start}开始。{link.strip()}",
        topic=MessageTopic.DEVICE,
    )
    outbox.notify_person(session, row.inspector_id, notice, at, country=plan.country)


def cancel_round(session: Session, who: Viewer, round_id: int, *, at: datetime) -> InspectionRound:
    """Cancel a round and its repetitions. Cancelling again changes nothing.

    Raises NotFound, NotSignedIn, NotAllowed.
    """
    row = queries.round_by_id(session, who, round_id, at=at).row
    require_round_assigner(who, row.estate_id, row.region_id)
    if row.cancelled_at is None:
        row.cancelled_at = at
        record_amendment(session, who, row, at=at)
        session.flush()
    return row
