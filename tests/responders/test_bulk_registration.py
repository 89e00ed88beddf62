"""Importing a long list has the same result as importing its rows one by one, in few SQL statements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.errors import Conflict, NotAllowed, NotSignedIn
from aed.responders.actions import (
    CertificateGiven,
    PlaceGiven,
    ResponderGiven,
    consents,
    save_responder,
    save_responders,
)
from aed.responders.models import Certificate, Consent, Responder, ResponderPlace
from aed.responders.rules import CertificateKind, CertificateTrust, PlaceKind
from tests import make
from tests.make import ADMINISTRATOR, NOW, PATIENT, north_of
from tests.statements import statements_of

LATER = NOW + timedelta(days=1)
HOME = PlaceGiven(PlaceKind.HOME, PATIENT, 3, "19:00-08:00")
WORK = PlaceGiven(PlaceKind.WORK, north_of(PATIENT, metres=300), 0, "Mo-Fr 09:00-18:00")


def given(session: Session, number: int, **more: Any) -> ResponderGiven:
    return replace(
        ResponderGiven(
            source="chapter",
            source_id=str(number),
            name=f"王{number}",
            phone=f"+86 138 0000 {number:04}",
            language=None,
            region_id=make.region(session).id,
            estate_id=None,
            availability="Mo-Su 07:00-22:00",
            paused_until=None,
            certificate=CertificateGiven(
                CertificateKind.CPR_AED, "Red Cross", f"R{number}", None, date(2028, 1, 1)
            ),
            places=(HOME,),
        ),
        **more,
    )


def put_one_by_one(session: Session, rows: Sequence[ResponderGiven]) -> list[bool | None]:
    return [save_responder(session, ADMINISTRATOR, row, at=LATER) for row in rows]


def put_at_once(session: Session, rows: Sequence[ResponderGiven]) -> list[bool | None]:
    return save_responders(session, ADMINISTRATOR, rows, at=LATER)


def all_that_stands(session: Session) -> list[Any]:
    """Return all stored data about responders, without primary keys."""

    def of(model: Any, **owner: int) -> list[Any]:
        names = [each.key for each in model.__table__.columns if each.key not in {"id", "position", *owner}]
        rows = session.scalars(select(model).filter_by(**owner))
        return sorted([repr(getattr(row, name)) for name in names] for row in rows)

    session.expire_all()
    people = {each.id: each.name for each in session.scalars(select(Person))}
    return sorted(
        [
            (each.source, each.source_id),
            (people[each.person_id], each.region_id, each.estate_id, each.availability, each.state),
            (each.paused_until, each.joined_into_id),
            of(Certificate, responder_id=each.id),
            of(ResponderPlace, responder_id=each.id),
            of(Consent, person_id=each.person_id),
        ]
        for each in session.scalars(select(Responder))
    )


def test_bulk_registration_gives_the_same_result_as_row_by_row(session: Session) -> None:
    issuer = make.issuer(session, "known-rc")
    base = [given(session, number) for number in range(8)]
    put_one_by_one(session, base)
    people = {each.source_id: each.person_id for each in session.scalars(select(Responder))}
    make.offer(session, session.get_one(Person, people["4"]))
    consents.withdraw_all_consents(session, ADMINISTRATOR, session.get_one(Person, people["5"]), at=NOW)
    verified = session.scalars(select(Certificate).where(Certificate.number == "R6")).one()
    verified.trust = CertificateTrust.VERIFIED
    alone = make.person(session, name="王90", phone="+86 138 0000 0090")
    make.offer(session, alone)
    session.commit()
    card = base[0].certificate
    rows = [
        base[0],
        replace(base[1], certificate=replace(card, number="R1", valid_until=date(2030, 1, 1))),
        replace(base[2], places=(HOME, WORK)),
        replace(base[3], availability=None, language="en"),
        replace(base[4], availability="Sa,Su", places=(WORK,)),
        replace(base[5], certificate=replace(card, number="R5b")),
        replace(base[6], certificate=replace(card, number="R6", valid_until=date(2020, 1, 1))),
        replace(base[7], name="李七"),
        given(session, 20),
        given(session, 21, places=(HOME, WORK), language="en", paused_until=LATER),
        given(session, 22, certificate=replace(card, number=None, issuer=issuer.name_en)),
        given(session, 23, certificate=replace(card, number="R23", trust=CertificateTrust.VERIFIED)),
        given(session, 24, name="王20", phone="+86 138 0000 0020"),
        given(session, 25, phone=None),
        given(session, 90),
    ]

    def done_by(put: Callable[..., list[bool | None]]) -> tuple[list[bool | None], list[Any]]:
        with session.begin_nested() as tried:
            outcomes = put(session, rows)
            session.flush()
            found = all_that_stands(session)
            tried.rollback()
        session.expire_all()
        return outcomes, found

    one_by_one, at_once = done_by(put_one_by_one), done_by(put_at_once)

    assert at_once[0] == one_by_one[0]
    assert at_once[1] == one_by_one[1]
    assert one_by_one[0][:2] == [None, False]
    assert one_by_one[0][8:] == [True] * 7
    put_at_once(session, rows)
    assert put_at_once(session, rows) == [None] * len(rows), "and again nothing"


def test_an_erased_person_is_refused(session: Session) -> None:
    row = given(session, 1)
    put_at_once(session, [row])
    session.get_one(Person, session.scalars(select(Responder.person_id)).one()).erased_at = NOW

    with pytest.raises(Conflict, match="erased"):
        put_at_once(session, [given(session, 2), row])


def test_registration_requires_an_administrator(session: Session) -> None:
    for who, refusal in ((make.ANYONE, NotSignedIn), (make.member(make.estate(session)), NotAllowed)):
        with pytest.raises(refusal):
            save_responders(session, who, [given(session, 1)], at=LATER)


def test_the_number_of_statements_does_not_grow_with_rows(session: Session) -> None:
    counts = []
    for rows in ([given(session, n) for n in range(10)], [given(session, n) for n in range(100, 200)]):
        for _ in range(2):  # new, then unchanged
            with statements_of(session.get_bind()) as sent:  # type: ignore[arg-type] # it is an Engine
                put_at_once(session, rows)
            counts.append(len(sent))
    assert counts[2] - counts[0] <= 90, "people are new one by one on SQLite; all else is not"
    assert counts[3] == counts[1] < 10
