"""Give points to relatives, donate them, and inherit them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.regions.queries import region_of_estate
from aed.errors import Conflict, InvalidInput, NotAllowed, NotFound
from aed.timebank.families.queries import are_relatives
from aed.timebank.ledger.actions import merged_person, move_over_cap
from aed.timebank.ledger.posting import (
    Posting,
    PostingContext,
    find_person_account,
    lock_ledger,
    open_account,
    own_points_account,
    person_account,
    post,
    post_once,
    regional_account,
    require_balance,
)
from aed.timebank.ledger.queries import account, gift_units_left_of
from aed.timebank.models import Inheritance, LedgerAccount, LedgerEntry
from aed.timebank.permissions import (
    account_visible_to,
    require_account_manager,
    require_other_person,
    require_person,
    require_signed_in,
)
from aed.timebank.regional_rules.queries import rules_at, zone_of_region
from aed.timebank.rules import (
    AccountKind,
    Currency,
    LedgerKind,
    can_claim,
    to_points,
)

DONATION_POOLS: Final = {"care_pool": AccountKind.CARE_POOL, "region_pool": AccountKind.REGION_POOL}


def give(
    session: Session, viewer: Viewer, *, to_person_id: int, units: int, key: str, at: datetime
) -> LedgerEntry:
    """Give points to a spouse, parent or child, once for each `key`; return the entry.

    The relative has confirmed the relation. The rules limit what a person gives in a calendar year of their
    region. What is over the relative's cap goes to the care pool.

    Raises NotSignedIn, NotAllowed, NotFound, Conflict.
    """
    person_id = require_person(viewer)
    lock_ledger(session)
    own = own_points_account(session, person_id)
    to_person_id = merged_person(session, to_person_id)
    rules = rules_at(session, own.region_id, at)

    def check() -> None:
        if not are_relatives(session, person_id, to_person_id, confirmed_only=True):
            raise NotAllowed("Points can be given to a spouse, parent or child who has confirmed it.")
        left = gift_units_left_of(session, own, rules, at)
        if units > left:
            raise Conflict("You can give {left} more points this year.", field="points", left=to_points(left))
        require_balance(session, own.id, units)

    theirs = person_account(
        session,
        to_person_id,
        Currency.POINTS,
        region_id=own.region_id,
        estate_id=own.estate_id,
        at=at,
    )
    if theirs.closed_at is not None:
        raise Conflict("This account is closed.", field="person_id")
    context = PostingContext(at, viewer.name, rules.version)
    record = f"gift:{own.id}:{key}"
    posting = Posting(LedgerKind.GIFT, Currency.POINTS, own.id, theirs.id, units, record)
    entry, is_new = post_once(session, context, posting, check=check)
    if is_new:
        move_over_cap(session, context, rules, theirs.id, record)
    return entry


def donate(
    session: Session,
    viewer: Viewer,
    *,
    units: int,
    key: str,
    to: str,
    from_account_id: int | None = None,
    at: datetime,
) -> LedgerEntry:
    """Donate points, once for each `key`, to a pool of the region or to a group.

    `to` is `care_pool`, `region_pool`, or the id of a group's or an estate's account. By default own points
    are donated; a manager donates those of a group, an estate or a sponsor (`from_account_id`).

    Raises NotSignedIn, NotAllowed, NotFound, Conflict.
    """
    lock_ledger(session)
    if from_account_id is None:
        paying = own_points_account(session, require_person(viewer))
    else:
        paying = account(session, viewer, from_account_id)
        if paying.kind not in (AccountKind.GROUP, AccountKind.ESTATE, AccountKind.SPONSOR):
            raise NotAllowed("Only the points of a group, an estate or a sponsor can be donated for it.")
        require_account_manager(viewer, estate_id=paying.estate_id, region_id=paying.region_id)
    if paying.currency is not Currency.POINTS:
        raise InvalidInput("Minutes cannot be donated.", field="from_account_id")
    if to in DONATION_POOLS:
        to_id = regional_account(
            session, DONATION_POOLS[to], Currency.POINTS, region_id=paying.region_id, at=at
        )
    else:
        to_id = _receiving_account(session, int(to), paying.region_id)
    context = PostingContext(at, viewer.name, rules_at(session, paying.region_id, at).version)
    posting = Posting(
        LedgerKind.DONATE, Currency.POINTS, paying.id, to_id, units, f"donation:{paying.id}:{key}"
    )
    entry, _ = post_once(session, context, posting, check=lambda: require_balance(session, paying.id, units))
    return entry


def _receiving_account(session: Session, account_id: int, region_id: int) -> int:
    """visibility: groups and estates that receive donations are known in their region."""
    found = session.scalar(
        select(LedgerAccount.id).where(
            LedgerAccount.id == account_id,
            LedgerAccount.region_id == region_id,
            LedgerAccount.kind.in_((AccountKind.GROUP, AccountKind.ESTATE)),
        )
    )
    if found is None:
        raise NotFound("There is no group {account_id} in your region.", field="to", account_id=account_id)
    return found


def open_group(session: Session, viewer: Viewer, *, estate_id: int, name: str, at: datetime) -> LedgerAccount:
    """Open the account of a group of an estate. For the estate's manager. Groups only donate."""
    region_id = region_of_estate(session, estate_id)
    require_account_manager(viewer, estate_id=estate_id, region_id=region_id)
    return open_account(
        session, AccountKind.GROUP, region_id=region_id, estate_id=estate_id, name=name, at=at
    )


# --- Inheritance ----------------------------------------------------------------------------------------


def inheritances(session: Session, viewer: Viewer, *, limit: int, after_id: int = 0) -> Sequence[Inheritance]:
    """Return a page of the points of people who died, in accounts that the viewer manages."""
    require_signed_in(viewer)
    return session.scalars(
        select(Inheritance)
        .join(LedgerAccount, LedgerAccount.person_id == Inheritance.person_id)
        .where(
            Inheritance.id > after_id,
            LedgerAccount.currency == Currency.POINTS,
            account_visible_to(viewer),
        )
        .order_by(Inheritance.id)
        .limit(limit)
    ).all()


def record_death(
    session: Session, viewer: Viewer, *, person_id: int, died_on: date, at: datetime
) -> Inheritance:
    """Close the accounts of a person who died. For the manager of their estate.

    Recording it again returns the first record. Raises NotSignedIn, NotAllowed, NotFound, InvalidInput.

    visibility: for those who manage the account.
    """
    lock_ledger(session)
    person_id = merged_person(session, person_id)
    own = find_person_account(session, person_id, Currency.POINTS)
    if own is None:
        require_person(viewer)
        raise NotFound("This person has no points.", field="person_id")
    require_account_manager(viewer, estate_id=own.estate_id, region_id=own.region_id)
    if died_on > at.date():
        raise InvalidInput("The day must not be in the future.", field="died_on")
    found = session.scalar(select(Inheritance).where(Inheritance.person_id == person_id))
    if found is not None:
        return found
    found = Inheritance(person_id=person_id, died_on=died_on, recorded_at=at, recorded_by=viewer.name)
    session.add(found)
    session.execute(
        update(LedgerAccount)
        .where(LedgerAccount.person_id == person_id)
        .values(closed_at=at)
        .execution_options(synchronize_session="fetch")
    )
    session.flush()
    return found


def claim_inheritance(
    session: Session, viewer: Viewer, inheritance_id: int, *, heir_id: int, at: datetime
) -> Inheritance:
    """Give the points of a person who died to their heir, within the time that the rules give.

    For the manager of the estate, who has seen the proof, is not the heir, and is another person than the
    one who recorded the death. Raises NotSignedIn, NotAllowed, NotFound, Conflict.

    visibility: for those who manage the account.
    """
    require_person(viewer)
    lock_ledger(session)
    found = session.get(Inheritance, inheritance_id, populate_existing=True)
    own = find_person_account(session, found.person_id, Currency.POINTS) if found is not None else None
    if found is None or own is None:
        raise NotFound("There is no inheritance {id}.", field="inheritance_id", id=inheritance_id)
    require_account_manager(viewer, estate_id=own.estate_id, region_id=own.region_id)
    heir_id = merged_person(session, heir_id)
    require_other_person(viewer, heir_id)
    if found.recorded_by == viewer.name:
        raise NotAllowed("You recorded the death: another manager pays the points out.")
    if found.settled_at is not None:
        if found.heir_id == heir_id:
            return found
        raise Conflict("This inheritance is settled already.")
    died_at = datetime.combine(found.died_on, time(), zone_of_region(session, own.region_id))
    rules = rules_at(session, own.region_id, at)
    if not can_claim(rules, died_at, at):
        raise Conflict("The points could be claimed for {months} months.", months=rules.inheritance_months)
    if heir_id == found.person_id:
        raise InvalidInput("The heir is another person.", field="heir_id")
    found.heir_id, found.settled_at, found.settled_by = heir_id, at, viewer.name
    session.flush()
    move_inheritance(session, found, by=viewer.name, at=at)
    return found


def move_inheritance(session: Session, inheritance: Inheritance, *, by: str, at: datetime) -> int:
    """Move what is on the account of a person who died to the heir, or without one to the region's pool.

    Returns the units moved. visibility: for the decision on an inheritance, and the nightly job.
    """
    lock_ledger(session)
    own = find_person_account(session, inheritance.person_id, Currency.POINTS)
    if own is None:
        return 0
    if inheritance.heir_id is None:
        to = regional_account(
            session, AccountKind.REGION_POOL, Currency.POINTS, region_id=own.region_id, at=at
        )
    else:
        to = person_account(
            session,
            inheritance.heir_id,
            Currency.POINTS,
            region_id=own.region_id,
            estate_id=own.estate_id,
            at=at,
        ).id
    rules = rules_at(session, own.region_id, at)
    context = PostingContext(at, by, rules.version)
    record = f"inheritance:{inheritance.id}:{own.last_entry}"
    posting = Posting(LedgerKind.INHERIT, Currency.POINTS, own.id, to, own.balance, record)
    moved = post(session, context, [posting])
    if moved and inheritance.heir_id is not None:
        move_over_cap(session, context, rules, to, record)
    return moved[0].amount if moved else 0
