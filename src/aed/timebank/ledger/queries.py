"""Read accounts and their statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.errors import NotFound
from aed.timebank.ledger.schemas import StatementLine
from aed.timebank.models import FamilyMember, LedgerAccount, LedgerEntry
from aed.timebank.permissions import account_visible_to, require_signed_in
from aed.timebank.regional_rules.queries import zone_of_region
from aed.timebank.rules import AccountKind, Currency, LedgerKind, TimeBankRules, gift_units_left


def accounts_of(session: Session, viewer: Viewer, person_id: int) -> Sequence[LedgerAccount]:
    """Return the accounts of a person and of their family that the viewer may see, by currency."""
    require_signed_in(viewer)
    families = session.scalars(
        select(FamilyMember.account_id).where(
            FamilyMember.person_id == person_id, FamilyMember.left_at.is_(None)
        )
    ).all()
    theirs: ColumnElement[bool] = LedgerAccount.person_id == person_id
    if families:  # by their keys: PostgreSQL uses no index for a condition OR a subquery
        theirs |= LedgerAccount.id.in_(families)
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
    pays, receives = LedgerEntry.from_account_id == account_id, LedgerEntry.to_account_id == account_id
    rows: list[LedgerEntry] = []
    for side in (pays, receives):  # each with its own index
        found = select(LedgerEntry).where(side).order_by(LedgerEntry.number.desc()).limit(limit)
        if before_number is not None:
            found = found.where(LedgerEntry.number < before_number)
        rows += session.scalars(found)
    rows = sorted(rows, key=lambda each: -each.number)[:limit]
    others = {each.from_account_id for each in rows} | {each.to_account_id for each in rows}
    kinds = {
        row.id: row.kind
        for row in session.execute(
            select(LedgerAccount.id, LedgerAccount.kind).where(LedgerAccount.id.in_(others))
        )
    }
    return [_line(each, account_id, kinds) for each in rows]


def _line(entry: LedgerEntry, account_id: int, kinds: Mapping[int, AccountKind]) -> StatementLine:
    is_paid = entry.from_account_id == account_id
    return StatementLine(
        entry.number,
        entry.at,
        entry.kind,
        -entry.amount if is_paid else entry.amount,
        entry.record,
        kinds[entry.to_account_id if is_paid else entry.from_account_id],
        entry.rules_version,
        entry.reason,
    )


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


def gift_units_left_of(session: Session, own: LedgerAccount, rules: TimeBankRules, at: datetime) -> int:
    """Return the units that a person may still give to relatives in this calendar year of their region.

    visibility: the caller decides on the account.
    """
    zone = zone_of_region(session, own.region_id)
    year_began = at.astimezone(zone).replace(month=1, day=1, hour=0, minute=0, second=0, microsecond=0)
    return gift_units_left(rules, given_since(session, own.id, year_began))
