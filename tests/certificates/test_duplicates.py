"""Duplicate people: found by shared data, and merged only when a person decides so."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from aed.accounts.people import actions as people_actions
from aed.accounts.people.models import Account, Person, PersonChange
from aed.accounts.permissions import Role, TokenRole, Viewer
from aed.accounts.role_grants import RoleGrant
from aed.accounts.viewers import viewer_of_person
from aed.calendars.models import CalendarAddress
from aed.certificates.duplicates.actions import (
    MERGED_SEPARATELY,
    NOT_MOVED,
    _columns_that_name_people,
    decide_pair,
    find_pairs,
)
from aed.certificates.duplicates.queries import pairs
from aed.certificates.duplicates.rules import LIKELY, DuplicateCandidate, likeness
from aed.certificates.models import PersonPair
from aed.certificates.rules import PairDecision
from aed.database.types import Table
from aed.errors import Conflict, InvalidInput, NotFound
from aed.lookup.responders import NearbyResponder
from aed.registry.devices.models import Device
from aed.responders.actions import offering
from aed.responders.models import Certificate, Responder
from aed.responders.queries import consents_in_force
from aed.responders.rules import CertificateTrust, ConsentKind, ResponderState, centre_of_cell
from aed.settings import Settings
from aed.training.models import Enrolment, TrainingSession
from aed.training.rules import EnrolmentState
from tests import make
from tests.accounts.everyone import signed_in
from tests.lookup.asking import ask
from tests.make import ADMINISTRATOR, NOW, PATIENT, north_of
from tests.responders.test_trust import again

NAME, PHONE = "王小明", "+86 138 0013 8000"


def candidate(name: str = NAME, phone: str | None = PHONE, **given: Any) -> DuplicateCandidate:
    return DuplicateCandidate(name, phone, **given)


LIKELY_ONES = {
    "name and number": (candidate(), candidate(phone="13800138000")),
    "both ways of writing a name": (candidate(), candidate("王小明 Wang Xiaoming")),
    "name and the end of an identity number": (
        candidate(phone=None, holder_ids=("330106********1234",)),
        candidate(phone=None, holder_ids=("**************1234",)),
    ),
    "name and estate": (candidate(phone=None, estate_id=1), candidate(phone="1", estate_id=1)),
    "a number of a card, another spelling": (
        candidate("Li Wei", certificates=frozenset({("1", "RC-1")})),
        candidate("Lee Wei", certificates=frozenset({("1", "RC-1")})),
    ),
}
UNLIKELY_ONES = {
    "only the name": (candidate(phone=None), candidate(phone="+86 139 0000 0000")),
    "only the number, as of a family": (candidate(), candidate("李华")),
    "the number and the estate, as of a family": (candidate(estate_id=1), candidate("李华", estate_id=1)),
    "identity numbers that do not fit": (
        candidate(holder_ids=("330106********1234",)),
        candidate(holder_ids=("330106********5678",)),
    ),
    "nothing": (candidate(), candidate("李华", None)),
}


@pytest.mark.parametrize(("one", "other"), LIKELY_ONES.values(), ids=LIKELY_ONES.keys())
def test_these_entries_are_probably_one_person(one: DuplicateCandidate, other: DuplicateCandidate) -> None:
    found = likeness(one, other)
    assert found.score >= LIKELY
    assert found.reasons
    assert likeness(other, one) == found


@pytest.mark.parametrize(("one", "other"), UNLIKELY_ONES.values(), ids=UNLIKELY_ONES.keys())
def test_these_entries_are_probably_two_people(one: DuplicateCandidate, other: DuplicateCandidate) -> None:
    assert likeness(one, other).score < LIKELY


# --- found ----------------------------------------------------------------------------------------------


def person_of(session: Session, responder_id: int) -> int:
    return session.scalars(select(Responder.person_id).where(Responder.id == responder_id)).one()


def twice(session: Session, **given: Any) -> tuple[int, int]:
    """Return the ids of two entries of 王小明, with the number written in two ways."""
    one = make.responder(session, name=NAME, phone=PHONE)
    other = make.responder(
        session, name=f"{NAME} Wang Xiaoming", phone="13800138000", **({"number_on_card": "B"} | given)
    )
    return person_of(session, one), person_of(session, other)


def only_pair(session: Session, viewer: Viewer = ADMINISTRATOR) -> PersonPair:
    (pair,) = pairs(session, viewer, limit=10)
    return pair


def test_a_possible_duplicate_is_found_once_with_reasons_and_nothing_is_merged(session: Session) -> None:
    ids = twice(session)
    make.responder(session, name="李华", phone=PHONE)
    make.responder(session)

    assert find_pairs(session, at=NOW) == 1
    assert find_pairs(session, at=NOW) == 0

    pair = only_pair(session)
    assert (pair.first_id, pair.second_id) == ids
    assert pair.reasons == ["the same name", "the same phone number"]
    assert {each.joined_into_id for each in session.scalars(select(Person))} == {None}


@pytest.mark.parametrize(
    "given",
    [
        {"phone": "+86 139 0000 0001", "in": "estate"},
        {"phone": "+86 139 0000 0001", "in": "holder_id"},
        {"phone": "+86 139 0000 0001", "in": "certificate"},
    ],
)
def test_duplicates_are_found_without_a_shared_number(session: Session, given: dict[str, str]) -> None:
    issuer = make.issuer(session, also_called=["Chapter"])
    estate = make.estate(session)
    estate_id = estate.id if given["in"] == "estate" else None
    one = make.responder(session, name=NAME, issuer="Chapter", estate_id=estate_id)
    other = make.responder(session, name=NAME, phone=given["phone"], issuer="Chapter", estate_id=estate_id)
    if given["in"] == "holder_id":
        session.execute(update(Certificate).values(holder_id="330106********1234"))
    if given["in"] == "certificate":
        session.execute(update(Certificate).values(number="RC-1", issuer_id=issuer.id))

    assert find_pairs(session, at=NOW) == 1
    pair = only_pair(session)
    assert (pair.first_id, pair.second_id) == (person_of(session, one), person_of(session, other))


def test_a_number_shared_by_a_whole_office_makes_no_duplicates(session: Session) -> None:
    session.add_all(Person(name=f"Clerk {number}", phone=PHONE) for number in range(60))

    assert find_pairs(session, at=NOW) == 0


def test_only_those_who_manage_both_entries_decide_a_duplicate(session: Session) -> None:
    twice(session, in_region="CN-44")
    find_pairs(session, at=NOW)
    one, both = make.person(session), make.person(session)
    make.role(session, one, Role.TRAINING_OFFICER, region=make.region(session))
    for code in ("CN-33", "CN-44"):
        make.role(session, both, Role.TRAINING_OFFICER, region=make.region(session, code))
    pair = only_pair(session)

    assert pairs(session, viewer_of_person(session, one.id), limit=10) == []
    with pytest.raises(NotFound):
        decide_pair(session, viewer_of_person(session, one.id), pair.id, PairDecision.SAME, at=NOW)
    assert only_pair(session, viewer_of_person(session, both.id)).id == pair.id


# --- decided --------------------------------------------------------------------------------------------


def test_a_rejected_duplicate_is_never_suggested_again(session: Session) -> None:
    twice(session)
    find_pairs(session, at=NOW)
    pair = only_pair(session)

    decide_pair(session, ADMINISTRATOR, pair.id, PairDecision.DIFFERENT, at=NOW)
    decide_pair(session, ADMINISTRATOR, pair.id, PairDecision.DIFFERENT, at=NOW)

    assert find_pairs(session, at=NOW) == 0
    assert pairs(session, ADMINISTRATOR, limit=10) == []
    with pytest.raises(Conflict, match="that they are two people"):
        decide_pair(session, ADMINISTRATOR, pair.id, PairDecision.SAME, at=NOW)


def joined(session: Session, *, keep_second: bool = False) -> tuple[int, int]:
    """Find the pair and merge it; return the ids of the kept and the merged entry."""
    find_pairs(session, at=NOW)
    pair = only_pair(session)
    kept, other = (pair.second_id, pair.first_id) if keep_second else (pair.first_id, pair.second_id)
    decide_pair(session, ADMINISTRATOR, pair.id, PairDecision.SAME, keep_id=kept, at=NOW)
    session.expire_all()
    return kept, other


def test_merging_keeps_both_histories_certificates_and_enrolments(session: Session) -> None:
    one, other = twice(session)
    training = make.training(session)
    first = make.enrolment(session, training)
    first.person_id = one
    second = make.enrolment(session, make.training(session))
    second.person_id = other
    device = make.device(session)
    device.keeper_id = other
    training.trainer_id = other
    session.flush()
    session.add(PersonChange(person_id=other, at=NOW, who="list", fields={"name": [None, "x"]}))

    kept, gone = joined(session)

    assert (kept, gone) == (one, other)
    assert {each.person_id for each in session.scalars(select(Enrolment))} == {kept}
    assert (
        session.scalars(select(TrainingSession.trainer_id).where(TrainingSession.id == training.id)).one()
        == kept
    )
    assert session.scalars(select(Device.keeper_id)).one() == kept
    called = session.scalars(select(Responder).order_by(Responder.id)).all()
    assert [each.person_id for each in called] == [kept, kept]
    assert {each.responder_id for each in session.scalars(select(Certificate))} == {called[0].id}
    assert (called[1].state, called[1].joined_into_id) == (ResponderState.WITHDRAWN, called[0].id)
    history = session.scalars(select(PersonChange).order_by(PersonChange.id)).all()
    assert [(each.person_id, each.fields) for each in history[-3:]] == [
        (gone, {"name": [None, "x"]}),
        (kept, {"joined": [None, gone]}),
        (gone, {"joined_into": [None, kept]}),
    ]
    assert session.get_one(Person, gone).joined_into_id == kept


def called(session: Session, settings: Settings) -> list[NearbyResponder]:
    answer = ask(session, settings, make.dispatcher(make.region(session)))
    assert answer.responders is not None
    return answer.responders


def test_a_merged_responder_is_alerted_once_for_both_places(session: Session, settings: Settings) -> None:
    twice(session, at=north_of(PATIENT, metres=300))
    assert len(called(session, settings)) == 2

    joined(session)

    (only,) = called(session, settings)
    assert only.position == centre_of_cell(PATIENT, 9), "the nearer of the two; only its cell is shown"


@pytest.mark.parametrize("keep_second", [False, True])
def test_a_responder_withdrawn_under_one_entry_is_not_alerted_after_merging(
    session: Session, settings: Settings, keep_second: bool
) -> None:
    _, other = twice(session)
    offering.withdraw_offer(session, ADMINISTRATOR, other, at=NOW)
    assert len(called(session, settings)) == 1

    joined(session, keep_second=keep_second)

    assert called(session, settings) == []


@pytest.mark.parametrize("keep_second", [False, True])
def test_a_merged_responder_is_alerted_at_the_places_they_offered(
    session: Session, settings: Settings, keep_second: bool
) -> None:
    _, other = twice(session)
    make.offer(session, session.get_one(Person, other), at=north_of(PATIENT, metres=200))

    kept, _ = joined(session, keep_second=keep_second)

    (only,) = called(session, settings)
    assert only.position == centre_of_cell(north_of(PATIENT, metres=200), 9)
    active = consents_in_force(session, kept)
    assert [(kind, each.stated_by) for kind, each in active.items()] == [("being_called", None)]
    with pytest.raises(Conflict, match="already"):
        make.offer(session, session.get_one(Person, kept))


def merged_entry_with_certificate(session: Session) -> Responder:
    """Return the merged responder entry, to which a certificate has been added since."""
    withdrawn = session.scalars(select(Responder).where(Responder.joined_into_id.is_not(None))).one()
    session.add(
        Certificate(
            responder_id=withdrawn.id,
            kind="cpr_aed",
            issuer="X",
            number="9",
            valid_until=date(2027, 1, 1),
            trust=CertificateTrust.VERIFIED,
        )
    )
    session.flush()
    return withdrawn


def test_a_list_with_the_merged_entry_updates_the_kept_one(session: Session, settings: Settings) -> None:
    one, _ = twice(session)
    joined(session)
    withdrawn = merged_entry_with_certificate(session)

    row = {"name": f"{NAME} Wang Xiaoming", "phone": "13800138000"}
    again(session, withdrawn.id, CertificateTrust.VERIFIED, date(2030, 1, 1), **row)
    (known,) = (
        people_actions.find_or_add_person(session, name=f"{NAME} Wang Xiaoming", phone="13800138000"),
    )

    assert known.id == one
    assert people_actions.find_or_add_people(session, [(known.name, "13800138000")])
    assert session.get_one(Responder, withdrawn.id).state is ResponderState.WITHDRAWN
    assert len(called(session, settings)) == 1
    assert (
        date(2030, 1, 1)
        in session.scalars(
            select(Certificate.valid_until).where(Certificate.responder_id == withdrawn.joined_into_id)
        ).all()
    )


def test_a_row_reused_for_another_person_updates_that_person(session: Session, settings: Settings) -> None:
    """Lists reuse external ids: a row for someone else creates a separate person again."""
    twice(session)
    joined(session)
    withdrawn = merged_entry_with_certificate(session)
    kept = withdrawn.joined_into_id
    cards = session.scalars(select(Certificate.id).where(Certificate.responder_id == kept)).all()

    again(
        session,
        withdrawn.id,
        CertificateTrust.VERIFIED,
        date(2030, 1, 1),
        name="Somebody",
        phone="13900139000",
    )

    session.expire_all()
    theirs = session.get_one(Responder, withdrawn.id)
    assert (theirs.joined_into_id, theirs.state) == (None, ResponderState.ACTIVE)
    assert session.scalars(select(Certificate.id).where(Certificate.responder_id == kept)).all() == cards
    assert len(called(session, settings)) == 2


def test_on_a_shared_roster_the_earlier_place_is_kept_and_the_later_one_is_freed(
    session: Session,
) -> None:
    one, other = twice(session)
    training = make.training(session, capacity=2)
    first, second, waits = (make.enrolment(session, training) for _ in range(3))
    assert waits.state is EnrolmentState.WAITING
    first.person_id, second.person_id = one, other
    session.flush()

    joined(session)

    states = dict(session.execute(select(Enrolment.id, Enrolment.state)).all())
    assert states == {
        first.id: EnrolmentState.ENROLLED,
        second.id: EnrolmentState.WITHDRAWN,
        waits.id: EnrolmentState.OFFERED,
    }


@pytest.mark.parametrize("keep_second", [False, True])
def test_the_account_of_the_kept_entry_is_kept_or_else_that_of_the_other(
    session: Session, keep_second: bool
) -> None:
    owner = make.person(session, phone=PHONE, name=NAME)
    make.role(session, owner, Role.RESIDENT, estate=make.estate(session))
    make.responder(session, name=NAME, phone="138 0013 8000")

    kept, gone = joined(session, keep_second=keep_second)

    assert session.scalars(select(Account.person_id)).all() == [kept]
    assert session.scalars(select(RoleGrant.person_id)).all() == [kept]
    assert (owner.id == kept) is not keep_second
    assert session.get_one(Person, gone).joined_into_id == kept


def test_two_accounts_become_one_and_the_other_cannot_sign_in(session: Session) -> None:
    estate = make.estate(session)
    one, other = (make.person(session, name=NAME, phone=f"+86 138 0013 800{n}") for n in (1, 2))
    for each in (one, other):
        make.role(session, each, Role.RESIDENT, estate=estate)
        signed_in(session, each)
    session.add(PersonPair(first_id=one.id, second_id=other.id, score=0.9, reasons=["said so"], found_at=NOW))
    session.flush()

    kept, gone = joined(session)

    (account,) = session.scalars(select(Account))
    assert (account.person_id, account.phone) == (kept, "+8613800138001")
    active = session.scalars(select(RoleGrant).where(RoleGrant.revoked_at.is_(None))).all()
    assert [each.person_id for each in active] == [kept]
    changes = session.scalars(select(PersonChange).where(PersonChange.person_id == kept)).all()
    assert changes[-1].fields["account"] == ["+86*********02", None], "masked"
    assert gone == other.id


def test_a_merged_entry_is_not_merged_again(session: Session) -> None:
    one, other = twice(session)
    third = person_of(session, make.responder(session, name=NAME, phone="0086 13800138000"))
    assert find_pairs(session, at=NOW) == 3
    found = {(each.first_id, each.second_id): each.id for each in pairs(session, ADMINISTRATOR, limit=9)}

    with pytest.raises(InvalidInput, match="keep_id must be"):
        decide_pair(session, ADMINISTRATOR, found[one, other], PairDecision.SAME, keep_id=third, at=NOW)
    decide_pair(session, ADMINISTRATOR, found[one, other], PairDecision.SAME, at=NOW)
    assert find_pairs(session, at=NOW + timedelta(days=1)) == 0
    assert [(each.first_id, each.second_id) for each in pairs(session, ADMINISTRATOR, limit=9)] == [
        (one, third)
    ]
    decide_pair(session, ADMINISTRATOR, found[one, third], PairDecision.SAME, keep_id=third, at=NOW)

    session.expire_all()
    assert session.get_one(Person, one).joined_into_id == third
    assert session.get_one(Person, other).joined_into_id == third
    active = session.scalars(select(Responder).where(Responder.joined_into_id.is_(None))).all()
    assert len(active) == 1


def test_single_valued_data_of_the_kept_entry_is_kept(session: Session) -> None:
    one, other = (make.person(session, name=NAME, phone=f"+86 138 0013 800{n}") for n in (1, 2))
    third = make.person(session)
    addresses = [make.calendar(session, of=each)[0] for each in (one, other)]
    make.offer(session, one)
    make.offer(session, other)
    for two in ((one, other), (one, third)):
        session.add(
            PersonPair(first_id=two[0].id, second_id=two[1].id, score=0.9, reasons=["said so"], found_at=NOW)
        )
    session.flush()
    found = pairs(session, ADMINISTRATOR, limit=9)
    only = make.calendar(session, of=third)[0]

    for pair in found:
        decide_pair(session, ADMINISTRATOR, pair.id, PairDecision.SAME, keep_id=one.id, at=NOW)

    owners = {row.id: row.person_id for row in session.scalars(select(CalendarAddress))}
    assert [owners[each] for each in addresses] == [one.id, other.id]
    assert owners[only] == third.id
    assert set(consents_in_force(session, one.id)) == {ConsentKind.BEING_CALLED}
    assert consents_in_force(session, other.id) == {}


def test_merging_handles_every_column_that_references_a_person() -> None:
    """Columns of new tables are handed over by default, unless listed in NOT_MOVED or MERGED_SEPARATELY."""
    everywhere = {
        (table.name, key.parent.name)
        for table in Table.metadata.tables.values()
        for key in table.foreign_keys
        if key.column.table.name == "people"
    }
    moved = {(column.table.name, column.name) for column in _columns_that_name_people()}

    assert moved | NOT_MOVED | MERGED_SEPARATELY == everywhere
    assert ("devices", "keeper_id") in moved


def test_duplicates_are_listed_and_decided_over_http(session: Session, client: TestClient) -> None:
    one, other = twice(session)
    find_pairs(session, at=NOW)
    officer = make.person(session)
    make.role(session, officer, Role.TRAINING_OFFICER, region=make.region(session))
    headers = signed_in(session, officer)
    reading = make.key(session, TokenRole.ADMINISTRATOR)
    session.commit()

    assert client.get("/v1/people/duplicates").status_code == 401
    assert client.get("/v1/people/duplicates", headers=reading).status_code == 403
    (pair,) = client.get("/v1/people/duplicates", headers=headers).json()["pairs"]
    assert (pair["first"]["id"], pair["second"]["id"]) == (one, other)
    at = f"/v1/people/duplicates/{pair['id']}"
    assert client.get(at, headers=headers).json() == pair
    assert client.post(f"{at}/decision", json={"decision": "same"}).status_code == 401
    answer = client.post(f"{at}/decision", json={"decision": "same", "keep_id": other}, headers=headers)

    assert answer.status_code == 200, answer.text
    assert (answer.json()["decision"], answer.json()["kept_id"]) == ("same", other)
    assert client.get("/v1/people/duplicates", headers=headers).json()["pairs"] == []
