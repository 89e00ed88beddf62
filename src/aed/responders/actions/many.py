"""Many responders of a list at once: a long list is mostly people who are new, or who stand as it says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts import actions as accounts
from aed.accounts.models import Person
from aed.accounts.rules import Viewer, may_administer
from aed.bulk import among, insert_many, reserve_ids
from aed.responders.actions.registering import CertificateGiven, PlaceGiven, ResponderGiven, put_responder
from aed.responders.models import Certificate, Responder, ResponderPlace
from aed.responders.rules import CertificateKind, ResponderState
from aed.spatial import point, position_of

type Ref = tuple[str, str]
"""A source, and its own id of a responder."""


def put_responders(session: Session, who: Viewer, given: Sequence[ResponderGiven]) -> list[bool | None]:
    """Each responder is as given; of each, True when new, False when changed, None when it was so already.

    1. Those who stand as they are given are left alone.
    2. Those whom the list has not told of before are written in few statements for all.
    3. The others are put one by one, as `put_responder` does.

    No two of `given` are the same responder of a source.

    visibility: an administrator's.
    """
    may_administer(who)
    known = _standing(session, given)
    new = [each for each in given if _ref(each) not in known]
    _add(session, new)
    outcomes: list[bool | None] = []
    for each in given:
        standing = known.get(_ref(each))
        if standing is None:
            outcomes.append(True)
        elif standing.is_as(each):
            outcomes.append(None)
        else:
            outcomes.append(put_responder(session, who, each))
    return outcomes


def _ref(given: ResponderGiven) -> Ref:
    return given.source, given.source_id


# --- those who are new ----------------------------------------------------------------------------------


def _add(session: Session, new: Sequence[ResponderGiven]) -> None:
    """visibility: an administrator's, see put_responders."""
    people = accounts.people(session, ((each.name, each.phone) for each in new))
    for each in new:
        if each.language is not None:
            people[each.name, each.phone].language = each.language
    ids = reserve_ids(session, Responder, len(new))
    insert_many(
        session,
        Responder,
        [
            {
                "id": id_,
                "person_id": people[each.name, each.phone].id,
                "region_id": each.region_id,
                "estate_id": each.estate_id,
                "source": each.source,
                "source_id": each.source_id,
                "availability": each.availability,
                "paused_until": each.paused_until,
                "state": ResponderState.ACTIVE,
            }
            for id_, each in zip(ids, new, strict=True)
        ],
    )
    insert_many(
        session,
        Certificate,
        [
            {
                "responder_id": id_,
                "kind": each.certificate.kind,
                "issuer": each.certificate.issuer,
                "number": each.certificate.number,
                "issued_on": each.certificate.issued_on,
                "valid_until": each.certificate.valid_until,
                "is_awarded": False,
            }
            for id_, each in zip(ids, new, strict=True)
        ],
    )
    insert_many(
        session,
        ResponderPlace,
        [
            {
                "responder_id": id_,
                "kind": place.kind,
                "position": point(place.position),
                "floor": place.floor,
                "hours": place.hours,
            }
            for id_, each in zip(ids, new, strict=True)
            for place in each.places
        ],
    )


# --- those who stand ------------------------------------------------------------------------------------


class _Entry(NamedTuple):
    """What stands of a responder, by columns."""

    id: int
    source: str
    source_id: str
    name: str
    phone: str | None
    language: str
    region_id: int
    estate_id: int | None
    availability: str | None
    paused_until: datetime | None


class _Card(NamedTuple):
    responder_id: int
    kind: CertificateKind
    issuer: str
    number: str | None
    issued_on: date | None
    valid_until: date

    def is_as(self, given: CertificateGiven) -> bool:
        return self[1:] == (given.kind, given.issuer, given.number, given.issued_on, given.valid_until)


@dataclass(slots=True)
class _Standing:
    entry: _Entry
    cards: list[_Card] = field(default_factory=list)
    places: list[PlaceGiven] = field(default_factory=list)

    def is_as(self, given: ResponderGiven) -> bool:
        """Whether nothing would change. What is not given stays as it stands."""
        entry = self.entry
        return (
            (entry.name, entry.region_id) == (given.name, given.region_id)
            and all(
                said is None or said == stands
                for said, stands in (
                    (given.phone, entry.phone),
                    (given.language, entry.language),
                    (given.estate_id, entry.estate_id),
                    (given.availability, entry.availability),
                    (given.paused_until, entry.paused_until),
                )
            )
            and any(card.is_as(given.certificate) for card in self.cards)
            and self.places == list(given.places)
        )


def _standing(session: Session, given: Iterable[ResponderGiven]) -> Mapping[Ref, _Standing]:
    """What stands of those who are known, in three statements for each source.

    visibility: an administrator's, see put_responders.
    """
    by_source: dict[str, list[str]] = defaultdict(list)
    for each in given:
        by_source[each.source].append(each.source_id)
    found: dict[Ref, _Standing] = {}
    for source, source_ids in by_source.items():
        statement = (
            select(
                Responder.id,
                Responder.source,
                Responder.source_id,
                Person.name,
                Person.phone,
                Person.language,
                Responder.region_id,
                Responder.estate_id,
                Responder.availability,
                Responder.paused_until,
            )
            .join(Person, Person.id == Responder.person_id)
            .where(Responder.source == source, among(session, Responder.source_id, source_ids))
        )
        entries = [_Entry._make(row) for row in session.execute(statement)]
        by_id = {entry.id: _Standing(entry) for entry in entries}
        found |= {(each.entry.source, each.entry.source_id): each for each in by_id.values()}
        if not by_id:
            continue
        cards = select(
            Certificate.responder_id,
            Certificate.kind,
            Certificate.issuer,
            Certificate.number,
            Certificate.issued_on,
            Certificate.valid_until,
        ).where(Certificate.responder_id.in_(by_id))
        for row in session.execute(cards):
            by_id[row.responder_id].cards.append(_Card(*row))
        places = (
            select(
                ResponderPlace.responder_id,
                ResponderPlace.kind,
                ResponderPlace.position,
                ResponderPlace.floor,
                ResponderPlace.hours,
            )
            .where(ResponderPlace.responder_id.in_(by_id))
            .order_by(ResponderPlace.id)
        )
        for responder_id, kind, position, floor, hours in session.execute(places):
            by_id[responder_id].places.append(PlaceGiven(kind, position_of(position), floor, hours))
    return found
