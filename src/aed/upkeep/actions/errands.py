"""Asking one person a small question, and taking the answer."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Viewer
from aed.accounts.tokens import hash_key
from aed.errors import Conflict, InvalidInput, NotFound
from aed.registry.devices.models import Device
from aed.registry.devices.rules import DeviceState
from aed.upkeep.actions.call_outs import close_call_out_as
from aed.upkeep.actions.confirming import put_answer
from aed.upkeep.actions.telling import tell_person
from aed.upkeep.models import Errand
from aed.upkeep.queries import errands as queries
from aed.upkeep.queries.labels import labelled_device
from aed.upkeep.rules.call_out import ANSWERS, RetrievalOutcome
from aed.upkeep.rules.facts import QUESTIONS, Answer, Fact

KEY_PREFIX: Final = "ask_"


def ask_of_fact(
    session: Session,
    person: Person,
    device: Device,
    fact: Fact,
    *,
    at: datetime,
    lapses_at: datetime,
    public_url: str,
) -> bool:
    """The person is asked whether it is so. False where no message can reach the person; then nothing is
    kept. The device is read with its estate and region."""
    key = KEY_PREFIX + secrets.token_urlsafe(24)
    en, zh = QUESTIONS[fact]
    link = f"{public_url}/c/{key}"
    if not tell_person(
        session,
        person,
        [device],
        en=f"{en} You are nearby: one tap answers. {link}",
        zh=f"{zh}您就在附近，点一下即可回答：{link}",
        at=at,
    ):
        return False
    session.add(
        Errand(
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


def answer_errand(
    session: Session, viewer: Viewer, which: str, answer: str, note: str | None, *, at: datetime
) -> Errand:
    """The question is answered, with all that follows. The same answer again changes nothing.

    Raises NotFound, InvalidInput for what is no answer to it, Conflict where it is closed.
    """
    found = queries.errand(session, viewer, which)
    device = labelled_device(session, found.device_id)  # the device first, as everybody locks it
    if device is None:
        raise NotFound("There is no such question.", field="errand")
    session.refresh(found, with_for_update=True)
    if found.answer == answer:
        return found
    if found.closed_at is not None or at >= found.lapses_at or device.state is DeviceState.WITHDRAWN:
        raise Conflict("Thank you. This has been answered meanwhile, or is no longer asked.", field="errand")
    allowed = tuple(Answer) if found.fact is not None else ANSWERS
    if answer not in allowed:
        raise InvalidInput(f"answer is one of {', '.join(allowed)}.", field="answer")
    who = Viewer(name=f"person:{found.person_id}", person_id=found.person_id)
    found.answer, found.answered_at, found.closed_at = answer, at, at
    session.flush()
    if found.fact is not None:
        put_answer(session, who, device, found.fact, Answer(answer), note, at=at)
    else:
        call_out = queries.call_out_of(session, found)
        assert call_out is not None
        close_call_out_as(session, who, device, call_out, RetrievalOutcome(answer), note, at=at)
    return found
