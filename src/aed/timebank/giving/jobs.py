"""The time bank's night: notices of expiry, expired points, and inheritances that nobody claimed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Final

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from aed.database.session import Database, transaction
from aed.notifications.outbox import Notice, notify_people
from aed.timebank.giving.actions import move_inheritance
from aed.timebank.goods.actions import cancel_uncollected
from aed.timebank.ledger.posting import Posting, PostingContext, lock_ledger, post, regional_account
from aed.timebank.models import ExpiryNotice, Inheritance, LedgerAccount
from aed.timebank.regional_rules.queries import rules_at, zone_of_region
from aed.timebank.rules import (
    AccountKind,
    Currency,
    LedgerKind,
    TimeBankRules,
    add_months,
    can_claim,
    due_expiry_notice,
    expires_at,
    to_points,
)

AT_ONCE: Final = 500
"""Accounts in a transaction: writers of the ledger wait no longer than for these."""
BY: Final = "timetable"


def run_nightly_time_bank_jobs(database: Database, at: datetime) -> dict[str, int]:
    """Expire points, send notices, cancel uncollected orders, settle inheritances; return how many of each.

    A run that is interrupted goes on with the next one: every step is done once.
    """
    counts = {"expired": 0, "notified": 0, "cancelled": 0, "inherited": 0}
    with transaction(database) as session:
        counts["cancelled"] = cancel_uncollected(session, at=at)  # first: their points may expire
    with transaction(database) as session:
        regions = _regions_with_accounts(session)
    for region_id in regions:
        after_id: int | None = 0
        while after_id is not None:
            with transaction(database) as session:
                after_id, expired, notified = expire_points(session, region_id, after_id=after_id, at=at)
            counts["expired"] += expired
            counts["notified"] += notified
    with transaction(database) as session:
        counts["inherited"] = settle_inheritances(session, at=at)
    return counts


def expire_points(
    session: Session, region_id: int, *, after_id: int, at: datetime
) -> tuple[int | None, int, int]:
    """Expire the points of accounts whose time is over, and notify the holders of those that are next.

    Returns the id after which to go on (None at the end), and the numbers of accounts expired and notified.

    visibility: for the nightly job; each notice goes to the holder alone.
    """
    rules = rules_at(session, region_id, at)
    if rules.expiry_months is None:
        return None, 0, 0
    lock_ledger(session)
    notice_days = max(rules.expiry_notice_days, default=0)
    near = add_months(at + timedelta(days=notice_days + 3), -rules.expiry_months)  # months differ in length
    accounts = session.scalars(
        select(LedgerAccount)
        .where(
            LedgerAccount.id > after_id,
            LedgerAccount.region_id == region_id,
            LedgerAccount.kind.in_((AccountKind.PERSON, AccountKind.FAMILY)),
            LedgerAccount.currency == Currency.POINTS,
            LedgerAccount.balance > 0,
            LedgerAccount.closed_at.is_(None),
            LedgerAccount.active_at <= near,
        )
        .order_by(LedgerAccount.id)
        .limit(AT_ONCE)
        .execution_options(populate_existing=True)
    ).all()
    expired = _expire(session, rules, accounts, region_id, at=at)
    notified = _notify(session, rules, accounts, region_id, at=at)
    return (accounts[-1].id if len(accounts) == AT_ONCE else None), expired, notified


def _expire(
    session: Session,
    rules: TimeBankRules,
    accounts: Sequence[LedgerAccount],
    region_id: int,
    *,
    at: datetime,
) -> int:
    over = []
    for each in accounts:
        end = expires_at(rules, each.active_at) if each.active_at is not None else None
        if end is not None and end <= at:
            over.append(each)
    if not over:
        return 0
    pool = regional_account(session, AccountKind.REGION_POOL, Currency.POINTS, region_id=region_id, at=at)
    post(
        session,
        PostingContext(at, BY, rules.version),
        [
            Posting(
                LedgerKind.EXPIRE,
                Currency.POINTS,
                each.id,
                pool,
                each.balance,
                f"expiry:{each.id}:{each.last_entry}",
            )
            for each in over
        ],
    )
    return len(over)


def _notify(
    session: Session,
    rules: TimeBankRules,
    accounts: Sequence[LedgerAccount],
    region_id: int,
    *,
    at: datetime,
) -> int:
    """visibility: to the holder alone."""
    sent = {
        (row.account_id, row.active_at): row.days
        for row in session.execute(
            select(ExpiryNotice.account_id, ExpiryNotice.active_at, func.min(ExpiryNotice.days).label("days"))
            .where(ExpiryNotice.account_id.in_([each.id for each in accounts]))
            .group_by(ExpiryNotice.account_id, ExpiryNotice.active_at)
        )
    }
    zone = zone_of_region(session, region_id)
    made, notices = [], {}
    for each in accounts:
        if each.active_at is None or each.person_id is None:
            continue
        key = (each.id, each.active_at)
        days = due_expiry_notice(rules, each.active_at, at, notified=sent.get(key))
        end = expires_at(rules, each.active_at)
        if days is None or end is None:
            continue
        made.append({"account_id": each.id, "active_at": each.active_at, "days": days, "sent_at": at})
        notices[each.person_id] = _expiry_notice(each.balance, end.astimezone(zone))
    if made:
        session.execute(insert(ExpiryNotice), made)
    return len(notify_people(session, notices, at)) if notices else 0


def _expiry_notice(units: int, end: datetime) -> Notice:
    points = to_points(units)
    return Notice(
        text_en=f"Your {points} points of the time bank expire on {end:%Y-%m-%d}. Any service, gift, "
        "donation or order before that day keeps them.",
        text_zh=f"您的时间银行积分（{points}分）将于{end:%Y-%m-%d}到期。在此之前参加服务、转赠、捐赠或兑换，积分即可保留。",
        subject_en="Points expire",
        subject_zh="积分即将到期",
    )


def settle_inheritances(session: Session, *, at: datetime) -> int:
    """Move to the region's pool what nobody claimed in time, and to heirs what came in later.

    Returns the number of accounts from which points were moved. visibility: for the nightly job.
    """
    lock_ledger(session)
    rows = session.execute(
        select(Inheritance, LedgerAccount.region_id)
        .join(LedgerAccount, LedgerAccount.person_id == Inheritance.person_id)
        .where(LedgerAccount.currency == Currency.POINTS, LedgerAccount.balance > 0)
        .order_by(Inheritance.id)
    ).all()
    moved = 0
    for inheritance, region_id in rows:
        if inheritance.settled_at is None:
            died_at = datetime.combine(inheritance.died_on, time(), zone_of_region(session, region_id))
            if can_claim(rules_at(session, region_id, at), died_at, at):
                continue
            inheritance.settled_at, inheritance.settled_by = at, BY
        moved += move_inheritance(session, inheritance, by=BY, at=at) > 0
    session.flush()
    return moved


def _regions_with_accounts(session: Session) -> Sequence[int]:
    """visibility: only ids of regions."""
    return session.scalars(
        select(LedgerAccount.region_id)
        .where(LedgerAccount.kind == AccountKind.ISSUANCE, LedgerAccount.currency == Currency.POINTS)
        .order_by(LedgerAccount.region_id)
    ).all()
