"""Issuers: who can add and amend them, and what is public."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import ANYONE, Role, TokenRole
from aed.accounts.trust import CertificateTrust
from aed.accounts.viewers import viewer_of_person
from aed.errors import Conflict, InvalidInput, NotAllowed, NotSignedIn
from aed.issuers import actions, queries
from aed.issuers.models import Issuer
from aed.issuers.rules import IssuerKind
from aed.issuers.schemas import IssuerAmend, IssuerIn
from aed.responders.models import Certificate
from aed.responders.rules import CertificateKind
from aed.training.models import Course
from tests import make
from tests.accounts.everyone import awarded
from tests.make import ADMINISTRATOR, NOW

NEW: dict[str, Any] = {
    "code": "lake-rc",
    "name_en": "Lake City Red Cross",
    "name_zh": "湖城红十字会",
    "kind": "red_cross",
    "region": "CN-33",
    "verified_by": "roster",
    "also_called": ["湖城红会"],
    "courses": [
        {
            "code": "救护员",
            "name_en": "First-aider",
            "name_zh": "救护员",
            "kind": "first_aid",
            "validity_months": 36,
        }
    ],
}


def officer(session: Session, code: str) -> Any:
    person = make.person(session)
    make.role(session, person, Role.TRAINING_OFFICER, region=make.region(session, code))
    return viewer_of_person(session, person.id)


def test_only_those_who_run_the_training_of_a_region_add_its_issuers(session: Session) -> None:
    make.region(session)
    new = IssuerIn.model_validate(NEW)

    with pytest.raises(NotSignedIn):
        actions.create_issuer(session, ANYONE, new, at=NOW)
    with pytest.raises(NotAllowed):
        actions.create_issuer(session, officer(session, "CN-44"), new, at=NOW)
    issuer = actions.create_issuer(session, officer(session, "CN-33"), new, at=NOW)

    assert issuer.kind is IssuerKind.RED_CROSS
    change = IssuerAmend(name_en="Mine")
    with pytest.raises(NotAllowed):
        actions.amend_issuer(session, officer(session, "CN-44"), issuer.id, change, version=1, at=NOW)


@pytest.mark.parametrize(
    "given",
    [
        {"verified_by": "query", "query_url": "https://elsewhere.example/steal"},
        {"trust_in_lists": "verified"},
    ],
)
def test_only_network_administrators_set_a_key_address_or_default_trust(
    session: Session, given: dict[str, Any]
) -> None:
    new = IssuerIn.model_validate(NEW | given)
    who = officer(session, "CN-33")

    with pytest.raises(NotAllowed):
        actions.create_issuer(session, who, new, at=NOW)

    issuer = actions.create_issuer(session, ADMINISTRATOR, new, at=NOW)
    with pytest.raises(NotAllowed):
        actions.amend_issuer(
            session, who, issuer.id, IssuerAmend.model_validate(given), version=issuer.version, at=NOW
        )


def test_the_names_of_an_issuer_are_unique(session: Session) -> None:
    make.issuer(session, "one", also_called=["湖城红会"])

    with pytest.raises(Conflict, match="is already a name of the issuer one"):
        make.issuer(session, "two", also_called=["湖城 红会"])
    session.rollback()


def test_an_issuer_over_http_with_versions_and_history(session: Session, client: TestClient) -> None:
    make.region(session)
    key = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
    session.commit()

    assert client.post("/v1/issuers", json=NEW).status_code == 401
    made = client.post("/v1/issuers", json=NEW, headers=key)
    assert made.status_code == 201, made.text
    at = made.headers["Location"]
    assert client.get(at).json() == made.json(), "the same for everyone"
    assert made.json()["courses"] == NEW["courses"]
    change = {"courses": [NEW["courses"][0] | {"validity_months": 24}]}
    assert client.patch(at, json=change, headers=key).status_code == 428
    amended = client.patch(at, json=change, headers=key | {"If-Match": made.headers["ETag"]})
    assert amended.status_code == 200, amended.text
    assert amended.headers["ETag"] != made.headers["ETag"], "dependent data is counted too"
    assert client.patch(at, json=change, headers=key | {"If-Match": made.headers["ETag"]}).status_code == 412
    twice = {"courses": [NEW["courses"][0], NEW["courses"][0]]}
    refused = client.patch(at, json=twice, headers=key | {"If-Match": amended.headers["ETag"]})
    assert (refused.status_code, "different codes" in refused.text) == (422, True)
    assert client.post("/v1/issuers", json=NEW, headers=key).status_code == 409

    assert client.get(f"{at}/history").status_code == 401
    history = client.get(f"{at}/history", headers=key).json()
    courses = history[0]["fields"]["courses"]
    assert [each[0]["validity_months"] for each in courses] == [36, 24]
    etag = client.get(at).headers["ETag"]
    assert client.delete(at, headers=key | {"If-Match": etag}).status_code == 204
    assert client.get(at).json()["state"] == "withdrawn"
    page = client.get("/v1/issuers?limit=1").json()
    assert [each["code"] for each in page["issuers"]] == ["lake-rc"]
    assert client.get("/v1/issuers?region=CN-44").status_code == 404


def test_only_those_who_manage_an_issuer_see_its_address(session: Session, client: TestClient) -> None:
    made = make.issuer(session, verified_by="query", query_url="https://rc.example/q")
    key = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
    session.commit()

    assert client.get(f"/v1/issuers/{made.id}").json()["query_url"] is None
    assert client.get(f"/v1/issuers/{made.id}", headers=key).json()["query_url"] == "https://rc.example/q"


@pytest.mark.parametrize(
    "wrong", [{"verified_by": "query"}, {"query_url": "https://rc.example"}, {"query_url": "file:///etc"}]
)
def test_only_issuers_checked_online_have_an_address(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="query_url"):
        IssuerIn.model_validate(NEW | wrong)


def test_an_amendment_that_leaves_an_issuer_inconsistent_is_refused(session: Session) -> None:
    issuer = make.issuer(session)

    with pytest.raises(InvalidInput, match="query_url must be given if"):
        actions.amend_issuer(
            session, ADMINISTRATOR, issuer.id, IssuerAmend(verified_by="query"), version=1, at=NOW
        )


def test_certificates_from_own_training_have_an_issuer(session: Session) -> None:
    known = make.issuer(session, "office", name_zh="培训办", kind="training_office", verified_by="nothing")
    of_known = make.course(session, issuer="培训办")
    of_new = make.course(session, issuer="Another office")
    training = make.training(session, of_new)

    number = awarded(session, training)

    card = session.scalars(select(Certificate).where(Certificate.number == number)).one()
    made = session.get_one(Issuer, card.issuer_id)
    assert (made.name_en, made.kind, card.trust) == (
        "Another office",
        IssuerKind.TRAINING_OFFICE,
        CertificateTrust.VERIFIED,
    )
    courses = dict(session.execute(select(Course.id, Course.issuer_id)).all())
    assert courses == {of_known.id: known.id, of_new.id: made.id}
    assert queries.issuer_called(session, "another  OFFICE") is made
    assert card.kind is CertificateKind.CPR_AED
