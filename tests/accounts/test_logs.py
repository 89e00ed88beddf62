"""Phone numbers, passwords, codes and cookie keys never appear in logs or in responses to strangers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from aed.accounts.permissions import TokenRole
from aed.accounts.sessions import CSRF_HEADER, SESSION_COOKIE
from aed.logs import without_rows
from tests import make
from tests.accounts.conftest import codes_sent
from tests.commands import serving

pytestmark = pytest.mark.slow

PASSWORD = "four words are enough"
WRONG = "not these four words"
NUMBER = re.compile(r"138\D{0,3}0013\D{0,3}[89]\d{3}")


@dataclass
class CollectedOutput:
    """The responses to strangers, and the secrets that must appear nowhere."""

    public: str = ""
    secrets: list[str] = field(default_factory=list)


def use(url: str, session: Session, person_id: int, office: dict[str, str]) -> CollectedOutput:
    """Use every feature that handles secrets, correctly and incorrectly, and finally without a table."""
    collected = CollectedOutput(secrets=[PASSWORD, WRONG, "123456"])
    with httpx2.Client(base_url=url, timeout=300) as client:

        def stranger(path: str, body: object) -> httpx2.Response:
            answer = client.post(path, json=body)
            client.cookies.clear()
            return answer

        for phone in ("13800138000", "+86 138 0013 8999", "+86 138 0013 89999", "nobody", 5):
            for what in ({"password": WRONG}, {"code": "123456"}, {}):
                collected.public += stranger("/v1/sign-in", {"phone": phone, **what}).text
            collected.public += stranger("/v1/sign-in/code", {"phone": phone}).text
        collected.secrets += codes_sent(session)
        signed_in = client.post("/v1/sign-in", json={"phone": "13800138000", "code": collected.secrets[-1]})
        assert signed_in.status_code == 200
        client.cookies.clear()
        key = signed_in.headers["set-cookie"].split("=", 1)[1].split(";")[0]
        collected.secrets += [key, signed_in.json()["csrf_token"]]
        own = {"Cookie": f"{SESSION_COOKIE}={key}", CSRF_HEADER: signed_in.json()["csrf_token"]}
        path = f"/v1/people/{person_id}"
        assert client.get(path, headers=own).json()["phone"] == "+8613800138000"
        collected.public += "".join(
            client.get(each).text for each in ("/v1/people", path, "/v1/me", "/v1/roles")
        )
        # Another person's number, entered by the office: a conflict that the database detects.
        clash = client.post("/v1/people", json={"name": "x", "phone": "13800138000"}, headers=office)
        assert clash.status_code == 409
        collected.public += clash.text
        etag = client.get(path, headers=office).headers["ETag"]
        moved = client.patch(path, json={"phone": "13800138002"}, headers={**office, "If-Match": etag})
        assert moved.status_code == 200
        # An internal error: it logs a stack trace, and PostgreSQL's message contains the rejected row.
        session.execute(text("DELETE FROM outbox"))
        session.execute(text("CREATE UNIQUE INDEX one_each ON outbox (person_id)"))
        session.commit()
        answers = [stranger("/v1/sign-in/code", {"phone": "13800138002"}) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [202, 500]
        collected.public += answers[-1].text
    return collected


@pytest.mark.parametrize(
    "form", ["json", pytest.param("console", marks=pytest.mark.one_engine("the form is that of the logger"))]
)
def test_no_log_and_no_public_answer_contains_a_number_a_password_or_a_code(
    session: Session, database_url: str, tmp_path: Path, form: str
) -> None:
    person = make.person(session, phone="138 0013 8000", password=PASSWORD)
    office = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
    session.commit()
    log = tmp_path / "serve.log"
    # No scheduled jobs run: the test reads the codes from the outbox.
    settings = {"AED_DATABASE_URL": database_url, "AED_LOG_LEVEL": "debug", "AED_LOG_FORMAT": form}

    with serving(log, **settings, AED_RUN_JOBS="false") as url:
        collected = use(url, session, person.id, office)

    written = log.read_text()
    assert written.count("/v1/sign-in") >= 20, "it was looked at"
    assert "IntegrityError" in written
    assert len(collected.secrets) >= 6
    for secret in collected.secrets:
        assert secret not in written
        assert secret not in collected.public
    assert NUMBER.search(written) is None
    assert NUMBER.search(collected.public) is None


def test_a_stack_trace_is_logged_without_the_row_in_its_message() -> None:
    trace = (
        'UniqueViolation: duplicate key value violates unique constraint "uq_accounts_phone"\n'
        "DETAIL:  Key (phone)=(+8613800138000) already exists.\n"
        "[SQL: INSERT INTO accounts (phone) VALUES (%(phone)s)]\n"
        "[parameters: {'phone': '+8613800138000'}]\n"
        "(Background on this error at: ...)"
    )

    kept = without_rows(trace)

    assert NUMBER.search(kept) is None
    assert "uq_accounts_phone" in kept
    assert "INSERT INTO accounts" in kept
    assert "Background" in kept
