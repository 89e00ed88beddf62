"""Read accounts and their statements."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, case, func, select, union_all
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.errors import NotFound
from aed.timebank.ledger.schemas import StatementLine
from aed.timebank.models import FamilyMember, LedgerAccount, LedgerEntry
from aed.timebank.permissions import account_visible_to, require_signed_in
from aed.timebank.rules import AccountKind, Currency, LedgerKind


def accounts_of(session: Session, viewer: Viewer, person_id: int) -> Sequence[LedgerAccount]:
    """Return the accounts of a person and of their family that the viewer may see, by currency."""
    require_signed_in(viewer)
    families = select(FamilyMember.account_id).where(
        FamilyMember.person_id == person_id, FamilyMember.left_at.is_(None)
    )
    theirs = (LedgerAccount.person_id == person_id) | LedgerAccount.id.in_(families)
    return session.scalars(
        select(LedgerAccount)
        .where(theirs, account_visible_to(viewer))
        .order_by(LedgerAccount.kind.desc(), LedgerAccount.currency)
        .execution_options(populate_existing=True)  # triggers changed the balance
    ).all()


def account(session: Session, viewer: Viewer, account_id: int) -> LedgerAccount:
    """Return an account. Raises NotSignedIn; NotFound if the viewer may not see it."""
    require_signed_in(viewer)
    found = session.scalar(
        select(LedgerAccount)
        .where(LedgerAccount.id == account_id, account_visible_to(viewer))
        .execution_options(populate_existing=True)  # triggers changed the balance
    )
    if found is None:
        raise NotFound(
            "There is no account {account_id}, or you may not see it.",
            field="account_id",
            account_id=account_id,
        )
    return found


def statement(
    session: Session, account_id: int, *, limit: int, before_number: int | None = None
) -> list[StatementLine]:
    """Return entries of an account, newest first, before the entry with that number.

    visibility: the caller has read the account with `account`.
    """
    sides = [
        _side(account_id, LedgerEntry.from_account_id == account_id, limit, before_number),
        _side(account_id, LedgerEntry.to_account_id == account_id, limit, before_number),
    ]
    both = union_all(*(select(each) for each in sides)).subquery()
    rows = session.execute(
        select(
            both.c.number,
            both.c.at,
            both.c.kind,
            both.c.amount,
            both.c.record,
            both.c.rules_version,
            both.c.reason,
            LedgerAccount.kind.label("counter_kind"),
        )
        .join(LedgerAccount, LedgerAccount.id == both.c.counter_account_id)
        .order_by(both.c.number.desc())
        .limit(limit)
    )
    return [
        StatementLine(
            row.number,
            row.at,
            row.kind,
            row.amount,
            row.record,
            row.counter_kind,
            row.rules_version,
            row.reason,
        )
        for row in rows
    ]


def _side(account_id: int, side: ColumnElement[bool], limit: int, before_number: int | None):  # type: ignore[no-untyped-def] # a subquery
    """visibility: for `statement`."""
    pays = LedgerEntry.from_account_id == account_id
    found = select(
        LedgerEntry.number,
        LedgerEntry.at,
        LedgerEntry.kind,
        case((pays, -LedgerEntry.amount), else_=LedgerEntry.amount).label("amount"),
        LedgerEntry.record,
        LedgerEntry.rules_version,
        LedgerEntry.reason,
        case((pays, LedgerEntry.to_account_id), else_=LedgerEntry.from_account_id).label(
            "counter_account_id"
        ),
    ).where(side)
    if before_number is not None:
        found = found.where(LedgerEntry.number < before_number)
    return found.order_by(LedgerEntry.number.desc()).limit(limit).subquery()


def minutes_served(session: Session, person_id: int) -> int:
    """Return the minutes that a person has been credited.

    visibility: for what the person themself may do with their points.
    """
    found = session.scalar(
        select(LedgerAccount.balance).where(
            LedgerAccount.kind == AccountKind.PERSON,
            LedgerAccount.person_id == person_id,
            LedgerAccount.currency == Currency.MINUTES,
        )
    )
    return found or 0


def given_since(session: Session, account_id: int, since: datetime) -> int:
    """Return the units that an account has given to relatives since a moment.

    visibility: for the account's own limit.
    """
    found = session.scalar(
        select(func.sum(LedgerEntry.amount)).where(
            LedgerEntry.from_account_id == account_id,
            LedgerEntry.kind == LedgerKind.GIFT,
            LedgerEntry.at >= since,
        )
    )
    return int(found or 0)
