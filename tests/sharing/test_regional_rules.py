"""Rules of regions for agreements: what a region sets holds for new agreements and never for earlier ones."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.audit_log import AuditEntry, AuditSubject
from aed.accounts.permissions import ANYONE, Audience, Role
from aed.accounts.regions.models import Region
from aed.errors import AedError, Conflict, InvalidInput
from aed.registry.devices.models import Device
from aed.registry.estates.models import Estate
from aed.sharing.agreements import actions
from aed.sharing.agreements.jobs import notify_of_endings
from aed.sharing.decisions.actions import create_link
from aed.sharing.decisions.schemas import LinkIn
from aed.sharing.regional_rules.actions import set_rules
from aed.sharing.regional_rules.queries import rules_of_region, rules_of_version
from aed.sharing.regional_rules.schemas import SharingRulesIn
from aed.sharing.rules import RULES, PartyRole, SharingRules, start_of
from tests import make
from tests.accounts.everyone import signed_in
from tests.make import ADMINISTRATOR, NOW, PATIENT, north_of


@pytest.fixture
def city(session: Session) -> Region:
    make.region(session, "province")
    return make.region(session, "city", parent="province")


@pytest.fixture
def estate(session: Session, city: Region) -> Estate:
    return make.estate(session, in_region=city.code)


def rules(session: Session, region: str = "city", **numbers: Any) -> SharingRules:
    given = SharingRulesIn.model_validate({"region": region, **numbers})
    return set_rules(session, ADMINISTRATOR, given, at=NOW)


def of_estate(session: Session, estate: Estate, **given: Any) -> Device:
    return make.device(session, of=estate, audience="estate", at=north_of(PATIENT, metres=50), **given)


def test_the_nearest_region_above_makes_the_rules(session: Session, city: Region) -> None:
    assert rules_of_region(session, city.id) == RULES
    above = rules(session, "province", min_ready_percent=95)
    assert rules_of_region(session, city.id) == above
    own = rules(session, min_ready_percent=80)
    assert rules_of_region(session, city.id) == own
    assert (own.min_ready_percent, own.max_trial_days) == (80, RULES.max_trial_days)


def test_an_agreement_keeps_the_rules_that_it_was_drafted_under(session: Session, estate: Estate) -> None:
    first = rules(session, max_trial_days=30)
    device = of_estate(session, estate)
    with pytest.raises(InvalidInput, match="at most 30 days"):
        make.draft(session, estate, device, kind="trial", ends_on="2026-12-01")
    made = make.draft(session, estate, device, kind="trial", ends_on="2026-10-20")
    rules(session, max_trial_days=10, min_ready_percent=100)

    assert made.rules_version == first.version
    assert rules_of_version(session, made.rules_version) == first
    make.consent(session, made)
    actions.confirm_agreement(session, ADMINISTRATOR, made.id, text_hash=made.text_hash, at=NOW)


def test_a_region_asks_for_more_devices_that_are_ready(session: Session, estate: Estate) -> None:
    device, *_ = [of_estate(session, estate) for _ in range(19)]
    of_estate(session, estate, state="out_of_service", out_of_service_reason="Pads used")
    rules(session, min_ready_percent=96)
    make.agreement(session, estate, device)

    session.expire_all()
    assert session.get_one(Device, device.id).audience is Audience.ESTATE


def test_an_estate_without_an_owners_committee_decides_with_two_parties(
    session: Session, estate: Estate
) -> None:
    rules(session, parties=["party_committee", "service_centre"])
    device = of_estate(session, estate)
    parties = [
        {"role": "party_committee", "legal_name": "Party committee"},
        {"role": "service_centre", "legal_name": "Service centre"},
    ]
    made = make.draft(session, estate, device, parties=parties)
    make.consent(session, made, PartyRole.PARTY_COMMITTEE)
    with pytest.raises(Conflict, match="service_centre"):
        actions.confirm_agreement(session, ADMINISTRATOR, made.id, text_hash=made.text_hash, at=NOW)
    make.consent(session, made, PartyRole.SERVICE_CENTRE)
    actions.confirm_agreement(session, ADMINISTRATOR, made.id, text_hash=made.text_hash, at=NOW)


def test_notices_links_and_checks_follow_the_regions_numbers(session: Session, estate: Estate) -> None:
    rules(session, notice_days=[5, 120], link_days=3, check_interval_days=7)
    made = make.agreement(session, estate, of_estate(session, estate))
    assert made.terms["check_interval_days"] == 7
    for party in made.parties:
        party.representative_id = make.person(session).id
    assert made.ends_on is not None
    end = start_of(made.ends_on, "Asia/Shanghai") + timedelta(hours=8)
    sent = []
    for days in range(130, -2, -1):
        session.expire_all()
        if notify_of_endings(session, at=end - timedelta(days=days)):
            sent.append(days)
    assert sent == [120, 5]
    link, _ = create_link(session, made.parties[0], LinkIn(), by="test", at=NOW)
    assert link.expires_at == NOW + timedelta(days=3)


def test_only_the_region_sets_its_rules(session: Session, city: Region) -> None:
    with pytest.raises(AedError):
        set_rules(session, ANYONE, SharingRulesIn(region="city"), at=NOW)
    rules(session)
    entries = session.scalars(select(AuditEntry).where(AuditEntry.subject == AuditSubject.AGREEMENT)).all()
    assert [each.action for each in entries] == ["rules"]


def test_rules_over_http(session: Session, client: TestClient, city: Region, estate: Estate) -> None:
    person, manager = make.person(session), make.person(session)
    make.role(session, person, Role.ADMINISTRATOR, region=city)
    make.role(session, manager, Role.ESTATE_MANAGER, estate=estate)
    new = {"region": "city", "min_ready_percent": 95, "notice_days": [7, 60, 7]}
    headers = {"region": signed_in(session, person), "manager": signed_in(session, manager)}
    session.commit()

    assert client.get("/v1/sharing-rules").json()["version"] == RULES.version
    assert client.post("/v1/sharing-rules", json=new).status_code == 401
    assert client.post("/v1/sharing-rules", json=new, headers=headers["manager"]).status_code == 403
    refusals: tuple[dict[str, Any], ...] = (
        {"parties": ["party_committee"]},
        {"notice_days": []},
        {"min_ready_percent": 101},
    )
    for wrong in refusals:
        refused = client.post("/v1/sharing-rules", json=new | wrong, headers=headers["region"])
        assert refused.status_code == 422
    made = client.post("/v1/sharing-rules", json=new, headers=headers["region"])
    assert made.status_code == 201, made.text
    assert (made.json()["region"], made.json()["notice_days"]) == ("city", [7, 60])
    assert client.get(made.headers["Location"]).json() == made.json()
    assert client.get("/v1/sharing-rules", params={"region": "city"}).json() == made.json()
    assert client.get("/v1/sharing-rules/r999").status_code == 404
