"""Giving, donating, the family account, heirs and mandates on the volunteer's pages."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.people.models import Person
from aed.registry.estates.models import Estate
from aed.timebank.families.queries import are_relatives, family_account_id, members_of, named_heir_id
from aed.timebank.ledger.posting import balance_of, find_person_account
from aed.timebank.mandates.actions import mandates_of
from aed.timebank.models import LedgerEntry
from aed.timebank.rules import UNITS_PER_POINT, Currency, LedgerKind
from tests import make
from tests.web.conftest import SignIn

GIVE, PEOPLE = "/me/time-bank/give", "/me/time-bank/people"


@pytest.fixture
def estate(session: Session) -> Estate:
    return make.estate(session)


@pytest.fixture
def mother(session: Session, estate: Estate) -> Person:
    made = make.person(session, name="Wang Fang")
    make.credited(session, made, estate, minutes=100 * 60)
    return made


@pytest.fixture
def son(session: Session) -> Person:
    return make.person(session, name="Wang Lei")


def points(session: Session, person_id: int) -> int:
    account = find_person_account(session, person_id, Currency.POINTS)
    return balance_of(session, account.id) // UNITS_PER_POINT if account is not None else 0


def invite(inviter: TestClient, kind: str) -> str:
    """Make an invitation; return the path of its link."""
    page = inviter.post(f"{PEOPLE}/invitations", data={"kind": kind})
    found = re.search(r'href="https://testserver(/l/[^"]+)"', page.text)
    assert found is not None
    return found[1]


def accept(link: str, invited: TestClient) -> int:
    path = invited.get(link).headers["location"]
    assert invited.get(path).status_code == 200
    return invited.post(path).status_code


def test_a_stranger_gives_nothing_and_an_invitation_leads_to_the_sign_in(
    browser_of: SignIn, session: Session, mother: Person
) -> None:
    mother_id = mother.id
    stranger, phone = browser_of(None), browser_of(mother_id)

    for page in (GIVE, PEOPLE):
        assert stranger.get(page).headers["location"] == f"/sign-in?next={page}"
    for path, data in (
        (GIVE, {"key": str(uuid4()), "to": "care_pool", "points": "1"}),
        (f"{GIVE}/review", {"to": "care_pool", "points": "1"}),
        (PEOPLE, {"change": "open_family", "name": "Wang"}),
        (f"{PEOPLE}/invitations", {"kind": "spouse"}),
    ):
        assert stranger.post(path, data=data).status_code == 401, path
    path = stranger.get(invite(phone, "child")).headers["location"]
    assert stranger.get(path).headers["location"] == f"/sign-in?next={path}"
    assert stranger.post(path).status_code == 401
    forged = path.replace("/child/", "/agent/")
    assert phone.get(forged).status_code == phone.post(forged).status_code == 410


def test_a_gift_is_shown_before_it_is_given_and_given_once(
    browser_of: SignIn, session: Session, mother: Person, son: Person
) -> None:
    ids = mother.id, son.id
    phone, sons = browser_of(mother.id), browser_of(son.id)
    link = invite(phone, "child")
    assert [accept(link, sons) for _ in range(2)] == [303, 303]
    assert are_relatives(session, *ids, confirmed_only=True)
    session.rollback()
    assert "Wang Lei · Child" in re.sub("</?strong>", "", phone.get(PEOPLE).text)
    assert "Wang Fang · Mother or father" in re.sub("</?strong>", "", sons.get(PEOPLE).text)

    form = {"to": f"person:{ids[1]}", "points": "12"}
    review = phone.post(f"{GIVE}/review", data=form)
    assert "12 points to Wang Lei" in review.text
    assert "Then 38 of 50 points are left to give this year." in review.text
    assert "Then you have 88 points." in review.text
    assert points(session, ids[0]) == 100
    session.rollback()

    (key,) = re.findall(r'name="key" value="([^"]+)"', review.text)
    given = [phone.post(GIVE, data=form | {"key": key}).status_code for _ in range(2)]
    assert given == [303, 303]
    assert (points(session, ids[0]), points(session, ids[1])) == (88, 12)
    session.rollback()
    assert "38 of 50 points left this year" in phone.get(GIVE).text

    for path in (GIVE, f"{GIVE}/review"):
        refused = phone.post(path, data=form | {"points": "39", "key": str(uuid4())})
        assert refused.status_code == 409
        assert "You can give 38.00 more points this year." in refused.text
        assert 'value="39"' in refused.text


@pytest.mark.parametrize(
    ("to", "amount"),
    [("care_pool", ""), ("care_pool", "-1"), ("care_pool", "1e9"), ("person:1", "1"), ("<b>", "1")],
)
def test_a_bad_transfer_gets_a_sentence(
    browser_of: SignIn, session: Session, mother: Person, to: str, amount: str
) -> None:
    phone = browser_of(mother.id)

    for path in (GIVE, f"{GIVE}/review"):
        answer = phone.post(path, data={"to": to, "points": amount, "key": str(uuid4())})
        assert answer.status_code == 422
        assert "Choose who receives the points" in answer.text
        assert "<b>" not in answer.text
    gifts = select(func.count()).select_from(LedgerEntry).where(LedgerEntry.kind != LedgerKind.EARN)
    assert session.scalar(gifts) == 0


def test_points_are_donated_without_a_limit(browser_of: SignIn, session: Session, mother: Person) -> None:
    mother_id = mother.id
    phone = browser_of(mother_id)

    assert "left to give" not in phone.post(f"{GIVE}/review", data={"to": "care_pool", "points": "60"}).text
    phone.post(GIVE, data={"to": "care_pool", "points": "60", "key": str(uuid4())})
    assert points(session, mother_id) == 40


def test_a_family_account_is_opened_joined_paid_into_and_left(
    browser_of: SignIn, session: Session, mother: Person, son: Person
) -> None:
    ids = [mother.id, son.id]
    phone, sons = browser_of(mother.id), browser_of(son.id)
    assert phone.post(PEOPLE, data={"change": "open_family", "name": " "}).status_code == 422
    unprintable = phone.post(PEOPLE, data={"change": "open_family", "name": "Wang\x00"})
    assert (unprintable.status_code, "cannot be displayed" in unprintable.text) == (422, True)
    assert phone.post(PEOPLE, data={"change": "open_family", "name": "王家\u3000一号"}).status_code == 303
    link = invite(phone, "family")
    assert accept(link, sons) == 403, "no relative yet"
    accept(invite(phone, "child"), sons)
    assert [accept(link, sons) for _ in range(2)] == [303, 303]
    family = family_account_id(session, ids[1])
    assert family is not None
    assert list(members_of(session, family)) == ids
    session.rollback()

    phone.post(GIVE, data={"to": "family", "points": "30", "key": str(uuid4())})
    page = sons.get(PEOPLE).text
    assert re.search("王家\u3000一号</strong> · 30 points<br>Wang (Fang, Wang Lei|Lei, Wang Fang)", page)
    assert sons.post(PEOPLE, data={"change": "leave_family"}).status_code == 303
    refused = phone.post(PEOPLE, data={"change": "leave_family"})
    assert refused.status_code == 409
    assert "before its last member leaves it" in refused.text


def test_an_heir_is_a_confirmed_relative_until_the_relation_ends(
    browser_of: SignIn, session: Session, mother: Person, son: Person
) -> None:
    ids = mother.id, son.id
    phone, sons = browser_of(mother.id), browser_of(son.id)
    name = {"change": "name_heir", "chosen_id": str(ids[1])}
    assert phone.post(PEOPLE, data=name).status_code == 403
    accept(invite(phone, "child"), sons)
    assert [phone.post(PEOPLE, data=name).status_code for _ in range(2)] == [303, 303]
    assert named_heir_id(session, ids[0]) == ids[1]
    session.rollback()

    (declaration,) = set(re.findall(r'value="end_relative"><input[^>]*value="(\d+)"', phone.get(PEOPLE).text))
    end = {"change": "end_relative", "chosen_id": declaration}
    assert browser_of(make.person(session).id).post(PEOPLE, data=end).status_code == 404
    assert phone.post(PEOPLE, data=end).status_code == 303
    assert named_heir_id(session, ids[0]) is None


def test_a_mandate_is_given_by_a_link_once_and_ended(
    browser_of: SignIn, session: Session, mother: Person, son: Person
) -> None:
    ids = mother.id, son.id
    phone, sons = browser_of(mother.id), browser_of(son.id)
    link = invite(phone, "agent")
    assert [accept(link, sons) for _ in range(2)] == [303, 303]
    (mandate,) = mandates_of(session, ids[1], clock.now())
    assert (mandate.principal_id, mandate.agent_id) == ids
    mandate_id = mandate.id
    session.rollback()
    assert "You order for Wang Fang" in sons.get(PEOPLE).text

    sons.post(PEOPLE, data={"change": "end_mandate", "chosen_id": str(mandate_id)})
    assert mandates_of(session, ids[0], clock.now()) == []
