"""Accounts and statements in responses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from aed.timebank.models import LedgerAccount, LedgerEntry
from aed.timebank.rules import AccountKind, Currency, LedgerKind, to_points


@dataclass(frozen=True, slots=True)
class StatementLine:
    """An entry as one of its two accounts sees it."""

    number: int
    at: datetime
    kind: LedgerKind
    amount: int
    """In minutes or units; below 0 if it was paid."""
    record: str
    counter_kind: AccountKind
    rules_version: str
    reason: str | None


class AccountOut(BaseModel):
    """An account and its balance."""

    id: int
    kind: AccountKind
    currency: Currency
    person_id: int | None
    name: str | None
    balance: int = Field(description="Minutes, or units of 1/600 point", examples=[66000])
    amount: float = Field(
        description="The balance in minutes or points, rounded down to hundredths", examples=[110.0]
    )
    active_at: datetime | None = Field(description="When its holder last earned or used points")
    is_closed: bool

    @classmethod
    def of(cls, account: LedgerAccount) -> Self:
        return cls(
            id=account.id,
            kind=account.kind,
            currency=account.currency,
            person_id=account.person_id,
            name=account.name,
            balance=account.balance,
            amount=amount_of(account.currency, account.balance),
            active_at=account.active_at,
            is_closed=account.closed_at is not None,
        )


class AccountList(BaseModel):
    """The accounts of a person and of their family, and what the rules allow them."""

    accounts: list[AccountOut]
    can_spend: bool = Field(description="Whether enough minutes were served to spend points")
    minutes_to_spend: int = Field(description="Minutes to be served before points can be spent")


class EntryOut(BaseModel):
    """An entry of an account's statement."""

    number: int = Field(examples=[42])
    at: datetime
    kind: LedgerKind
    amount: int = Field(
        description="Minutes, or units of 1/600 point; below 0 if it was paid", examples=[600]
    )
    record: str = Field(description="What it is for", examples=["service:7"])
    counter_account: AccountKind = Field(description="The kind of the other account")
    rules_version: str = Field(examples=["default-2"])
    reason: str | None

    @classmethod
    def of(cls, line: StatementLine) -> Self:
        return cls(
            number=line.number,
            at=line.at,
            kind=line.kind,
            amount=line.amount,
            record=line.record,
            counter_account=line.counter_kind,
            rules_version=line.rules_version,
            reason=line.reason,
        )


class StatementPage(BaseModel):
    """A page of an account's statement, newest first."""

    entries: list[EntryOut]
    next: str | None = Field(None, description="Cursor of the next page, if there is one")


class TransferOut(BaseModel):
    """An entry that a request wrote."""

    number: int = Field(examples=[42])
    at: datetime
    kind: LedgerKind
    points: float = Field(examples=[10.0])

    @classmethod
    def of(cls, entry: LedgerEntry) -> Self:
        return cls(number=entry.number, at=entry.at, kind=entry.kind, points=float(to_points(entry.amount)))


def amount_of(currency: Currency, balance: int) -> float:
    """Return a balance in minutes or points."""
    return float(balance) if currency is Currency.MINUTES else float(to_points(balance))
