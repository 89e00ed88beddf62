"""Possible duplicate people: candidates by shared data, and the pairs for which a decision is needed.

Only `by_phone` and `visible_people` read phone numbers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from itertools import combinations
from typing import Final

from sqlalchemy import ColumnElement, and_, exists, false, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased, joinedload

from aed.accounts.people.models import Person
from aed.accounts.permissions import TokenScope, Viewer
from aed.certificates.duplicates.rules import DuplicateCandidate
from aed.certificates.models import PersonPair
from aed.certificates.rules import bare_phone, blocking_name
from aed.errors import NotFound
from aed.responders.models import Certificate, Responder
from aed.training.models import Enrolment, TrainingSession
from aed.training.permissions import RUN_IN_REGIONS

MAX_BLOCK_PEOPLE: Final = 50
"""If more people share a key, such as the phone number of an office, it is ignored."""

type Pair = tuple[int, int]
"""Two person ids, the smaller one first."""


def is_identified() -> ColumnElement[bool]:
    """Return a condition: the entry is neither merged into another nor erased.

    visibility: this is itself a condition.
    """
    return and_(Person.joined_into_id.is_(None), Person.erased_at.is_(None))


def by_phone(session: Session) -> Iterator[Pair]:
    """Yield pairs of people whose phone numbers have the same digits.

    visibility: for the scheduler; ids only.
    """
    people = select(Person.id, Person.phone).where(Person.phone.is_not(None), is_identified())
    yield from _pairs((bare_phone(row.phone), row.id) for row in session.execute(people).yield_per(10_000))


def by_certificate(session: Session) -> Iterator[Pair]:
    """Yield pairs of people with a certificate of the same issuer and number.

    visibility: for the scheduler; ids only.
    """
    mine, other = aliased(Certificate), aliased(Certificate)
    of_mine, of_other = aliased(Responder), aliased(Responder)
    found = session.execute(
        select(of_mine.person_id, of_other.person_id)
        .select_from(mine)
        .join(
            other,
            and_(other.issuer_id == mine.issuer_id, other.number == mine.number, other.id > mine.id),
        )
        .join(of_mine, of_mine.id == mine.responder_id)
        .join(of_other, of_other.id == other.responder_id)
        .where(of_mine.person_id != of_other.person_id)
    )
    for one, another in found:
        yield min(one, another), max(one, another)


def by_name_at_home(session: Session) -> Iterator[Pair]:
    """Yield pairs of people of one estate whose names agree.

    visibility: for the scheduler; ids only.
    """
    called, learning = (
        select(of.estate_id, Person.name, Person.id)
        .join(Person, Person.id == of.person_id)
        .where(of.estate_id.is_not(None), is_identified())
        for of in (Responder, Enrolment)
    )
    found = session.execute(called.union(learning)).yield_per(10_000)
    yield from _pairs((f"{row.estate_id} {blocking_name(row.name)}", row.id) for row in found)


def by_holder_id(session: Session) -> Iterator[Pair]:
    """Yield pairs of people whose names agree and whose identity numbers have the same last four characters.

    visibility: for the scheduler; ids only.
    """
    people = (
        select(Certificate.holder_id, Person.name, Person.id)
        .join(Responder, Responder.id == Certificate.responder_id)
        .join(Person, Person.id == Responder.person_id)
        .where(Certificate.holder_id.is_not(None), is_identified())
    )
    found = session.execute(people).yield_per(10_000)
    yield from _pairs((f"{row.holder_id[-4:]} {blocking_name(row.name)}", row.id) for row in found)


def _pairs(keyed: Iterator[tuple[str, int]]) -> Iterator[Pair]:
    """Yield all pairs of people with the same key; ignore keys that are very short or very common."""
    blocks: dict[str, set[int]] = defaultdict(set)
    for key, person_id in keyed:
        if len(key.strip()) >= 4:
            blocks[key].add(person_id)
    for block in blocks.values():
        if 1 < len(block) <= MAX_BLOCK_PEOPLE:
            yield from combinations(sorted(block), 2)


def visible_people(session: Session, ids: Collection[int]) -> dict[int, DuplicateCandidate]:
    """Return the data of each person that is compared, by id.

    visibility: for the scheduler.
    """
    certificates: dict[int, set[tuple[str, str]]] = defaultdict(set)
    holder_ids: dict[int, list[str]] = defaultdict(list)
    estates: dict[int, int] = {}
    held = (
        select(
            Responder.person_id,
            Responder.estate_id,
            Certificate.issuer_id,
            Certificate.number,
            Certificate.holder_id,
        )
        .outerjoin(Certificate, Certificate.responder_id == Responder.id)
        .where(Responder.person_id.in_(ids))
    )
    for row in session.execute(held):
        if row.estate_id is not None:
            estates[row.person_id] = row.estate_id
        if row.issuer_id is not None and row.number is not None:
            certificates[row.person_id].add((str(row.issuer_id), row.number))
        if row.holder_id is not None:
            holder_ids[row.person_id].append(row.holder_id)
    people = select(Person.id, Person.name, Person.phone).where(Person.id.in_(ids))
    return {
        row.id: DuplicateCandidate(
            row.name,
            row.phone,
            tuple(dict.fromkeys(holder_ids[row.id])),
            estates.get(row.id),
            frozenset(certificates[row.id]),
        )
        for row in session.execute(people)
    }


def known_pairs(session: Session) -> set[Pair]:
    """Return all stored pairs, decided or not.

    visibility: for the scheduler; ids only.
    """
    return {
        (row.first_id, row.second_id)
        for row in session.execute(select(PersonPair.first_id, PersonPair.second_id))
    }


def answers_for(viewer: Viewer, person_id: InstrumentedAttribute[int]) -> ColumnElement[bool]:
    """Return a condition: the viewer is responsible for the person.

    Network administrators are responsible for everyone; training officers and administrators of a region for
    its responders and learners. Others are excluded, because deciding shows names and phone numbers.

    visibility: this is itself a condition.
    """
    if TokenScope.WRITE not in viewer.scopes:
        return false()
    if viewer.is_administrator:
        return true()
    regions = sorted(
        {
            region
            for holding in viewer.role_assignments
            if holding.role in RUN_IN_REGIONS
            for region in holding.region_ids
        }
    )
    if not regions:
        return false()
    called = exists().where(Responder.person_id == person_id, Responder.region_id.in_(regions))
    learns = (
        exists()
        .where(Enrolment.person_id == person_id)
        .where(TrainingSession.id == Enrolment.session_id, TrainingSession.region_id.in_(regions))
    )
    return or_(called, learns)


def pairs(
    session: Session, viewer: Viewer, *, limit: int, after_id: int = 0, also_decided: bool = False
) -> Sequence[PersonPair]:
    """Return a page of pairs in order of id, with both people loaded.

    Decided pairs are included only with `also_decided`.
    """
    statement = (
        select(PersonPair)
        .options(joinedload(PersonPair.first), joinedload(PersonPair.second))
        .where(
            PersonPair.id > after_id,
            answers_for(viewer, PersonPair.first_id),
            answers_for(viewer, PersonPair.second_id),
        )
    )
    if not also_decided:
        statement = statement.where(PersonPair.decision.is_(None))
    return session.scalars(statement.order_by(PersonPair.id).limit(limit)).all()


def pair(session: Session, viewer: Viewer, pair_id: int) -> PersonPair:
    """Return a pair with both people loaded. Raise NotFound if none is visible to the viewer."""
    found = session.scalar(
        select(PersonPair)
        .options(joinedload(PersonPair.first), joinedload(PersonPair.second))
        .where(
            PersonPair.id == pair_id,
            answers_for(viewer, PersonPair.first_id),
            answers_for(viewer, PersonPair.second_id),
        )
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFound("There is no pair {pair_id}, or you may not see it.", field="pair_id", pair_id=pair_id)
    return found
