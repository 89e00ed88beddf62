"""The manager drafts, proposes and renews an agreement on pages, and the region confirms it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.permissions import Role
from aed.accounts.sessions import SESSION_COOKIE
from aed.notifications.models import OutboxMessage
from aed.registry.devices.models import Device
from aed.registry.estates.models import Estate
from aed.sharing.agreements import queries
from aed.sharing.models import Agreement
from aed.sharing.rules import RULES, AgreementState, PartyRole, PublishedPosition
from tests import make
from tests.accounts.everyone import account_with
from tests.make import ADMINISTRATOR

CREDIT_CODE = "91350100M000100Y43"


@dataclass(frozen=True)
class Desk:
    """An estate with two devices, its manager and the administrator of its region, with their headers."""

    client: TestClient
    session: Session
    estate: Estate
    first: int
    second: int
    manager: dict[str, str]
    region: dict[str, str]

    def form(self, path: str) -> dict[str, str]:
        """Return the fields of a form as the page shows them to the manager."""
        page = self.client.get(path, headers=self.manager)
        assert page.status_code == 200, page.text
        return fields_of(page.text)

    def post(self, path: str, data: dict[str, str], *, who: dict[str, str] | None = None) -> Any:
        return self.client.post(path, data=data, headers=who or self.manager, follow_redirects=False)

    def drafted(self, **changed: str) -> Agreement:
        """Draft an agreement by the form, with these fields changed."""
        data = self.form(f"/estates/{self.estate.id}/agreements/new")
        data |= {"party_committee_legal_name": "湖畔社区党委"} | changed
        sent = self.post(f"/estates/{self.estate.id}/agreements", data)
        assert sent.status_code == 303, re.findall(r'field-error"[^>]*>([^<]*)', sent.text)
        return self.agreement(int(sent.headers["location"].rpartition("/")[2]))

    def agreement(self, number: int) -> Agreement:
        """Return an agreement as it is in the database now, without keeping a transaction open."""
        self.session.rollback()
        found = queries.agreement(self.session, ADMINISTRATOR, number)
        self.session.expunge_all()
        self.session.rollback()
        return found


def fields_of(html: str) -> dict[str, str]:
    """Return what a browser would send of the page's longest form."""
    form = max(re.findall(r"<form.*?</form>", html, re.DOTALL), key=len)
    fields = {}
    for tag in re.findall(r"<input[^>]*>", form):
        attributes = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if attributes.get("type") != "checkbox" or " checked" in tag:
            fields[attributes["name"]] = attributes.get("value", "")
    for name, content in re.findall(r'<select[^>]*name="(\w+)".*?>(.*?)</select>', form, re.DOTALL):
        options = re.findall(r'<option value="([^"]*)"( selected)?', content)
        fields[name] = next((value for value, chosen in options if chosen), options[0][0])
    fields |= dict(re.findall(r'<textarea[^>]*name="(\w+)"[^>]*>(.*?)</textarea>', form, re.DOTALL))
    return fields


@pytest.fixture
def desk(client: TestClient, session: Session, browser: dict[str, str]) -> Desk:
    headers = browser | {"Accept-Language": "en", "Sec-Fetch-Site": "same-origin"}
    estate = make.estate(session, name_en="Lakeside", name_zh="湖畔")
    today = clock.now().date()
    first, second = (
        make.device(session, of=estate, audience="estate", last_checked_on=today, place_en=place)
        for place in ("Lobby", "Club house")
    )
    manager = account_with(session, Role.ESTATE_MANAGER, estate=estate)
    region = account_with(session, Role.ADMINISTRATOR, region=estate.region)
    session.commit()
    return Desk(client, session, estate, first.id, second.id, headers | manager, headers | region)


def test_only_the_manager_drafts(desk: Desk) -> None:
    path = f"/estates/{desk.estate.id}/agreements/new"
    stranger = {
        name: value for name, value in desk.manager.items() if name not in ("Authorization", "Cookie")
    }
    resident = stranger | account_with(desk.session, Role.RESIDENT, estate=desk.estate)
    desk.session.commit()
    assert desk.client.get(path, headers=stranger).status_code == 404
    assert desk.client.get(path, headers=resident).status_code == 403
    assert desk.client.get(path, headers=desk.manager).status_code == 200


def test_a_manager_fills_in_one_field_and_gets_a_draft(desk: Desk) -> None:
    made = desk.drafted()
    assert made.state is AgreementState.DRAFT
    assert made.terms["check_interval_days"] == RULES.check_interval_days
    assert [each.device_id for each in made.shares] == [desk.first, desk.second]
    names = {each.role: each.legal_name for each in made.parties}
    assert names[PartyRole.OWNERS_COMMITTEE] == "湖畔业主委员会"
    page = desk.client.get(f"/agreements/{made.id}", headers=desk.manager).text
    assert "has yet to propose it" in page
    assert "Propose it to the parties" in page


def test_one_device_differs_from_the_others(desk: Desk) -> None:
    own = f"d{desk.second}_"
    made = desk.drafted(
        hours="22:00-06:00",
        gates="East gate, guard\n\nSouth gate",
        **{
            own + "step": "public",
            own + "position": "approximate",
            own + "hours": "24/7",
            own + "override": "no",
        },
    )
    first, second = made.shares
    assert (first.step, first.hours, first.gates) == (
        "neighbours",
        "22:00-06:00",
        ["East gate, guard", "South gate"],
    )
    assert (second.step, second.hours, second.allows_override) == ("public", None, False)
    assert second.published_position is PublishedPosition.APPROXIMATE

    before = made.text_hash
    form = desk.form(f"/agreements/{made.id}/edit")
    assert desk.post(f"/agreements/{made.id}/edit", form).status_code == 303
    assert desk.agreement(made.id).text_hash == before
    del form[f"d{desk.second}"]
    form["version"] = str(desk.agreement(made.id).version)
    assert desk.post(f"/agreements/{made.id}/edit", form).status_code == 303
    assert [each.device_id for each in desk.agreement(made.id).shares] == [desk.first]


def test_all_that_is_wrong_is_shown_at_once_and_nothing_typed_is_lost(desk: Desk) -> None:
    path = f"/estates/{desk.estate.id}/agreements"
    wrong = {
        "party_committee_legal_name": " ",
        "owners_committee_credit_code": "91350100M000100Y44",
        "service_centre_phone": "12<script>",
        "hours": "at night",
        f"d{desk.first}_outside": "public",
        f"d{desk.first}_hours": "20:00-08:00",
        "starts_on": "soon",
        "drills_a_year": "many",
        "replaced_within_hours": "",
        "i0_insurer": "PICC",
        "other": "<script>alert(1)</script>",
    }
    data = desk.form(f"{path}/new") | wrong
    sent = desk.post(path, data)
    assert sent.status_code == 422
    shown = dict(re.findall(r'<p class="field-error" id="(\w+)-error">([^<]*)', sent.text))
    assert shown.keys() >= {
        "party_committee_legal_name",
        "owners_committee_credit_code",
        "service_centre_phone",
        "hours",
        f"d{desk.first}_outside",
        "starts_on",
        "drills_a_year",
        "replaced_within_hours",
        "i0_policy",
        "i0_ends_on",
    }
    assert shown["drills_a_year"] == "Write a whole number from 0 to 366."
    assert "<script>alert" not in sent.text
    assert fields_of(sent.text)["hours"] == "at night"

    no_device = {name: value for name, value in data.items() if not re.fullmatch(r"d\d+", name)}
    assert "Choose at least one AED." in desk.post(path, no_device).text


def test_a_rule_of_agreements_is_shown_beside_its_field(desk: Desk) -> None:
    path = f"/estates/{desk.estate.id}/agreements"
    data = desk.form(f"{path}/new") | {"party_committee_legal_name": "湖畔社区党委", "ends_on": "2020-01-01"}
    sent = desk.post(path, data)
    assert sent.status_code == 422
    assert 'id="ends_on-error">The agreement ends before it starts.' in sent.text
    chinese = desk.manager | {"Accept-Language": "zh-CN"}
    assert 'id="ends_on-error">The' not in desk.post(path, data, who=chinese).text


def test_two_tabs_do_not_replace_each_other_unseen(desk: Desk) -> None:
    made = desk.drafted()
    path = f"/agreements/{made.id}/edit"
    first, second = desk.form(path), desk.form(path)
    assert desk.post(path, first | {"gates": "East gate"}).status_code == 303
    late = desk.post(path, second | {"gates": "West gate"})
    assert late.status_code == 409
    assert "Another person has changed this draft" in late.text
    again = fields_of(late.text)
    assert again["gates"] == "West gate"
    assert desk.post(path, again).status_code == 303


def proposed(desk: Desk, **changed: str) -> tuple[Agreement, dict[str, str]]:
    """Draft and propose an agreement; return it with the paths of the parties' pages."""
    made = desk.drafted(**changed)
    page = desk.post(f"/agreements/{made.id}/proposal", {})
    assert page.status_code == 200
    assert page.headers["Cache-Control"] == "no-store"
    paths = re.findall(r'value="https?://[^/"]+(/agreements/party/[^"]+)"', page.text)
    return desk.agreement(made.id), dict(zip(PartyRole, paths, strict=True))


def consent(desk: Desk, made: Agreement, paths: dict[str, str]) -> None:
    for path in paths.values():
        sent = desk.post(path, {"text_hash": made.text_hash, "kind": "consent"})
        assert sent.status_code == 303


def test_links_are_sent_to_representatives_and_shown_once(desk: Desk) -> None:
    new = {"party_committee_name": "林主任", "party_committee_phone": "+8613800138000"}
    made, paths = proposed(desk, **new)
    (message,) = desk.session.scalars(select(OutboxMessage)).all()
    assert message.recipient == "+8613800138000"
    assert "湖畔社区党委" in (message.text_zh or "")
    desk.session.rollback()
    assert "agr_" not in desk.client.get(f"/agreements/{made.id}", headers=desk.manager).text
    assert desk.post(f"/agreements/{made.id}/proposal", {}).status_code == 409

    path = f"/agreements/{made.id}/parties/party_committee/links"
    assert desk.post(path, {}, who=desk.region).status_code == 200
    assert desk.client.get(paths[PartyRole.PARTY_COMMITTEE]).status_code == 404
    assert desk.client.get(paths[PartyRole.SERVICE_CENTRE]).status_code == 200


def test_a_known_person_is_chosen_and_an_unknown_one_is_not(desk: Desk) -> None:
    keeper = make.person(desk.session, name="茅引之", phone="+8613800138001")
    make.role(desk.session, keeper, Role.KEEPER, estate=desk.estate)
    other = make.person(desk.session, name="Stranger")
    keeper_id, other_id = keeper.id, other.id
    desk.session.commit()
    made = desk.drafted(owners_committee_person=str(keeper_id), service_centre_person=str(other_id))
    chosen = {each.role: each.representative_id for each in made.parties}
    assert chosen[PartyRole.OWNERS_COMMITTEE] == keeper_id
    assert chosen[PartyRole.SERVICE_CENTRE] is None


def test_the_region_confirms_and_the_manager_suspends_resumes_and_renews(desk: Desk) -> None:
    made, paths = proposed(desk)
    consent(desk, made, paths)
    page = desk.client.get(f"/agreements/{made.id}", headers=desk.manager).text
    assert "the region has yet to confirm" in page
    assert "Confirm the agreement" not in page
    text = {"text_hash": made.text_hash}
    assert desk.post(f"/agreements/{made.id}/confirmation", text).status_code == 403
    assert "Confirm the agreement" in desk.client.get(f"/agreements/{made.id}", headers=desk.region).text
    assert desk.post(f"/agreements/{made.id}/confirmation", text, who=desk.region).status_code == 303
    assert audience(desk) == "neighbours"

    assert desk.post(f"/agreements/{made.id}/suspension", {}).status_code == 422
    assert desk.post(f"/agreements/{made.id}/suspension", {"reason": "Works"}).status_code == 303
    assert audience(desk) == "estate"
    assert "Resume the agreement" in desk.client.get(f"/agreements/{made.id}", headers=desk.manager).text
    assert desk.post(f"/agreements/{made.id}/resumption", {}).status_code == 303
    assert audience(desk) == "neighbours"

    assert made.ends_on is not None
    form = desk.form(f"/agreements/{made.id}/renewal")
    assert form["starts_on"] == (made.ends_on + timedelta(days=1)).isoformat()
    sent = desk.post(f"/estates/{desk.estate.id}/agreements", form)
    assert sent.status_code == 303
    renewed = desk.agreement(int(sent.headers["location"].rpartition("/")[2]))
    assert renewed.supersedes_id == made.id
    assert desk.client.get(f"/agreements/{made.id}/edit", headers=desk.manager).history


def audience(desk: Desk) -> str:
    desk.session.rollback()
    found: str = desk.session.get_one(Device, desk.first).audience
    desk.session.rollback()
    return found


def test_a_representative_who_signs_in_decides_without_a_link(desk: Desk) -> None:
    person = make.person(desk.session, name="茅引之")
    make.role(desk.session, person, Role.KEEPER, estate=desk.estate)
    key = make.sign_in(desk.session, person.id)
    person_id = person.id
    desk.session.commit()
    made, _ = proposed(desk, owners_committee_person=str(person_id))
    theirs = {name: value for name, value in desk.manager.items() if name != "X-CSRF-Token"}
    theirs |= {"Cookie": f"{SESSION_COOKIE}={key}"}
    path = f"/agreements/{made.id}/parties/owners_committee/page"
    assert path in desk.client.get(f"/agreements/{made.id}", headers=theirs).text
    assert path not in desk.client.get(f"/agreements/{made.id}", headers=desk.manager).text
    assert desk.post(path, {}).status_code == 403
    sent = desk.post(path, {}, who=theirs)
    assert sent.status_code == 303
    assert 'value="consent"' in desk.client.get(sent.headers["location"]).text


def test_maps_show_who_may_use_each_device_now_and_under_the_agreement(desk: Desk) -> None:
    made, paths = proposed(desk)
    page = desk.client.get(paths[PartyRole.SERVICE_CENTRE], headers=desk.manager).text
    assert ">1 estate</text>" in page
    assert ">1 neighbours</text>" in page
    consent(desk, made, paths)
    text = {"text_hash": made.text_hash}
    desk.post(f"/agreements/{made.id}/confirmation", text, who=desk.region)
    page = desk.client.get(f"/agreements/{made.id}", headers=desk.manager).text
    assert ">1 estate</text>" not in page
    assert ">1 neighbours</text>" in page
    desk.post(f"/agreements/{made.id}/withdrawal", {"reason": "Enough"})
    assert "</text>" not in desk.client.get(f"/agreements/{made.id}", headers=desk.manager).text
