"""Service records are credited once, by the rules, and reversed entry by entry."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.certificates.duplicates.actions import join_people
from aed.errors import InvalidInput
from aed.registry.estates.models import Estate
from aed.timebank.ledger.actions import (
    credit_service,
    hold_service,
    release_service,
    reverse_service,
)
from aed.timebank.ledger.posting import Posting, PostingContext, balance_of, find_person_account, post
from aed.timebank.models import LedgerAccount, LedgerEntry
from aed.timebank.regional_rules.actions import set_rules
from aed.timebank.regional_rules.schemas import RulesIn, ServiceRuleIn
from aed.timebank.rules import (
    DEFAULT_RULES,
    UNITS_PER_POINT,
    AccountKind,
    Currency,
    LedgerKind,
    ServiceKind,
)
from tests import make
from tests.make import ADMINISTRATOR, NOW

POINT = UNITS_PER_POINT


@pytest.fixture
def estate(session: Session) -> Estate:
    return make.estate(session)


@pytest.fixture
def person(session: Session) -> Person:
    return make.person(session)


def credit(session: Session, estate: Estate, person: Person, **given: Any) -> list[LedgerEntry]:
    fields: dict[str, Any] = {
        "record_id": 1,
        "person_id": person.id,
        "estate_id": estate.id,
        "minutes": 60,
        "kind": ServiceKind.PATROL,
        "at": NOW,
        "by": "person:9",
    }
    return list(credit_service(session, **(fields | given)))


def held(session: Session, person: Person, currency: Currency = Currency.POINTS) -> int:
    account = find_person_account(session, person.id, currency)
    return balance_of(session, account.id) if account is not None else 0


def pooled(session: Session, kind: AccountKind) -> int:
    found = session.scalar(
        select(LedgerAccount.balance).where(
            LedgerAccount.kind == kind, LedgerAccount.currency == Currency.POINTS
        )
    )
    return found or 0


def test_an_hour_is_a_point_and_a_record_counts_once(
    session: Session, estate: Estate, person: Person
) -> None:
    first = credit(session, estate, person)
    again = credit(session, estate, person, minutes=500)

    assert [each.number for each in first] == [each.number for each in again] == [1, 2]
    assert held(session, person) == POINT
    assert held(session, person, Currency.MINUTES) == 60
    assert {each.rules_version for each in first} == {DEFAULT_RULES.version}


@pytest.mark.parametrize(
    ("kind", "minutes", "units"),
    [
        (ServiceKind.TEACHING, 60, POINT * 3 // 2),
        (ServiceKind.STANDBY, 60, POINT // 10),
        (ServiceKind.CALL, 60, 0),
        (ServiceKind.CHECK, 15, POINT // 4),
        (ServiceKind.TRAINING_ATTENDED, 0, 0),
        (ServiceKind.PAID_SHIFT, 0, 0),
    ],
)
def test_kinds_of_service_earn_by_the_default_rules(
    session: Session, estate: Estate, person: Person, kind: ServiceKind, minutes: int, units: int
) -> None:
    credit(session, estate, person, kind=kind)

    assert held(session, person, Currency.MINUTES) == minutes
    assert held(session, person) == units


def test_a_region_sets_no_points_for_calls(session: Session, estate: Estate) -> None:
    region = make.region(session).code
    numbers = RulesIn(services={ServiceKind.GUIDE: ServiceRuleIn()})
    with pytest.raises(InvalidInput, match="minutes only"):
        set_rules(session, ADMINISTRATOR, region=region, numbers=numbers, starts_at=NOW, at=NOW)


def test_checks_of_a_device_count_for_fifteen_minutes_a_day(
    session: Session, estate: Estate, person: Person
) -> None:
    other = make.person(session)
    of_device = {"kind": ServiceKind.CHECK, "subject": "device:5"}
    credit(session, estate, person, record_id=1, minutes=10, **of_device)
    credit(session, estate, other, record_id=2, minutes=10, **of_device)
    credit(session, estate, other, record_id=3, minutes=10, kind=ServiceKind.CHECK, subject="device:6")
    credit(session, estate, other, record_id=4, minutes=10, at=NOW + timedelta(days=1), **of_device)
    credit(session, estate, other, record_id=5, minutes=10, **of_device)

    assert held(session, person, Currency.MINUTES) == 10
    assert held(session, other, Currency.MINUTES) == 5 + 10 + 10

    reverse_service(session, record_id=1, at=NOW, by="person:9", reason="not there")
    credit(session, estate, other, record_id=6, minutes=30, **of_device)
    assert held(session, other, Currency.MINUTES) == 5 + 10 + 10 + 10


def test_what_is_over_the_cap_goes_to_the_care_pool_and_comes_back_on_reversal(
    session: Session, estate: Estate, person: Person
) -> None:
    credit(session, estate, person, record_id=1, minutes=1499 * 60)
    credit(session, estate, person, record_id=2, minutes=180)
    assert held(session, person) == 1500 * POINT
    assert pooled(session, AccountKind.CARE_POOL) == 2 * POINT

    reverse_service(session, record_id=2, at=NOW, by="person:9", reason="void")
    assert held(session, person) == 1499 * POINT
    assert held(session, person, Currency.MINUTES) == 1499 * 60
    assert pooled(session, AccountKind.CARE_POOL) == 0
    assert reverse_service(session, record_id=2, at=NOW, by="person:9", reason="again") == []


def test_points_of_a_flagged_record_are_held_and_released(
    session: Session, estate: Estate, person: Person
) -> None:
    credit(session, estate, person)
    hold_service(session, record_id=1, at=NOW, by="person:9")
    hold_service(session, record_id=1, at=NOW, by="person:9")
    assert (held(session, person), pooled(session, AccountKind.SUSPENSE)) == (0, POINT)

    release_service(session, record_id=1, at=NOW, by="person:9")
    release_service(session, record_id=1, at=NOW, by="person:9")
    assert (held(session, person), pooled(session, AccountKind.SUSPENSE)) == (POINT, 0)

    hold_service(session, record_id=1, at=NOW, by="person:9")
    reverse_service(session, record_id=1, at=NOW, by="person:9", reason="void")
    assert (held(session, person), pooled(session, AccountKind.SUSPENSE)) == (0, 0)
    assert pooled(session, AccountKind.ISSUANCE) == 0


def test_the_sum_over_all_accounts_is_zero(session: Session, estate: Estate, person: Person) -> None:
    credit(session, estate, person, record_id=1, minutes=2000 * 60)
    credit(session, estate, person, record_id=2)

    sums = session.execute(
        select(LedgerAccount.currency, func.sum(LedgerAccount.balance)).group_by(LedgerAccount.currency)
    ).all()
    assert {(currency, int(total)) for currency, total in sums} == {
        (Currency.MINUTES, 0),
        (Currency.POINTS, 0),
    }


FORBIDDEN = {
    "a balance by hand": "UPDATE ledger_accounts SET balance = balance + 1",
    "a balance with a later entry's number": (
        "UPDATE ledger_accounts SET balance = balance + 60, last_entry = last_entry + 1"
    ),
    "an entry changed": "UPDATE ledger_entries SET amount = 1",
    "an entry deleted": "DELETE FROM ledger_entries",
    "an account deleted": "DELETE FROM ledger_accounts",
    "an account opened with a balance": (
        "INSERT INTO ledger_accounts (kind, currency, region_id, balance, opened_at) "
        "SELECT 'group', 'points', region_id, 5, opened_at FROM ledger_accounts LIMIT 1"
    ),
    "the same entry again": (
        "INSERT INTO ledger_entries SELECT 3, at, kind, currency, from_account_id, to_account_id, amount, "
        "record, reverses, subject, served_on, rules_version, posted_by, reason, hash, key_id "
        "FROM ledger_entries WHERE number = 1"
    ),
    "an entry after a gap": (
        "INSERT INTO ledger_entries SELECT 9, at, kind, currency, from_account_id, to_account_id, amount, "
        "'x', reverses, subject, served_on, rules_version, posted_by, reason, hash, key_id "
        "FROM ledger_entries WHERE number = 1"
    ),
    "more than there is": (
        "INSERT INTO ledger_entries SELECT 3, at, 'gift', currency, to_account_id, from_account_id, "
        "amount + 1, 'x', reverses, subject, served_on, rules_version, posted_by, reason, hash, key_id "
        "FROM ledger_entries WHERE number = 1"
    ),
    "minutes for points": (
        "INSERT INTO ledger_entries SELECT 3, at, 'gift', 'points', to_account_id, from_account_id, "
        "1, 'x', reverses, subject, served_on, rules_version, posted_by, reason, hash, key_id "
        "FROM ledger_entries WHERE number = 1"
    ),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_the_database_itself_refuses(session: Session, estate: Estate, person: Person, what: str) -> None:
    credit(session, estate, person)
    session.commit()

    with pytest.raises(IntegrityError):
        session.execute(text(FORBIDDEN[what]))
    session.rollback()
    assert held(session, person) == POINT


def test_a_reversal_of_spent_points_leaves_a_debt(session: Session, estate: Estate, person: Person) -> None:
    other = make.person(session)
    credit(session, estate, person)
    credit(session, estate, other, record_id=2)
    account, to = (find_person_account(session, each.id, Currency.POINTS) for each in (person, other))
    assert account is not None
    assert to is not None
    gift = Posting(LedgerKind.GIFT, Currency.POINTS, account.id, to.id, POINT, "gift:1")
    post(session, PostingContext(NOW, "person:1", DEFAULT_RULES.version), [gift])

    reverse_service(session, record_id=1, at=NOW, by="person:9", reason="void")
    assert held(session, person) == -POINT

    credit(session, estate, person, record_id=3, minutes=90)
    assert held(session, person) == POINT // 2


def test_merging_two_people_adds_their_accounts(session: Session, estate: Estate, person: Person) -> None:
    other = make.person(session)
    credit(session, estate, person)
    credit(session, estate, other, record_id=2, minutes=30)

    join_people(session, ADMINISTRATOR, person, other, at=NOW)

    assert held(session, person) == POINT * 3 // 2
    assert held(session, person, Currency.MINUTES) == 90
    assert held(session, other) == 0
    credit(session, estate, other, record_id=3)
    assert held(session, person) == POINT * 5 // 2


def test_merging_gives_the_only_account_to_the_kept_person(
    session: Session, estate: Estate, person: Person
) -> None:
    other = make.person(session)
    credit(session, estate, other)

    join_people(session, ADMINISTRATOR, person, other, at=NOW)

    assert held(session, person) == POINT
