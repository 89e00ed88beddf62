"""What waits at the desks of the demo: a round, reports, a resident, service to confirm, results, spares."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.demo_people import DemoRole
from aed.accounts.people.actions import find_or_add_person
from aed.accounts.viewers import viewer_of_person
from aed.cli.context import operator
from aed.cli.demo_training import add_demo_results
from aed.database.geometry import position_of
from aed.registry.devices.models import Device
from aed.registry.estates.models import Estate
from aed.registry.estates.residence import request_residence
from aed.settings import Settings
from aed.upkeep.faults.actions import report_device
from aed.upkeep.faults.schemas import ReportIn
from aed.upkeep.rounds.actions import assign_rounds
from aed.upkeep.rounds.models import InspectionRound
from aed.upkeep.rounds.planning import RoundQuestion, plan_rounds
from aed.upkeep.rules import FaultKind
from aed.upkeep.spares.actions import create_stock, record_movement
from aed.upkeep.spares.schemas import SpareMovementIn, SpareStockIn
from aed.volunteering.records.actions import record_service
from aed.volunteering.records.schemas import ServiceIn
from aed.volunteering.volunteers.actions import register_volunteer
from aed.volunteering.volunteers.schemas import VolunteerIn
from aed.walking.network import WalkingNetwork

ZONE: Final = ZoneInfo("Asia/Shanghai")
NEIGHBOUR: Final = "邬听泉 Wu Tingquan"
"""Invented; asks to be confirmed as a resident."""
SPARES: Final = (
    ({"kind": "pads", "reorder_point": 2}, 2, 400),
    ({"kind": "battery", "reorder_point": 1}, 3, 700),
)
"""The spares of the estate: what they are, how many came, and in how many days they expire."""


def has_desk_work(session: Session) -> bool:
    """Return True if the work was added before. visibility: no row is returned."""
    return session.scalar(select(InspectionRound.id).limit(1)) is not None


def add_desk_work(
    session: Session,
    estate: Estate,
    people: Mapping[DemoRole, int],
    *,
    trainer: str,
    network: WalkingNetwork | None,
    settings: Settings,
    at: datetime,
) -> None:
    """Add something to do at the desk of each of the people. visibility: for the operator."""
    _assign_round(session, estate, people[DemoRole.KEEPER], network=network, settings=settings, at=at)
    resident = viewer_of_person(session, people[DemoRole.RESIDENT])
    device_id = session.scalars(
        select(Device.id).where(Device.estate_id == estate.id).order_by(Device.id).limit(1)
    ).one()
    note = "箱门关不严。The door of the cabinet does not shut."
    report_device(
        session, resident, device_id, ReportIn(kind=FaultKind.OTHER, note=note), from_key=None, at=at
    )
    neighbour = find_or_add_person(session, name=NEIGHBOUR, phone="+861000000901")
    request_residence(session, neighbour, estate.name_zh, public_url="http://127.0.0.1:8000", at=at)
    _record_service(session, estate, people[DemoRole.VOLUNTEER], at=at)
    add_demo_results(session, estate, trainer=trainer, at=at)
    session.flush()


def _assign_round(
    session: Session,
    estate: Estate,
    inspector_id: int,
    *,
    network: WalkingNetwork | None,
    settings: Settings,
    at: datetime,
) -> None:
    """Assign today's round through the estate's devices, every 30 days. visibility: for the operator."""
    devices = session.scalars(select(Device).where(Device.estate_id == estate.id).order_by(Device.id)).all()
    question = RoundQuestion(
        estate_id=estate.id,
        region_id=estate.region_id,
        inspector_ids=(inspector_id,),
        day=at.astimezone(ZONE).date(),
        starts=time(8, 30),
        ends_by=time(17, 30),
        start=position_of(devices[0].position),
        end=None,
        device_ids=tuple(each.id for each in devices),
        due_within_days=7,
        check_minutes=5,
        every_days=30,
    )
    plan = plan_rounds(session, operator(), question, at=at, network=network, settings=settings)
    assign_rounds(session, operator(), plan, at=at)


def _record_service(session: Session, estate: Estate, volunteer_id: int, *, at: datetime) -> None:
    """Record a patrol of the volunteer, which a manager or a lead confirms."""
    register_volunteer(session, operator(), volunteer_id, VolunteerIn(estate_id=estate.id), at=at)
    evening = datetime.combine(at.astimezone(ZONE).date() - timedelta(days=1), time(19), ZONE)
    patrol = ServiceIn(
        key=UUID("2f6a0d0e-53f0-4a8e-9c57-0f6a5c1d2b10"),
        person_id=volunteer_id,
        estate_id=estate.id,
        activity="夜间巡逻，查看 AED 机柜",
        started_at=evening,
        ended_at=evening + timedelta(minutes=90),
    )
    record_service(session, viewer_of_person(session, volunteer_id), patrol, at=at)


def add_spares(session: Session, estate: Estate, *, at: datetime) -> None:
    """Add the estate's spare pads and batteries. visibility: for the operator."""
    for number, (stock, quantity, days) in enumerate(SPARES):
        kept = create_stock(session, operator(), estate.id, SpareStockIn.model_validate(stock), at=at)
        came = SpareMovementIn.model_validate(
            {
                "key": UUID(int=0x2F6A0D0E53F04A8E9C570F6A5C1D2B20 + number),
                "reason": "received",
                "quantity": quantity,
                "lot": f"LOT{number + 1}",
                "expires_on": at.astimezone(ZONE).date() + timedelta(days=days),
            }
        )
        record_movement(session, operator(), kept.id, came, at=at)
