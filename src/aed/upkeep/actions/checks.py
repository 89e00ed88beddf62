"""Taking in a check with all that follows from it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from aed.accounts.rules import Viewer
from aed.errors import Conflict
from aed.registry import queries as registry
from aed.registry.actions.found import amend_as_found, local_day, replace_consumable
from aed.registry.actions.record import flush
from aed.registry.models import Device
from aed.registry.rules.device import DeviceState
from aed.registry.schemas.devices import ConsumableIn, DeviceAmend
from aed.upkeep.actions import quarantines
from aed.upkeep.models import Check
from aed.upkeep.queries import checks as queries
from aed.upkeep.queries.policies import policy_for
from aed.upkeep.rules.check import Answered, check_moment, consequences
from aed.upkeep.rules.policy import CheckKind
from aed.upkeep.rules.who import may_check
from aed.upkeep.schemas.checks import CheckIn


@dataclass(frozen=True, slots=True)
class Taken:
    """A check that was taken in: now, or when it was sent before."""

    check: Check
    device: Device
    is_new: bool


def take_check(session: Session, who: Viewer, device_id: int, new: CheckIn, *, at: datetime) -> Taken:
    """The check is kept, and what follows from it holds.

    1. One that was sent before under its key is answered as it was then.
    2. What was replaced and where the device was put is written into the register.
    3. What it says begins quarantines, and lifts those that it answers (`rules.check.consequences`).
    4. One that arrives after a later check was answered is kept, and nothing follows from it.

    Raises Conflict for another check under a key that is taken.
    """
    device = registry.device(session, who, device_id, for_update=True)
    may_check(who, new.kind, device.estate_id, device.region_id)
    digest = hashlib.sha256(f"{device_id} {new.model_dump_json()}".encode()).hexdigest()
    known = queries.check_by_key(session, str(new.key))
    if known is not None:
        if known.digest != digest:
            raise Conflict("Another check was sent under this key: make up a new one.", field="key")
        return Taken(known, device, is_new=False)
    answered_at = new.answered_at or at
    check_moment(answered_at, now=at)
    if device.state is DeviceState.WITHDRAWN:
        raise Conflict("This device has been withdrawn from the register.", field="device_id")
    is_late = queries.later_check_is_here(session, device.id, answered_at=answered_at)
    standing = {each.reason for each in queries.standing_quarantines(session, device.id)}
    follows = consequences(
        Answered(
            kind=new.kind,
            answered_at=answered_at,
            is_there=new.is_there,
            was_used=new.was_used,
            answers=new.answers,
            replaced=frozenset(each.kind for each in new.replaced),
            recall_is_done=new.recall_is_done,
        ),
        standing=standing,
    )
    policy = policy_for(session, device)
    check = Check(
        key=str(new.key),
        digest=digest,
        device_id=device.id,
        kind=new.kind,
        policy_id=policy.id if policy is not None else None,
        policy_version=policy.version if policy is not None else None,
        answered_at=answered_at,
        received_at=at,
        by_id=who.person_id,
        by_name=who.name,
        is_there=new.is_there,
        was_used=new.was_used,
        answers={str(question): is_well for question, is_well in new.answers.items()},
        replaced=sorted({str(each.kind) for each in new.replaced}),
        note=new.note,
        is_passed=follows.is_passed,
        is_late=is_late,
    )
    session.add(check)
    flush(session, "This check arrived twice in the same moment: send it again.", "key")
    if is_late:
        return Taken(check, device, is_new=True)
    _write_into_register(session, who, device, new, check, at=at)
    for reason in follows.quarantines:
        quarantines.begin(session, who, device, reason, at=at, said=new.note, check=check)
    if follows.lifts:
        quarantines.lift(session, who, device, follows.lifts, check=check, at=at)
    if new.kind is not CheckKind.GLANCE and new.is_there:
        for report in queries.open_reports(session, device.id):
            report.closed_at, report.closed_by = at, who.name
    session.flush()
    return Taken(check, device, is_new=True)


def _write_into_register(
    session: Session, who: Viewer, device: Device, new: CheckIn, check: Check, *, at: datetime
) -> None:
    """What was replaced, where the device is, and when it was last found in order."""
    for each in new.replaced:
        fitted = ConsumableIn(kind=each.kind, lot=each.lot, expires_on=each.expires_on)
        replace_consumable(session, who, device, fitted, at=at)
    found = DeviceAmend(**new.moved.model_dump(exclude_unset=True)) if new.moved is not None else DeviceAmend()
    day = local_day(device, check.answered_at)
    if check.is_passed and (device.last_checked_on is None or day > device.last_checked_on):
        found = found.model_copy(update={"last_checked_on": day})
    if found.model_fields_set:
        amend_as_found(session, who, device, found, at=at)
