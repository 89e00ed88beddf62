"""Short links in messages: secret, expiring, and only to pages of this site."""

from __future__ import annotations

from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.sign_in.rules import LIMITS_PER_ADDRESS, SignInMethod
from aed.database.session import Database
from aed.notifications.short_links import (
    ALPHABET,
    KEPT_FOR,
    KEY_LENGTH,
    ShortLink,
    delete_expired_links,
    find_link,
    opens,
    short_link,
    short_links,
)
from tests.make import NOW
from tests.statements import statements_of

HOUR = timedelta(hours=1)
PAGE = {"Accept": "text/html", "Accept-Language": "en"}


def test_a_link_redirects_to_its_page_until_it_expires(client: TestClient, session: Session) -> None:
    now = clock.now()
    good, old = short_links(session, [("/d/100017?x=1", now + HOUR), ("/d/100017", now - HOUR)])
    session.commit()

    there = client.get(good, follow_redirects=False)
    assert (there.status_code, there.headers["Location"]) == (303, "/d/100017?x=1")
    assert there.headers["Cache-Control"] == "no-store"
    assert client.get(good + "。", follow_redirects=False).status_code == 303  # the phone took it along
    expired = client.get(old, headers=PAGE)
    assert expired.status_code == 410
    assert "open the link in that one" in expired.text
    chinese = client.get(old, headers={"Accept": "text/html"})
    assert "链接已过期" in chinese.text


def test_guessed_links_are_answered_with_a_page_and_soon_with_429(
    client: TestClient, session: Session
) -> None:
    good = short_link(session, "/", clock.now() + HOUR)
    session.commit()

    guess = client.get("/l/" + "2" * KEY_LENGTH, headers=PAGE)
    assert guess.status_code == 404
    assert "copy all of it" in guess.text
    most = LIMITS_PER_ADDRESS[SignInMethod.SHORT_LINK][0].most
    statuses = [client.get(f"/l/guess{number}", headers=PAGE).status_code for number in range(most)]
    assert statuses == [404] * (most - 1) + [429]
    assert client.get(good, follow_redirects=False).status_code == 303, "a valid link is never refused"


def test_the_database_reveals_neither_key_nor_path(session: Session) -> None:
    key = short_link(session, "/a/a-secret-of-its-own", NOW + HOUR).removeprefix("/l/")

    row = session.scalars(select(ShortLink)).one()
    assert len(key) == KEY_LENGTH
    assert set(key) <= set(ALPHABET)
    assert key not in row.key_hash
    assert b"secret" not in row.encrypted_path
    found = find_link(session, key, at=NOW)
    assert found is not None
    assert found.path == "/a/a-secret-of-its-own"


def test_a_page_can_verify_the_link_that_opened_it(session: Session) -> None:
    key = short_link(session, "/learn/enrolments/17/{key}", NOW + HOUR).removeprefix("/l/")

    assert opens(session, key, f"/learn/enrolments/17/{key}", at=NOW)
    assert not opens(session, key, f"/learn/enrolments/18/{key}", at=NOW)
    assert not opens(session, key, f"/learn/enrolments/17/{key}", at=NOW + HOUR)
    assert not opens(session, "another", "/learn/enrolments/17/another", at=NOW)


@pytest.mark.parametrize(
    "path", ["https://evil.example/", "//evil.example/", "/\\evil.example", "d/1", "/a\nb", "/" + "x" * 500]
)
def test_a_link_redirects_only_to_this_site(session: Session, path: str) -> None:
    with pytest.raises(ValueError, match="not a path of this site"):
        short_link(session, path, NOW + HOUR)


def test_many_links_are_created_in_one_statement(database: Database, session: Session) -> None:
    with statements_of(database.engine) as statements:
        links = short_links(session, [(f"/d/{number}", NOW + HOUR) for number in range(200)])
    assert len(set(links)) == 200
    assert len(statements) <= 1  # PostgreSQL: COPY


def test_links_are_deleted_90_days_after_they_expired(session: Session) -> None:
    short_link(session, "/", NOW - KEPT_FOR - HOUR)
    kept = short_link(session, "/", NOW - KEPT_FOR + HOUR).removeprefix("/l/")

    assert delete_expired_links(session, at=NOW) == 1
    found = find_link(session, kept, at=NOW)
    assert found is not None
    assert found.is_expired
