"""Confidence in confirmed facts fades, and people nearby are asked to confirm them again."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.free_text import SMS_CHARACTERS
from aed.accounts.people.models import Person
from aed.accounts.permissions import ANYONE, Role
from aed.database.session import Database
from aed.errors import NotAllowed, NotSignedIn
from aed.notifications.models import OutboxMessage
from aed.registry.devices.models import Device
from aed.registry.devices.rules import confidence, probability_ready
from aed.responders.models import Responder
from aed.settings.arrival import Arrival
from aed.settings.upkeep import TrustSettings
from aed.upkeep.confirmations.actions import answer_request, confirm_fact
from aed.upkeep.confirmations.curve import trust_curve
from aed.upkeep.confirmations.queries import Trusted, trust_of
from aed.upkeep.confirmations.schemas import ConfirmIn
from aed.upkeep.jobs import confirm_nearby
from aed.upkeep.models import Confirmation, ConfirmationRequest, FaultReport
from aed.upkeep.rules import Fact, FactAnswer, FaultKind
from tests import make
from tests.make import NOW, PATIENT, north_of
from tests.registry.conftest import Desk

DAY = timedelta(days=1)
URL = "https://aed.example.org"
NUMBERS = TrustSettings()


@given(st.floats(0, 10_000), st.floats(0, 10_000), st.floats(0.1, 5_000))
def test_confidence_only_decreases(days: float, more: float, half_life_days: float) -> None:
    now = confidence(days, half_life_days=half_life_days)
    later = confidence(days + more, half_life_days=half_life_days)
    assert 0 <= later <= now <= 1
    assert confidence(0, half_life_days=half_life_days) == 1
    assert confidence(half_life_days, half_life_days=half_life_days) == pytest.approx(0.5)
    assert confidence(None, half_life_days=half_life_days) == 0
    assert 0.85 <= probability_ready(later, Arrival()) <= probability_ready(now, Arrival()) <= 0.95


def test_the_picture_in_the_documentation_is_up_to_date() -> None:
    drawn = Path(__file__).parents[2] / "deploy" / "trust.svg"
    assert drawn.read_text(encoding="utf-8") == trust_curve(TrustSettings(), Arrival()), (
        "aed trust curve --output deploy/trust.svg"
    )


def trusted(session: Session, device: Device, *, days: float = 0) -> dict[Fact, Trusted]:
    return {each.fact: each for each in trust_of(session, device, at=NOW + days * DAY, numbers=NUMBERS)}


def test_a_check_confirms_what_it_saw_with_a_name(session: Session) -> None:
    device = make.device(session, last_checked_on=None)
    assert {each.confidence for each in trusted(session, device).values()} == {0}

    make.check(session, device, at=NOW)
    make.check(session, device, at=NOW + DAY, answers={"access_as_described": False, "status_light": False})

    found = trusted(session, device, days=36)
    assert found[Fact.READINESS].at == NOW, "the second one failed"
    assert found[Fact.HOURS].at == NOW
    assert found[Fact.POSITION].at == NOW + DAY
    assert found[Fact.POSITION].by == "test"
    assert found[Fact.READINESS].confidence == pytest.approx(0.5 ** (36 / 35))
    assert found[Fact.POSITION].confidence == pytest.approx(0.5 ** (35 / 730))


def test_a_list_can_confirm_that_a_device_was_checked(session: Session) -> None:
    found = trusted(session, make.device(session, last_checked_on=date(2026, 9, 15)))
    assert (found[Fact.READINESS].by, found[Fact.POSITION].at) == (None, None)
    assert found[Fact.READINESS].confidence == pytest.approx(0.5 ** (7.08 / 35), abs=0.001)


def test_the_lookup_uses_the_remaining_confidence(session: Session, nobody: Desk) -> None:
    """Of two similar devices, the one checked more recently is preferred."""
    today = make.clock_today()
    long_ago = make.device(session, at=north_of(PATIENT, metres=100), last_checked_on=today - 30 * DAY)
    just_now = make.device(session, at=north_of(PATIENT, metres=-100), last_checked_on=today)
    session.commit()

    found = nobody.get(f"/v1/nearest?lat={PATIENT.lat}&lon={PATIENT.lon}").json()["devices"]

    assert [each["id"] for each in found] == [just_now.id, long_ago.id]
    probabilities = [each["probability_usable"] for each in found]
    assert probabilities == pytest.approx([0.98 * 0.95, 0.98 * (0.85 + 0.1 * 0.5 ** (30 / 35))], abs=0.001)
    shown = nobody.get(f"/v1/devices/{long_ago.id}/trust").json()
    assert shown["probability_ready"] * 0.98 == pytest.approx(probabilities[1], abs=0.002)


def test_a_passer_by_confirms_or_denies_a_fact(session: Session) -> None:
    home = make.estate(session)
    device = make.device(session, of=home)
    resident = make.person_with_role(session, Role.RESIDENT, estate=home)
    new = ConfirmIn(fact=Fact.HOURS, is_as_registered=True)
    with pytest.raises(NotSignedIn):
        confirm_fact(session, ANYONE, device.id, new, at=NOW)
    stranger = make.person_with_role(session, Role.RESIDENT, estate=make.estate(session))
    with pytest.raises(NotAllowed):
        confirm_fact(session, stranger, device.id, new, at=NOW)

    confirm_fact(session, resident, device.id, new, at=NOW)
    confirm_fact(session, resident, device.id, ConfirmIn(fact=Fact.POSITION, is_as_registered=False), at=NOW)

    assert [each.fact for each in session.scalars(select(Confirmation))] == [Fact.HOURS]
    report = session.scalars(select(FaultReport)).one()
    assert (report.kind, report.by_name) == (FaultKind.MISSING, resident.name)
    assert not device.is_quarantined


def asked(session: Session, database: Database, *, days: float = 0) -> int:
    session.commit()
    found = confirm_nearby(database, NOW + days * DAY, numbers=NUMBERS, public_url=URL)
    session.expire_all()
    return found


def test_the_nearest_person_is_asked_once_and_answers_with_a_tap(
    session: Session, database: Database
) -> None:
    device = make.device(session)
    for metres in (300, 90, 900):
        responder = session.get_one(Responder, make.responder(session, at=north_of(PATIENT, metres=metres)))
        session.get_one(Person, responder.person_id).phone = f"+86 138 0013 8{metres:03d}"

    assert confirm_nearby(database, NOW, numbers=NUMBERS, public_url=None) == 0, "nobody could answer"
    assert asked(session, database) == 1
    assert asked(session, database) == 0, "one at a time"
    assert asked(session, database, days=0.5) == 0, "nobody by night"

    confirmation_request = session.scalars(select(ConfirmationRequest)).one()
    (letter,) = session.scalars(select(OutboxMessage)).all()
    assert (letter.text_zh or "").startswith("AED ")
    assert "AED还在原处吗？请回答：" in (letter.text_zh or "")
    assert len(letter.text_zh or "") <= SMS_CHARACTERS, "one SMS"
    key = make.key_behind(session, letter.text_en or "")
    assert confirmation_request.person_id == letter.person_id
    assert letter.recipient == "+8613800138090"
    answer_request(session, ANYONE, key, FactAnswer.YES, None, at=NOW + DAY)
    assert trusted(session, device, days=1)[Fact.POSITION].by == f"person:{confirmation_request.person_id}"

    assert asked(session, database, days=1) == 1, "now of its hours, and another person"
    hours = session.scalars(select(ConfirmationRequest).order_by(ConfirmationRequest.id.desc())).first()
    assert hours is not None
    assert (hours.fact, hours.person_id == confirmation_request.person_id) == (Fact.HOURS, False)
    assert asked(session, database, days=2) == 0
    assert asked(session, database, days=9) == 0, "it lapsed, and who is near was asked this fortnight"
    assert asked(session, database, days=16) == 1


def test_people_are_not_asked_about_devices_that_they_may_not_see(
    session: Session, database: Database
) -> None:
    home = make.estate(session)
    make.device(session, of=home, audience="estate")
    make.responder(session, at=PATIENT)
    make.responder(session, at=PATIENT, paused_until=NOW + 90 * DAY, estate_id=home.id)
    assert asked(session, database) == 0

    lead = make.person(session)
    make.role(session, lead, Role.LEAD, estate=home)
    assert asked(session, database) == 1
    assert session.scalars(select(ConfirmationRequest.person_id)).all() == [lead.id]
