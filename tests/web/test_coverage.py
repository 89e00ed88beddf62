"""The pages of previews: who may read and make them, and what a bad form gets."""

from __future__ import annotations

from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from aed.accounts.permissions import Role
from aed.accounts.sessions import SESSION_COOKIE
from aed.registry.estates.models import Estate
from tests import make
from tests.make import PATIENT, east_of

FORM = {"Sec-Fetch-Site": "same-origin"}


def prepared(session: Session) -> Estate:
    here = make.estate(session, neighbourhood="lake")
    there = make.estate(session, around=east_of(PATIENT, metres=400), neighbourhood="lake")
    make.building(session, here, at=PATIENT)
    make.building(session, there, at=east_of(PATIENT, metres=100))
    make.device(session, of=here, at=PATIENT, audience="estate")
    return here


def as_role(session: Session, role: Role, estate: Estate) -> dict[str, str]:
    person = make.person(session)
    make.role(session, person, role, estate=estate)
    key = make.sign_in(session, person.id)
    session.commit()
    return {"Cookie": f"{SESSION_COOKIE}={key}", "Accept-Language": "en", "Accept": "text/html"}


def test_a_stranger_finds_no_previews(client: TestClient, session: Session, browser: dict[str, str]) -> None:
    here = prepared(session)
    session.commit()

    assert client.get(f"/estates/{here.id}/coverage", headers=browser).status_code == 404


def test_a_manager_previews_and_a_resident_reads(client: TestClient, session: Session) -> None:
    here = prepared(session)
    manager = as_role(session, Role.ESTATE_MANAGER, here)
    resident = as_role(session, Role.RESIDENT, here)
    where = f"/estates/{here.id}/coverage"
    step = {"audience": "public", "hours": "20:00-08:00"}

    assert client.post(where, headers=resident | FORM, data=step).status_code == 403
    made = client.post(where, headers=manager | FORM, data=step, follow_redirects=False)
    assert made.status_code == 303
    page = client.get(made.headers["Location"] + "?band=night", headers=resident)
    assert page.status_code == 200
    assert page.text.count("<svg") >= 8
    assert "not a promise" in page.text
    assert 'href="?band=night" aria-current="true"' in page.text
    chinese = client.get(made.headers["Location"], headers=resident | {"Accept-Language": "zh"})
    assert "本园区居民得到什么" in chinese.text
    assert made.headers["Location"] in client.get(where, headers=resident).text


def test_a_form_with_invalid_hours_says_so_and_keeps_what_was_typed(
    client: TestClient, session: Session
) -> None:
    here = prepared(session)
    manager = as_role(session, Role.ESTATE_MANAGER, here)
    where = f"/estates/{here.id}/coverage"

    wrong = client.post(where, headers=manager | FORM, data={"audience": "public", "hours": "<b>late"})
    assert wrong.status_code == 422
    assert "These hours cannot be read" in wrong.text
    assert 'value="&lt;b&gt;late"' in wrong.text
    assert client.post(where, headers=manager | FORM, data={"audience": "estate"}).status_code == 422
    assert client.post(where, headers=manager, data={"audience": "public"}).status_code == 403
