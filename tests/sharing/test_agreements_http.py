"""Agreements over HTTP: an estate drafts, three parties decide by their links, the region confirms."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from aed.accounts.permissions import Role, TokenRole
from aed.registry.estates.models import Estate
from aed.sharing.rules import is_credit_code
from tests import make
from tests.accounts.everyone import signed_in
from tests.make import NOW, PATIENT, east_of

PARTIES = ("party_committee", "owners_committee", "service_centre")


class Case:
    """An estate with one device, its callers, and requests to the API."""

    def __init__(self, session: Session, client: TestClient) -> None:
        estate = make.estate(session, neighbourhood="lane")
        next_door = make.estate(session, neighbourhood="lane", around=east_of(PATIENT, metres=500))
        self.client, self.estate_id = client, estate.id
        device = make.device(session, of=estate, audience="estate", last_checked_on="2090-01-01")
        self.device = device
        self.device_id = device.id
        self.text = make.agreement_text(device, starts_on="2020-01-01", ends_on="2099-12-31")
        self.keys = {
            "administrator": make.key(session, TokenRole.ADMINISTRATOR, writes=True),
            "member": make.key(session, TokenRole.MEMBER, estate=estate, writes=True),
            "neighbour": make.key(session, TokenRole.MEMBER, estate=next_door, writes=True),
            "nobody": {},
        }
        session.commit()

    def send(self, who: str, method: str, path: str, json: Any = None, version: int | None = None) -> Any:
        headers = self.keys[who] | ({"If-Match": f'"{version}"'} if version is not None else {})
        return self.client.request(method, f"/v1/agreements{path}", json=json, headers=headers)

    def draft(self, **given: Any) -> Any:
        made = self.send("administrator", "POST", "", self.text | {"estate_id": self.estate_id} | given)
        assert made.status_code == 201, made.text
        return made.json()

    def propose(self, agreement: Any) -> Any:
        answer = self.send("administrator", "POST", f"/{agreement['id']}/proposal")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def link(self, agreement: Any, party: str, **given: Any) -> str:
        answer = self.send("administrator", "POST", f"/{agreement['id']}/parties/{party}/links", given)
        assert answer.status_code == 201, answer.text
        return "/by-link/" + str(answer.json()["address"]).rpartition("/")[2]

    def decide(self, link: str, agreement: Any, kind: str = "consent", **given: Any) -> Any:
        return self.send(
            "nobody",
            "POST",
            f"{link}/decisions",
            {"kind": kind, "text_hash": agreement["text_hash"], **given},
        )

    def audience(self) -> str:
        answer = self.client.get(f"/v1/devices/{self.device_id}", headers=self.keys["administrator"])
        return str(answer.json()["audience"])


@pytest.fixture
def case(session: Session, client: TestClient) -> Case:
    return Case(session, client)


def test_three_parties_decide_by_their_links_and_one_takes_it_back(case: Case) -> None:
    agreement = case.propose(case.draft())
    assert agreement["waits_for"] == list(PARTIES)
    links = {party: case.link(agreement, party) for party in PARTIES}
    for party in PARTIES:
        page = case.send("nobody", "GET", links[party]).json()
        assert (page["party"], page["agreement"]["text_hash"]) == (party, agreement["text_hash"])
        assert case.decide(links[party], agreement).status_code == 201
    waiting = case.send("member", "GET", f"/{agreement['id']}").json()
    assert waiting["waits_for"] == ["region"]
    assert case.audience() == "estate"

    text = {"text_hash": waiting["text_hash"]}
    confirmed = case.send("administrator", "POST", f"/{agreement['id']}/confirmation", text)
    assert confirmed.status_code == 200, confirmed.text
    assert case.audience() == "neighbours"
    refused = case.client.patch(
        f"/v1/devices/{case.device_id}",
        json={"audience": "public"},
        headers=case.keys["administrator"] | {"If-Match": '"2"'},
    )
    assert refused.status_code == 409
    assert "decided by the parties" in refused.json()["detail"]

    taken = case.send(
        "nobody", "POST", f"{links['owners_committee']}/withdrawal", {"reason": "Too many strangers"}
    )
    assert taken.status_code == 200, taken.text
    assert case.audience() == "estate"


def test_strangers_and_neighbours_read_no_agreement(case: Case) -> None:
    agreement = case.draft()
    for who in ("nobody", "neighbour"):
        assert case.send(who, "GET", f"/{agreement['id']}").status_code == 404
        assert case.send(who, "GET", "").json()["agreements"] == []
        refused = case.send(who, "POST", "", case.text | {"estate_id": case.estate_id})
        assert refused.status_code in (401, 403)
    assert [each["id"] for each in case.send("member", "GET", "").json()["agreements"]] == [agreement["id"]]


def test_an_estate_does_not_confirm_its_own_agreement(case: Case) -> None:
    agreement = case.propose(case.draft())
    for party in PARTIES:
        case.decide(case.link(agreement, party), agreement)
    text = {"text_hash": agreement["text_hash"]}
    answer = case.send("member", "POST", f"/{agreement['id']}/confirmation", text)
    assert answer.status_code == 403


def test_a_party_refuses_with_a_reason_and_later_consents(case: Case) -> None:
    agreement = case.propose(case.draft())
    link = case.link(agreement, "owners_committee")
    assert case.decide(link, agreement, "refusal").status_code == 422
    assert case.decide(link, agreement, "refusal", reason="The gate is not lit").status_code == 201
    parties = case.send("member", "GET", f"/{agreement['id']}").json()["parties"]
    assert parties[1]["reason"] == "The gate is not lit"
    assert case.decide(link, agreement).status_code == 201
    assert case.decide(link, agreement).status_code == 409


def test_a_new_link_replaces_the_earlier_one_and_a_delegates_link_does_not(case: Case) -> None:
    agreement = case.propose(case.draft())
    first = case.link(agreement, "service_centre")
    second = case.link(agreement, "service_centre")
    delegate = case.link(agreement, "service_centre", mandate="Letter 7 of 2026")
    assert case.decide(first, agreement).status_code == 404
    assert case.send("nobody", "GET", second).status_code == 200
    assert case.decide(delegate, agreement).status_code == 201


def test_only_the_present_representative_decides(case: Case, session: Session) -> None:
    people = [make.person(session, name=f"Wang {n}", phone=f"+86 138 0000 000{n}") for n in (1, 2)]
    for n, person in enumerate(people):
        case.keys[f"person {n}"] = signed_in(session, person)
    session.commit()
    case.text["parties"][0]["representative"] = {"name": "Wang 1", "phone": "+86 138 0000 0001"}
    agreement = case.propose(case.draft())
    link = case.link(agreement, "party_committee")
    path = f"/{agreement['id']}/parties/party_committee"

    changed = case.send(
        "administrator", "PUT", f"{path}/representative", {"name": "Wang 2", "phone": "+86 138 0000 0002"}
    )
    assert changed.status_code == 204, changed.text
    decision = {"kind": "consent", "text_hash": agreement["text_hash"]}
    assert case.send("person 0", "POST", f"{path}/decisions", decision).status_code == 404
    assert case.decide(link, agreement).status_code == 404
    assert case.send("person 1", "POST", f"{path}/decisions", decision).status_code == 201


def test_amending_the_representative_ends_the_links_of_that_party_only(case: Case) -> None:
    case.text["parties"][0]["representative"] = {"name": "Wang 1", "phone": "+86 138 0000 0001"}
    agreement = case.propose(case.draft())
    links = {party: case.link(agreement, party) for party in PARTIES}
    case.text["parties"][0]["representative"] = {"name": "Wang 2", "phone": "+86 138 0000 0002"}
    changed = case.send(
        "administrator", "PUT", f"/{agreement['id']}", case.text, version=agreement["version"]
    )
    assert changed.status_code == 200, changed.text

    ended = {party: case.send("nobody", "GET", link).status_code for party, link in links.items()}
    role = case.text["parties"][0]["role"]
    assert ended == {party: 404 if party == role else 200 for party in PARTIES}


def test_a_manager_and_an_administrator_who_lost_their_role_act_no_more(case: Case, session: Session) -> None:
    estate = session.get_one(Estate, case.estate_id)
    grants = {}
    for who, role, place in (
        ("manager", Role.ESTATE_MANAGER, {"estate": estate}),
        ("region", Role.ADMINISTRATOR, {"region": make.region(session)}),
    ):
        person = make.person(session)
        grants[who] = make.role(session, person, role, **place)
        case.keys[who] = signed_in(session, person)
    session.commit()
    agreement = case.propose(case.draft())
    links = {party: case.link(agreement, party) for party in PARTIES}
    for party in PARTIES:
        case.decide(links[party], agreement)
    assert case.send("manager", "GET", f"/{agreement['id']}").status_code == 200

    for grant in grants.values():
        grant.revoked_at, grant.revoked_by = NOW, "test"
    session.commit()
    text = {"text_hash": agreement["text_hash"]}
    assert case.send("region", "POST", f"/{agreement['id']}/confirmation", text).status_code == 404
    reason = {"reason": "Ours"}
    assert case.send("manager", "POST", f"/{agreement['id']}/withdrawal", reason).status_code == 404
    again = case.send("manager", "POST", "", case.text | {"estate_id": case.estate_id})
    assert again.status_code == 403


def test_a_decision_of_a_representative_stays_when_another_follows(case: Case) -> None:
    agreement = case.propose(case.draft())
    assert case.decide(case.link(agreement, "party_committee"), agreement).status_code == 201
    path = f"/{agreement['id']}/parties/party_committee/representative"
    changed = case.send("administrator", "PUT", path, {"name": "Wang 2", "phone": "+86 138 0000 0002"})
    assert changed.status_code == 204, changed.text
    waits = case.send("member", "GET", f"/{agreement['id']}").json()["waits_for"]
    assert waits == ["owners_committee", "service_centre"]


def test_an_amended_text_must_be_read_again(case: Case) -> None:
    agreement = case.propose(case.draft())
    link = case.link(agreement, "party_committee")
    assert case.decide(link, agreement).status_code == 201
    changed = case.send(
        "administrator",
        "PUT",
        f"/{agreement['id']}",
        case.text | {"ends_on": "2098-12-31"},
        version=agreement["version"],
    ).json()
    assert changed["waits_for"] == list(PARTIES)
    assert case.decide(link, agreement).status_code == 409
    assert case.decide(link, changed).status_code == 201


def test_a_wrong_credit_code_is_refused(case: Case) -> None:
    case.text["parties"][2]["credit_code"] = "91350100M000100Y44"
    answer = case.send("administrator", "POST", "", case.text | {"estate_id": case.estate_id})
    assert answer.status_code == 422
    assert "统一社会信用代码" in answer.text


@pytest.mark.parametrize(
    ("code", "is_valid"),
    [
        ("91350100M000100Y43", True),
        ("91350100M000100Y34", False),
        ("91350100M000100YI3", False),
        ("91350100M000100Y4", False),
        ("", False),
    ],
)
def test_the_check_character_of_a_credit_code(code: str, is_valid: bool) -> None:
    assert is_credit_code(code) is is_valid
