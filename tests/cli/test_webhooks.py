"""aed webhooks."""

from __future__ import annotations

from sqlalchemy.orm import Session

from tests import make
from tests.cli.conftest import Aed


def test_a_webhook_is_added_tested_given_a_new_secret_and_stopped(aed: Aed, session: Session) -> None:
    make.region(session)
    session.commit()
    address = "https://app.example.org/hook"
    secret = aed("webhooks", "add", address, "points.changed", "--region", "CN-33").out.strip()
    assert secret.startswith("whsec_")
    aed("webhooks", "test", "1")
    listed = aed("webhooks", "list").out
    assert "points.changed" in listed
    assert "active" in listed
    assert secret not in listed
    assert address not in listed
    assert aed("webhooks", "rotate-secret", "1").out.strip() != secret
    aed("webhooks", "stop", "1")
    assert "stopped" in aed("webhooks", "list").out


def test_all_errors_of_a_new_webhook_are_reported_at_once(aed: Aed) -> None:
    said = aed("webhooks", "add", "http://app.example.org", "points.changed", fails=True).err
    assert "give either --estate or --region" in said
    assert "address: The URL must begin with https://" in said
