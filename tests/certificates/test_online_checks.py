"""Check certificates with an issuer: a real server that is correct, slow, down, wrong or hostile."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from standardwebhooks import Webhook

from aed.certificates.models import CertificateCheck, IssuerLine
from aed.certificates.rules import FAILURES_IN_A_ROW, PAUSED_FOR, CheckState, pause_after
from aed.certificates.verification.actions import begin_checks, claim
from aed.certificates.verification.issuer_checks import (
    MAX_ANSWER_BYTES,
    IssuerAccessSettings,
    IssuerRun,
    verify_certificates,
)
from aed.database.session import Database, transaction
from aed.http.outbound_urls import refusal_reason
from aed.imports.feeds.fetching import FetchLimits
from aed.responders.models import Certificate
from aed.responders.rules import CertificateKind, CertificateTrust
from aed.settings.services import IssuerAccess
from tests import make
from tests.imports.servers import LONG, Behave, Source, answers, breaks_off, drips, serving, silent
from tests.make import NOW

LOOPBACK_TOO = partial(refusal_reason, is_private_allowed=True)
RIGHT: dict[str, Any] = {
    "found": True,
    "number": "RC-1",
    "name": "王*明",
    "kind": "cpr_aed",
    "valid_until": "2028-01-01",
}


def says(**given: Any) -> Behave:
    return answers(json.dumps(RIGHT | given), Content_Type="application/json")


@pytest.fixture
def source() -> Iterator[Source]:
    with serving(says()) as opened:
        yield opened


def by(seconds: float = 5.0, **access: IssuerAccess) -> IssuerAccessSettings:
    limits = FetchLimits(most_bytes=1_000_000, most_seconds=seconds, refusal_reason=LOOPBACK_TOO)
    return IssuerAccessSettings(limits, access)


@pytest.fixture
def card(session: Session, source: Source) -> int:
    """The unverified certificate RC-1 of 王小明, from a chapter that can be queried."""
    make.issuer(session, "rc", verified_by="query", query_url=source.url("/verify"), also_called=["Chapter"])
    responder_id = make.responder(
        session, name="王小明", number_on_card="RC-1", issuer="Chapter", trust=CertificateTrust.DOCUMENTED
    )
    found = session.scalars(select(Certificate.id).where(Certificate.responder_id == responder_id)).one()
    session.commit()
    return found


def run(
    database: Database, at: datetime = NOW, *, how: IssuerAccessSettings | None = None
) -> IssuerRun | None:
    runs = verify_certificates(database, lambda: at, by=how or by())
    return runs[0] if runs else None


def check(session: Session, card: int) -> CertificateCheck:
    session.rollback()  # release SQLite for other writers
    found = session.get_one(CertificateCheck, card)
    session.expunge_all()
    session.rollback()
    return found


def trust(session: Session, card: int) -> CertificateTrust:
    session.rollback()
    found = session.get_one(Certificate, card).trust
    session.rollback()
    return found


# --- an answer --------------------------------------------------------------------------------------------


def test_a_certificate_confirmed_by_its_issuer_is_verified(
    database: Database, session: Session, source: Source, card: int
) -> None:
    done = run(database)

    assert done == IssuerRun("rc", answered=1, unanswered=0, is_left_alone=False)
    assert trust(session, card) is CertificateTrust.VERIFIED
    assert check(session, card).state is CheckState.CONFIRMED
    (asked,) = source.asked
    assert json.loads(asked["body"]) == {
        "number": "RC-1",
        "name": "王小明",
        "kind": "cpr_aed",
        "holder_id": None,
    }
    assert run(database, NOW + timedelta(days=30)) is None, "no issuer is contacted twice"


ANSWERS = {
    "corrected": (says(valid_until="2027-05-31"), CheckState.CORRECTED, CertificateTrust.VERIFIED),
    "the wrong person": (says(name="李华"), CheckState.DISPUTED, CertificateTrust.SELF_DECLARED),
    "revoked": (says(is_revoked=True), CheckState.REVOKED, CertificateTrust.DOCUMENTED),
    "not found": (answers('{"found": false}'), CheckState.UNKNOWN, CertificateTrust.DOCUMENTED),
    "404": (answers("no such", status=404), CheckState.UNKNOWN, CertificateTrust.DOCUMENTED),
}


@pytest.mark.parametrize(("behave", "state", "believed"), ANSWERS.values(), ids=ANSWERS.keys())
def test_the_answer_of_the_issuer_is_applied(
    database: Database,
    session: Session,
    source: Source,
    card: int,
    behave: Behave,
    state: CheckState,
    believed: CertificateTrust,
) -> None:
    source.behave = behave

    run(database)

    assert check(session, card).state is state
    assert trust(session, card) is believed
    kept = session.get_one(Certificate, card)
    assert kept.valid_until == (date(2027, 5, 31) if state is CheckState.CORRECTED else date(2028, 1, 1))
    assert (kept.revoked_at is not None) is (state is CheckState.REVOKED)
    if state in (CheckState.CORRECTED, CheckState.REVOKED, CheckState.DISPUTED):
        last = make.changes(session, "certificates")[-1]
        assert last.who == "timetable (issuer rc)"


# --- no answer ------------------------------------------------------------------------------------------

NO_ANSWERS = {
    "garbage": (answers("<html>Welcome</html>"), "sent a response that is not JSON (<html>"),
    "another shape": (answers('{"found": true, "ok": 1}'), "sent a response of the wrong form: number"),
    "a list": (answers("[1]"), "sent a response of the wrong form"),
    "a date that is none": (says(valid_until="soon"), "sent a response of the wrong form: valid_until"),
    "a kind of nobody": (says(kind="doctor"), "sent a response of the wrong form: kind"),
    "about another number": (says(number="RC-2"), "sent a response about another number than requested"),
    "too much": (answers("x" * (MAX_ANSWER_BYTES + 1)), "too much for a response"),
    "a deep nest": (answers("[" * 60_000), "sent a response that is not JSON"),
    "500": (answers("", status=500), "responded with status 500"),
    "a redirect": (answers("", status=302, Location="http://127.0.0.1:1/"), "responded with status 302"),
    "the key is wrong": (answers("", status=401), "rejects the key (401)"),
    "silence": (silent(LONG), "did not send the answer within 0.3 s"),
    "a drip in the head": (drips(b"HTTP/1.1 200 OK\r\n", b"a: b\r\n", LONG), "did not send the answer"),
    "a drip in the body": (
        drips(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b" ", LONG),
        "did not send the answer",
    ),
    "broken off": (
        breaks_off(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"),
        "closed the connection before the answer",
    ),
}


@pytest.mark.parametrize(("behave", "reason"), NO_ANSWERS.values(), ids=NO_ANSWERS.keys())
def test_a_certificate_keeps_waiting_and_gives_the_reason(
    database: Database, session: Session, source: Source, card: int, behave: Behave, reason: str
) -> None:
    source.behave = behave
    begun = time.monotonic()

    done = run(database, how=by(seconds=0.3) if "within" in reason or "did not" in reason else by())

    assert done == IssuerRun("rc", answered=0, unanswered=1, is_left_alone=False)
    assert time.monotonic() - begun < LONG
    waiting = check(session, card)
    assert waiting.state is CheckState.WAITING
    assert reason in waiting.said
    assert waiting.said.endswith("The next attempt is at 2026-09-22 02:05 UTC.")
    assert trust(session, card) is CertificateTrust.DOCUMENTED, "the trust in the certificate is unchanged"
    source.behave = says()
    assert run(database, NOW + timedelta(minutes=4)) is None
    run(database, NOW + timedelta(minutes=5))
    assert trust(session, card) is CertificateTrust.VERIFIED


def test_an_unreachable_server_is_reported_as_such(database: Database, session: Session) -> None:
    with serving(says()) as closed:
        url = closed.url()
    make.issuer(session, "rc", verified_by="query", query_url=url, also_called=["Chapter"])
    make.responder(session, name="王小明", issuer="Chapter", trust=CertificateTrust.DOCUMENTED)
    session.commit()

    run(database)

    waiting = session.scalars(select(CertificateCheck)).one()
    assert waiting.state is CheckState.WAITING
    assert "127.0.0.1 cannot be reached" in waiting.said


def test_a_connection_that_breaks_once_is_retried_at_once(
    database: Database, session: Session, source: Source, card: int
) -> None:
    def breaks_first(to: BaseHTTPRequestHandler) -> None:
        (says() if len(source.asked) > 1 else breaks_off(b""))(to)

    source.behave = breaks_first

    run(database)

    assert (len(source.asked), trust(session, card)) == (2, CertificateTrust.VERIFIED)


def test_a_private_address_is_not_contacted_unless_allowed(
    database: Database, session: Session, source: Source, card: int
) -> None:
    strict = IssuerAccessSettings(FetchLimits(most_bytes=1000, most_seconds=1), {})

    run(database, how=strict)

    assert source.asked == []
    assert "Nothing is fetched from there" in check(session, card).said


# --- retries and rate -----------------------------------------------------------------------------------


def test_a_failing_check_is_retried_at_growing_intervals(
    database: Database, session: Session, source: Source, card: int
) -> None:
    source.behave = answers("", status=500)
    at, pauses = NOW, []
    for _ in range(4):
        run(database, at)
        again_at = check(session, card).next_try_at
        assert again_at is not None
        pauses.append((again_at - at).total_seconds() / 60)
        at = again_at

    assert pauses == [5, 10, 20, 40]
    assert pause_after(9) == timedelta(minutes=5 * 2**8)
    assert pause_after(10) == pause_after(100) == timedelta(days=1)


@pytest.mark.parametrize(("given", "minutes"), [("3600", 60), ("1", 5), ("9999999", 24 * 60), ("soon", 5)])
def test_a_rate_limited_server_is_retried_after_its_retry_after(
    database: Database, session: Session, source: Source, card: int, given: str, minutes: int
) -> None:
    source.behave = answers("", status=429, Retry_After=given)

    run(database)

    waiting = check(session, card)
    assert "received too many requests (429)" in waiting.said
    assert waiting.next_try_at == NOW + timedelta(minutes=minutes)


def test_after_too_many_failures_the_issuer_is_paused_and_the_rest_waits(
    database: Database, session: Session, source: Source, card: int
) -> None:
    for _ in range(9):
        make.responder(session, issuer="Chapter", trust=CertificateTrust.DOCUMENTED)
    session.commit()
    source.behave = answers("", status=503)

    done = run(database)

    assert done == IssuerRun("rc", answered=0, unanswered=FAILURES_IN_A_ROW, is_left_alone=True)
    assert len(source.asked) == FAILURES_IN_A_ROW
    unasked = session.scalars(select(CertificateCheck).where(CertificateCheck.tries == 0)).all()
    assert len(unasked) == 10 - FAILURES_IN_A_ROW
    assert all("is not asked again until 2026-09-22 02:15 UTC" in each.said for each in unasked)
    session.rollback()
    assert run(database, NOW + timedelta(minutes=10)) is None, "though five are due again"
    again = run(database, NOW + PAUSED_FOR)
    assert again is not None
    assert (again.unanswered, again.is_left_alone) == (1, True), "one attempt, then it is paused again"
    source.behave = answers('{"found": false}')
    healed = run(database, NOW + 2 * PAUSED_FOR)
    assert healed is not None
    assert healed.answered >= 9
    assert session.scalars(select(IssuerLine)).all() == []


def test_a_claimed_check_is_not_run_by_another_process(
    database: Database, session: Session, card: int
) -> None:
    begin_checks(session, NOW)
    issuer_id = session.scalars(select(CertificateCheck.issuer_id)).one()
    session.commit()

    with transaction(database) as one:
        assert len(claim(one, issuer_id, NOW, limit=10)) == 1
    with transaction(database) as other:
        assert claim(other, issuer_id, NOW, limit=10) == []
    with transaction(database) as later:  # the claim has expired
        assert len(claim(later, issuer_id, NOW + timedelta(minutes=10), limit=10)) == 1


# --- keys -----------------------------------------------------------------------------------------------


def test_a_token_is_sent_only_to_its_issuer(
    database: Database, session: Session, source: Source, card: int
) -> None:
    run(database, how=by(rc=IssuerAccess.model_validate({"token": "of the chapter"})))
    assert source.asked[0]["Authorization"] == "Bearer of the chapter"


def test_an_issuer_without_a_token_gets_none(
    database: Database, session: Session, source: Source, card: int
) -> None:
    run(database, how=by(other=IssuerAccess.model_validate({"token": "of another"})))
    assert "Authorization" not in source.asked[0]
    assert "of another" not in str(source.asked)


def test_a_signed_request_can_be_verified(
    database: Database, session: Session, source: Source, card: int
) -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    at = datetime.now(UTC)
    run(database, at, how=by(rc=IssuerAccess.model_validate({"secret": secret})))

    (asked,) = source.asked
    headers = {name.lower(): value for name, value in asked.items()}
    assert Webhook(secret).verify(asked["body"], headers)["number"] == "RC-1"


@pytest.mark.parametrize("wrong", [{}, {"token": "a", "secret": "b"}, {"password": "x"}])
def test_invalid_issuer_credentials_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"token|extra"):
        IssuerAccess.model_validate(wrong)


def test_a_certificate_without_a_number_waits_and_gives_the_reason(
    database: Database, session: Session, source: Source, card: int
) -> None:
    session.get_one(Certificate, card).number = None
    session.commit()

    assert run(database) is None

    assert source.asked == []
    assert "The certificate has no number" in check(session, card).said
    assert session.get_one(Certificate, card).kind is CertificateKind.CPR_AED
