"""Finding people who may be one, and doing what a person decided about two of them."""

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
from aed.accounts.people.models import Account, Person, PersonChange
from aed.accounts.people.rules import mask_phone
from aed.accounts.permissions import SCHEDULER, Viewer
from aed.accounts.roles.models import RoleGrant
from aed.accounts.sessions import end_sessions
from aed.certificates.duplicates import queries
from aed.certificates.duplicates.rules import LIKELY, likeness
from aed.certificates.models import PersonPair
from aed.certificates.rules import PairDecision
from aed.database.bulk import insert_many
from aed.database.types import Table
from aed.errors import Conflict, InvalidInput, NotSignedIn
from aed.registry.changes import flush_or_conflict, record_amendment
from aed.responders.actions import consents
from aed.responders.models import Certificate, Responder, ResponderPlace
from aed.responders.rules import ResponderState
from aed.training import queries as sessions
from aed.training.enrolments import actions as enrolling
from aed.training.models import Enrolment
from aed.training.rules import ACTIVE_STATES, EnrolmentState

SCORED_AT_ONCE = 500


def find_pairs(session: Session, *, at: datetime) -> int:
    """Likely pairs that nobody has been asked about wait for a person from now on; how many they are.

    1. Candidates: two people who share a number, a certificate, an estate and a name, or a name and the end
       of an identity number.
    2. The likely ones among them, by `rules.likeness`. A pair that was decided is never asked about again.

    visibility: for the timetable, and the network's administrator.
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
        told = queries.visible_people(session, {each for pair in batch for each in pair})
        rows = []
        for first_id, second_id in batch:
            alike = likeness(told[first_id], told[second_id])
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
    """The two are one person, for whom `keep_id` (else the older entry) stands; or they are two, and nobody
    is asked about it again. Deciding the same twice changes nothing.

    Raises NotSignedIn, NotFound, InvalidInput for somebody who is neither, Conflict for a pair that was
    decided otherwise or whose people are no longer two.
    """
    if not who.is_signed_in:
        raise NotSignedIn("This is for who runs the training of both people: send a token, or sign in.")
    pair = queries.pair(session, who, pair_id)
    kept_id = keep_id if keep_id is not None else pair.first_id
    if kept_id not in (pair.first_id, pair.second_id):
        raise InvalidInput(f"keep_id is {pair.first_id} or {pair.second_id}.", field="keep_id")
    if pair.decision is not None:
        is_same = pair.decision is decision and (keep_id is None or keep_id == pair.kept_id)
        if is_same or (decision is PairDecision.DIFFERENT and pair.decision is decision):
            return pair
        raise Conflict(
            f"{pair.decided_by} decided at {pair.decided_at:%Y-%m-%d %H:%M} UTC that they are "
            f"{'one person' if pair.decision is PairDecision.SAME else 'two people'}.",
            field="decision",
        )
    if decision is PairDecision.SAME:
        kept, other = (pair.first, pair.second) if kept_id == pair.first_id else (pair.second, pair.first)
        join_people(session, who, kept, other, at=at)
        pair.kept_id = kept.id
    pair.decision, pair.decided_at, pair.decided_by = decision, at, who.name
    session.flush()
    if decision is PairDecision.SAME:
        gone = pair.second_id if kept_id == pair.first_id else pair.first_id
        session.execute(  # whether the other is a third one is asked of the kept one, when it is found again
            delete(PersonPair).where(
                PersonPair.decision.is_(None), or_(PersonPair.first_id == gone, PersonPair.second_id == gone)
            )
        )
    return pair


STAYS: Final = frozenset(
    {
        ("people", "joined_into_id"),
        ("person_changes", "person_id"),  # a history is of the entry that it happened to; both are shown
        ("person_pairs", "first_id"),
        ("person_pairs", "second_id"),
        ("person_pairs", "kept_id"),
        ("sign_ins", "person_id"),  # they have ended
    }
)
"""Columns that go on naming the entry that was joined."""
BY_HAND: Final = frozenset(
    {("accounts", "person_id"), ("role_grants", "person_id"), ("enrolments", "person_id")}
)
"""Where two rows may clash, see below. Every other column that names a person is given to the kept one."""


def join_people(session: Session, who: Viewer, kept: Person, other: Person, *, at: datetime) -> None:
    """`kept` stands for both from now on; the other's entry stays, and says so.

    1. The account: the other's where the kept one has none; else the kept one's remains, and every sign-in of
       the other ends. Its number stands in the history, masked.
    2. Roles: each once. Enrolments: where both are on one roster, the earlier place remains, and the later is
       withdrawn, so that it goes to whoever waits.
    3. Everything else that names the other names the kept one; what there can be once of a person, such as
       a calendar's address, stays with the other's entry where the kept one has it too. Of consents one word
       counts, see there.
    4. Somebody may be called once: of two entries of responders the kept person's remains, with the
       certificates and places of both.

    Raises Conflict where one of them has been joined to somebody meanwhile. Whoever calls has seen to it that
    `who` may.

    visibility: for whoever answers for both.
    """
    for person in (kept, other):
        if person.joined_into_id is not None:
            raise Conflict(
                f"Person {person.id} stands for {person.joined_into_id} already: look for duplicates again.",
                field="decision",
            )
    fields: dict[str, Any] = {"joined": [None, other.id]}
    _join_accounts(session, kept, other, fields, at=at)
    _join_roles(session, who, kept, other, at=at)
    _join_enrolments(session, who, kept, other, at=at)
    consents.merge_consents(session, who, kept.id, other.id, at=at)
    for each in _columns_that_name_people():
        _hand_over(session, each, kept, other)
    other.joined_into_id = kept.id
    session.execute(  # who was joined to the other before is the kept one too
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
    flush_or_conflict(session, "Somebody else amends one of them at this moment. Try again.", None)


def _columns_that_name_people() -> Iterator[Column[Any]]:
    """Foreign keys to people that are moved as they are, of every table there is: none is forgotten."""
    for found in Table.metadata.sorted_tables:
        for key in found.foreign_keys:
            name = (found.name, key.parent.name)
            if key.column.table.name == "people" and name not in STAYS | BY_HAND:
                yield key.parent


def _hand_over(session: Session, column: Column[Any], kept: Person, other: Person) -> None:
    """The rows that name the other name the kept one.

    visibility: for whoever answers for both.
    """
    everything = update(column.table).values({column.name: kept.id})
    everything = everything.execution_options(synchronize_session=False)
    if not _is_once(column):
        session.execute(everything.where(column == other.id))
        return
    table = column.table
    assert isinstance(table, SqlTable)
    keys = list(table.primary_key.columns)
    for row in session.execute(select(*keys).where(column == other.id)).all():
        this = and_(*(key == value for key, value in zip(keys, row, strict=True)))
        with suppress(IntegrityError), session.begin_nested():  # the kept one has it: this one stays
            session.execute(everything.where(this))


def _is_once(column: Column[Any]) -> bool:
    """Whether the database holds some rows to one for each person."""
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
    """visibility: for whoever answers for both."""
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
    """visibility: for whoever answers for both."""
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
    """visibility: for whoever answers for both."""
    theirs = session.scalars(
        select(Enrolment).where(Enrolment.person_id == other.id).order_by(Enrolment.session_id, Enrolment.id)
    ).all()
    for enrolment in theirs:
        clash = None
        if enrolment.state in ACTIVE_STATES:
            training = sessions.locked(session, SCHEDULER, enrolment.session_id)
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
                enrolling.offer_free_places(session, who, training, at=at)
        enrolment.person_id = kept.id
        record_amendment(session, who, enrolment, at=at)
        session.flush()


def _join_responders(session: Session, who: Viewer, kept: Person, *, at: datetime) -> None:
    """visibility: for whoever answers for both."""
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
        if (
            each.state is ResponderState.ACTIVE
        ):  # where a person may be found; of one who left it counts no more
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
