"""A training officer of a region manages the estates of the regions below it, and no others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Role
from aed.accounts.viewers import viewer_of_person
from aed.certificates.awards import queries as award_queries
from aed.registry.estates.models import Estate
from aed.responders.models import Certificate
from tests import make
from tests.accounts.everyone import signed_in
from tests.make import NOW
from tests.registry.conftest import Desk


@pytest.fixture
def client(client: TestClient) -> TestClient:
    """A client that uses TLS, because cookies are sent over TLS only."""
    client.base_url = client.base_url.copy_with(scheme="https")
    return client


@pytest.fixture
def estates(session: Session) -> tuple[Estate, Estate]:
    """One estate in CN-3301, two levels below CN, and another in CN-44, a sibling region."""
    make.region(session, "CN")
    make.region(session, "CN-33", parent="CN")
    make.region(session, "CN-3301", parent="CN-33")
    make.region(session, "TW")
    return make.estate(session, in_region="CN-3301"), make.estate(session, in_region="TW")


def officer(session: Session, client: TestClient, region: str, role: Role) -> tuple[Desk, int]:
    person = make.person(session)
    make.role(session, person, role, region=make.region(session, region))
    headers = signed_in(session, person)
    session.commit()
    return Desk(client, headers), person.id


def begun(session: Session, estate: Estate) -> int:
    """A session of the estate that begins within the hour, with one person enrolled."""
    starts_at = datetime.now(UTC) + timedelta(minutes=30)
    training = make.training(
        session,
        make.course(session, f"CPR-{estate.id}", validity_months=1, refresher_months=1),
        estate=estate,
        starts_at=starts_at,
        enrolment_closes_at=starts_at,
        planned_at=NOW,
    )
    make.enrolment(session, training, f"Of estate {estate.id}")
    session.commit()
    return training.id


@pytest.mark.parametrize("region", ["CN", "CN-3301"])
@pytest.mark.parametrize("role", [Role.TRAINING_OFFICER, Role.ESTATE_MANAGER, Role.ADMINISTRATOR])
def test_a_training_officer_goes_from_the_session_to_the_certificate(
    session: Session, client: TestClient, estates: tuple[Estate, Estate], region: str, role: Role
) -> None:
    here, elsewhere = estates
    ours, theirs = begun(session, here), begun(session, elsewhere)
    who, person_id = officer(session, client, region, role)

    listed = who.get("/v1/sessions").json()["sessions"]
    assert [each["id"] for each in listed] == [ours]
    assert who.get(f"/v1/sessions/{ours}/history").status_code == 200
    (row,) = who.get(f"/v1/sessions/{ours}/enrolments").json()["enrolments"]
    assert row["name"] == f"Of estate {here.id}"
    sent = who.post(f"/v1/sessions/{ours}/enrolments", {"name": "Li", "phone": "+86 1", "estate_id": here.id})
    assert sent.status_code == 201, sent.text
    given_up = who.patch(f"/v1/enrolments/{sent.json()['id']}", {"state": "withdrawn"})
    assert given_up.json()["state"] == "withdrawn"
    came = {"rows": [{"enrolment_id": row["id"], "attendance": "attended"}]}
    assert who.post(f"/v1/sessions/{ours}/attendance", came).json() == {"changed": 1, "unchanged": 0}
    passed = {"rows": [{"enrolment_id": row["id"], "passed": True}]}
    assert who.post(f"/v1/sessions/{ours}/assessments", passed).json()["changed"] == 1

    number = session.scalars(select(Certificate.number).where(Certificate.is_awarded)).one()
    viewer = viewer_of_person(session, person_id)
    today = datetime.now(UTC).date()
    lapsing = award_queries.lapsing(session, viewer, today=today, within_days=60)
    assert [each.name for each in lapsing] == [row["name"]]
    fading = award_queries.to_refresh(session, viewer, today=today + timedelta(days=40))
    assert [each.name for each in fading] == [row["name"]]
    session.rollback()
    assert who.delete(f"/v1/certificates/{number}").status_code == 204
    assert client.get(f"/v1/certificates/{number}").json()["is_valid"] is False

    assert who.get(f"/v1/sessions/{theirs}").status_code == 404
    assert who.get(f"/v1/sessions/{theirs}/enrolments").status_code == 404
    assert who.post(f"/v1/sessions/{theirs}/attendance", came).status_code == 404


def plan(estate: Estate) -> dict[str, Any]:
    starts_at = datetime.now(UTC) + timedelta(days=20)
    return {
        "course": "CPR",
        "estate_id": estate.id,
        "position": {"lat": 30.29, "lon": 120.1},
        "place_en": "Hall",
        "place_zh": "活动室",
        "starts_at": starts_at.isoformat(),
        "ends_at": (starts_at + timedelta(hours=4)).isoformat(),
        "capacity": 10,
    }


def test_an_officer_plans_amends_and_cancels_for_an_estate_below(
    session: Session, client: TestClient, estates: tuple[Estate, Estate]
) -> None:
    here, elsewhere = estates
    make.course(session, "CPR")
    who, _ = officer(session, client, "CN", Role.TRAINING_OFFICER)

    made = who.post("/v1/sessions", plan(here))
    assert made.status_code == 201, made.text
    path = f"/v1/sessions/{made.json()['id']}"
    assert who.patch(path, {"capacity": 12}).json()["capacity"] == 12
    assert who.delete(path, etag='"2"').status_code == 204
    refused = who.post("/v1/sessions", plan(elsewhere))
    assert refused.status_code == 404
    assert "no estate" in refused.json()["detail"]
