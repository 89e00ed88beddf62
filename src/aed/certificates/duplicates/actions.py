"""Find possible duplicate people, and apply the decision about a pair."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from itertools import batched, chain
from typing import Any, Final

from sqlalchemy import Column, UniqueConstraint, and_, delete, or_, select, update
from sqlalchemy import Table as SqlTable
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from aed.accounts.audit_log import AuditSubject, add_audit_entry
from aed.accounts.masking import mask_phone
from aed.accounts.people.models import Account, Person, PersonChange
from aed.accounts.permissions import SCHEDULER, Viewer
from aed.accounts.role_grants import RoleGrant
from aed.accounts.sessions import end_sessions
from aed.certificates.duplicates import queries
from aed.certificates.duplicates.rules import LIKELY, likeness
from aed.certificates.models import PersonPair
from aed.certificates.rules import PairDecision
from aed.database.bulk import insert_many
from aed.database.types import Table
from aed.errors import Conflict, InvalidInput, NotSignedIn
from aed.linked_accounts.actions import end_links_of_merged
from aed.registry.changes import flush_or_conflict, record_amendment
from aed.responders.actions import consents
from aed.responders.models import Certificate, Responder, ResponderPlace
from aed.responders.rules import ResponderState
from aed.timebank.ledger.actions import merge_accounts
from aed.training import queries as session_queries
from aed.training.enrolments import actions as enrolment_actions
from aed.training.models import Enrolment
from aed.training.rules import ACTIVE_STATES, EnrolmentState

SCORED_AT_ONCE = 500
"""Batch size."""


def find_pairs(session: Session, *, at: datetime) -> int:
    """Find new likely duplicates, queue them for a decision, and return their number.

    1. Collect candidates: two people who share a phone number, a certificate number, an estate and a name,
       or a name and the end of an identity number.
    2. Keep the likely ones, scored by `rules.likeness`. Pairs that are known already, decided or not, are
       skipped.

    visibility: for the scheduler and network administrators.
    """
    known = queries.known_pairs(session)
    candidates = (
        set(
            chain(
                queries.by_phone(session),
                queries.by_certificate(session),
                queries.by_name_at_home(session),
                queries.by_holder_id(session),
            )
        )
        - known
    )
    found = 0
    for batch in batched(sorted(candidates), SCORED_AT_ONCE):
        people = queries.visible_people(session, {each for pair in batch for each in pair})
        rows = []
        for first_id, second_id in batch:
            alike = likeness(people[first_id], people[second_id])
            if alike.score >= LIKELY:
                rows.append(
                    {
                        "first_id": first_id,
                        "second_id": second_id,
                        "score": alike.score,
                        "reasons": list(alike.reasons),
                        "found_at": at,
                    }
                )
        insert_many(session, PersonPair, rows)
        found += len(rows)
    return found


def decide_pair(
    session: Session,
    who: Viewer,
    pair_id: int,
    decision: PairDecision,
    *,
    keep_id: int | None = None,
    at: datetime,
) -> PersonPair:
    """Decide whether a pair is one person or two. Repeating the same decision changes nothing.

    For the same person, merge the other entry into `keep_id` (default: the older entry). For different
    people, the pair is not suggested again.

    Raises NotSignedIn or NotFound; InvalidInput if `keep_id` is not in the pair; Conflict if the pair was
    decided otherwise, or if one of them has been merged into another entry.
    """
    if not who.is_signed_in:
        raise NotSignedIn("This requires the training officer of both people. Send a token, or sign in.")
    pair = queries.pair(session, who, pair_id)
    kept_id = keep_id if keep_id is not None else pair.first_id
    if kept_id not in (pair.first_id, pair.second_id):
        raise InvalidInput(
            "keep_id must be {first_id} or {second_id}.",
            field="keep_id",
            first_id=pair.first_id,
            second_id=pair.second_id,
        )
    if pair.decision is not None:
        is_same = pair.decision is decision and (keep_id is None or keep_id == pair.kept_id)
        if is_same or (decision is PairDecision.DIFFERENT and pair.decision is decision):
            return pair
        raise Conflict(
            "{decided_by} decided at {decided_at:%Y-%m-%d %H:%M} UTC that they are {words}.",
            field="decision",
            decided_by=pair.decided_by,
            decided_at=pair.decided_at,
            words="one person" if pair.decision is PairDecision.SAME else "two people",
        )
    if decision is PairDecision.SAME:
        kept, other = (pair.first, pair.second) if kept_id == pair.first_id else (pair.second, pair.first)
        join_people(session, who, kept, other, at=at)
        pair.kept_id = kept.id
    pair.decision, pair.decided_at, pair.decided_by = decision, at, who.name
    session.flush()
    if decision is PairDecision.SAME:
        gone = pair.second_id if kept_id == pair.first_id else pair.first_id
        session.execute(  # the next search compares third people with the kept entry
            delete(PersonPair).where(
                PersonPair.decision.is_(None), or_(PersonPair.first_id == gone, PersonPair.second_id == gone)
            )
        )
    return pair


NOT_MOVED: Final = frozenset(
    {
        ("people", "joined_into_id"),
        ("person_changes", "person_id"),  # history stays with its entry; both are shown
        ("person_pairs", "first_id"),
        ("person_pairs", "second_id"),
        ("person_pairs", "kept_id"),
        ("sign_ins", "person_id"),  # they have ended
    }
)
"""Columns that keep naming the merged entry."""
MERGED_SEPARATELY: Final = frozenset(
    {
        ("accounts", "person_id"),
        ("role_grants", "person_id"),
        ("enrolments", "person_id"),
        ("ledger_accounts", "person_id"),
    }
)
"""Columns in which rows of both entries can conflict, with a function each below. In all other columns that
name a person, the kept entry replaces the merged one.
"""


def join_people(session: Session, who: Viewer, kept: Person, other: Person, *, at: datetime) -> None:
    """Merge `other` into `kept`. The other entry remains, marked as merged.

    1. Account: take over the other's if `kept` has none; otherwise delete it. All sign-ins of the other end.
       The history holds its masked number.
    2. Roles: keep one of each. Enrolments: if both are on one roster, keep the earlier place, withdraw the
       later and offer its place to the waiting list. Time bank: `kept` gets what `other` holds.
    3. Other rows that name `other`: name `kept` instead. Where only one row per person is allowed and `kept`
       has one, the other's row stays as it is. Consents are merged by `merge_consents`; links to accounts
       in other cells that contradict those of `kept` end.
    4. Responder entries: keep one, with the certificates and places of both.

    Raises Conflict if either entry has already been merged. The caller must have checked permission.

    visibility: for those responsible for both people.
    """
    for person in (kept, other):
        if person.joined_into_id is not None:
            raise Conflict(
                "Person {id} was already merged into {joined_into_id}. Search for duplicates again.",
                field="decision",
                id=person.id,
                joined_into_id=person.joined_into_id,
            )
    fields: dict[str, Any] = {"joined": [None, other.id]}
    _join_accounts(session, kept, other, fields, at=at)
    _join_roles(session, who, kept, other, at=at)
    _join_enrolments(session, who, kept, other, at=at)
    merge_accounts(session, kept_id=kept.id, other_id=other.id, at=at, by=who.name)
    consents.merge_consents(session, who, kept.id, other.id, at=at)
    end_links_of_merged(session, who, kept_id=kept.id, other_id=other.id, at=at)
    for each in _columns_that_name_people():
        _hand_over(session, each, kept, other)
    other.joined_into_id = kept.id
    session.execute(  # entries merged into the other before now point to the kept one
        update(Person).where(Person.joined_into_id == other.id).values(joined_into_id=kept.id)
    )
    _join_responders(session, who, kept, at=at)
    add_audit_entry(session, who.name, AuditSubject.PERSON, other.id, "joined", at=at, into=kept.id)
    session.add_all(
        [
            PersonChange(person_id=kept.id, at=at, who=who.name, fields=fields),
            PersonChange(person_id=other.id, at=at, who=who.name, fields={"joined_into": [None, kept.id]}),
        ]
    )
    flush_or_conflict(session, "One of the two people is being changed by someone else. Try again.", None)


def _columns_that_name_people() -> Iterator[Column[Any]]:
    """Yield every foreign key to people, in all tables, that is not in NOT_MOVED or MERGED_SEPARATELY."""
    for found in Table.metadata.sorted_tables:
        for key in found.foreign_keys:
            name = (found.name, key.parent.name)
            if key.column.table.name == "people" and name not in NOT_MOVED | MERGED_SEPARATELY:
                yield key.parent


def _hand_over(session: Session, column: Column[Any], kept: Person, other: Person) -> None:
    """Make the rows that name `other` in this column name `kept`.

    visibility: for those responsible for both people.
    """
    everything = update(column.table).values({column.name: kept.id})
    everything = everything.execution_options(synchronize_session=False)
    if not _is_unique_column(column):
        session.execute(everything.where(column == other.id))
        return
    table = column.table
    assert isinstance(table, SqlTable)
    keys = list(table.primary_key.columns)
    for row in session.execute(select(*keys).where(column == other.id)).all():
        this = and_(*(key == value for key, value in zip(keys, row, strict=True)))
        with suppress(IntegrityError), session.begin_nested():  # on a conflict the row stays as it is
            session.execute(everything.where(this))


def _is_unique_column(column: Column[Any]) -> bool:
    """Return True if a primary key, unique constraint or unique index includes the column."""
    table = column.table
    assert isinstance(table, SqlTable)
    unique = [each for each in table.constraints if isinstance(each, UniqueConstraint)]
    return (
        column.primary_key
        or any(column.name in each.columns for each in unique)
        or any(
            column.name in str(expression)
            for index in table.indexes
            if index.unique
            for expression in index.expressions
        )
    )


def _join_accounts(
    session: Session, kept: Person, other: Person, fields: dict[str, Any], *, at: datetime
) -> None:
    """Merge the accounts, and end all sign-ins of `other`.

    visibility: for those responsible for both people.
    """
    end_sessions(session, other.id, at=at)
    theirs = session.get(Account, other.id)
    if theirs is None:
        return
    if session.get(Account, kept.id) is None:
        session.expunge(theirs)
        session.execute(update(Account).where(Account.person_id == other.id).values(person_id=kept.id))
        fields["account"] = [None, mask_phone(theirs.phone)]
        if kept.phone is None:
            kept.phone = theirs.phone
    else:
        fields["account"] = [mask_phone(theirs.phone), None]
        session.delete(theirs)
    session.flush()


def _join_roles(session: Session, who: Viewer, kept: Person, other: Person, *, at: datetime) -> None:
    """Give the roles of `other` to `kept`; revoke those that `kept` has already.

    visibility: for those responsible for both people.
    """
    mine = {
        (each.role, each.region_id, each.estate_id)
        for each in session.scalars(
            select(RoleGrant).where(RoleGrant.person_id == kept.id, RoleGrant.revoked_at.is_(None))
        )
    }
    for grant in session.scalars(select(RoleGrant).where(RoleGrant.person_id == other.id)).all():
        if grant.revoked_at is None and (grant.role, grant.region_id, grant.estate_id) in mine:
            grant.revoked_at, grant.revoked_by = at, who.name
            add_audit_entry(session, who.name, AuditSubject.ROLE, grant.id, "revoked", at=at)
        grant.person_id = kept.id
        add_audit_entry(session, who.name, AuditSubject.ROLE, grant.id, "moved", at=at, person=kept.id)
    session.flush()


def _join_enrolments(session: Session, who: Viewer, kept: Person, other: Person, *, at: datetime) -> None:
    """Give the enrolments of `other` to `kept`; withdraw the later one of two in the same session.

    visibility: for those responsible for both people.
    """
    theirs = session.scalars(
        select(Enrolment).where(Enrolment.person_id == other.id).order_by(Enrolment.session_id, Enrolment.id)
    ).all()
    for enrolment in theirs:
        clash = None
        if enrolment.state in ACTIVE_STATES:
            training = session_queries.locked(session, SCHEDULER, enrolment.session_id)
            clash = session.scalar(
                select(Enrolment).where(
                    Enrolment.session_id == enrolment.session_id,
                    Enrolment.person_id == kept.id,
                    Enrolment.state.in_(ACTIVE_STATES),
                )
            )
            if clash is not None:
                later = max(
                    enrolment, clash, key=lambda each: (each.state != EnrolmentState.ENROLLED, each.id)
                )
                later.state, later.offer_expires_at = EnrolmentState.WITHDRAWN, None
                record_amendment(session, who, later, at=at)
                session.flush()
                enrolment_actions.offer_free_places(session, who, training, at=at)
        enrolment.person_id = kept.id
        record_amendment(session, who, enrolment, at=at)
        session.flush()


def _join_responders(session: Session, who: Viewer, kept: Person, *, at: datetime) -> None:
    """Merge several responder entries of one person into one, preferring an active one.

    visibility: for those responsible for both people.
    """
    mine = session.scalars(
        select(Responder)
        .where(Responder.person_id == kept.id, Responder.joined_into_id.is_(None))
        .order_by(Responder.state != ResponderState.ACTIVE, Responder.id)
        .execution_options(populate_existing=True)
    ).all()
    if len(mine) < 2:
        return
    stays = mine[0]
    for each in mine[1:]:
        for certificate in session.scalars(
            select(Certificate).where(Certificate.responder_id == each.id)
        ).all():
            certificate.responder_id = stays.id
            record_amendment(session, who, certificate, at=at)
        if each.state is ResponderState.ACTIVE:  # places of withdrawn responders are not used
            session.execute(
                update(ResponderPlace)
                .where(ResponderPlace.responder_id == each.id)
                .values(responder_id=stays.id)
                .execution_options(synchronize_session=False)
            )
        each.state, each.joined_into_id = ResponderState.WITHDRAWN, stays.id
        record_amendment(session, who, each, at=at)
        session.execute(
            update(Responder).where(Responder.joined_into_id == each.id).values(joined_into_id=stays.id)
        )
    session.flush()
