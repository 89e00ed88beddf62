"""The pages of agreements: what waits for whom, a party's decision by link, withdrawal."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.permissions import Role
from aed.registry.devices.models import Device
from aed.registry.estates.models import Estate
from aed.sharing.agreements import queries
from aed.sharing.agreements.actions import confirm_agreement
from aed.sharing.decisions.actions import create_link
from aed.sharing.decisions.schemas import LinkIn
from aed.sharing.models import Agreement
from aed.sharing.rules import PartyRole
from tests import make
from tests.accounts.everyone import account_with
from tests.make import ADMINISTRATOR


@pytest.fixture
def browser(browser: dict[str, str]) -> dict[str, str]:
    return browser | {"Accept-Language": "en", "Sec-Fetch-Site": "same-origin"}


def proposed(session: Session, **given: Any) -> tuple[Agreement, Device, dict[PartyRole, str]]:
    """Return a proposed agreement, its device, and the address of each party's page."""
    estate = make.estate(session, name_en="Lakeside", name_zh="湖畔")
    today = clock.now().date()
    device = make.device(session, of=estate, audience="estate", last_checked_on=today, place_en="Lobby")
    period: dict[str, Any] = {"starts_on": today.isoformat(), "ends_on": "2090-01-01"}
    made = make.draft(session, estate, device, **(period | given))
    pages = {}
    for party in queries.agreement(session, ADMINISTRATOR, made.id).parties:
        _, key = create_link(session, party, LinkIn(), by="test", at=clock.now())
        pages[party.role] = f"/agreements/party/{key}"
    session.commit()
    return made, device, pages


def test_a_stranger_sees_no_agreement(client: TestClient, session: Session, browser: dict[str, str]) -> None:
    made, _, _ = proposed(session)
    assert client.get("/agreements", headers=browser).status_code == 401
    assert client.get(f"/agreements/{made.id}", headers=browser).status_code == 404
    assert client.get("/agreements/party/agr_made_up", headers=browser).status_code == 404


def test_a_party_reads_and_consents_by_its_link(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    _, _, pages = proposed(session)
    address = pages[PartyRole.PARTY_COMMITTEE]
    page = client.get(address, headers=browser)
    assert "Lobby" in page.text
    assert page.headers["Cache-Control"] == "no-store"
    text = re.search(r'name="text_hash" value="([0-9a-f]{64})"', page.text)
    assert text is not None

    consent = {"text_hash": text[1], "kind": "consent"}
    sent = client.post(address, data=consent, headers=browser, follow_redirects=False)
    assert (sent.status_code, sent.headers["location"]) == (303, address)
    again = client.get(address, headers=browser).text
    assert "You have consented to this text." in again
    assert "Consent to this text" not in again
    assert client.post(address, data=consent, headers=browser).status_code == 409
    other = client.post(address, data=consent, headers=browser | {"Sec-Fetch-Site": "cross-site"})
    assert other.status_code == 403


def test_a_refusal_without_a_reason_keeps_the_page(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    made, _, pages = proposed(session)
    address = pages[PartyRole.SERVICE_CENTRE]
    refusal = {"text_hash": made.text_hash, "kind": "refusal"}
    sent = client.post(address, data=refusal, headers=browser)
    assert sent.status_code == 422
    assert "Write the reason in a few words." in sent.text
    script = refusal | {"reason": "<script>alert(1)</script>"}
    done = client.post(address, data=script, headers=browser)
    assert "&lt;script&gt;" in done.text
    assert "<script>alert" not in done.text


def test_the_owners_committee_gives_its_votes(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    made, _, pages = proposed(session, method="committee_votes")
    address = pages[PartyRole.OWNERS_COMMITTEE]
    consent = {"text_hash": made.text_hash, "kind": "consent"}
    for votes in ({}, {"entitled": "7", "in_favour": "3"}, {"entitled": "seven", "in_favour": "4"}):
        sent = client.post(address, data=consent | votes, headers=browser)
        assert sent.status_code == 422, votes
        assert "do not carry the consent" in sent.text
    kept = client.post(address, data=consent | {"entitled": "7", "in_favour": "3"}, headers=browser).text
    assert 'value="7"' in kept
    sent = client.post(address, data=consent | {"entitled": "7", "in_favour": "4"}, headers=browser)
    assert "You have consented" in sent.text


def test_the_manager_sees_what_waits_for_whom_and_a_party_withdraws(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    made, device, pages = proposed(session)
    session.expire_all()
    estate = device.estate_id
    agreement = queries.agreement(session, ADMINISTRATOR, made.id)
    manager = account_with(session, Role.ESTATE_MANAGER, estate=_estate(session, estate))
    session.commit()
    listed = client.get("/agreements", headers=browser | manager).text
    assert "Waits for the decision of:" in listed
    assert "Community party committee" in listed
    assert client.get(f"/agreements/{agreement.id}", headers=browser | manager).status_code == 200

    for address in pages.values():
        consent = {"text_hash": made.text_hash, "kind": "consent"}
        assert client.post(address, data=consent, headers=browser).status_code == 200
    confirm_agreement(session, ADMINISTRATOR, made.id, text_hash=made.text_hash, at=clock.now())
    session.commit()
    assert session.get_one(Device, device.id).audience == "neighbours"
    session.rollback()
    address = pages[PartyRole.OWNERS_COMMITTEE]
    assert client.post(f"{address}/withdrawal", data={}, headers=browser).status_code == 422
    done = client.post(f"{address}/withdrawal", data={"reason": "Enough"}, headers=browser)
    assert "Withdrawn" in done.text
    session.expire_all()
    assert session.get_one(Device, device.id).audience == "estate"


def test_an_agreement_of_next_week_is_not_in_force_yet(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    next_week = clock.now().date() + timedelta(days=7)
    made, device, pages = proposed(session, starts_on=next_week.isoformat())
    for address in pages.values():
        client.post(address, data={"text_hash": made.text_hash, "kind": "consent"}, headers=browser)
    confirm_agreement(session, ADMINISTRATOR, made.id, text_hash=made.text_hash, at=clock.now())
    session.commit()

    page = client.get(pages[PartyRole.OWNERS_COMMITTEE], headers=browser).text
    assert "Confirmed, not yet in force" in page
    manager = account_with(session, Role.ESTATE_MANAGER, estate=session.get_one(Estate, made.estate_id))
    session.commit()
    assert "Confirmed, not yet in force" in client.get("/agreements", headers=browser | manager).text
    assert session.get_one(Device, device.id).audience == "estate"


def _estate(session: Session, estate_id: int | None) -> Estate:
    return session.get_one(Estate, estate_id)


def test_an_agreement_on_paper_is_checked_by_its_code(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    made, _, pages = proposed(session, share={"hours": "22:00-06:00", "gates": ["East gate, guard"]})
    check = f"/agreements/check/{made.text_hash}"

    assert client.get(f"/agreements/{made.id}/pdf", headers=browser).status_code == 404
    manager = account_with(session, Role.ESTATE_MANAGER, estate=session.get_one(Estate, made.estate_id))
    session.commit()
    paper = client.get(f"/agreements/{made.id}/pdf", headers=browser | manager)
    assert paper.content.startswith(b"%PDF")
    by_link = client.get(f"{pages[PartyRole.SERVICE_CENTRE]}/pdf", headers=browser)
    assert by_link.content == paper.content
    assert by_link.headers["Cache-Control"] == "no-store"
    assert client.get("/agreements/party/agr_made_up/pdf", headers=browser).status_code == 404
    assert "The parties decide" in client.get(check, headers=browser).text
    unknown = client.get(f"/agreements/check/{'0' * 64}", headers=browser)
    assert "No agreement with this text" in unknown.text
