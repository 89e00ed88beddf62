"""Gifts, donations, family accounts, expiry and inheritance."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.database.session import Database
from aed.errors import Conflict, InvalidInput, NotAllowed, NotFound, NotSignedIn
from aed.notifications.models import OutboxMessage
from aed.registry.estates.models import Estate
from aed.timebank.families import actions as families
from aed.timebank.families.queries import members_of
from aed.timebank.giving import actions as giving
from aed.timebank.giving.jobs import run_nightly_time_bank_jobs
from aed.timebank.ledger.posting import balance_of, find_person_account
from aed.timebank.ledger.queries import accounts_of, statement
from aed.timebank.models import LedgerAccount
from aed.timebank.permissions import account_visible_to
from aed.timebank.rules import UNITS_PER_POINT, AccountKind, Currency, LedgerKind, Relation, add_months
from tests import make
from tests.make import ANYONE, NOW
from tests.timebank.callers import manager_of, oneself

POINT = UNITS_PER_POINT


@pytest.fixture
def estate(session: Session) -> Estate:
    return make.estate(session)


@pytest.fixture
def mother(session: Session, estate: Estate) -> Person:
    made = make.person(session)
    make.credited(session, made, estate, minutes=100 * 60)
    return made


@pytest.fixture
def son(session: Session, mother: Person) -> Person:
    made = make.person(session)
    declared = families.declare_relative(
        session, oneself(mother), relative_id=made.id, relation=Relation.CHILD, at=NOW
    )
    families.confirm_relative(session, oneself(made), declared.id, at=NOW)
    return made


def points(session: Session, person: Person) -> int:
    account = find_person_account(session, person.id, Currency.POINTS)
    return balance_of(session, account.id) // POINT if account is not None else 0


def pool(session: Session, kind: AccountKind) -> int:
    found = session.scalar(
        select(LedgerAccount.balance).where(
            LedgerAccount.kind == kind, LedgerAccount.currency == Currency.POINTS
        )
    )
    return (found or 0) // POINT


def test_gifts_go_to_confirmed_relatives_up_to_fifty_points_a_year(
    session: Session, estate: Estate, mother: Person, son: Person
) -> None:
    stranger = make.person(session)
    declared = families.declare_relative(
        session, oneself(mother), relative_id=stranger.id, relation=Relation.SPOUSE, at=NOW
    )
    with pytest.raises(NotAllowed):
        giving.give(session, oneself(mother), to_person_id=stranger.id, units=POINT, key="a", at=NOW)
    with pytest.raises(NotAllowed):
        families.confirm_relative(session, oneself(mother), declared.id, at=NOW)

    for _ in range(2):
        giving.give(session, oneself(mother), to_person_id=son.id, units=40 * POINT, key="b", at=NOW)
    with pytest.raises(Conflict, match=r"10\.00 more points"):
        giving.give(session, oneself(mother), to_person_id=son.id, units=11 * POINT, key="c", at=NOW)
    with pytest.raises(Conflict, match="different transfer"):
        giving.give(session, oneself(mother), to_person_id=son.id, units=POINT, key="b", at=NOW)
    assert (points(session, mother), points(session, son)) == (60, 40)

    next_year = NOW.replace(year=2027, month=1)
    giving.give(session, oneself(mother), to_person_id=son.id, units=50 * POINT, key="d", at=next_year)
    giving.give(session, oneself(son), to_person_id=mother.id, units=POINT, key="d", at=next_year)
    assert (points(session, mother), points(session, son)) == (11, 89)


def test_donations_are_free_and_groups_only_donate(session: Session, estate: Estate, mother: Person) -> None:
    manager = manager_of(estate, make.person(session))
    with pytest.raises(NotAllowed):
        giving.open_group(session, oneself(mother), estate_id=estate.id, name="Team", at=NOW)
    group = giving.open_group(session, manager, estate_id=estate.id, name="Team", at=NOW)
    giving.donate(session, oneself(mother), units=90 * POINT, key="a", to=str(group.id), at=NOW)
    giving.donate(
        session, manager, units=80 * POINT, key="a", to="care_pool", from_account_id=group.id, at=NOW
    )

    with pytest.raises(NotFound):
        giving.donate(
            session, oneself(mother), units=1, key="b", to="care_pool", from_account_id=group.id, at=NOW
        )
    with pytest.raises(Conflict, match=r"holds 10\.00 points"):
        giving.donate(session, oneself(mother), units=11 * POINT, key="c", to="region_pool", at=NOW)
    assert pool(session, AccountKind.CARE_POOL) == 80
    assert balance_of(session, group.id) == 10 * POINT


def test_relatives_share_a_family_account(session: Session, mother: Person, son: Person) -> None:
    family = families.open_family(session, oneself(mother), name="Wang", at=NOW)
    with pytest.raises(NotAllowed):
        families.invite_to_family(session, oneself(mother), person_id=make.person(session).id, at=NOW)
    families.invite_to_family(session, oneself(mother), person_id=son.id, at=NOW)
    assert list(members_of(session, family.id)) == [mother.id], "the son has not accepted yet"
    assert families.add_family_member(session, oneself(mother), person_id=son.id, at=NOW) == [
        mother.id,
        son.id,
    ]
    for _ in range(2):
        families.pay_into_family(session, oneself(mother), units=70 * POINT, key="a", at=NOW)

    seen = {each.kind: each.balance for each in accounts_of(session, oneself(son), son.id)}
    assert seen == {AccountKind.FAMILY: 70 * POINT}
    assert accounts_of(session, oneself(son), mother.id) == accounts_of(session, oneself(son), son.id)
    families.leave_family(session, oneself(mother), at=NOW)
    assert session.scalars(select(LedgerAccount.id).where(account_visible_to(oneself(son)))).all() == [
        family.id
    ]
    hers = session.scalars(select(LedgerAccount.id).where(account_visible_to(oneself(mother))))
    assert family.id not in hers.all(), "she has left"
    with pytest.raises(Conflict):
        families.leave_family(session, oneself(son), at=NOW)
    assert balance_of(session, family.id) == 70 * POINT


def test_points_expire_after_three_years_without_activity_with_three_notices(
    session: Session, database: Database, mother: Person
) -> None:
    session.commit()
    end = add_months(NOW, 36)
    notified, expired = [], []
    for days in (100, 90, 89, 30, 8, 7, 1, 0):
        counts = run_nightly_time_bank_jobs(database, end - timedelta(days=days))
        counts_again = run_nightly_time_bank_jobs(database, end - timedelta(days=days))
        assert set(counts_again.values()) == {0}, "a night runs twice"
        notified.append(counts["notified"])
        expired.append(counts["expired"])

    assert notified == [0, 1, 0, 1, 0, 1, 0, 0]
    assert expired == [0, 0, 0, 0, 0, 0, 0, 1]
    assert points(session, mother) == 0
    assert pool(session, AccountKind.REGION_POOL) == 100
    account = find_person_account(session, mother.id, Currency.MINUTES)
    assert account is not None
    assert balance_of(session, account.id) == 6000, "the record of minutes stays"
    first = session.scalars(select(OutboxMessage).order_by(OutboxMessage.id)).first()
    assert first is not None
    assert "100.00" in (first.text_zh or "")


def test_activity_keeps_points(session: Session, database: Database, estate: Estate, mother: Person) -> None:
    make.credited(session, mother, estate, at=NOW + timedelta(days=365))
    session.commit()

    assert run_nightly_time_bank_jobs(database, add_months(NOW, 37))["expired"] == 0
    assert points(session, mother) == 101


def test_an_heir_claims_points_within_a_year_or_the_pool_has_them(
    session: Session, database: Database, estate: Estate, mother: Person, son: Person
) -> None:
    manager = manager_of(estate, make.person(session))
    with pytest.raises(NotAllowed):
        giving.record_death(session, oneself(son), person_id=mother.id, died_on=NOW.date(), at=NOW)
    with pytest.raises(InvalidInput):
        giving.record_death(session, manager, person_id=mother.id, died_on=date(2030, 1, 1), at=NOW)
    found = giving.record_death(session, manager, person_id=mother.id, died_on=NOW.date(), at=NOW)
    with pytest.raises(Conflict, match="closed"):
        giving.donate(session, oneself(mother), units=1, key="x", to="care_pool", at=NOW)
    session.commit()

    assert run_nightly_time_bank_jobs(database, NOW + timedelta(days=300))["inherited"] == 0
    with pytest.raises(NotAllowed, match="another manager"):
        giving.claim_inheritance(session, manager, found.id, heir_id=son.id, at=NOW)
    second = manager_of(estate, make.person(session))
    for _ in range(2):
        giving.claim_inheritance(session, second, found.id, heir_id=son.id, at=NOW + timedelta(days=300))
    assert (points(session, mother), points(session, son)) == (0, 100)

    make.credited(session, son, estate)
    other = giving.record_death(session, manager, person_id=son.id, died_on=NOW.date(), at=NOW)
    session.commit()
    assert run_nightly_time_bank_jobs(database, NOW + timedelta(days=366))["inherited"] == 1
    assert pool(session, AccountKind.REGION_POOL) == 101
    with pytest.raises(Conflict):
        giving.claim_inheritance(session, second, other.id, heir_id=mother.id, at=NOW)


def test_a_statement_pages_from_the_newest_entry(session: Session, estate: Estate, mother: Person) -> None:
    for hours in (1, 2, 3):
        make.credited(session, mother, estate, minutes=hours * 60)
    account = find_person_account(session, mother.id, Currency.POINTS)
    assert account is not None
    giving.donate(session, oneself(mother), units=POINT, key="a", to="care_pool", at=NOW)

    first = statement(session, account.id, limit=2)
    rest = statement(session, account.id, limit=9, before_number=first[-1].number)

    assert [(each.kind, each.amount // POINT, each.counter_kind) for each in first] == [
        (LedgerKind.DONATE, -1, AccountKind.CARE_POOL),
        (LedgerKind.EARN, 3, AccountKind.ISSUANCE),
    ]
    assert [each.amount // POINT for each in rest] == [2, 1, 100]


def test_strangers_see_no_accounts(session: Session, estate: Estate, mother: Person) -> None:
    stranger = make.person(session)
    manager = manager_of(estate, stranger)
    elsewhere = manager_of(make.estate(session), stranger)

    assert accounts_of(session, oneself(stranger), mother.id) == []
    assert accounts_of(session, elsewhere, mother.id) == []
    assert len(accounts_of(session, manager, mother.id)) == 2
    with pytest.raises(Exception, match="signed in"):
        accounts_of(session, ANYONE, mother.id)


def test_inheritances_are_listed_for_those_who_manage_the_account(
    session: Session, estate: Estate, mother: Person
) -> None:
    manager = manager_of(estate, make.person(session))
    elsewhere = manager_of(make.estate(session), make.person(session))
    made = giving.record_death(session, manager, person_id=mother.id, died_on=NOW.date(), at=NOW)

    assert list(giving.inheritances(session, manager, limit=5)) == [made]
    assert list(giving.inheritances(session, elsewhere, limit=5)) == []
    with pytest.raises(NotSignedIn):
        giving.inheritances(session, ANYONE, limit=5)
