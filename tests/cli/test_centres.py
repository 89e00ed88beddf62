"""aed centres."""

from __future__ import annotations

from sqlalchemy.orm import Session

from tests import make
from tests.cli.conftest import Aed


def test_a_centre_is_connected_given_a_new_secret_and_withdrawn(aed: Aed, session: Session) -> None:
    make.region(session)
    session.commit()
    made = aed("centres", "add", "lake-120", "CN-33", "https://120.example.org/hook", warns=True)
    secret = made.out.strip()
    assert secret.startswith("whsec_")
    assert "/v1/centres/lake-120/messages" in made.err
    listed = aed("centres", "list").out
    assert "lake-120" in listed
    assert secret not in listed
    changed = aed("centres", "rotate-secret", "lake-120", "--overlap-hours", "2").out.strip()
    assert changed.startswith("whsec_")
    assert changed != secret
    aed("centres", "withdraw", "lake-120")
    assert "lake-120" not in aed("centres", "list").out
