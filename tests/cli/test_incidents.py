"""aed incidents, audit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.incidents.models import Alert, IncidentEvent, IncidentPlan
from aed.incidents.plan.schemas import dump_plan, load_plan
from tests import make
from tests.cli.conftest import Aed
from tests.make import PATIENT, east_of, north_of

HERE = (f"lat={PATIENT.lat}", f"lon={PATIENT.lon}", "region=CN-33")


@pytest.fixture
def world(session: Session) -> int:
    """Add a device and four available responders."""
    for number in range(1, 5):
        make.responder(session, at=north_of(PATIENT, metres=50.0 * number), name=f"急救员{number}")
    device = make.device(session, at=east_of(PATIENT, metres=60))
    session.commit()
    return device.id


def test_an_incident_is_run_on_the_command_line(aed: Aed, session: Session, world: int) -> None:
    opened = aed("incidents", "open", *HERE, "kind=exercise", "floor=3", "ambulance_seconds=700", warns=True)
    assert "Call 120 first." in opened.out
    assert "Incident 1: exercise, open" in opened.out
    assert f"fetch device {world}" in opened.out
    assert "AED_PUBLIC_URL" in opened.err
    assert "急救员" not in opened.out, "nobody has accepted yet"

    alert = session.scalars(select(Alert.id).order_by(Alert.id)).first()
    session.commit()
    assert "急救员" in aed("incidents", "answer", 1, alert, "accept").out
    assert "exercise" in aed("incidents", "list", "--state", "open").out
    replayed = aed("incidents", "replay", 1).out
    assert replayed.count("Unchanged.") == 2
    assert "gains too little" in replayed or "asked" in replayed
    assert "ambulance at" in aed("incidents", "ambulance", 1, 300).out
    closed = aed("incidents", "close", 1, "handed_over").out
    assert "Incident 1: exercise, handed_over" in closed
    assert "whole" in aed("audit", "verify").out


def test_an_altered_incident_record_is_reported_with_a_failing_status(
    aed: Aed, session: Session, world: int
) -> None:
    aed("incidents", "open", *HERE, "kind=test", warns=True)
    event = session.scalars(select(IncidentEvent).where(IncidentEvent.number == 2)).one()
    event.who = "somebody else"
    session.commit()

    result = aed("audit", "verify", "--incident", 1, fails=True)
    assert "BROKEN at 2" in result.out
    assert "The record of incident 1 was altered." in result.err


def test_a_plan_that_replays_differently_is_reported_with_a_failing_status(
    aed: Aed, session: Session, world: int
) -> None:
    aed("incidents", "open", *HERE, "kind=test", warns=True)
    kept = session.scalars(select(IncidentPlan)).one()
    made = load_plan(kept.outcome)

    for off, is_the_same in ((1e-9, True), (0.01, False)):  # another release may add floats in another order
        kept.outcome = dump_plan(replace(made, survival=made.survival + off))
        session.commit()
        result = aed("incidents", "replay", 1, fails=not is_the_same)
        assert ("THIS RELEASE PLANS DIFFERENTLY." in result.out) is not is_the_same


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("incidents", "open", "lat=91", "lon=0"), "position"),
        (("incidents", "open", "kind=joke", *HERE), "kind"),
        (("incidents", "show", "9"), "Incident 9 does not exist"),
        (("incidents", "replay", "9"), "Incident 9 does not exist"),
        (("incidents", "close", "9", "handed_over"), "Incident 9 does not exist"),
    ],
)
def test_an_invalid_command_is_refused_in_a_sentence(
    aed: Aed, world: int, words: tuple[str, ...], says: str
) -> None:
    assert says in aed(*words, fails=True).err


def test_an_incident_is_printed_as_cap_and_a_cap_message_is_accepted(
    aed: Aed, session: Session, world: int, tmp_path: Path
) -> None:
    aed("incidents", "open", *HERE, "kind=test", warns=True)
    printed = aed("incidents", "cap", 1).out
    assert printed.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<alert ')
    assert "<status>Test</status>" in printed
    message = tmp_path / "alert.xml"
    moved = printed.replace(f"{PATIENT.lat:.6f}", f"{PATIENT.lat + 0.01:.6f}")
    region = "<parameter><valueName>region</valueName><value>CN-33</value></parameter><area>"
    message.write_text(moved.replace("<area>", region), encoding="utf-8")
    assert "Incident 2: test, open" in aed("incidents", "cap", message).out
    assert "Incident 2: test, open" in aed("incidents", "cap", message).out, "a repeated message"
    refused = aed("incidents", "cap", tmp_path / "none.xml", fails=True)
    assert "none.xml" in refused.err
