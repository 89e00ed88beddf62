"""Taking in a check with all that follows from it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy.orm import Session

from aed.accounts.free_text import MAX_REASON_CHARACTERS, quote
from aed.accounts.permissions import Viewer
from aed.errors import Conflict, InvalidInput
from aed.registry.changes import flush_or_conflict
from aed.registry.devices import queries as device_queries
from aed.registry.devices.corrections import amend_from_check, doubt_access, local_day, replace_consumable
from aed.registry.devices.models import Device
from aed.registry.devices.rules import ConsumableKind, DeviceState
from aed.registry.devices.schemas import ConsumableIn, DeviceAmend
from aed.upkeep.actions import quarantines
from aed.upkeep.actions.call_outs import answered_by_check
from aed.upkeep.actions.confirming import put_confirmed
from aed.upkeep.actions.telling import tell_keepers
from aed.upkeep.models import Check
from aed.upkeep.queries import checks as queries
from aed.upkeep.queries.policies import policy_for, terms_of
from aed.upkeep.queries.quarantines import pads_are_new_since, standing_quarantines
from aed.upkeep.rules.check import Answered, check_moment, consequences
from aed.upkeep.rules.due import months_after
from aed.upkeep.rules.facts import confirmed_by_check
from aed.upkeep.rules.policy import PROBLEMS, CheckKind, Question, Terms
from aed.upkeep.rules.quarantine import Reason
from aed.upkeep.rules.states import ReportState
from aed.upkeep.rules.who import may_check
from aed.upkeep.schemas.checks import CheckIn, ReplacedIn


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
    4. What passers-by reported before it was answered is closed.
    5. What it confirms is written down, and a call-out before it is asked after no longer.
    6. One that arrives after a later check was answered is kept, and of what it says only that holds which no
       later one has overtaken: what was replaced.

    Raises Conflict for another check under a key that is taken.
    """
    device = device_queries.device(session, who, device_id, for_update=True)
    may_check(who, new.kind, device.estate_id, device.region_id)
    said = new.model_dump_json(exclude={"answered_at"})  # when it is sent again it may say so otherwise
    digest = hashlib.sha256(f"{device_id} {said}".encode()).hexdigest()
    known = queries.check_by_key(session, str(new.key))
    if known is not None:
        if known.digest != digest:
            raise Conflict("Another check was sent under this key: make up a new one.", field="key")
        return Taken(known, device, is_new=False)
    answered_at = new.answered_at or at
    check_moment(answered_at, now=at)
    if device.state is DeviceState.WITHDRAWN:
        raise Conflict("This device has been withdrawn from the register.", field="device_id")
    policy = policy_for(session, device)
    fitted = _fitted(new.replaced, terms_of(policy), day=local_day(device, answered_at))
    later = queries.later_checks(session, device.id, answered_at=answered_at)
    standing = [each for each in standing_quarantines(session, device.id) if each.since <= answered_at]
    used = next((each for each in standing if each.reason is Reason.USED), None)
    follows = consequences(
        Answered(
            kind=new.kind,
            answered_at=answered_at,
            is_there=new.is_there,
            was_used=new.was_used,
            answers=new.answers,
            replaced=frozenset(each.kind for each in fitted),
            recall_is_done=new.recall_is_done,
            has_had_new_pads=used is not None and pads_are_new_since(session, device.id, used.since),
        ),
        standing={each.reason for each in standing},
    )
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
        replaced=_replaced(device, fitted),
        note=new.note,
        is_passed=follows.is_passed,
        is_late=bool(later),
    )
    session.add(check)
    flush_or_conflict(session, "This check arrived twice in the same moment: send it again.", "key")
    overtaken = {kind for each in later for kind in each.replaced}
    for each in fitted:
        if each.kind not in overtaken:
            replace_consumable(session, who, device, each, at=at)
    if not later:
        _write_into_register(session, who, device, new, check, at=at)
        quarantines.begin(
            session, who, device, follows.quarantines, at=at, since=answered_at, said=new.note, check=check
        )
        quarantines.lift(session, who, device, follows.lifts, check=check, at=at)
        _tell_of(session, who, device, follows.to_be_told, new.note, at=at)
        confirmed = confirmed_by_check(
            new.kind, is_there=new.is_there, is_passed=follows.is_passed, answers=new.answers
        )
        put_confirmed(session, who, device, confirmed, at=min(answered_at, at))
        if new.answers.get(Question.ACCESS_AS_DESCRIBED) is False:
            doubt_access(session, who, device, at=min(answered_at, at))
        if new.kind is not CheckKind.GLANCE:
            answered_by_check(session, who, device, check, at=at)
    if new.kind is not CheckKind.GLANCE and new.is_there:
        for report in queries.open_reports(session, device.id, until=answered_at):
            report.state, report.closed_at, report.closed_by = ReportState.ANSWERED, at, who.name
    session.flush()
    return Taken(check, device, is_new=True)


def _fitted(replaced: Sequence[ReplacedIn], terms: Terms, *, day: date) -> list[ConsumableIn]:
    """What is in the device now. What says no date itself lasts as long as the policy says.

    Raises InvalidInput for what may not be used any longer, and where no date is to be had.
    """
    lives = {ConsumableKind.BATTERY: terms.battery_months}
    fitted = []
    for each in replaced:
        expires_on, months = each.expires_on, lives.get(each.kind, terms.pads_months)
        if expires_on is None and months is not None:
            expires_on = months_after(day, months)
        if expires_on is None:
            raise InvalidInput(
                f"Say until when the new {each.kind} may be used: the device's policy does not.",
                field="replaced",
            )
        if expires_on < day:
            raise InvalidInput(
                f"The new {each.kind} expired on {expires_on}: look again, or fit others.", field="replaced"
            )
        fitted.append(ConsumableIn(kind=each.kind, lot=each.lot, expires_on=expires_on))
    return fitted


def _replaced(device: Device, fitted: Sequence[ConsumableIn]) -> dict[str, Any]:
    """Old and new, as the check keeps it."""
    before = {item.kind: item for item in reversed(device.consumables)}  # of several the first to expire
    kept: dict[str, Any] = {}
    for each in fitted:
        old = before.get(each.kind)
        kept[str(each.kind)] = {
            "lot": each.lot,
            "expires_on": each.expires_on.isoformat(),
            "lot_before": old.lot if old is not None else None,
            "expires_on_before": old.expires_on.isoformat() if old is not None else None,
        }
    return kept


def _write_into_register(
    session: Session, who: Viewer, device: Device, new: CheckIn, check: Check, *, at: datetime
) -> None:
    """Where the device is, and when it was last found in order."""
    found = (
        DeviceAmend(**new.moved.model_dump(exclude_unset=True)) if new.moved is not None else DeviceAmend()
    )
    day = local_day(device, check.answered_at)
    if check.is_passed and (device.last_checked_on is None or day > device.last_checked_on):
        found = found.model_copy(update={"last_checked_on": day})
    if found.model_fields_set:
        amend_from_check(session, who, device, found, at=at)


def _tell_of(
    session: Session,
    who: Viewer,
    device: Device,
    wrong: Sequence[Question],
    note: str | None,
    *,
    at: datetime,
) -> None:
    """What is wrong and no reason to quarantine, to whoever keeps it."""
    if not wrong:
        return
    words = [PROBLEMS[question] for question in wrong]
    added = f" ({quote(note, limit=MAX_REASON_CHARACTERS)})" if note else ""
    tell_keepers(
        session,
        who,
        [device],
        en=f"to be seen to: {', '.join(en for en, _ in words)}{added}.",
        zh=f"需处理：{'、'.join(zh for _, zh in words)}{added}。",
        at=at,
    )
