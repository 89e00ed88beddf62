"""Forms of pages: accepted from this site alone."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from aed.accounts.authentication import FormViewerDep
from aed.accounts.sessions import SESSION_COOKIE
from tests import make


@pytest.fixture
def form(client: TestClient) -> TestClient:
    """A client of an application with a form that answers who sent it."""
    app = client.app
    assert isinstance(app, FastAPI)

    @app.post("/form")
    def send(viewer: FormViewerDep) -> str:
        return viewer.name if viewer.is_signed_in else "anyone"

    return client


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "http://testserver"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://testserver"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 403),
    ],
)
def test_a_form_of_another_site_is_refused(form: TestClient, headers: dict[str, str], status: int) -> None:
    assert form.post("/form", headers=headers).status_code == status


def test_a_form_that_is_too_large_is_refused_with_a_page_and_a_program_with_json(form: TestClient) -> None:
    browser = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html", "Accept-Language": "zh-CN"}
    for path in ("/report", "/form", "/me/certificate"):
        page = form.post(path, headers=browser, content=b"x" * 60_000_000)
        assert (page.status_code, page.headers["content-type"]) == (413, "text/html; charset=utf-8")
        assert "过大" in page.text
        assert "style-src 'self'" in page.headers["content-security-policy"]
    answer = form.post("/form", content=b"x" * 60_000_000)
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")


def test_a_form_is_sent_by_the_person_of_the_cookie(form: TestClient, session: Session) -> None:
    person = make.person(session)
    key = make.sign_in(session, person.id)
    session.commit()
    cookie = {"Cookie": f"{SESSION_COOKIE}={key}", "Sec-Fetch-Site": "same-origin"}
    assert form.post("/form", headers=cookie).json() == f"person:{person.id}"
    stale = {"Cookie": f"{SESSION_COOKIE}=nobodys", "Sec-Fetch-Site": "same-origin"}
    assert form.post("/form", headers=stale).json() == "anyone"
