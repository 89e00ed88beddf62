"""People who offer to respond: consent, places and hours, withdrawal, and entries in lists."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import given as these
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import ANYONE, Role, TokenRole, TokenScope, Viewer
from aed.accounts.trust import CertificateTrust
from aed.errors import AedError, Conflict, InvalidInput, NotAllowed, NotFound, NotSignedIn
from aed.lookup.question import Precision
from aed.lookup.responders import NearbyResponder
from aed.responders import queries
from aed.responders.actions import CertificateGiven, PlaceGiven, ResponderGiven, offering, save_responder
from aed.responders.models import Consent, Responder, ResponderPlace
from aed.responders.rules import (
    WORDINGS,
    CertificateKind,
    ConsentKind,
    PlaceKind,
    ResponderState,
    current_wording,
)
from aed.responders.schemas import OfferAmend, OfferIn
from aed.settings import Settings
from tests import make
from tests.accounts.conftest import Browser
from tests.accounts.everyone import awarded
from tests.examples import examples
from tests.lookup.asking import ask
from tests.make import ADMINISTRATOR, NOW, PATIENT, north_of

NOW_IN_FORCE = current_wording(ConsentKind.BEING_CALLED).version
DUTY_IN_FORCE = current_wording(ConsentKind.PLACE_ON_DUTY).version
PASSWORD = "four words are enough"


def from_a_list(
    session: Session,
    source: str = "red-cross",
    *,
    name: str = "Wu",
    place: PlaceKind = PlaceKind.HOME,
    valid_until: date = date(2028, 1, 1),
    availability: str | None = "24/7",
) -> None:
    """Import a list with Wu, who has a certificate."""
    save_responder(
        session,
        ADMINISTRATOR,
        ResponderGiven(
            source=source,
            source_id="7",
            name=name,
            phone="+86 138 0013 8000",
            language="zh",
            region_id=make.region(session).id,
            estate_id=None,
            availability=availability,
            paused_until=None,
            certificate=CertificateGiven(
                CertificateKind.CPR_AED, "Test issuer", "7", None, valid_until, CertificateTrust.VERIFIED
            ),
            places=(PlaceGiven(place, PATIENT, 0, "24/7"),),
        ),
        at=NOW,
    )


def wu(session: Session) -> Person:
    """Add an account for Wu, who is also on a list."""
    return make.person(session, name="Wu", phone="+86 138 0013 8000")


def oneself(person: Person) -> Viewer:
    return Viewer(
        name=f"person:{person.id}",
        person_id=person.id,
        role=TokenRole.MEMBER,
        scopes=frozenset(TokenScope),
    )


def called(session: Session, settings: Settings) -> list[NearbyResponder]:
    answer = ask(session, settings, make.dispatcher(make.region(session)), precision=Precision.EXACT)
    assert answer.responders is not None
    return answer.responders


def consents(session: Session) -> list[tuple[Any, ...]]:
    return [
        (each.kind, each.wording, each.stated_by, each.withdrawn_at)
        for each in session.scalars(select(Consent).order_by(Consent.id))
    ]


def amend(session: Session, person: Person, **change: Any) -> None:
    offering.amend_offer(
        session, oneself(person), person.id, OfferAmend.model_validate(change), at=NOW + timedelta(hours=1)
    )


# --- permissions ----------------------------------------------------------------------------------------


def test_only_an_administrator_can_change_the_offer_of_another_person(session: Session) -> None:
    person, stranger = make.person(session), make.person(session)
    estate = make.estate(session)
    make.role(session, person, Role.RESIDENT, estate=estate)
    for who, refusal in (
        (ANYONE, NotSignedIn),
        (oneself(stranger), NotFound),
        (make.dispatcher(make.region(session)), NotFound),
        (make.member(estate, writes=True), NotFound),
        (Viewer(role=TokenRole.ADMINISTRATOR, name="reading"), NotAllowed),
    ):
        with pytest.raises(refusal):
            offering.withdraw_offer(session, who, person.id, at=NOW)
        with pytest.raises(refusal):
            offering.require_offer_access(session, who, person.id)
    offering.withdraw_offer(session, oneself(person), person.id, at=NOW)


# --- offering -------------------------------------------------------------------------------------------


def test_an_offer_is_called_only_with_a_certificate(session: Session, settings: Settings) -> None:
    person = wu(session)
    make.offer(session, person)
    assert called(session, settings) == []

    from_a_list(session)  # contains the certificate

    (found,) = called(session, settings)
    assert session.get_one(Responder, found.responder_id).person_id == person.id
    assert [each[:3] for each in consents(session)] == [("being_called", NOW_IN_FORCE, None)], (
        "the list does not speak for who spoke"
    )


def test_an_award_is_called_only_once_its_holder_offers(session: Session, settings: Settings) -> None:
    training = make.training(session)
    enrolment = make.enrolment(session, training, who=ADMINISTRATOR)
    awarded(session, make.training(session))
    assert called(session, settings) == []
    responder = session.scalars(select(Responder)).one()
    person = session.get_one(Person, responder.person_id)

    make.offer(session, person)

    assert [each.responder_id for each in called(session, settings)] == [responder.id]
    assert enrolment.person_id != person.id


def test_an_offer_requires_consent_to_the_current_wording(session: Session) -> None:
    person = make.person(session)
    for given in ({}, {"place_on_duty": DUTY_IN_FORCE}, {"being_called": "1999-01"}):
        with pytest.raises(InvalidInput) as refused:
            make.offer(session, person, consents=given)
        assert refused.value.field is not None
        assert refused.value.field.startswith("consents.being_called")
        session.expire_all()
    make.offer(session, person)
    with pytest.raises(Conflict):
        make.offer(session, person)


def test_a_place_of_duty_requires_its_consent(session: Session) -> None:
    person = make.person(session)
    work = {"kind": "work", "position": {"lat": 30.3, "lon": 120.1}}
    home = {"kind": "home", "position": {"lat": 30.29, "lon": 120.1}}
    with pytest.raises(InvalidInput, match="place_on_duty"):
        make.offer(session, person, places=[home, work])
    session.rollback()
    person = make.person(session)
    make.offer(session, person, places=[home])
    with pytest.raises(InvalidInput, match="place_on_duty"):
        amend(session, person, places=[home, work])

    amend(session, person, consents={"place_on_duty": DUTY_IN_FORCE}, places=[home, work])
    assert kinds(session) == ["home", "work"]
    amend(session, person, consents={"place_on_duty": None})

    assert kinds(session) == ["home"], "withdrawn: the place is gone, and the other one stays"
    assert [each[:3:2] for each in consents(session)] == [("being_called", None), ("place_on_duty", None)]
    assert consents(session)[1][3] == NOW + timedelta(hours=1)


def kinds(session: Session) -> list[str]:
    return sorted(session.scalars(select(ResponderPlace.kind)))


def test_a_pause_ends_by_itself_or_when_it_is_taken_back(session: Session, settings: Settings) -> None:
    from_a_list(session)
    person = session.scalars(select(Person)).one()
    make.offer(session, person)
    amend(session, person, paused_until=(NOW + timedelta(days=1)).isoformat())
    assert called(session, settings) == []

    assert len(ask_at(session, settings, days=2)) == 1
    amend(session, person, paused_until=None)
    assert len(called(session, settings)) == 1


def ask_at(session: Session, settings: Settings, *, days: int) -> list[NearbyResponder]:
    answer = ask(session, settings, make.dispatcher(make.region(session)), at=NOW + timedelta(days=days))
    return answer.responders or []


def test_leaving_deactivates_and_deletes_all_places(session: Session, settings: Settings) -> None:
    from_a_list(session)
    person = session.scalars(select(Person)).one()
    make.offer(session, person)
    assert len(called(session, settings)) == 1

    for _twice in range(2):
        offering.withdraw_offer(session, oneself(person), person.id, at=NOW + timedelta(days=1))

    assert called(session, settings) == []
    assert kinds(session) == []
    assert session.scalars(select(Responder.availability)).all() == [None]
    assert all(each[3] is not None for each in consents(session)), (
        "that it was given stays, and that it ended"
    )
    with pytest.raises(NotFound):
        amend(session, person, availability="24/7")
    make.offer(session, person)
    assert len(called(session, settings)) == 1, "and may come back"


# --- lists ----------------------------------------------------------------------------------------------


def test_a_list_states_the_consents_of_its_people(session: Session, settings: Settings) -> None:
    from_a_list(session, place=PlaceKind.WORK)

    assert len(called(session, settings)) == 1
    assert consents(session) == [
        ("being_called", "list", "red-cross", None),
        ("place_on_duty", "list", "red-cross", None),
    ]
    from_a_list(session, place=PlaceKind.WORK)
    assert len(consents(session)) == 2, "the same again changes nothing"


@pytest.mark.parametrize("name", ["Wu", "Wu Er"])
@pytest.mark.parametrize("source", ["red-cross", "another"])
def test_a_list_does_not_reactivate_people_who_withdrew(
    session: Session, settings: Settings, name: str, source: str
) -> None:
    from_a_list(session)
    person = session.scalars(select(Person)).one()
    offering.withdraw_offer(session, oneself(person), person.id, at=NOW)

    from_a_list(session, source, name=name if source == "red-cross" else "Wu", place=PlaceKind.WORK)

    assert called(session, settings) == []
    assert kinds(session) == []
    assert len(session.scalars(select(Person)).all()) == 1


def test_a_list_changes_only_the_certificate_of_people_who_spoke(
    session: Session, settings: Settings
) -> None:
    from_a_list(session, valid_until=date(2026, 1, 1))
    person = session.scalars(select(Person)).one()
    make.offer(session, person, at=north_of(PATIENT, metres=300), availability="Mo-Fr 08:00-18:00")
    assert called(session, settings) == [], "the certificate is over"

    from_a_list(session, availability="Sa-Su", valid_until=date(2028, 1, 1))
    from_a_list(session, "another", availability="Sa-Su")

    offer = queries.offer_of(session, person.id)
    assert offer.entry is not None
    assert offer.entry.availability == "Mo-Fr 08:00-18:00"
    (found,) = called(session, settings)
    assert found.position.lat == pytest.approx(north_of(PATIENT, metres=300).lat)


STEPS = ("list", "another list", "of work", "offer", "leave", "duty", "no duty", "not called")


@hypothesis_settings(  # each example begins with a rollback; a database has slow moments
    max_examples=examples(12), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@these(steps=st.lists(st.sampled_from(STEPS), max_size=8))
def test_only_people_who_agreed_are_called_after_any_sequence(
    session: Session, settings: Settings, steps: list[str]
) -> None:
    """The availability used by the lookup stays consistent with the consents, for any order of events."""
    session.rollback()
    person = wu(session)
    doing: dict[str, Callable[[], object]] = {
        "list": lambda: from_a_list(session),
        "another list": lambda: from_a_list(session, "another"),
        "of work": lambda: from_a_list(session, place=PlaceKind.WORK),
        "offer": lambda: make.offer(session, person),
        "leave": lambda: offering.withdraw_offer(session, oneself(person), person.id, at=NOW),
        "duty": lambda: amend(session, person, consents={"place_on_duty": DUTY_IN_FORCE}),
        "no duty": lambda: amend(session, person, consents={"place_on_duty": None}),
        "not called": lambda: amend(session, person, consents={"being_called": None}),
    }
    for step in steps:
        with contextlib.suppress(AedError), session.begin_nested():
            doing[step]()
        session.expire_all()
        agreed = {each[0] for each in consents(session) if each[3] is None}
        active = session.scalars(select(Responder.state)).all().count(ResponderState.ACTIVE)
        assert (active > 0) <= (ConsentKind.BEING_CALLED in agreed), (steps, step)
        assert ("work" in kinds(session)) <= (ConsentKind.PLACE_ON_DUTY in agreed), (steps, step)
        own = session.scalar(
            select(Consent.id).where(Consent.stated_by.is_(None), Consent.withdrawn_at.is_(None))
        )
        assert own is None or active <= 1, (steps, step)
    session.rollback()


# --- over HTTP ------------------------------------------------------------------------------------------


def test_a_person_offers_pauses_and_leaves_in_their_own_browser(
    browser: Callable[[], Browser], session: Session
) -> None:
    make.region(session)
    person = make.person(session, phone="138 0013 8000", password=PASSWORD)
    session.commit()
    own = browser()
    assert own.sign_in("13800138000", password=PASSWORD).status_code == 200
    words = {each["kind"]: each for each in own.client.get("/v1/consents").json() if each["is_in_force"]}
    assert set(words) == set(WORDINGS)
    assert words["being_called"]["zh"]
    path = f"/v1/people/{person.id}/offer"
    assert own.client.get(path).json()["state"] == "withdrawn"
    body: dict[str, Any] = {
        "consents": {"being_called": words["being_called"]["version"]},
        "region": "CN-33",
        "availability": "Mo-Fr 08:00-22:00",
        "places": [{"kind": "home", "position": {"lat": 30.29, "lon": 120.1}, "storey": "3楼"}],
    }
    for wrong, field in (
        ({"places": []}, "places"),
        ({"places": [body["places"][0] | {"floor": 3, "storey": "3楼"}]}, "floor"),
        ({"availability": "now and then"}, "availability"),
        ({"consents": {"everything": "1"}}, "consents"),
        ({"region": "nowhere"}, "region"),
        ({"paused_until": "2026-12-31T00:00:00"}, "paused_until"),
    ):
        refused = own.client.post(path, json=body | wrong, headers=own.csrf)
        assert refused.status_code in (404, 422), refused.text
        assert refused.json()["field"].startswith(field), refused.text

    made = own.client.post(path, json=body, headers=own.csrf)

    assert made.status_code == 201, made.text
    assert made.json()["state"] == "active"
    (place,) = made.json()["places"]
    assert (place["floor"], place["storey"]["zh"]) == (2, "3楼（floor 2）")
    assert own.client.post(path, json=body, headers=own.csrf).status_code == 409
    pause = {"paused_until": "2099-01-01T00:00:00+08:00"}
    assert own.client.patch(path, json=pause, headers=own.csrf).status_code == 428
    as_read = own.csrf | {"If-Match": own.client.get(path).headers["ETag"]}
    paused = own.client.patch(path, json=pause, headers=as_read)
    assert paused.json()["paused_until"].startswith("2098-12-31T16")
    assert own.client.patch(path, json=pause, headers=as_read).status_code == 412
    assert own.client.delete(path, headers=own.csrf).status_code == 204
    (given,) = own.client.get(f"/v1/people/{person.id}/consents").json()["consents"]
    assert given["withdrawn_by"] == f"person:{person.id}"
    assert own.client.get(path).json()["places"] == []


def test_consents_come_a_page_at_a_time(session: Session) -> None:
    person = make.person(session)
    for _ in range(3):
        make.offer(session, person)
        offering.withdraw_offer(session, ADMINISTRATOR, person.id, at=NOW)
    first = queries.consents(session, person.id, limit=2)
    rest = queries.consents(session, person.id, limit=2, after_id=first[-1].id)
    assert [len(first), len(rest)] == [2, 1]


def test_an_offer_needs_an_estate_or_a_region(session: Session) -> None:
    with pytest.raises(InvalidInput, match="estate_id or region"):
        make.offer(session, make.person(session), region=None)
    with pytest.raises(ValueError, match="at least 1"):
        OfferIn.model_validate({"consents": {"being_called": NOW_IN_FORCE}, "region": "CN-33", "places": []})
