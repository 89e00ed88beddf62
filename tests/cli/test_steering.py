"""aed incidents hold, resume, more, radius, patient, hazard, exclude, include, excluded, place, split."""

from __future__ import annotations

import re
import sys

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.cli import main
from aed.database.types import Table
from aed.incidents.models import Alert, Incident, IncidentEvent, IncidentExclusion, IncidentReport
from aed.incidents.rules import LIVE_STATES, AgeGroup, Hazard
from tests import make
from tests.cases import each_case
from tests.cli.conftest import Aed
from tests.make import PATIENT, east_of, north_of

HERE = (f"lat={PATIENT.lat}", f"lon={PATIENT.lon}", "region=CN-33")


@pytest.fixture
def incident(aed: Aed, session: Session) -> int:
    """Add an exercise with two reports 60 m apart, twenty responders and a device."""
    for number in range(1, 21):
        make.responder(session, at=north_of(PATIENT, metres=30.0 * number), name=f"急救员{number}")
    make.device(session, at=east_of(PATIENT, metres=60))
    session.commit()
    exercise = ("kind=exercise", "ambulance_seconds=700")
    aed("incidents", "open", *HERE, *exercise, "room=201", "case_number=1", warns=True)
    there = (f"lat={PATIENT.lat + 60 / 111_195}", *HERE[1:])
    joined = aed("incidents", "open", *there, *exercise, "case_number=2", "address=9栋902", warns=True).out
    assert "Incident 1: exercise, open" in joined
    session.commit()
    return 1


def test_each_steering_command_is_carried_out_and_confirmed(
    aed: Aed, session: Session, incident: int
) -> None:
    def row[RowT: Table](of: type[RowT], number: int) -> RowT:
        """Return the committed row and close the session: on SQLite, the next command would wait for it."""
        found = session.get_one(of, number, populate_existing=True)
        session.expunge(found)
        session.rollback()
        return found

    def stands() -> Incident:
        return row(Incident, incident)

    def called() -> set[int]:
        theirs = select(Alert.person_id).where(Alert.incident_id == incident, Alert.state.in_(LIVE_STATES))
        found = set(session.scalars(theirs))
        session.rollback()
        return found

    def more_called(*words: object) -> int:
        """Return the number of people alerted, after comparing the output with the database."""
        before = called()
        alerted = re.search(r"(\d+) more (?:person|people) alerted", aed("incidents", *words).out)
        assert alerted is not None
        assert len(called() - before) == int(alerted[1])
        return int(alerted[1])

    assert "is on hold: no further people are alerted" in aed("incidents", "hold", incident).out
    assert stands().calling_held_at is not None
    assert more_called("more", incident, 2) == 2, "requested by name, even while the alert is held"
    more_called("resume", incident)
    assert stands().calling_held_at is None

    more_called("radius", incident, 900)
    assert stands().radius_metres == 900
    assert "the patient is child" in aed("incidents", "patient", incident, "child").out
    assert stands().age_group is AgeGroup.CHILD

    out = min(called())
    alerted = aed("incidents", "exclude", incident, "--person", out).out
    assert alerted.startswith("Exclusion 1; ")
    assert out not in called()
    assert aed("incidents", "exclude", incident, "--device", 1).out.startswith("Exclusion 2; ")
    listed = [line.split() for line in aed("incidents", "excluded", incident).out.strip().splitlines()]
    assert [line[:2] for line in listed[-2:]] == [["1", str(out)], ["2", "1"]]
    more_called("include", incident, 1)
    assert row(IncidentExclusion, 1).lifted_at is not None
    assert len(aed("incidents", "excluded", incident).out.strip().splitlines()) == len(listed) - 1

    assert (
        "0 more people alerted"
        in aed("incidents", "hazard", incident, "nobody_is_sent", "--note", "煤气").out
    )
    assert (stands().hazard, stands().hazard_note) == (Hazard.NOBODY_IS_SENT, "煤气")
    assert called() == set()
    assert more_called("hazard", incident, "none") > 0

    moved = aed("incidents", "place", incident, "storey=B1", "address=2栋").out
    assert moved == (
        f"Incident 1 is at {PATIENT.lat:.5f} {PATIENT.lon:.5f}, 地下1层（floor -1） basement 1 (floor -1).\n"
    )
    assert (stands().floor, stands().address) == (-1, "2栋")
    assert "地下1层（floor -1）" in aed("incidents", "show", incident).out

    reports = [line.split() for line in aed("incidents", "show", incident).out.splitlines()]
    assert [line[0] for line in reports if line[-1:] == ["9栋902"]] == ["2"], (
        "the number that the split command expects"
    )
    apart = aed("incidents", "split", incident, 2, "room=902").out
    assert apart.startswith("Incident 2 is opened at ")
    assert "9楼（floor 8） storey 9 (floor 8)" in apart
    assert row(Incident, 2).floor == 8
    assert row(IncidentReport, 2).incident_id == 2

    done = session.scalars(select(IncidentEvent).where(IncidentEvent.incident_id == incident)).all()
    by = {each.kind: each.who for each in done}
    session.rollback()
    for kind in ("held", "asked_more", "resumed", "radius", "patient", "hazard", "place", "split"):
        assert by[kind] == by["opened"], "the record names the actor"
    assert "whole" in aed("audit", "verify").out


@each_case(
    ("words", "says"),
    [
        (("hold", 9), "Incident 9 does not exist"),
        (("resume", 9), "Incident 9 does not exist"),
        (("excluded", 9), "Incident 9 does not exist"),
        (("exclude", 1), "give either person_id or device_id"),
        (("exclude", 1, "--person", 1, "--device", 1), "give either person_id or device_id"),
        (("exclude", 1, "--person", 999), "Person 999 does not exist"),
        (("exclude", 1, "--device", 999), "Device 999 does not exist"),
        (("include", 1, 7), "no exclusion 7"),
        (("place", 1, "floor"), "'floor' is not NAME=VALUE"),
        (
            ("place", 1, "stairs=3"),
            "Available fields: lat, lon, datum, floor, storey, room, address, door_code",
        ),
        (("place", 1, "lat=91", "lon=0"), "position"),
        (("place", 1, "floor=3", "storey=3楼"), "These contradict each other"),
        (("place", 1, "storey=夹层"), "“夹层” is not valid"),
        (("split", 1, 99), "no report 99"),
        (("split", 1, 2, "room=B101"), "derived from room “B101”"),
        (("split", 1, 2, "ambulance_seconds=-1"), "ambulance_seconds"),
    ],
)
def test_an_invalid_command_is_refused_in_one_sentence_and_changes_nothing(
    aed: Aed, session: Session, incident: int, words: tuple[object, ...], says: str
) -> None:
    before = session.scalars(select(func.count()).select_from(IncidentEvent)).all()
    session.rollback()
    assert says in aed("incidents", *words, fails=True).err
    assert session.scalars(select(func.count()).select_from(IncidentEvent)).all() == before


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("hold", 0), "INCIDENT"),
        (("more", 1, 21), "people"),
        (("radius", 1, 99), "metres"),
        (("radius", 1, "far"), "metres"),
        (("patient", 1, "old"), "'unknown', 'adult', 'child', 'infant'"),
        (("hazard", 1, "fire"), "'none', 'inform', 'nobody_is_sent'"),
        (("exclude", 1, "--person", "x"), "--person"),
        (("include", 1, "x"), "EXCLUSION"),
        (("split", 1, 0), "REPORT"),
    ],
)
def test_an_argument_of_the_wrong_kind_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[object, ...], names: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["aed", "incidents", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    output = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert names in output
