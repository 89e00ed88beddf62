"""aed apps."""

from __future__ import annotations

from sqlalchemy.orm import Session

from tests import make
from tests.cli.conftest import Aed


def test_an_app_is_registered_given_a_new_secret_and_removed(aed: Aed, session: Session) -> None:
    make.region(session)
    session.commit()
    made = aed("apps", "add", "Lake Life", "--region", "CN-33", "--origin", "https://app.example.org").out
    client_id, secret = made.split()
    listed = aed("apps", "list").out
    assert client_id in listed
    assert secret not in listed
    assert aed("apps", "rotate-secret", client_id).out.strip() != secret
    aed("apps", "remove", client_id)
    assert client_id not in aed("apps", "list").out


def test_all_errors_of_a_new_app_are_reported_at_once(aed: Aed) -> None:
    said = aed("apps", "add", "", "--origin", "http://app.example.org", fails=True).err
    assert "give either --estate or --region" in said
    assert "name: must not be empty" in said
    assert "such as https://app.example.org" in said
