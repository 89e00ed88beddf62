"""Confirming facts about devices, and asking people nearby to confirm them."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Viewer
from aed.accounts.tokens import hash_key
from aed.errors import Conflict, InvalidInput, NotFound
from aed.notifications.short_links import short_link
from aed.registry.devices import queries as device_queries
from aed.registry.devices.corrections import confirm_access, doubt_access
from aed.registry.devices.models import Device
from aed.registry.devices.rules import DeviceState
from aed.settings.upkeep import TrustSettings
from aed.upkeep.confirmations import queries
from aed.upkeep.confirmations.queries import lapse
from aed.upkeep.confirmations.schemas import ConfirmIn
from aed.upkeep.faults.actions import store_report
from aed.upkeep.faults.schemas import ReportIn
from aed.upkeep.labels.queries import labelled_device
from aed.upkeep.messages import notify_person
from aed.upkeep.models import Confirmation, ConfirmationRequest
from aed.upkeep.permissions import require_check_allowed
from aed.upkeep.retrievals.actions import close_retrieval_as
from aed.upkeep.retrievals.queries import open_requests
from aed.upkeep.rules import (
    ANSWERABLE_OUTCOMES,
    FACT_QUESTIONS,
    CheckKind,
    Fact,
    FactAnswer,
    FaultKind,
    RetrievalOutcome,
)

_IF_NOT = {Fact.POSITION: FaultKind.MISSING, Fact.HOURS: FaultKind.NO_ACCESS}
"""The kind of fault report that a denied fact becomes."""


def confirm_fact(session: Session, who: Viewer, device_id: int, new: ConfirmIn, *, at: datetime) -> Device:
    """Confirm or deny the position or access hours of a device; a denial becomes a fault report.

    For viewers who may glance at the device. Raises NotFound, NotSignedIn or NotAllowed, and Conflict for a
    withdrawn device.
    """
    device = device_queries.device(session, who, device_id, for_update=True)
    require_check_allowed(who, CheckKind.GLANCE, device.estate_id, device.region_id)
    if device.state is DeviceState.WITHDRAWN:
        raise Conflict("This device has been withdrawn from the register.", field="device_id")
    record_answer(
        session,
        who,
        device,
        new.fact,
        FactAnswer.YES if new.is_as_registered else FactAnswer.NO,
        new.note,
        at=at,
    )
    return device


def record_answer(
    session: Session,
    who: Viewer,
    device: Device,
    fact: Fact,
    answer: FactAnswer,
    note: str | None,
    *,
    at: datetime,
) -> None:
    """Store a person's answer about a fact and apply its consequences.

    YES confirms the fact, NO files a fault report, NOT_NOW does nothing. The device was read for update.
    """
    if answer is FactAnswer.YES:
        record_confirmations(session, who, device, [fact], at=at)
    elif answer is FactAnswer.NO:
        if fact is Fact.HOURS:
            doubt_access(session, who, device, at=at)
        new = ReportIn(kind=_IF_NOT[fact], note=note)
        store_report(session, who, device, new, from_key=None, at=at)


def record_confirmations(
    session: Session, who: Viewer, device: Device, facts: Collection[Fact], *, at: datetime
) -> None:
    """Store that these facts were confirmed at `at`, unless a later confirmation exists.

    Closes the open confirmation requests about them.

    visibility: for viewers who may confirm the device.
    """
    for fact in facts:
        row = session.get(Confirmation, (device.id, fact))
        if row is None:
            row = Confirmation(device_id=device.id, fact=fact, at=at, by_id=who.person_id, by_name=who.name)
            session.add(row)
        elif row.at <= at:
            row.at, row.by_id, row.by_name = at, who.person_id, who.name
    if Fact.HOURS in facts:
        confirm_access(session, who, device, at=at)
    for confirmation_request in open_requests(session, device.id):
        if confirmation_request.fact in facts:
            confirmation_request.closed_at = at
    session.flush()


KEY_PREFIX: Final = "ask_"


def send_request(
    session: Session,
    person: Person,
    device: Device,
    fact: Fact,
    *,
    at: datetime,
    lapses_at: datetime,
    public_url: str,
) -> bool:
    """Ask a person to confirm a fact; return False, and store no request, if no message can reach them.

    The device was read with its estate and region.
    """
    key = KEY_PREFIX + secrets.token_urlsafe(24)
    en, zh = FACT_QUESTIONS[fact]
    link = public_url + short_link(session, f"/d/{key}", lapses_at)
    if not notify_person(
        session,
        person,
        [device],
        en=f"{en} You are nearby: please answer: {link}",
        zh=f"{zh}请回答：{link}",
        at=at,
        is_one_sms=True,
    ):
        return False
    session.add(
        ConfirmationRequest(
            key_hash=hash_key(key),
            device_id=device.id,
            person_id=person.id,
            fact=fact,
            asked_at=at,
            lapses_at=lapses_at,
        )
    )
    session.flush()
    return True


def answer_request(
    session: Session, viewer: Viewer, which: str, answer: str, note: str | None, *, at: datetime
) -> ConfirmationRequest:
    """Store the answer to a confirmation request and apply its consequences.

    Giving the same answer again changes nothing. Raises NotFound, InvalidInput if the answer does not fit
    the request, and Conflict if the request is closed or has lapsed.
    """
    found = queries.confirmation_request(session, viewer, which)
    device = labelled_device(session, found.device_id)  # locked first, to avoid deadlocks
    if device is None:
        raise NotFound("This confirmation request does not exist.", field="confirmation_request")
    session.refresh(found, with_for_update=True)
    if found.answer == answer:
        return found
    if found.closed_at is not None or at >= found.lapses_at or device.state is DeviceState.WITHDRAWN:
        raise Conflict(
            "Thank you. This question has already been answered or has expired.",
            field="confirmation_request",
        )
    allowed = tuple(FactAnswer) if found.fact is not None else ANSWERABLE_OUTCOMES
    if answer not in allowed:
        raise InvalidInput("answer must be one of {names}.", field="answer", names=", ".join(allowed))
    who = Viewer(name=f"person:{found.person_id}", person_id=found.person_id)
    found.answer, found.answered_at, found.closed_at = answer, at, at
    session.flush()
    if found.fact is not None:
        record_answer(session, who, device, found.fact, FactAnswer(answer), note, at=at)
    else:
        retrieval = queries.retrieval_of(session, found)
        assert retrieval is not None
        close_retrieval_as(session, who, device, retrieval, RetrievalOutcome(answer), note, at=at)
    return found


DEVICES: Final = 2_000
"""Number of device ids examined per run. Each run continues where the previous one ended, in a cycle."""
FROM_HOUR, UNTIL_HOUR = 9, 20
"""Local hours during which people are asked, from the first up to and excluding the second."""


def ask_people_nearby(
    session: Session, *, at: datetime, numbers: TrustSettings, public_url: str, run: int
) -> int:
    """Ask people nearby to confirm facts whose confidence has faded; return how many were asked.

    Asks about one fact per device, and each person at most once in `ask_every_days`, during the day at the
    device. `run` counts the runs and selects which part of the register is examined.

    visibility: for the scheduler.
    """
    lapse(session, at=at)
    highest = queries.highest_device_id(session)
    if not highest or not numbers.ask_at_once:
        return 0
    parts = -(-highest // DEVICES)
    found = queries.fading(session, after_id=run % parts * DEVICES, limit=DEVICES, at=at, numbers=numbers)
    by_day = [each for each in found if _is_by_day(each.device.region.time_zone, at)]
    people = queries.people_near(session, [each.device for each in by_day], at=at, numbers=numbers)
    since = at - timedelta(days=numbers.ask_every_days)
    busy = queries.recently_asked(session, {one for some in people.values() for one in some}, since=since)
    asked = 0
    for each in by_day:
        for person_id in people[each.device.id]:
            if asked >= numbers.ask_at_once:
                return asked
            person = session.get(Person, person_id) if person_id not in busy else None
            if person is None:
                continue
            busy.add(person_id)
            if send_request(
                session,
                person,
                each.device,
                each.fact,
                at=at,
                lapses_at=at + timedelta(days=numbers.ask_lapses_days),
                public_url=public_url,
            ):
                asked += 1
                break
    return asked


def _is_by_day(time_zone: str, at: datetime) -> bool:
    """Return whether the local hour lies between FROM_HOUR and UNTIL_HOUR."""
    return FROM_HOUR <= at.astimezone(ZoneInfo(time_zone)).hour < UNTIL_HOUR
