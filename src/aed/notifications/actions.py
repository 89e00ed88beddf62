"""Putting messages into the outbox, and taking them out of it under a lease."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from aed.accounts.rules.message import Message
from aed.accounts.rules.person import Channel, Language
from aed.notifications.models import Outgoing

LEASE: Final = timedelta(minutes=2)
MOST_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that was claimed, in the recipient's language."""

    id: int
    channel: Channel
    recipient: str
    language: Language
    text: str
    claimed_until: datetime


def put(session: Session, message: Message, at: datetime) -> Outgoing:
    """It is sent once this transaction is committed."""
    outgoing = Outgoing(
        person_id=message.person_id,
        channel=message.channel,
        recipient=message.phone,
        language=message.language,
        text_en=message.text_en,
        text_zh=message.text_zh,
        is_secret=message.is_secret,
        created_at=at,
        expires_at=message.expires_at,
        tries=0,
    )
    session.add(outgoing)
    session.flush()
    return outgoing


def is_any_waiting(session: Session) -> bool:
    """visibility: for the timetable; whether there is one, no more."""
    waiting = select(Outgoing.id).where(Outgoing.sent_at.is_(None), Outgoing.given_up_at.is_(None))
    return session.scalar(waiting.limit(1)) is not None


def claim(session: Session, *, at: datetime) -> Letter | None:
    """The oldest message that is due, for two minutes nobody else's; None when there is none.

    The UPDATE is the claim: of two that saw the same row, one changes it.
    visibility: for the timetable, which sends to the recipient alone.
    """
    waiting = (Outgoing.sent_at.is_(None), Outgoing.given_up_at.is_(None))
    unclaimed = or_(Outgoing.claimed_until.is_(None), Outgoing.claimed_until <= at)
    wanted = or_(Outgoing.expires_at.is_(None), Outgoing.expires_at > at)
    while True:
        oldest = session.scalar(
            select(Outgoing.id).where(*waiting, unclaimed, wanted).order_by(Outgoing.id).limit(1)
        )
        if oldest is None:
            return None
        until = at + LEASE
        row = session.execute(
            update(Outgoing)
            .where(Outgoing.id == oldest, *waiting, unclaimed)
            .values(claimed_until=until, tries=Outgoing.tries + 1)
            .returning(
                Outgoing.channel,
                Outgoing.recipient,
                Outgoing.language,
                Outgoing.text_en,
                Outgoing.text_zh,
            )
        ).first()
        if row is not None:
            said = row.text_zh if row.language is Language.ZH else row.text_en
            return Letter(oldest, row.channel, row.recipient, row.language, said or "", until)


def sent(session: Session, letter: Letter, *, at: datetime) -> None:
    """It was delivered; a secret is forgotten here."""
    _close(session, letter.id, sent_at=at)


def not_sent(session: Session, letter: Letter, *, at: datetime) -> None:
    """It is tried again when the lease is over, five times in all."""
    tries = session.scalar(
        select(Outgoing.tries).where(Outgoing.id == letter.id)  # visibility: the timetable's own claim
    )
    if tries is not None and tries >= MOST_TRIES:
        _close(session, letter.id, given_up_at=at)


def give_up_the_unwanted(session: Session, *, at: datetime) -> None:
    """What nobody wants any longer is not sent, and its secrets are forgotten.

    visibility: for the timetable.
    """
    over = session.scalars(
        select(Outgoing.id).where(
            Outgoing.sent_at.is_(None), Outgoing.given_up_at.is_(None), Outgoing.expires_at <= at
        )
    ).all()
    for outgoing_id in over:
        _close(session, outgoing_id, given_up_at=at)


def _close(session: Session, outgoing_id: int, **moment: datetime) -> None:
    session.execute(update(Outgoing).where(Outgoing.id == outgoing_id).values(**moment))
    session.execute(
        update(Outgoing)
        .where(Outgoing.id == outgoing_id, Outgoing.is_secret)
        .values(text_en=None, text_zh=None)
    )
