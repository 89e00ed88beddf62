"""Write entries into the ledger, and find or open accounts. All writers of the ledger wait for each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from aed.accounts.audit_log import NOTHING_BEFORE, keyed_hash, moment_text, signing_key
from aed.database.idempotency import require_same_content
from aed.database.locks import exclusive_lock
from aed.errors import Conflict
from aed.timebank.models import IS_REGIONAL, LedgerAccount, LedgerEntry, WebhookEventType
from aed.timebank.rules import AccountKind, Currency, LedgerKind, to_points
from aed.timebank.webhooks.actions import WebhookEvent, enqueue_events
from aed.timebank.webhooks.queries import is_any_active

LEDGER_LOCK: Final = "time bank ledger"
_LAST_ENTRY: Final = (
    select(LedgerEntry.number, LedgerEntry.hash, LedgerEntry.key_id)
    .order_by(LedgerEntry.number.desc())
    .limit(1)  # visibility: continues the chain; nobody sees the entry
)
_ENTRY_INSERT: Final = insert(LedgerEntry)
_ENTRY_COLUMNS: Final = tuple(LedgerEntry.__table__.columns.keys())
FOLLOWED_KINDS: Final = (AccountKind.PERSON, AccountKind.FAMILY, AccountKind.GROUP)
"""Accounts whose changes programs can follow."""


@dataclass(frozen=True, slots=True)
class Posting:
    """An entry to be written: `amount` from one account to another of the same currency."""

    kind: LedgerKind
    currency: Currency
    from_account_id: int
    to_account_id: int
    amount: int
    record: str
    reverses: int | None = None
    subject: str | None = None
    served_on: date | None = None


@dataclass(frozen=True, slots=True)
class PostingContext:
    """Who writes entries, when, under which rules, and why."""

    at: datetime
    by: str
    rules_version: str
    reason: str | None = None


def lock_ledger(session: Session) -> None:
    """Let no other transaction write the ledger until this one ends.

    Take this lock before reading what a decision depends on, such as a balance or the stock of goods.
    """
    session.flush()
    held_by = (session.get_transaction(), session.get_nested_transaction())
    if session.info.get(LEDGER_LOCK) != held_by:
        exclusive_lock(session, LEDGER_LOCK)
        session.info[LEDGER_LOCK] = held_by


def post(session: Session, context: PostingContext, postings: Sequence[Posting]) -> list[LedgerEntry]:
    """Append entries to the ledger, under its lock. Amounts of 0 are left out.

    1. Number each entry, and sign it with the one before.
    2. Triggers of the database change the two balances, and refuse one below its minimum.
    3. Enqueue the changes for the programs that follow these accounts.

    Raises Conflict if an account would fall below its minimum: callers check that first.

    visibility: the caller decides on the accounts.
    """
    lock_ledger(session)
    wanted = [each for each in postings if each.amount > 0]
    if not wanted:
        return []
    connection = session.connection()
    last = connection.execute(_LAST_ENTRY).first()
    number, before = (last.number, last.hash) if last is not None else (0, NOTHING_BEFORE)
    key_id, key = signing_key(session, used_before=last.key_id if last is not None else None)
    entries = []
    for each in wanted:
        number += 1
        entry = LedgerEntry(
            number=number,
            at=context.at,
            kind=each.kind,
            currency=each.currency,
            from_account_id=each.from_account_id,
            to_account_id=each.to_account_id,
            amount=each.amount,
            record=each.record,
            reverses=each.reverses,
            subject=each.subject,
            served_on=each.served_on,
            rules_version=context.rules_version,
            posted_by=context.by[:200],
            reason=context.reason[:300] if context.reason is not None else None,
            key_id=key_id,
        )
        entry.hash = before = hash_of_entry(key, before, entry)
        entries.append(entry)
    connection.execute(
        _ENTRY_INSERT, [{name: getattr(entry, name) for name in _ENTRY_COLUMNS} for entry in entries]
    )
    _enqueue_points_changed(session, entries, at=context.at)
    return entries


def _enqueue_points_changed(session: Session, entries: Sequence[LedgerEntry], *, at: datetime) -> None:
    """Notify the programs that follow the points of people, families and groups.

    visibility: ids and numbers, for programs of those who manage the account's estate or region.
    """
    changed = [each for each in entries if each.currency is Currency.POINTS]
    if not changed or not is_any_active(session):
        return
    accounts = {
        row.id: row
        for row in session.execute(
            select(
                LedgerAccount.id,
                LedgerAccount.person_id,
                LedgerAccount.region_id,
                LedgerAccount.estate_id,
                LedgerAccount.balance,
            ).where(
                LedgerAccount.id.in_(
                    {id_ for each in changed for id_ in (each.from_account_id, each.to_account_id)}
                ),
                LedgerAccount.kind.in_(FOLLOWED_KINDS),
            )
        )
    }
    events = [
        WebhookEvent(
            WebhookEventType.POINTS_CHANGED,
            f"account:{account.id}",
            entry.number,
            account.region_id,
            account.estate_id,
            {
                "account": account.id,
                "person": account.person_id,
                "entry": entry.number,
                "kind": entry.kind,
                "record": entry.record,
                "amount": sign * entry.amount,
                "balance": account.balance,
            },
        )
        for entry in changed
        for sign, id_ in ((-1, entry.from_account_id), (1, entry.to_account_id))
        if (account := accounts.get(id_)) is not None
    ]
    enqueue_events(session, events, at=at)


def post_once(
    session: Session, context: PostingContext, posting: Posting, *, check: Callable[[], None]
) -> tuple[LedgerEntry, bool]:
    """Append an entry unless its record has it already; return the entry, and whether it is new.

    `check` raises if the entry may not be written; it is not called for a repeated request. Raises Conflict
    if the record has an entry of another amount or between other accounts.

    visibility: the caller decides on the accounts.
    """
    lock_ledger(session)
    known = session.scalar(
        select(LedgerEntry).where(
            LedgerEntry.record == posting.record,
            LedgerEntry.kind == posting.kind,
            LedgerEntry.currency == posting.currency,
        )
    )
    if known is not None:
        require_same_content(
            (known.from_account_id, known.to_account_id, known.amount),
            (posting.from_account_id, posting.to_account_id, posting.amount),
            "transfer of points",
        )
        return known, False
    check()
    (entry,) = post(session, context, [posting])
    return entry, True


def hash_of_entry(key: bytes, before: str, entry: LedgerEntry) -> str:
    """Return the hash that an unaltered entry must have after one with the hash `before`."""
    return keyed_hash(
        key,
        before,
        str(entry.number),
        moment_text(entry.at),
        entry.kind,
        entry.currency,
        str(entry.from_account_id),
        str(entry.to_account_id),
        str(entry.amount),
        entry.record,
        str(entry.reverses or ""),
        entry.subject or "",
        entry.served_on.isoformat() if entry.served_on is not None else "",
        entry.rules_version,
        entry.posted_by,
        entry.reason or "",
        entry.key_id,
    )


def balance_of(session: Session, account_id: int) -> int:
    """Return the stored balance of an account, in minutes or units.

    visibility: the caller decides on the account.
    """
    return session.execute(select(LedgerAccount.balance).where(LedgerAccount.id == account_id)).scalar_one()


def require_balance(session: Session, account_id: int, units: int) -> None:
    """Require that the account holds these units of points. Raises Conflict."""
    held = balance_of(session, account_id)
    if held < units:
        raise Conflict(
            "The account holds {held} points; this needs {needed}.",
            field="points",
            held=to_points(held),
            needed=to_points(units),
        )


def own_points_account(session: Session, person_id: int) -> LedgerAccount:
    """Return the points account that a person pays from. Raises Conflict if there is none, or it is closed.

    visibility: the caller decides on the person.
    """
    found = find_person_account(session, person_id, Currency.POINTS)
    if found is None:
        raise Conflict("There are no points yet: the first confirmed service opens the account.")
    if found.closed_at is not None:
        raise Conflict("This account is closed.")
    return found


# --- Accounts -------------------------------------------------------------------------------------------


def person_account(
    session: Session,
    person_id: int,
    currency: Currency,
    *,
    region_id: int,
    estate_id: int | None,
    at: datetime,
) -> LedgerAccount:
    """Return the account of a person, under the ledger's lock; open it in that region if there is none.

    visibility: the caller decides on the person.
    """
    lock_ledger(session)
    found = find_person_account(session, person_id, currency)
    return found or _open(
        session,
        LedgerAccount(
            kind=AccountKind.PERSON,
            currency=currency,
            region_id=region_id,
            estate_id=estate_id,
            person_id=person_id,
            minimum=0,
            opened_at=at,
        ),
    )


def find_person_account(session: Session, person_id: int, currency: Currency) -> LedgerAccount | None:
    """Return the account of a person; None if they have none yet.

    visibility: the caller decides on the person.
    """
    return session.scalar(
        select(LedgerAccount)
        .where(
            LedgerAccount.kind == AccountKind.PERSON,
            LedgerAccount.person_id == person_id,
            LedgerAccount.currency == currency,
        )
        .execution_options(populate_existing=True)  # triggers changed the balance
    )


def regional_account(
    session: Session, kind: AccountKind, currency: Currency, *, region_id: int, at: datetime
) -> int:
    """Return the id of a region's account of this kind, under the ledger's lock; open it if there is none.

    visibility: an account of the region itself.
    """
    lock_ledger(session)
    found = session.scalar(
        select(LedgerAccount.id).where(
            IS_REGIONAL,
            LedgerAccount.kind == kind,
            LedgerAccount.region_id == region_id,
            LedgerAccount.currency == currency,
        )
    )
    if found is not None:
        return found
    minimum = None if kind is AccountKind.ISSUANCE else 0
    account = LedgerAccount(kind=kind, currency=currency, region_id=region_id, minimum=minimum, opened_at=at)
    return _open(session, account).id


def open_account(
    session: Session, kind: AccountKind, *, region_id: int, estate_id: int | None, name: str, at: datetime
) -> LedgerAccount:
    """Open a points account of a family, group, estate or sponsor, under the ledger's lock."""
    lock_ledger(session)
    account = LedgerAccount(
        kind=kind,
        currency=Currency.POINTS,
        region_id=region_id,
        estate_id=estate_id,
        name=name,
        minimum=0,
        opened_at=at,
    )
    return _open(session, account)


def _open(session: Session, account: LedgerAccount) -> LedgerAccount:
    session.add(account)
    session.flush()
    return account
