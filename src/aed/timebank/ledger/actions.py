"""Credit service, reverse it, and hold its points while it is disputed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session, aliased

from aed.accounts.people.models import Person
from aed.accounts.regions.queries import region_of_estate
from aed.errors import InvalidInput, NotFound
from aed.timebank.ledger.posting import (
    Posting,
    PostingContext,
    balance_of,
    find_person_account,
    lock_ledger,
    person_account,
    post,
    regional_account,
)
from aed.timebank.models import LedgerAccount, LedgerEntry
from aed.timebank.regional_rules.queries import rules_at, zone_of_region
from aed.timebank.rules import (
    AccountKind,
    Currency,
    LedgerKind,
    ServiceKind,
    TimeBankRules,
    credited_minutes,
    earned_units,
    over_cap,
)


def credit_service(
    session: Session,
    *,
    record_id: int,
    person_id: int,
    estate_id: int,
    minutes: int,
    kind: ServiceKind,
    at: datetime,
    by: str,
    subject: str | None = None,
    served_on: date | None = None,
) -> Sequence[LedgerEntry]:
    """Credit the minutes and points of a confirmed service record; return its entries.

    1. A record that was credited before is not credited again: its entries are returned.
    2. The rules in force at `at` in the estate's region say how many minutes count, and their points. A
       limit for each day counts what was credited for the same `subject` (such as `device:5`) and day
       `served_on` (default: the day of `at`).
    3. What is over the person's cap goes to the region's care pool.

    Raises InvalidInput for minutes below 1, NotFound for an unknown estate.

    visibility: for the confirmation of records, by those who may confirm them.
    """
    if minutes < 1:
        raise InvalidInput("A service lasts at least one minute.", field="minutes")
    kind = ServiceKind(kind)
    lock_ledger(session)
    record = service_record(record_id)
    known = entries_of_record(session, record)
    if any(each.kind is LedgerKind.EARN for each in known):
        return known
    region_id = region_of_estate(session, estate_id)
    rules = rules_at(session, region_id, at)
    is_limited = rules.services[kind].max_minutes_a_day is not None
    if is_limited and served_on is None:
        served_on = at.astimezone(zone_of_region(session, region_id)).date()
    counted = _minutes_counted(session, subject, served_on) if is_limited and subject is not None else 0
    credited = credited_minutes(rules, kind, minutes, counted=counted)
    amounts = {Currency.MINUTES: credited, Currency.POINTS: earned_units(rules, kind, credited)}
    person_id = merged_person(session, person_id)
    context = PostingContext(at, by, rules.version)
    postings = [
        Posting(
            LedgerKind.EARN,
            currency,
            regional_account(session, AccountKind.ISSUANCE, currency, region_id=region_id, at=at),
            person_account(session, person_id, currency, region_id=region_id, estate_id=estate_id, at=at).id,
            amount,
            record,
            subject=subject,
            served_on=served_on,
        )
        for currency, amount in amounts.items()
        if amount > 0
    ]
    entries = post(session, context, postings)
    for each in postings:
        if each.currency is Currency.POINTS:
            entries += move_over_cap(session, context, rules, each.to_account_id, record)
    return entries


def reverse_service(
    session: Session, *, record_id: int, at: datetime, by: str, reason: str
) -> Sequence[LedgerEntry]:
    """Undo the credit of a record that is void, entry by entry; return the new entries.

    Points that are held are released first, and an overflow to the care pool comes back. A person who has
    spent the points owes them: the balance is below 0 until they earn more. A record that was reversed
    before, or never credited, has nothing to undo.

    visibility: for the decision on a record, by those who may void it.
    """
    lock_ledger(session)
    record = service_record(record_id)
    released = release_service(session, record_id=record_id, at=at, by=by)
    known = entries_of_record(session, record)
    undone = {each.reverses for each in known}
    postings = [
        Posting(
            LedgerKind.REVERSE,
            each.currency,
            each.to_account_id,
            each.from_account_id,
            each.amount,
            record,
            reverses=each.number,
        )
        for each in reversed(known)
        if each.kind in (LedgerKind.EARN, LedgerKind.OVERFLOW) and each.number not in undone
    ]
    version = known[0].rules_version if known else ""
    return [*released, *post(session, PostingContext(at, by, version, reason), postings)]


def hold_service(
    session: Session, *, record_id: int, at: datetime, by: str, reason: str | None = None
) -> Sequence[LedgerEntry]:
    """Hold the points of a record that was flagged, as far as they are not spent; return the new entries.

    Nothing more is held if some of its points are held already. Minutes stay, since they cannot be spent.

    visibility: for the flag on a record, by those who may set it.
    """
    lock_ledger(session)
    record = service_record(record_id)
    known = entries_of_record(session, record)
    undone = {each.reverses for each in known}
    earned = [
        each
        for each in known
        if each.kind is LedgerKind.EARN and each.currency is Currency.POINTS and each.number not in undone
    ]
    if not earned or _held(known) > 0:
        return []
    (entry,) = earned
    over = sum(each.amount for each in known if each.kind is LedgerKind.OVERFLOW)
    units = min(entry.amount - over, balance_of(session, entry.to_account_id))
    suspense = regional_account(
        session,
        AccountKind.SUSPENSE,
        Currency.POINTS,
        region_id=_region_of_account(session, entry.to_account_id),
        at=at,
    )
    context = PostingContext(at, by, entry.rules_version, reason)
    hold = Posting(LedgerKind.HOLD, Currency.POINTS, entry.to_account_id, suspense, units, record)
    return post(session, context, [hold])


def release_service(
    session: Session, *, record_id: int, at: datetime, by: str, reason: str | None = None
) -> Sequence[LedgerEntry]:
    """Give back the points of a record that are held; return the new entries.

    visibility: for the decision on a flag, by those who may take it.
    """
    lock_ledger(session)
    record = service_record(record_id)
    known = entries_of_record(session, record)
    units = _held(known)
    if units == 0:
        return []
    hold = next(each for each in reversed(known) if each.kind is LedgerKind.HOLD)
    release = Posting(
        LedgerKind.RELEASE, Currency.POINTS, hold.to_account_id, hold.from_account_id, units, record
    )
    context = PostingContext(at, by, hold.rules_version, reason)
    entries = post(session, context, [release])
    rules = rules_at(session, _region_of_account(session, hold.from_account_id), at)
    return entries + move_over_cap(session, context, rules, hold.from_account_id, record)


def move_over_cap(
    session: Session, context: PostingContext, rules: TimeBankRules, account_id: int, record: str
) -> list[LedgerEntry]:
    """Move what an account holds over the cap to its region's care pool; return the entry, if any."""
    over = over_cap(rules, balance_of(session, account_id))
    if over == 0:
        return []
    pool = regional_account(
        session,
        AccountKind.CARE_POOL,
        Currency.POINTS,
        region_id=_region_of_account(session, account_id),
        at=context.at,
    )
    moved = Posting(LedgerKind.OVERFLOW, Currency.POINTS, account_id, pool, over, record)
    return post(session, context, [moved])


def merge_accounts(session: Session, *, kept_id: int, other_id: int, at: datetime, by: str) -> None:
    """Give what a merged entry of a person holds to the kept entry.

    visibility: for the merge, by those who may decide on it.
    """
    lock_ledger(session)
    for currency in Currency:
        theirs = find_person_account(session, other_id, currency)
        kept = find_person_account(session, kept_id, currency)
        if theirs is None:
            continue
        if kept is None:
            theirs.person_id = kept_id
            session.flush()
            continue
        rules = rules_at(session, kept.region_id, at)
        context = PostingContext(at, by, rules.version, "merged")
        record = f"merge:{theirs.id}"
        units = balance_of(session, theirs.id)
        post(session, context, [Posting(LedgerKind.TRANSFER, currency, theirs.id, kept.id, units, record)])
        if currency is Currency.POINTS:
            move_over_cap(session, context, rules, kept.id, record)


def service_record(record_id: int) -> str:
    """Return the name of a service record in the ledger."""
    return f"service:{record_id}"


def entries_of_record(session: Session, record: str) -> Sequence[LedgerEntry]:
    """Return the entries of a record, in order.

    visibility: for actions on the record, by those who may take them.
    """
    return session.scalars(
        select(LedgerEntry).where(LedgerEntry.record == record).order_by(LedgerEntry.number)
    ).all()


def merged_person(session: Session, person_id: int) -> int:
    """Return the person that an entry was merged into, or the same person. Raises NotFound.

    visibility: only an id.
    """
    found = session.execute(select(Person.id, Person.joined_into_id).where(Person.id == person_id)).first()
    if found is None:
        raise NotFound("There is no person {person_id}.", field="person_id", person_id=person_id)
    return found.joined_into_id or person_id


def _held(entries: Sequence[LedgerEntry]) -> int:
    signs = {LedgerKind.HOLD: 1, LedgerKind.RELEASE: -1}
    return sum(signs.get(each.kind, 0) * each.amount for each in entries)


def _minutes_counted(session: Session, subject: str, served_on: date | None) -> int:
    """Return the minutes that were credited for a subject on a day and not reversed.

    visibility: only a sum.
    """
    undo = aliased(LedgerEntry)
    found = session.scalar(
        select(func.coalesce(func.sum(LedgerEntry.amount), 0)).where(
            LedgerEntry.subject == subject,
            LedgerEntry.served_on == served_on,
            LedgerEntry.kind == LedgerKind.EARN,
            LedgerEntry.currency == Currency.MINUTES,
            ~exists().where(undo.reverses == LedgerEntry.number),
        )
    )
    return int(found or 0)


def _region_of_account(session: Session, account_id: int) -> int:
    """visibility: only the region."""
    return session.execute(select(LedgerAccount.region_id).where(LedgerAccount.id == account_id)).scalar_one()
