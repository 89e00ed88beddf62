"""Register many responders of a list at once, optimised for new and unchanged ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.people import actions as people_actions
from aed.accounts.people.models import Person
from aed.accounts.permissions import Viewer, require_administrator
from aed.database.bulk import in_array, insert_many, reserve_ids
from aed.database.geometry import point, position_of
from aed.issuers import queries as issuer_queries
from aed.issuers.models import Issuer
from aed.issuers.rules import IssuerState
from aed.responders.actions.registering import CertificateGiven, PlaceGiven, ResponderGiven, save_responder
from aed.responders.models import Certificate, Consent, Responder, ResponderPlace
from aed.responders.rules import (
    STATED_BY_A_LIST,
    CertificateKind,
    CertificateTrust,
    ConsentKind,
    PlaceKind,
    ResponderState,
    merged_trust,
)

type Ref = tuple[str, str]
"""A source and the id of a responder in that source."""


def save_responders(
    session: Session, who: Viewer, given: Sequence[ResponderGiven], *, at: datetime
) -> list[bool | None]:
    """Register responders; return for each True if new, False if changed, None if unchanged.

    1. Skip unchanged ones.
    2. Insert new ones, in few statements for all.
    3. Register all others one by one (`save_responder`), such as people who manage their own consents.

    `given` must not contain the same responder of a source twice. Raises the errors of `save_responder`.

    visibility: requires an administrator.
    """
    require_administrator(who)
    believed = _Believed(session, given)
    known = _read_known(session, given)
    added = _add(session, who, [each for each in given if _ref(each) not in known], believed, at=at)
    outcomes: list[bool | None] = []
    for each in given:
        ref = _ref(each)
        if ref in added:
            outcomes.append(True)
        elif ref in known and known[ref].is_as(each, believed):
            outcomes.append(None)
        else:
            outcomes.append(save_responder(session, who, each, at=at))
    return outcomes


def _ref(given: ResponderGiven) -> Ref:
    return given.source, given.source_id


class _Believed:
    """The trust in lists for the issuers that they name."""

    def __init__(self, session: Session, given: Iterable[ResponderGiven]) -> None:
        names = {each.certificate.issuer for each in given}
        self._issuers: dict[str, Issuer | None] = {
            name: issuer_queries.issuer_called(session, name) for name in names
        }

    def trust(self, given: CertificateGiven) -> CertificateTrust:
        issuer = self._issuers[given.issuer]
        return given.trust or (issuer.trust_in_lists if issuer is not None else CertificateTrust.DOCUMENTED)

    def issuer_id(self, given: CertificateGiven) -> int | None:
        issuer = self._issuers[given.issuer]
        return issuer.id if issuer is not None and issuer.state is IssuerState.ACTIVE else None


@dataclass(slots=True)
class _Agreed:
    """The consents of a person, whether given by them or stated by a list."""

    in_force: set[ConsentKind] = field(default_factory=set)
    speaks: bool = False
    """True if the person ever gave or withdrew a consent, which overrides lists."""


def _consents_of(session: Session, person_ids: Collection[int]) -> defaultdict[int, _Agreed]:
    """Return the consents of people by person id.

    visibility: requires an administrator, see put_responders.
    """
    found: defaultdict[int, _Agreed] = defaultdict(_Agreed)
    statement = select(Consent.person_id, Consent.kind, Consent.stated_by, Consent.withdrawn_at)
    for person_id, kind, stated_by, withdrawn_at in session.execute(
        statement.where(Consent.person_id.in_(person_ids))
    ):
        if withdrawn_at is None:
            found[person_id].in_force.add(kind)
        found[person_id].speaks |= stated_by is None or withdrawn_at is not None
    return found


# --- new responders -------------------------------------------------------------------------------------


def _add(
    session: Session, who: Viewer, new: Sequence[ResponderGiven], believed: _Believed, *, at: datetime
) -> set[Ref]:
    """Insert new responders; return which were inserted.

    Skips people who manage their own consents, and second entries of one person.

    visibility: requires an administrator, see put_responders.
    """
    people = people_actions.find_or_add_people(session, ((each.name, each.phone) for each in new))
    agreed = _consents_of(session, [person.id for person in people.values()])
    by_person: dict[int, ResponderGiven] = {}
    for each in new:
        person = people[each.name, each.phone]
        if not agreed[person.id].speaks and by_person.setdefault(person.id, each) is each:
            person.language = each.language or person.language
    ids = reserve_ids(session, Responder, len(by_person))
    entries = [(id_, person_id, each) for id_, (person_id, each) in zip(ids, by_person.items(), strict=True)]
    insert_many(
        session,
        Responder,
        [
            {
                "id": id_,
                "person_id": person_id,
                "region_id": each.region_id,
                "estate_id": each.estate_id,
                "source": each.source,
                "source_id": each.source_id,
                "availability": each.availability,
                "paused_until": each.paused_until,
                "state": ResponderState.ACTIVE,
            }
            for id_, person_id, each in entries
        ],
    )
    insert_many(
        session,
        Consent,
        [
            {
                "person_id": person_id,
                "kind": kind,
                "wording": STATED_BY_A_LIST,
                "given_at": at,
                "given_by": who.name,
                "stated_by": each.source,
            }
            for person_id, each in by_person.items()
            for kind in _stated(each)
            if kind not in agreed[person_id].in_force
        ],
    )
    insert_many(
        session, Certificate, [_certificate(id_, each.certificate, believed) for id_, _, each in entries]
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
            for id_, _, each in entries
            for place in each.places
        ],
    )
    return {_ref(each) for each in by_person.values()}


def _stated(given: ResponderGiven) -> list[ConsentKind]:
    """Return the consents that a list states for the person (see `consents.record_stated_consents`)."""
    at_work = any(place.kind is PlaceKind.WORK for place in given.places)
    return [ConsentKind.BEING_CALLED, *([ConsentKind.PLACE_ON_DUTY] if at_work else [])]


def _certificate(responder_id: int, given: CertificateGiven, believed: _Believed) -> dict[str, object]:
    return {
        "responder_id": responder_id,
        "kind": given.kind,
        "issuer": given.issuer,
        "issuer_id": believed.issuer_id(given),
        "trust": believed.trust(given),
        "number": given.number,
        "issued_on": given.issued_on,
        "valid_until": given.valid_until,
        "is_awarded": False,
    }


# --- known responders -----------------------------------------------------------------------------------


class _Entry(NamedTuple):
    """The columns of a stored responder."""

    id: int
    source: str
    source_id: str
    person_id: int
    name: str
    phone: str | None
    language: str
    erased_at: datetime | None
    region_id: int
    estate_id: int | None
    availability: str | None
    paused_until: datetime | None
    joined_into_id: int | None


class _Card(NamedTuple):
    responder_id: int
    issuer: str
    number: str | None
    issuer_id: int | None
    trust: CertificateTrust
    kind: CertificateKind
    issued_on: date | None
    valid_until: date

    def is_as(self, given: CertificateGiven, believed: _Believed) -> bool:
        if (self.issuer, self.number) != (given.issuer, given.number):
            return False
        trust = merged_trust(self.trust, believed.trust(given))
        if trust is None:  # verified by its issuer
            return True
        issuer_id = believed.issuer_id(given)
        return (
            self.trust is trust
            and issuer_id in (None, self.issuer_id)
            and (self.kind, self.issued_on, self.valid_until)
            == (given.kind, given.issued_on, given.valid_until)
        )


@dataclass(slots=True)
class _KnownResponder:
    entry: _Entry
    agreed: _Agreed
    cards: list[_Card] = field(default_factory=list)
    places: list[PlaceGiven] = field(default_factory=list)

    def is_as(self, given: ResponderGiven, believed: _Believed) -> bool:
        """Return whether a list applies to the person and changes nothing; missing values are ignored."""
        entry = self.entry
        return (
            entry.erased_at is None
            and entry.joined_into_id is None
            and not self.agreed.speaks
            and self.agreed.in_force.issuperset(_stated(given))
            and (entry.name, entry.region_id) == (given.name, given.region_id)
            and all(
                value is None or value == stands
                for value, stands in (
                    (given.phone, entry.phone),
                    (given.language, entry.language),
                    (given.estate_id, entry.estate_id),
                    (given.availability, entry.availability),
                    (given.paused_until, entry.paused_until),
                )
            )
            and any(card.is_as(given.certificate, believed) for card in self.cards)
            and self.places == list(given.places)
        )


def _read_known(session: Session, given: Iterable[ResponderGiven]) -> Mapping[Ref, _KnownResponder]:
    """Read the known responders, in four statements for each source.

    visibility: requires an administrator, see put_responders.
    """
    by_source: dict[str, list[str]] = defaultdict(list)
    for each in given:
        by_source[each.source].append(each.source_id)
    found: dict[Ref, _KnownResponder] = {}
    for source, source_ids in by_source.items():
        by_id = _entries(session, source, source_ids)
        found |= {(each.entry.source, each.entry.source_id): each for each in by_id.values()}
        if by_id:
            _with_cards_and_places(session, by_id)
    return found


def _entries(session: Session, source: str, source_ids: Sequence[str]) -> dict[int, _KnownResponder]:
    """Return entries by responder id.

    visibility: requires an administrator, see put_responders.
    """
    statement = (
        select(
            Responder.id,
            Responder.source,
            Responder.source_id,
            Person.id,
            Person.name,
            Person.phone,
            Person.language,
            Person.erased_at,
            Responder.region_id,
            Responder.estate_id,
            Responder.availability,
            Responder.paused_until,
            Responder.joined_into_id,
        )
        .join(Person, Person.id == Responder.person_id)
        .where(Responder.source == source, in_array(session, Responder.source_id, source_ids))
    )
    entries = [_Entry._make(row) for row in session.execute(statement)]
    agreed = _consents_of(session, [entry.person_id for entry in entries])
    return {entry.id: _KnownResponder(entry, agreed[entry.person_id]) for entry in entries}


def _with_cards_and_places(session: Session, by_id: Mapping[int, _KnownResponder]) -> None:
    """Add certificates and places to the known responders.

    visibility: requires an administrator, see put_responders.
    """
    cards = select(
        Certificate.responder_id,
        Certificate.issuer,
        Certificate.number,
        Certificate.issuer_id,
        Certificate.trust,
        Certificate.kind,
        Certificate.issued_on,
        Certificate.valid_until,
    ).where(Certificate.responder_id.in_(by_id))
    for row in session.execute(cards):
        by_id[row.responder_id].cards.append(_Card._make(row))
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
