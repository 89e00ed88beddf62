"""Proofs of service: who issues them, what they count, and how anyone checks them."""

from __future__ import annotations

import re
import time
from contextlib import closing
from datetime import date, timedelta
from typing import Any

import pypdfium2
import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Role
from aed.accounts.trust import CertificateTrust
from aed.errors import Conflict, InvalidInput, NotAllowed, NotFound
from aed.responders.models import Responder
from aed.settings import Settings
from aed.signatures import TokenPurpose, signed, signing_keys
from aed.volunteering.certificates import actions, queries
from aed.volunteering.certificates.pdf import proof_pdf
from aed.volunteering.certificates.schemas import ServiceCertificateIn
from aed.volunteering.models import ServiceCertificate
from aed.volunteering.records import actions as record_actions
from aed.volunteering.records import flags
from tests import make
from tests.make import ADMINISTRATOR, NOW


def issued(session: Session, **given: Any) -> ServiceCertificate:
    """Issue a proof for a volunteer with an identity number, of one hour that was posted long enough."""
    estate = make.estate(session)
    li = make.volunteer(
        session, estate, number="330106000123", id_type="id_card", id_number="330102199001019123"
    )
    person = session.get_one(Person, li.person_id)
    return make.service_certificate(session, of=person, on=estate, **given)


def text_of(pdf: bytes) -> str:
    """Return the text of a PDF of one page, without spaces and line breaks."""
    with closing(pypdfium2.PdfDocument(pdf)) as document:
        assert len(document) == 1
        found: str = document[0].get_textpage().get_text_range()
    return "".join(found.split())


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"kind": "property_company", "name": "Lake services"}, id="by kind"),
        pytest.param(
            {"kind": "registered_team", "registration": "1", "name": "绿湖物业有限公司"}, id="by name"
        ),
        pytest.param({"kind": "registered_team", "name": "红十字志愿服务队"}, id="team without registration"),
    ],
)
def test_a_property_company_is_refused_as_issuer(session: Session, given: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        make.service_issuer(session, make.estate(session), **given)


def test_only_service_that_was_posted_for_seven_days_and_is_not_held_counts(session: Session) -> None:
    estate = make.estate(session)
    li = make.volunteer(session, estate)
    person = session.get_one(Person, li.person_id)
    manager = make.person_with_role(session, Role.ESTATE_MANAGER, estate=estate)
    objector = make.person_with_role(session, Role.RESIDENT, estate=estate)
    late = make.service(session, li, estate, ended_at=NOW - timedelta(hours=5))
    record_actions.confirm_record(session, manager, late.id, rating=None, at=NOW + timedelta(days=3))
    held = make.service(session, li, estate, ended_at=NOW - timedelta(hours=8))
    record_actions.confirm_record(session, manager, held.id, rating=None, at=NOW)
    flags.object_to_record(session, objector, held.id, reason="No", at=NOW)

    made = make.service_certificate(session, of=person, on=estate)

    assert made.minutes == 60
    assert made.content == [{"source": "patrol", "times": 1, "minutes": 60}]
    assert made.id_number is None


def test_training_awards_and_evaluation_stand_beside_the_service(session: Session) -> None:
    estate = make.estate(session)
    li = make.volunteer(session, estate)
    person = session.get_one(Person, li.person_id)
    for issuer, trust in (
        ("杭州市红十字会", CertificateTrust.VERIFIED),
        ("Believed", CertificateTrust.DOCUMENTED),
    ):
        number = make.responder(
            session, issuer=issuer, trust=trust, valid_until=date(2028, 5, 31), number_on_card="RC-7"
        )
        session.get_one(Responder, number).person_id = person.id

    made = make.service_certificate(session, of=person, on=estate, awards="2026年度优秀志愿者")

    assert made.training is not None
    assert [(each["issuer"], each["number"], each["valid_until"]) for each in made.training] == [
        ("杭州市红十字会", "RC-7", "2028-05-31")
    ], "only what its issuer verified"
    printed = text_of(proof_pdf(made, address="https://aed.example/check"))
    assert "杭州市红十字会，编号RC-7，有效期至2028年5月31日" in printed
    assert "2026年度优秀志愿者" in printed
    assert (made.mean_rating, made.ratings) == (None, 0)


def test_without_an_issuer_or_posted_service_no_proof_is_issued(session: Session) -> None:
    estate = make.estate(session)
    li = make.volunteer(session, estate)
    make.service(session, li, estate)
    new = ServiceCertificateIn.model_validate(
        {
            "key": "2a3f8f0a-55a0-4c55-9a33-1c1c8a0f7a11",
            "person_id": li.person_id,
            "estate_id": estate.id,
            "from_on": "2026-01-01",
            "until_on": "2026-12-31",
            "handler": "李明",
        }
    )
    with pytest.raises(NotAllowed):
        actions.issue_certificate(session, li, new, at=NOW)
    with pytest.raises(Conflict):
        actions.issue_certificate(session, ADMINISTRATOR, new, at=NOW)
    make.service_issuer(session, estate)
    with pytest.raises(Conflict):
        actions.issue_certificate(session, ADMINISTRATOR, new, at=NOW)


def test_strangers_do_not_see_a_proof(session: Session) -> None:
    made = issued(session)
    stranger = make.person_with_role(session, Role.ESTATE_MANAGER, estate=make.estate(session))

    with pytest.raises(NotFound):
        queries.certificate(session, stranger, made.number)


@pytest.mark.one_engine("typesetting")
def test_the_pdf_holds_what_the_order_asks_for_and_is_made_quickly(session: Session) -> None:
    made = issued(session, includes_identity=True, notes="2026年度优秀志愿者")
    proof_pdf(made, address="https://aed.example/v1/service-check/x")  # loads the fonts

    start = time.process_time()
    content = proof_pdf(made, address="https://aed.example/v1/service-check/x")
    assert time.process_time() - start < 0.3

    text = text_of(content)
    for each in (
        made.number,
        made.name,
        "居民身份证",
        "330102199001019123",
        "330106000123",
        "巡逻",
        "1:00",
        "幸福社区居民委员会",
        "吴敏",
        "李明",
        "2026年度优秀志愿者",
    ):
        assert each is not None
        assert each.replace(" ", "") in text


def test_anyone_checks_a_proof_by_its_code_and_sees_its_revocation(
    session: Session, client: TestClient, settings: Settings
) -> None:
    made = issued(session)
    session.commit()
    token = signed(signing_keys(settings), TokenPurpose.SERVICE, made.number)
    other = signed(signing_keys(settings), TokenPurpose.CERTIFICATE, made.number)

    answer = client.get(f"/v1/service-check/{token}").json()
    assert answer["is_valid"]
    assert answer["holder"] != made.name
    assert answer["minutes"] == 60
    assert not client.get(f"/v1/service-check/{other}").json()["is_valid"]
    assert not client.get(f"/v1/service-check/{token[:-2]}aa").json()["is_valid"]
    page = client.get(f"/v1/service-check/{token}", headers={"Accept": "text/html"}).text
    assert re.search("有效 Valid", page)

    actions.revoke_certificate(session, ADMINISTRATOR, made.number, reason="Wrong hours", at=NOW)
    session.commit()
    assert not client.get(f"/v1/service-check/{token}").json()["is_valid"]
