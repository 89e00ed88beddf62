"""Notify the parties of agreements that end soon."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import select, update
from sqlalchemy.orm import Session, selectinload

from aed.database.locks import exclusive_lock
from aed.notifications.outbox import Notice, notify_person
from aed.sharing.agreements.queries import estate_row
from aed.sharing.models import Agreement, DeviceShare
from aed.sharing.regional_rules.queries import rules_of_version
from aed.sharing.rules import AgreementKind, AgreementState, due_notice
from aed.sharing.shares.queries import time_zone_of

MAX_NOTICE_DAYS: Final = 366
"""No region has an agreement's end notified earlier."""


def notify_of_endings(session: Session, *, at: datetime) -> int:
    """Notify the representatives of all parties before an agreement ends.

    By default 90, 60, 30, 7 and 0 days before. Returns the number of people notified. Each notice is sent
    once; a late run sends only the latest.
    visibility: to the parties themselves.
    """
    exclusive_lock(session, "notices of agreements")
    last = (at + timedelta(days=MAX_NOTICE_DAYS + 1)).date()
    ending = session.scalars(
        select(Agreement)
        .where(
            Agreement.state == AgreementState.CONFIRMED,
            Agreement.kind != AgreementKind.REGISTER,
            Agreement.ends_on <= last,
            Agreement.ends_on >= (at - timedelta(days=1)).date(),
            Agreement.shares.any(DeviceShare.superseded_at.is_(None)),  # not renewed already
        )
        .options(selectinload(Agreement.parties))
        .order_by(Agreement.id)
    ).all()
    notified = 0
    for agreement in ending:
        assert agreement.ends_on is not None
        today = at.astimezone(ZoneInfo(time_zone_of(session, agreement.estate_id))).date()
        days = (agreement.ends_on - today).days
        by = rules_of_version(session, agreement.rules_version)
        threshold = due_notice(days, notified=agreement.notified_days, rules=by)
        if threshold is None:
            continue
        notice = _notice(session, agreement, days)
        people = {each.representative_id for each in agreement.parties} - {None}
        for person_id in sorted(each for each in people if each is not None):
            notified += len(notify_person(session, person_id, notice, at)) > 0
        session.execute(
            update(Agreement)
            .where(Agreement.id == agreement.id)
            .values(notified_days=threshold)
            .execution_options(synchronize_session=False)
        )
    return notified


def _notice(session: Session, agreement: Agreement, days: int) -> Notice:
    estate = estate_row(session, agreement.estate_id)
    assert estate is not None
    number, day = agreement.id, agreement.ends_on
    return Notice(
        text_en=f"Sharing agreement {number} of {estate.name_en} ends on {day}, in {days} days. After that "
        "other people no longer see its AEDs; in an emergency the dispatch centre may have them fetched. "
        "Renew it in time.",
        text_zh=f"{estate.name_zh}共享协议{number}将于{day}到期（还有{days}天）。到期后其他人不再看到这些AED，紧急情况下仍可由120调用。请及时续签。",
        subject_en="Sharing agreement ends",
        subject_zh="共享协议即将到期",
    )
