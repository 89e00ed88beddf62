"""Writing down that what the register says of a device is so."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.errors import Conflict
from aed.registry.devices import queries as device_queries
from aed.registry.devices.corrections import confirm_access, doubt_access
from aed.registry.devices.models import Device
from aed.registry.devices.rules import DeviceState
from aed.upkeep.actions.reports import keep_report
from aed.upkeep.models import Confirmed
from aed.upkeep.queries.errands import open_errands_of
from aed.upkeep.rules.facts import Answer, Fact
from aed.upkeep.rules.policy import CheckKind
from aed.upkeep.rules.quarantine import ReportKind
from aed.upkeep.rules.who import may_check
from aed.upkeep.schemas.checks import ReportIn
from aed.upkeep.schemas.trust import ConfirmIn

_IF_NOT = {Fact.POSITION: ReportKind.MISSING, Fact.HOURS: ReportKind.NO_ACCESS}
"""What a no comes to: somebody of the house looks."""


def confirm_fact(session: Session, who: Viewer, device_id: int, new: ConfirmIn, *, at: datetime) -> Device:
    """Where the device is, or when it can be had, is confirmed; a no is a report to whoever keeps it.

    For whoever may glance at it. Raises NotFound, NotSignedIn, NotAllowed, and Conflict for a withdrawn one.
    """
    device = device_queries.device(session, who, device_id, for_update=True)
    may_check(who, CheckKind.GLANCE, device.estate_id, device.region_id)
    if device.state is DeviceState.WITHDRAWN:
        raise Conflict("This device has been withdrawn from the register.", field="device_id")
    put_answer(session, who, device, new.fact, Answer.YES if new.is_so else Answer.NO, new.note, at=at)
    return device


def put_answer(
    session: Session,
    who: Viewer,
    device: Device,
    fact: Fact,
    answer: Answer,
    note: str | None,
    *,
    at: datetime,
) -> None:
    """What somebody says to one of the questions, with what follows. The device was read for update."""
    if answer is Answer.YES:
        put_confirmed(session, who, device, [fact], at=at)
    elif answer is Answer.NO:
        if fact is Fact.HOURS:
            doubt_access(session, who, device, at=at)
        new = ReportIn(kind=_IF_NOT[fact], note=note)
        keep_report(session, who, device, new, from_key=None, at=at)


def put_confirmed(
    session: Session, who: Viewer, device: Device, facts: Collection[Fact], *, at: datetime
) -> None:
    """These are confirmed as of `at`, unless somebody confirmed them later; whoever was asked is asked no
    more.

    visibility: for whoever may confirm it.
    """
    for fact in facts:
        row = session.get(Confirmed, (device.id, fact))
        if row is None:
            row = Confirmed(device_id=device.id, fact=fact, at=at, by_id=who.person_id, by_name=who.name)
            session.add(row)
        elif row.at <= at:
            row.at, row.by_id, row.by_name = at, who.person_id, who.name
    if Fact.HOURS in facts:
        confirm_access(session, who, device, at=at)
    for errand in open_errands_of(session, device.id):
        if errand.fact in facts:
            errand.closed_at = at
    session.flush()
