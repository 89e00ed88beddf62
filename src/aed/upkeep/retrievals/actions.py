"""Recording retrievals, following them up, and storing their outcome."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Viewer
from aed.accounts.tokens import hash_key
from aed.database.idempotency import require_same_content
from aed.errors import Conflict, InvalidInput, NotFound
from aed.notifications.short_links import short_link
from aed.registry.changes import flush_or_conflict
from aed.registry.devices import queries as device_queries
from aed.registry.devices.models import Device
from aed.registry.devices.rules import DeviceState
from aed.settings.upkeep import Returns
from aed.upkeep.faults import actions as fault_actions
from aed.upkeep.faults.actions import store_report
from aed.upkeep.faults.schemas import ReportIn
from aed.upkeep.labels.queries import labelled_device
from aed.upkeep.messages import keepers_of_devices, notify_person
from aed.upkeep.models import Check, ConfirmationRequest, Retrieval
from aed.upkeep.permissions import require_retrieval_reporter
from aed.upkeep.retrievals import queries
from aed.upkeep.retrievals.queries import open_requests
from aed.upkeep.retrievals.schemas import RetrievalIn
from aed.upkeep.rules import (
    MAX_CLOCK_AHEAD,
    MAX_DELAY,
    OUTCOME_WORDS,
    FaultKind,
    RetrievalOutcome,
    first_follow_up_at,
    follows_from_outcome,
    is_retrieval_abandoned,
    next_follow_up_at,
)

KEY_PREFIX: Final = "ask_"


def create_retrieval(
    session: Session,
    who: Viewer,
    new: RetrievalIn,
    *,
    numbers: Returns,
    at: datetime,
    over_at: datetime | None = None,
) -> Retrieval:
    """Record that someone was sent to fetch a device.

    Returns the stored retrieval if the same one was sent before under its key. `over_at` is when the call
    ended, if known; follow-ups are timed from then, otherwise from `sent_at`.

    For viewers who may glance at the device and for dispatchers. Raises NotFound for an unknown device or
    person, Conflict for a withdrawn device or another retrieval under the same key, and InvalidInput for an
    implausible `sent_at`.

    visibility: reveals only whether a person with that id exists.
    """
    device = device_queries.device(session, who, new.device_id, for_update=True)
    require_retrieval_reporter(who, device.estate_id, device.region_id)
    known = queries.retrieval_by_key(session, str(new.key))
    if known is not None:
        stored = (known.device_id, known.person_id)
        require_same_content(stored, (device.id, new.person_id), "retrieval")
        return known
    if device.state is DeviceState.WITHDRAWN:
        raise Conflict("This device has been withdrawn from the register.", field="device_id")
    sent_at = new.sent_at or at
    if not at - MAX_DELAY <= sent_at <= at + MAX_CLOCK_AHEAD:
        raise InvalidInput(
            "sent_at must be within the last {days} days.", field="sent_at", days=MAX_DELAY.days
        )
    if new.person_id is not None and session.get(Person, new.person_id) is None:
        raise NotFound("Person {person_id} does not exist.", field="person_id", person_id=new.person_id)
    made = Retrieval(
        key=str(new.key),
        device_id=device.id,
        person_id=new.person_id,
        reference=new.reference,
        sent_at=sent_at,
        over_at=over_at,
        reported_by=who.name,
        asked=0,
        ask_at=first_follow_up_at(over_at or sent_at, numbers),
    )
    session.add(made)
    flush_or_conflict(session, "This retrieval arrived twice at the same time. Send it again.", "key")
    return made


def close_retrieval(
    session: Session,
    who: Viewer,
    retrieval_id: int,
    outcome: RetrievalOutcome,
    note: str | None,
    *,
    at: datetime,
) -> Retrieval:
    """Store the outcome of a retrieval. Storing the same outcome again changes nothing.

    For viewers who may glance at the device and for dispatchers. Raises NotFound, and Conflict if it was
    closed with another outcome.

    visibility: through `queries.retrieval`.
    """
    found = queries.retrieval(session, who, retrieval_id)
    device = device_queries.device(session, who, found.device_id, for_update=True)
    require_retrieval_reporter(who, device.estate_id, device.region_id)
    session.refresh(found, with_for_update=True)
    if found.outcome is outcome:
        return found
    if found.outcome is not None:
        en, zh = OUTCOME_WORDS[found.outcome]
        raise Conflict(
            "The retrieval is already closed: {en} {zh}. Send a check to report the state of the device.",
            field="outcome",
            en=en,
            zh=zh,
        )
    close_retrieval_as(session, who, device, found, outcome, note, at=at)
    return found


def close_retrieval_as(
    session: Session,
    who: Viewer,
    device: Device,
    retrieval: Retrieval,
    outcome: RetrievalOutcome,
    note: str | None,
    *,
    at: datetime,
) -> None:
    """Close an open retrieval with an outcome and apply its consequences.

    Used or not returned quarantines the device; NOT_FETCHED is stored as a fault report. Closes the
    confirmation requests about it. The device was read for update.

    visibility: for viewers who may report the outcome.
    """
    retrieval.outcome, retrieval.closed_at, retrieval.closed_by = outcome, at, who.name
    retrieval.ask_at = None
    for confirmation_request in open_requests(session, device.id):
        if confirmation_request.retrieval_id == retrieval.id:
            confirmation_request.closed_at = at
    session.flush()
    if device.state is DeviceState.WITHDRAWN:
        return
    reason = follows_from_outcome(outcome)
    if reason is not None:
        words = note or f"{OUTCOME_WORDS[outcome][1]} {OUTCOME_WORDS[outcome][0]}"
        fault_actions.begin_quarantines(session, who, device, [reason], at=at, note=words)
    elif outcome is RetrievalOutcome.NOT_FETCHED:
        report = ReportIn(kind=FaultKind.NOT_FETCHED, note=note)
        store_report(session, who, device, report, from_key=None, at=at)


def close_by_check(session: Session, who: Viewer, device: Device, check: Check, *, at: datetime) -> None:
    """Close the device's retrievals that began before this check was answered."""
    for retrieval in queries.open_retrievals(session, device.id, until=check.answered_at):
        close_retrieval_as(session, who, device, retrieval, RetrievalOutcome.CHECKED, None, at=at)


def follow_up(
    session: Session,
    who: Viewer,
    retrieval_id: int,
    *,
    numbers: Returns,
    public_url: str | None,
    at: datetime,
) -> RetrievalOutcome | None:
    """Ask for the outcome of a retrieval, or give it up after long silence.

    Asks the person sent and the device's keepers. Giving up quarantines the device. Does nothing if the
    retrieval was answered or followed up meanwhile. Returns SILENT if it was given up, otherwise None.

    visibility: for the scheduler.
    """
    found = session.get(Retrieval, retrieval_id)
    device = labelled_device(session, found.device_id) if found is not None else None
    if found is None or device is None:
        return None
    session.refresh(found, with_for_update=True)
    if found.ask_at is None or found.ask_at > at:
        return None
    since = found.over_at or found.sent_at
    if is_retrieval_abandoned(since, at, numbers):
        close_retrieval_as(session, who, device, found, RetrievalOutcome.SILENT, None, at=at)
        return RetrievalOutcome.SILENT
    found.asked += 1
    found.ask_at = next_follow_up_at(since, at, numbers)
    people = {person.id: person for person, _ in keepers_of_devices(session, [device])}
    if found.person_id is not None:
        sent = session.get(Person, found.person_id)
        if sent is not None:
            people[sent.id] = sent
    zone = device.estate.time_zone if device.estate is not None else None
    when = found.sent_at.astimezone(ZoneInfo(zone or device.region.time_zone))
    for person in people.values():
        key = KEY_PREFIX + secrets.token_urlsafe(24)
        en = f"someone was sent to fetch it on {when:%Y-%m-%d at %H:%M}. Is it back, and was it used?"
        zh = f"{when:%Y-%m-%d %H:%M}曾派人取用。已归还吗？使用过吗？"
        if public_url is not None:
            link = public_url + short_link(session, f"/d/{key}", at + MAX_DELAY)
            en = f"someone was sent for it at {when:%H:%M}. Is it back, and was it used? Answer: {link}"
            zh = f"{when:%H:%M}曾派人取用，已归还吗？请回答：{link}"
        if notify_person(
            session,
            person,
            [device],
            en=en,
            zh=zh,
            at=at,
            is_one_sms=public_url is not None,
        ):
            session.add(
                ConfirmationRequest(
                    key_hash=hash_key(key),
                    device_id=device.id,
                    person_id=person.id,
                    retrieval_id=found.id,
                    asked_at=at,
                    lapses_at=at + MAX_DELAY,
                )
            )
    session.flush()
    return None
