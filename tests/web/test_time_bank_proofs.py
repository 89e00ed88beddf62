"""Proofs of service on the volunteer's page: asked for, issued, downloaded, checked by a stranger."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.permissions import Role, Viewer
from aed.errors import Conflict, NotFound
from aed.registry.estates.models import Estate
from aed.volunteering.certificates import actions, queries
from aed.volunteering.certificates.schemas import ServiceCertificateIn
from aed.volunteering.models import ProofRequest, ServiceCertificate
from aed.volunteering.records import actions as record_actions
from tests import make
from tests.web.conftest import SignIn

PAGE = "/me/time-bank/proofs"


@pytest.fixture
def estate(session: Session) -> Estate:
    return make.estate(session)


@pytest.fixture
def manager(session: Session, estate: Estate) -> Viewer:
    return make.person_with_role(session, Role.ESTATE_MANAGER, estate=estate)


@pytest.fixture
def volunteer(session: Session, estate: Estate, manager: Viewer) -> Viewer:
    """Return a volunteer with an hour of service that was posted for seven days."""
    made = make.volunteer(session, estate)
    make.service_issuer(session, estate)
    ago = clock.now() - timedelta(days=20)
    record = make.service(session, made, estate, ended_at=ago, at=ago)
    record_actions.confirm_record(session, manager, record.id, rating=None, at=ago)
    return made


def form(**changed: str) -> dict[str, str]:
    today = clock.now()
    return {
        "key": str(uuid4()),
        "purpose": "Application to a school",
        "recipient": "West Lake School",
        "from_on": f"{today - timedelta(days=60):%Y-%m-%d}",
        "until_on": f"{today:%Y-%m-%d}",
    } | changed


def issue(session: Session, manager: Viewer, request: ProofRequest) -> ServiceCertificate:
    new = ServiceCertificateIn(
        key=uuid4(),
        person_id=request.person_id,
        estate_id=request.estate_id,
        from_on=request.from_on,
        until_on=request.until_on,
        handler="李明",
        request_id=request.id,
    )
    return actions.issue_certificate(session, manager, new, at=clock.now())


def test_a_stranger_sees_no_proofs_and_asks_for_none(browser_of: SignIn, session: Session) -> None:
    stranger = browser_of(None)

    assert stranger.get(PAGE).headers["location"] == f"/sign-in?next={PAGE}"
    assert stranger.post(PAGE, data=form()).status_code == 401
    assert stranger.post(f"{PAGE}/1/withdrawal").status_code == 401
    assert session.scalars(select(ProofRequest)).all() == []


def test_a_volunteer_asks_for_a_proof_downloads_it_and_a_stranger_checks_its_code(
    browser_of: SignIn, session: Session, manager: Viewer, volunteer: Viewer
) -> None:
    phone = browser_of(volunteer.person_id)
    sent = form()
    assert [phone.post(PAGE, data=sent).status_code for _ in range(2)] == [303, 303]
    page = phone.get(PAGE).text
    assert "Application to a school" in page
    assert "Being made" in page

    request = session.scalars(select(ProofRequest)).one()
    made = issue(session, manager, request)
    assert made.minutes == 60
    assert made.notes == "用途：Application to a school；出具给：West Lake School"
    number = made.number
    with pytest.raises(Conflict, match="has ended"):
        issue(session, manager, request)
    session.commit()

    page = phone.get(PAGE).text
    assert "Issued" in page
    (address,) = set(re.findall(r'href="(/v1/service-check/[^"]+)"', page))
    pdf = phone.get(f"/v1/service-certificates/{number}/pdf")
    assert pdf.content.startswith(b"%PDF")
    seen = browser_of(None).get(address)
    assert "有效 Valid" in seen.text
    assert number in seen.text
    session.rollback()


def test_another_persons_request_is_neither_seen_nor_withdrawn(
    browser_of: SignIn, session: Session, estate: Estate, volunteer: Viewer
) -> None:
    browser_of(volunteer.person_id).post(PAGE, data=form())
    request = session.scalars(select(ProofRequest)).one()
    request_id = request.id
    other = make.volunteer(session, estate)
    elsewhere = make.person_with_role(session, Role.ESTATE_MANAGER, estate=make.estate(session))
    for who in (other, elsewhere):
        with pytest.raises(NotFound):
            actions.decline_request(session, who, request_id, reason="No", at=clock.now())

    phone = browser_of(other.person_id)
    assert "Application to a school" not in phone.get(PAGE).text
    assert phone.post(f"{PAGE}/{request_id}/withdrawal").status_code == 404
    assert queries.proof_request(session, volunteer, request_id).withdrawn_at is None


def test_a_declined_request_says_why_and_one_that_waits_is_withdrawn_once(
    browser_of: SignIn, session: Session, manager: Viewer, volunteer: Viewer
) -> None:
    phone = browser_of(volunteer.person_id)
    for purpose in ("First", "Second"):
        phone.post(PAGE, data=form(purpose=purpose))
    first, second = session.scalars(select(ProofRequest).order_by(ProofRequest.id))
    actions.decline_request(session, manager, first.id, reason="Come to the office", at=clock.now())
    ids = first.id, second.id
    session.commit()

    withdrawn = [phone.post(f"{PAGE}/{ids[1]}/withdrawal").status_code for _ in range(2)]
    assert withdrawn == [303, 303]
    assert phone.post(f"{PAGE}/{ids[0]}/withdrawal").status_code == 409
    page = phone.get(PAGE).text
    assert "Not issued: Come to the office" in page
    assert "Withdrawn" in page


@pytest.mark.parametrize(
    "changed",
    [
        {"purpose": ""},
        {"purpose": "<b>x</b>", "recipient": " "},
        {"from_on": "soon"},
        {"until_on": "2001-01-01"},
        {"from_on": "2001-01-01", "until_on": "2001-12-31"},
    ],
)
def test_a_bad_request_gets_a_sentence_and_keeps_what_was_typed(
    browser_of: SignIn, session: Session, volunteer: Viewer, changed: dict[str, str]
) -> None:
    phone = browser_of(volunteer.person_id)

    answer = phone.post(PAGE, data=form(recipient="Kept words") | changed)

    assert answer.status_code in (409, 422)
    assert "field-error" in answer.text
    assert ("Kept words" in answer.text) is ("recipient" not in changed)
    assert "<b>" not in answer.text
    assert session.scalars(select(ProofRequest)).all() == []
