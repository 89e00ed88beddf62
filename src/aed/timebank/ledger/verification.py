"""Verify the ledger: entries are unaltered and without gaps, and their replay gives every balance."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.audit_log import NOTHING_BEFORE, audit_keys
from aed.timebank.ledger.posting import hash_of_entry
from aed.timebank.models import LedgerAccount, LedgerEntry

ROWS_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class LedgerState:
    """What a replay of all entries found."""

    entries: int
    last_hash: str | None
    first_broken: int | None
    """Number of the first entry that was altered or follows a gap."""
    wrong_accounts: list[int] = field(default_factory=list)
    """Accounts whose balance is not the sum of their entries."""


def verify_ledger(session: Session) -> LedgerState:
    """Replay all entries in order. Raises KeysUnusable if the key of an entry is not available.

    visibility: for verification on the machine itself.
    """
    key_of = audit_keys(session)
    sums: dict[int, int] = defaultdict(int)
    before, count, last_hash = NOTHING_BEFORE, 0, None
    for entry in _entries(session):
        if entry.number != count + 1 or entry.hash != hash_of_entry(key_of(entry.key_id), before, entry):
            return LedgerState(count, last_hash, count + 1)
        sums[entry.from_account_id] -= entry.amount
        sums[entry.to_account_id] += entry.amount
        before = last_hash = entry.hash
        count = entry.number
    wrong = [
        row.id
        for row in session.execute(select(LedgerAccount.id, LedgerAccount.balance).order_by(LedgerAccount.id))
        if row.balance != sums[row.id]
    ]
    return LedgerState(count, last_hash, None, wrong)


def _entries(session: Session) -> Iterator[LedgerEntry]:
    """visibility: for verification on the machine itself."""
    after = 0
    while True:
        page = session.scalars(
            select(LedgerEntry)
            .where(LedgerEntry.number > after)
            .order_by(LedgerEntry.number)
            .limit(ROWS_AT_ONCE)
        ).all()
        yield from page
        if not page:
            return
        after = page[-1].number
        session.expunge_all()
