"""Send the report of a trial that has ended."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session, selectinload

from aed.accounts.role_grants import managers_of
from aed.database.locks import exclusive_lock
from aed.notifications.outbox import Notice, notify_person
from aed.sharing.agreements.queries import estate_row
from aed.sharing.models import Agreement
from aed.sharing.rules import AgreementKind, AgreementState
from aed.sharing.shares.queries import time_zone_of
from aed.sharing.trials.formats import yuan
from aed.sharing.trials.queries import TrialReport, trial_report

REPORTED: Final = -1
"""`Agreement.notified_days` of a trial whose report was sent: after the last notice, of 0 days."""
LATE_FOR: Final = timedelta(days=30)
"""A report is sent this long after the end if the jobs stood still."""


def send_trial_reports(session: Session, *, at: datetime, public_url: str | None) -> int:
    """Send the report of each trial that ended, once, to the parties' representatives and the managers.

    Returns the number of people notified. visibility: to the parties themselves.
    """
    exclusive_lock(session, "notices of agreements")
    ended = session.scalars(
        select(Agreement)
        .where(
            Agreement.state == AgreementState.CONFIRMED,
            Agreement.kind == AgreementKind.TRIAL,
            Agreement.ends_on <= at.date() + timedelta(days=1),
            Agreement.ends_on >= (at - LATE_FOR).date(),
            or_(Agreement.notified_days.is_(None), Agreement.notified_days != REPORTED),
        )
        .options(selectinload(Agreement.parties), selectinload(Agreement.shares))
        .order_by(Agreement.id)
    ).all()
    notified = 0
    for agreement in ended:
        today = at.astimezone(ZoneInfo(time_zone_of(session, agreement.estate_id))).date()
        if agreement.ends_on is None or today <= agreement.ends_on:
            continue
        notice = _notice(session, trial_report(session, agreement, at=at), public_url)
        people = {each.representative_id for each in agreement.parties}
        people |= {*managers_of(session, agreement.estate_id)}
        for person_id in sorted(each for each in people if each is not None):
            notified += len(notify_person(session, person_id, notice, at)) > 0
        session.execute(
            update(Agreement)
            .where(Agreement.id == agreement.id)
            .values(notified_days=REPORTED)
            .execution_options(synchronize_session="fetch")
        )
    return notified


def _notice(session: Session, found: TrialReport, public_url: str | None) -> Notice:
    estate = estate_row(session, found.estate_id)
    assert estate is not None
    address = f"{public_url}/v1/agreements/{found.agreement_id}/trial-report.pdf" if public_url else None
    cost = yuan(found.cost_open_minor + found.cost_paid_minor)
    residents = max((each.residents for each in found.gains), default=0)
    return Notice(
        text_en=f"The trial of {estate.name_en} (agreement {found.agreement_id}) ended on {found.last_day}: "
        f"{found.uses} uses of {found.devices} AEDs, checks kept on {found.checks_kept_percent:g} % of days, "
        f"cost {cost} yuan, up to {residents:,.0f} residents who gain an AED by the preview."
        + (f" Report: {address}" if address else ""),
        text_zh=f"{estate.name_zh}的共享试行（协议{found.agreement_id}）已于{found.last_day}结束：{found.devices}台AED使用"
        f"{found.uses}次，巡检未逾期天数占{found.checks_kept_percent:g}%，费用{cost}元，按预览最多{residents:,.0f}名居民获益。"
        + (f"报告：{address}" if address else ""),
        subject_en="Report of the trial",
        subject_zh="共享试行报告",
    )
