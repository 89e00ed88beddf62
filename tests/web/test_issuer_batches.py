"""The pages of batches for issuers: who gets them, a batch of chosen sessions, and the issuer's answer."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import pytest
from fastapi.testclient import TestClient
from openpyxl import load_workbook
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Role
from aed.accounts.sessions import SESSION_COOKIE
from aed.settings import Settings
from aed.training.issuer_batches.actions import set_identity
from aed.training.models import IssuerBatchRow
from aed.training.rules import BatchRowState
from aed.web.issuer_batches.rules import reason_words
from tests import make
from tests.apps import app_on

HEADERS = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html", "Accept-Language": "en"}
NUMBER = "11010519491231002X"

type SignIn = Callable[[Person | None], TestClient]


@pytest.fixture
def browser_of(settings: Settings, session: Session) -> Iterator[SignIn]:
    """Yield a function that opens the browser of a person, or of a stranger."""
    with TestClient(app_on(settings)) as opened:

        def new(who: Person | None) -> TestClient:
            client = TestClient(
                opened.app, base_url="https://testserver", headers=HEADERS, follow_redirects=False
            )
            if who is not None:
                client.cookies.set(SESSION_COOKIE, make.sign_in(session, who.id))
            session.commit()
            return client

        yield new


def test_a_batch_of_chosen_sessions_is_made_sent_and_answered(browser_of: SignIn, session: Session) -> None:
    region = make.region(session)
    issuer = make.issuer(session, region=region.code, batch_format=make.BATCH_FORMAT)
    officer, resident = make.person(session), make.person(session)
    make.role(session, officer, Role.TRAINING_OFFICER, region=region)
    course = make.course(session, issuer=issuer.name_en)
    spring, people = make.passed_results(session, course, "Wang Xiaoming", "Li Lei", "Han Meimei")
    autumn, later = make.passed_results(session, course, "Zhao Min")
    for each in (*people[:2], *later):
        set_identity(session, make.ADMINISTRATOR, each.id, holder_id=NUMBER, at=make.NOW)
    where = f"/issuer-batches/{issuer.id}"

    stranger = browser_of(None)
    assert stranger.get(where).headers["location"] == f"/sign-in?next={where}"
    assert stranger.post(where, data={"reference": "x"}).status_code == 401
    for path in ("/issuer-batches", where):
        assert browser_of(resident).get(path).status_code == 403
    assert browser_of(resident).post(where, data={"reference": "x"}).status_code == 403

    desk = browser_of(officer)
    assert f'href="{where}"' in desk.get("/issuer-batches").text
    form = desk.get(where).text
    assert f"/training/{spring.id}/identity/{people[2].id}" in form, "who lacks a number is named"
    nothing = desk.post(where, data={"reference": "2031-05"})
    assert nothing.status_code == 422
    assert "Tick at least one session" in nothing.text
    wrong = desk.post(where, data={"reference": "spring 1", "session": [spring.id]})
    assert wrong.status_code == 422
    assert 'value="spring 1"' in wrong.text
    assert "Reference:" in wrong.text

    made = desk.post(where, data={"reference": "2031-05", "session": [spring.id]})
    assert made.status_code == 303, made.text
    page = made.headers["location"].partition("?")[0]
    again = desk.post(where, data={"reference": "2031-05", "session": [autumn.id]})
    assert again.headers["location"] == f"{page}?done=known"
    assert browser_of(resident).get(page).status_code == 403
    batch_id = int(page.rpartition("/")[2])
    file = desk.get(f"/v1/issuers/{issuer.id}/batches/{batch_id}/file.xlsx")
    sheet = load_workbook(io.BytesIO(file.content))
    rows = [[cell.value for cell in row] for row in sheet.active.iter_rows(min_row=2)]
    assert [row[1] for row in rows] == ["Wang Xiaoming", "Li Lei"], "the other session is not in it"

    answer = (
        "序号,姓名,证书编号,退回原因\n1,Wang Xiaoming,RC-1,\n2,Li Lei,,Photo is blurred\n2,Zhao Min,RC-2,\n"
    )
    read = desk.post(page, files={"file": ("answer.csv", answer.encode(), "text/csv")})
    assert read.status_code == 200, read.text
    assert "Cards issued: 1. Came back: 1. Rows not read: 1." in read.text
    assert "Row 2 of the batch is Li Lei, not Zhao Min" in read.text
    assert "Photo is blurred" in read.text
    assert "RC-1" in read.text
    session.rollback()
    states = session.scalars(select(IssuerBatchRow.state).order_by(IssuerBatchRow.number)).all()
    assert states == [BatchRowState.ACCEPTED, BatchRowState.REJECTED]
    session.commit()
    no_answer = desk.post(page, files={"file": ("answer.csv", b"name\nLi Lei\n", "text/csv")})
    assert no_answer.status_code == 422
    assert "must name the columns" in no_answer.text
    assert "came back: 1" in desk.get(where).text


@pytest.mark.parametrize(
    ("reason", "values"),
    [
        ("row: this batch has no row 9", {"row": "9"}),
        (
            "name: row 2 is Li Lei, not Zhao Min. A row may have been shifted",
            {"row": "2", "name": "Li Lei", "other": "Zhao Min"},
        ),
        ("certificate_number: the result has the number RC-1 already", {"number": "RC-1"}),
        ("something new", {}),
    ],
)
def test_reasons_are_known_in_words(reason: str, values: dict[str, str]) -> None:
    words, found = reason_words(reason)
    assert found == values
    assert bool(words) == bool(values)
