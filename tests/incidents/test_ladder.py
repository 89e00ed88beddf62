"""The sharing ladder in plans: which devices are fetched."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from aed.accounts.permissions import Role
from aed.incidents import queries
from aed.incidents.models import Incident
from aed.incidents.plan.schemas import load_inputs
from aed.registry.estates import actions as estate_actions
from aed.registry.estates.schemas import EstateAmend
from aed.settings import Settings
from tests import make
from tests.incidents.test_incidents import report
from tests.make import NOW, PATIENT, east_of, north_of

NEXT_DOOR = east_of(PATIENT, metres=450)


@pytest.fixture(autouse=True)
def neighbours(session: Session) -> list[int]:
    return [make.responder(session, at=north_of(PATIENT, metres=40.0 * each)) for each in range(1, 5)]


def candidates(session: Session, incident: Incident) -> set[int | None]:
    (plan,) = queries.plans(session, incident.id)
    return {each.device_id for each in load_inputs(plan.inputs).case.offers} - {None}


@pytest.mark.parametrize(
    ("audience", "of_own", "of_a_neighbour", "of_a_stranger"),
    [
        ("estate", True, False, False),
        ("neighbours", True, True, False),
        ("dispatch", True, True, True),
        ("public", True, True, True),
    ],
)
def test_each_step_of_the_ladder(
    session: Session,
    settings: Settings,
    audience: str,
    of_own: bool,
    of_a_neighbour: bool,
    of_a_stranger: bool,
) -> None:
    home = make.estate(session, neighbourhood="lake")
    neighbour = make.estate(session, around=NEXT_DOOR, neighbourhood="lake")
    stranger = make.estate(session, around=east_of(PATIENT, metres=-450))
    places = {home.id: PATIENT, neighbour.id: east_of(NEXT_DOOR, metres=-190)}
    places[stranger.id] = east_of(PATIENT, metres=-260)
    devices = {
        each.id: make.device(session, at=places[each.id], of=each, audience=audience).id
        for each in (home, neighbour, stranger)
    }
    expected = {
        devices[each.id]
        for each, is_one in ((home, of_own), (neighbour, of_a_neighbour), (stranger, of_a_stranger))
        if is_one
    }
    assert candidates(session, report(session, settings, ambulance_seconds=1_500)) == expected


def test_outside_estates_only_public_and_dispatch_devices_are_used(
    session: Session, settings: Settings
) -> None:
    stranger = make.estate(session, around=east_of(PATIENT, metres=-450))
    near = east_of(PATIENT, metres=-260)
    for audience in ("estate", "neighbours"):
        make.device(session, at=near, of=stranger, audience=audience)
    shared = {make.device(session, at=near, of=stranger, audience=each).id for each in ("dispatch", "public")}
    of_nobody = make.device(session, at=north_of(PATIENT, metres=50), audience="estate")
    incident = report(session, settings, ambulance_seconds=1_500)
    assert candidates(session, incident) == shared | {of_nobody.id}


def test_an_estate_that_opens_its_devices_to_emergencies(session: Session, settings: Settings) -> None:
    make.estate(session)
    stranger = make.estate(session, around=east_of(PATIENT, metres=-450))
    device = make.device(session, at=east_of(PATIENT, metres=-260), of=stranger, audience="estate")
    before = report(session, settings, ambulance_seconds=1_500, kind="test")
    assert candidates(session, before) == set()
    manager = make.person_with_role(session, Role.ESTATE_MANAGER, estate=stranger)

    opened = EstateAmend(emergency_override=True)
    estate_actions.amend_estate(session, manager, stranger.id, opened, version=stranger.version, at=NOW)
    second = report(session, settings, ambulance_seconds=1_500, where=north_of(PATIENT, metres=130))
    assert candidates(session, second) == {device.id}
    session.commit()
    kept = make.changes(session, "estates")[-1].fields
    assert kept["emergency_override"] == [False, True]
