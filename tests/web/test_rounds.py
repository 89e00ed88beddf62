"""Pages of inspection rounds: assigning, the inspector's list, the sheet to print."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.people.models import Person
from aed.accounts.permissions import Role
from aed.accounts.viewers import viewer_of_person
from aed.registry.devices.models import Device
from aed.registry.estates.models import Estate
from aed.upkeep.rounds.models import InspectionRound, RoundStop
from aed.upkeep.rules import short_number
from tests import make
from tests.make import PATIENT, north_of
from tests.training.reading import codes_on, words_on
from tests.web.conftest import SignIn


def estate_with_two(session: Session) -> tuple[Estate, Device, Device]:
    estate = make.estate(session)
    one = make.device(session, of=estate, place_zh="1号楼大堂", place_en="Lobby 1", audience="estate")
    other = make.device(
        session,
        of=estate,
        at=north_of(PATIENT, metres=100),
        place_zh="会所",
        place_en="Club",
        opening_hours="08:00-17:30",
    )
    return estate, one, other


def person_as(session: Session, role: Role, estate: Estate, name: str) -> Person:
    person = make.person(session, name=name)
    make.role(session, person, role, estate=estate)
    session.flush()
    return person


def test_a_stranger_signs_in_first_and_sees_no_round(session: Session, browser_of: SignIn) -> None:
    estate, one, _ = estate_with_two(session)
    inspector = person_as(session, Role.KEEPER, estate, "Wang Fang")
    row = make.inspection_round(session, estate, inspector, one, at=clock.now())
    resident = browser_of(person_as(session, Role.RESIDENT, estate, "Li Lei").id)
    nobody = browser_of(None)

    for path in ("/rounds", "/rounds/new", f"/rounds/{row.id}"):
        answer = nobody.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/sign-in?next={path}")
    assert resident.get(f"/rounds/{row.id}").status_code == 404
    assert resident.get("/rounds/new").status_code == 403


def test_a_manager_plans_and_assigns_a_round_and_the_inspector_walks_it(
    session: Session, browser_of: SignIn
) -> None:
    estate, one, other = estate_with_two(session)
    for each in (one, other):
        each.last_checked_on = date(2020, 1, 1)
    inspector = person_as(session, Role.KEEPER, estate, "Wang Fang")
    phone = browser_of(inspector.id)
    desk = browser_of(person_as(session, Role.ESTATE_MANAGER, estate, "Manager Zhou").id)
    form: dict[str, Any] = {
        "place": f"estate-{estate.id}",
        "day": str(make.clock_today()),
        "starts": "08:30",
        "ends_by": "17:30",
        "check_minutes": "5",
        "due_within_days": "7",
        "every_days": "30",
        "start": "middle",
        "end": "last",
    }

    assert "Wang Fang" in desk.get("/rounds/new").text
    refused = desk.post("/rounds/new", data=form | {"preview": "1"})
    assert refused.status_code == 422
    assert "Choose at least one inspector." in refused.text
    form["inspector"] = str(inspector.id)
    wrong = desk.post("/rounds/new", data=form | {"ends_by": "07:00"})
    assert "a start that is earlier than the end" in wrong.text
    assert 'value="07:00"' in wrong.text
    typed = desk.post("/rounds/new", data=form | {"start": "typed"})
    assert "latitude and longitude" in typed.text
    plan = desk.post("/rounds/new", data=form | {"preview": "1"})
    assert plan.status_code == 200
    assert "Lobby 1" in plan.text
    assert "before 17:30" in plan.text
    assert desk.post("/rounds/new", data=form | {"assign": "1"}).status_code == 303
    twice = desk.post("/rounds/new", data=form | {"assign": "1"})
    assert "already has a round at that time" in twice.text
    assert "0 of 2 checked" in desk.get("/rounds").text

    listed = phone.get("/rounds").text
    address = "/rounds/" + listed.partition('href="/rounds/')[2].partition('"')[0]
    first = phone.get(address)
    assert first.headers["X-Keep-Offline"] == "yes"
    assert "Next: Lobby 1" in first.text
    assert "X-Keep-Offline" not in desk.get(address).headers
    numbers = {short_number(each.id) for each in (one, other)}
    check = make.check(session, one, at=clock.now(), who=viewer_of_person(session, inspector.id)).check
    session.commit()
    assert "Next: Club" in phone.get(address).text
    result = phone.get(f"/d/{short_number(one.id)}/check?sent={check.key}").text
    assert f'href="{address}"' in result
    paper = phone.get(f"{address}/pdf").content
    assert {each.rpartition("/d/")[2] for each in codes_on(paper)} == numbers
    assert all(each in "".join(words_on(paper)) for each in numbers)
    assert phone.post(f"{address}/cancel").status_code == 403
    assert desk.post(f"{address}/cancel").status_code == 303
    assert "cancelled" in phone.get(address).text


def test_two_inspectors_share_the_devices_of_a_round(session: Session, browser_of: SignIn) -> None:
    estate, one, other = estate_with_two(session)
    for each in (one, other):
        each.last_checked_on = date(2020, 1, 1)
    inspectors = [person_as(session, Role.KEEPER, estate, name).id for name in ("Wang Fang", "Li Na")]
    desk = browser_of(person_as(session, Role.ESTATE_MANAGER, estate, "Manager Zhou").id)
    form: dict[str, Any] = {
        "place": f"estate-{estate.id}",
        "inspector": [str(each) for each in inspectors],
        "day": str(make.clock_today()),
        "starts": "08:30",
        "ends_by": "17:30",
        "check_minutes": "60",
        "due_within_days": "7",
        "start": "middle",
        "end": "last",
    }

    assert desk.post("/rounds/new", data=form | {"assign": "1"}).status_code == 303

    stops = session.execute(
        select(InspectionRound.inspector_id, RoundStop.device_id).join(
            RoundStop, RoundStop.round_id == InspectionRound.id
        )
    ).all()
    assert sorted(inspector for inspector, _ in stops) == sorted(inspectors)
    assert {device for _, device in stops} == {one.id, other.id}
