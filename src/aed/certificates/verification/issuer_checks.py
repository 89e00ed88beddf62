"""Verify certificates with their issuers over HTTP. The server may be down, slow or wrong.

The request is a POST with a JSON body, `{"number": …, "name": …, "kind": …, "holder_id": … or null}`. The
response is 200 with `{"found": false}`, or with
`{"found": true, "number": …, "name": …, "kind": …, "valid_until": …}` and optionally `issued_on`,
`holder_id` (masked), `phone`, `is_revoked`. 404 also means not found.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final, Literal

import httpx2
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from standardwebhooks import Webhook

from aed import __version__
from aed.accounts.masking import mask_holder_id
from aed.certificates.rules import Facts, Holder, IssuerStatement, written
from aed.certificates.verification import queries as verification_queries
from aed.certificates.verification.actions import (
    NoAnswer,
    begin_checks,
    claim,
    give_back,
    record_answer,
    record_no_answer,
)
from aed.certificates.verification.queries import ToAsk
from aed.database.session import Database, read_session, transaction
from aed.errors import InvalidInput
from aed.http.outbound_urls import Target, target_of
from aed.imports.feeds.fetching import (
    Deadline,
    FetchFailed,
    FetchLimits,
    addresses_of,
    failure_message,
    fetch_limits_in,
    retry_after_seconds,
    within,
)
from aed.imports.rules import printable
from aed.issuers import queries as issuer_queries
from aed.issuers.rules import CertificateKind
from aed.settings import Settings
from aed.settings.services import IssuerAccess
from aed.worker.jobs import Now

MAX_ANSWER_BYTES: Final = 64_000
TRIES_AT_ONCE: Final = 2
"""Attempts per check: a broken connection is retried once at once; further retries are scheduled."""


class IssuerAnswer(BaseModel):
    """The response of an issuer. Additional members are ignored."""

    model_config = ConfigDict(strict=True)

    found: Literal[True]
    number: str = Field(min_length=1, max_length=100)
    name: str = Field(min_length=1, max_length=200)
    kind: CertificateKind = Field(strict=False)
    valid_until: date = Field(strict=False)
    issued_on: date | None = Field(None, strict=False)
    holder_id: str | None = Field(None, max_length=64)
    phone: str | None = Field(None, max_length=32)
    is_revoked: bool = False

    def statement(self) -> IssuerStatement:
        return IssuerStatement(
            Holder(
                self.name, self.phone, mask_holder_id(written(self.holder_id)) if self.holder_id else None
            ),
            Facts(self.kind, self.issued_on, self.valid_until),
            self.is_revoked,
        )


@dataclass(frozen=True, slots=True)
class IssuerAccessSettings:
    """How to contact issuers: the limits, and the credentials by issuer code."""

    fetching: FetchLimits
    access: Mapping[str, IssuerAccess]


def issuer_access_in(settings: Settings) -> IssuerAccessSettings:
    """Return how issuers are queried from the settings."""
    limits = replace(fetch_limits_in(settings), most_seconds=settings.issuer_seconds)
    return IssuerAccessSettings(limits, settings.issuer_access)


def ask_issuer(
    url: str, code: str, asked: ToAsk, *, by: IssuerAccessSettings, at: datetime
) -> IssuerStatement | NoAnswer | None:
    """Ask the issuer about a certificate; return None if it has none with that number.

    Returns a NoAnswer with a sentence for any failure of the server; never raises for one.
    """
    failed = NoAnswer("The issuer was not asked.")
    for _ in range(TRIES_AT_ONCE):
        try:
            return _asked_once(url, code, asked, by=by, at=at)
        except _Broken as broken:
            failed = NoAnswer(broken.detail)
        except FetchFailed as error:
            return NoAnswer(error.detail, error.asked_to_wait)
        except InvalidInput as error:
            return NoAnswer(f"The issuer's URL cannot be used: {error.detail}")
    return failed


class _Broken(FetchFailed):
    """A failure that may be temporary."""


def _asked_once(
    url: str, code: str, asked: ToAsk, *, by: IssuerAccessSettings, at: datetime
) -> IssuerStatement | None:
    target = target_of(url)
    body = json.dumps(
        {
            "number": asked.number,
            "name": asked.name,
            "kind": asked.kind.value,
            "holder_id": asked.holder_id,
        },
        ensure_ascii=False,
    )
    headers = {
        "User-Agent": f"aed/{__version__}",
        "Content-Type": "application/json",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        **_authorization(by.access.get(code), body, at),
    }
    address = addresses_of(target, by.fetching)[0]
    is_usual = target.port == (443 if target.scheme == "https" else 80)
    with (
        within(by.fetching.most_seconds) as deadline,
        httpx2.Client(verify=httpx2.create_ssl_context(), trust_env=False, follow_redirects=False) as client,
    ):
        request = client.build_request(
            "POST",
            httpx2.URL(target.url).copy_with(host=str(address), port=target.port),
            content=body.encode(),
            headers={"Host": target.host if is_usual else f"{target.host}:{target.port}", **headers},
            timeout=httpx2.Timeout(deadline.seconds_left),
            extensions={"sni_hostname": target.host, "trace": deadline.trace},
        )
        try:
            answer = client.send(request, stream=True)
            try:
                content = _content(answer, target, by.fetching, deadline)
            finally:
                answer.close()
        except (httpx2.ConnectError, httpx2.RemoteProtocolError, httpx2.ReadError) as error:
            failure = failure_message(error, target.host, deadline, what="answer")
            if deadline.is_over:
                raise failure from error
            raise _Broken(failure.detail) from error
        except httpx2.HTTPError as error:
            raise failure_message(error, target.host, deadline, what="answer") from error
    return _parse_answer(answer, content, target, asked)


def _authorization(access: IssuerAccess | None, body: str, at: datetime) -> Mapping[str, str]:
    """Return the authorization headers: a bearer token, or a signature according to Standard Webhooks."""
    if access is None:
        return {}
    if access.token is not None:
        return {"Authorization": f"Bearer {access.token.get_secret_value()}"}
    assert access.secret is not None
    message_id = f"msg_{secrets.token_urlsafe(16)}"
    signature = Webhook(access.secret.get_secret_value()).sign(message_id, at, body)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signature,
    }


def _content(answer: httpx2.Response, target: Target, by: FetchLimits, deadline: Deadline) -> bytes:
    content = bytearray()
    for chunk in answer.iter_raw():
        deadline.check(target.host, "answer")
        content += chunk
        if len(content) > min(MAX_ANSWER_BYTES, by.most_bytes):
            raise FetchFailed(
                f"{target.host} sent more than {MAX_ANSWER_BYTES} bytes, which is too much for a response."
            )
    deadline.check(target.host, "answer")
    return bytes(content)


def _parse_answer(
    answer: httpx2.Response, content: bytes, target: Target, asked: ToAsk
) -> IssuerStatement | None:
    """Parse and validate the response. Raises FetchFailed if it does not answer the request."""
    host = target.host
    if answer.status_code == 404:
        return None
    if answer.status_code in (401, 403):
        raise FetchFailed(f"{host} rejects the key ({answer.status_code}). Correct it in AED_ISSUER_ACCESS.")
    if answer.status_code == 429:
        raise FetchFailed(
            f"{host} received too many requests (429).", asked_to_wait=retry_after_seconds(answer)
        )
    if answer.status_code != 200:
        raise FetchFailed(
            f"{host} responded with status {answer.status_code}.",
            asked_to_wait=retry_after_seconds(answer),
        )
    try:
        given = json.loads(content)
    except (ValueError, RecursionError):
        shown = printable(content[:60].decode("utf-8", "replace"), 60)
        raise FetchFailed(f"{host} sent a response that is not JSON ({shown}).") from None
    if isinstance(given, dict) and given.get("found") is False:
        return None
    try:
        answered = IssuerAnswer.model_validate(given)
    except ValidationError as error:
        wrong = error.errors()[0]
        where = ".".join(str(part) for part in wrong["loc"]) or "the whole"
        raise FetchFailed(
            f"{host} sent a response of the wrong form: {printable(where, 60)}: {wrong['msg']}."
        ) from None
    if answered.number.strip() != asked.number:
        raise FetchFailed(f"{host} sent a response about another number than requested.")
    return answered.statement()


# --- Certificates ---------------------------------------------------------------------------------------

ASKED_AT_ONCE: Final = 20
MAX_CHECKS_PER_RUN: Final = 200
"""Maximum number of checks of one issuer per run; the next run continues."""


@dataclass(frozen=True, slots=True)
class IssuerRun:
    """The result of a run for one issuer."""

    code: str
    answered: int
    unanswered: int
    is_left_alone: bool


def verify_certificates(database: Database, now: Now, *, by: IssuerAccessSettings) -> list[IssuerRun]:
    """Verify pending certificates with their issuers. Several processes may run this at once.

    1. Enqueue new certificates; settle those that are already in a roster.
    2. Ask each issuer about its due certificates, in batches that are claimed first; never within a
       transaction.
    3. Record each answer separately. After too many consecutive failures, suspend the issuer for a while and
       release the remaining claims.
    """
    with transaction(database) as session:
        begin_checks(session, now())
    with read_session(database) as session:
        due = [(each.id, each.code) for each in verification_queries.issuers_to_ask(session, now())]
    return [_ask_issuer(database, issuer_id, code, now, by) for issuer_id, code in due]


def _ask_issuer(
    database: Database, issuer_id: int, code: str, now: Now, by: IssuerAccessSettings
) -> IssuerRun:
    answered = unanswered = 0
    while answered + unanswered < MAX_CHECKS_PER_RUN:
        with transaction(database) as session:
            url = issuer_queries.issuer(session, issuer_id).query_url
            claimed = claim(session, issuer_id, now(), limit=ASKED_AT_ONCE)
        if not claimed or url is None:
            break
        for number, each in enumerate(claimed):
            has_answer, is_left_alone = _ask_once(database, issuer_id, code, url, each, now, by)
            answered, unanswered = answered + has_answer, unanswered + (not has_answer)
            if is_left_alone:
                with transaction(database) as session:
                    issuer = issuer_queries.issuer(session, issuer_id)
                    give_back(session, issuer, claimed[number + 1 :], at=now())
                return IssuerRun(code, answered, unanswered, is_left_alone=True)
    return IssuerRun(code, answered, unanswered, is_left_alone=False)


def _ask_once(
    database: Database, issuer_id: int, code: str, url: str, asked: ToAsk, now: Now, by: IssuerAccessSettings
) -> tuple[bool, bool]:
    """Ask once and record the outcome; return whether an answer came, and whether to suspend the issuer."""
    answer = ask_issuer(url, code, asked, by=by, at=now())
    with transaction(database) as session:
        issuer = issuer_queries.issuer(session, issuer_id)
        if isinstance(answer, NoAnswer):
            return False, record_no_answer(session, issuer, asked, answer, at=now())
        record_answer(session, issuer, asked, answer, at=now())
        return True, False
