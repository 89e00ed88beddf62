"""Test that lookup, plan and live arrival times agree on walks, waits, floors and buildings."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from aed.geo import Position
from aed.incidents.alerts.answers import take_location
from aed.incidents.plan.queries.case import build_case
from aed.incidents.plan.rules.offers import TaskOffer
from aed.incidents.plan.rules.survival import Patient
from aed.incidents.rules import AlertState, Task
from aed.responders.models import ResponderPlace
from aed.settings import Settings
from aed.walking.network import WalkingNetwork
from tests import make
from tests.lookup.asking import ask, place, streets
from tests.make import NOW, PATIENT, east_of, north_of

CLOSED_SECONDS = 180.0


def responder(session: Session, *, at: Position, floor: int = 0) -> int:
    """Register a responder whose default place is on the given floor."""
    made = make.responder(session, at=at)
    session.query(ResponderPlace).filter_by(responder_id=made).update({"floor": floor})
    return made


def offers(
    session: Session, settings: Settings, *, floor: int = 0, network: WalkingNetwork | None = None
) -> dict[tuple[Task, int | None], TaskOffer]:
    """Return the plan's options for one person, by task and device, with no ambulance nearby."""
    session.commit()
    case = build_case(
        session.connection(),
        Patient(0.0, 3_000.0),
        PATIENT,
        floor=floor,
        at=NOW,
        asked=(),
        excluded_people=(),
        network=network,
        settings=settings,
    )
    return {(each.task, each.device_id): each for each in case.offers}


@pytest.mark.parametrize("is_in_estate", [False, True])
@pytest.mark.parametrize("has_streets", [False, True])
@pytest.mark.parametrize(
    ("patient_floor", "device_floor"), [(0, 0), (4, 0), (0, 12), (4, 12), (4, 4), (-1, 2)]
)
def test_the_plan_and_the_lookup_agree_on_a_fetch_from_the_patients_place(
    session: Session,
    settings: Settings,
    *,
    is_in_estate: bool,
    has_streets: bool,
    patient_floor: int,
    device_floor: int,
) -> None:
    network = streets(settings, {1: (0, 0), 2: (0, 150), 3: (90, 150)}, [1, 2, 3]) if has_streets else None
    estate = make.estate(session)
    make.gate(session, estate, at=place(0, 60), passage="guarded", opening_hours="24/7")
    device = make.device(session, at=place(90, 150), of=estate if is_in_estate else None, floor=device_floor)
    responder(session, at=PATIENT, floor=patient_floor)

    (near,) = ask(session, settings, make.ADMINISTRATOR, network=network, floor=patient_floor).devices

    planned = offers(session, settings, floor=patient_floor, network=network)
    assert planned[Task.FETCH, device.id].seconds == pytest.approx(near.fetch.fetch_seconds)
    assert planned[Task.DIRECT, None].seconds == settings.arrival.reaction_seconds, "beside the patient"


def test_a_fetcher_pays_the_patients_floors_once_and_the_own_floor_once(
    session: Session, settings: Settings
) -> None:
    """The device is on the ground floor: a fetcher goes down once and up once, as a direct responder does."""
    device = make.device(session, at=east_of(PATIENT, metres=100))
    one = responder(session, at=north_of(PATIENT, metres=100))
    ground = offers(session, settings)
    high = offers(session, settings, floor=4)
    session.query(ResponderPlace).filter_by(responder_id=one).update({"floor": 10})
    both = offers(session, settings, floor=4)

    lift_4, lift_10 = 45 + 2 * 4, 45 + 2 * 10
    for task in ((Task.FETCH, device.id), (Task.DIRECT, None)):
        assert high[task].seconds - ground[task].seconds == pytest.approx(lift_4)
        assert both[task].seconds - ground[task].seconds == pytest.approx(lift_4 + lift_10)


def test_a_building_comes_from_the_register_not_from_nearby_doors(
    session: Session, settings: Settings
) -> None:
    """All are on the tenth floor: in one building they stay there, between two they go down and up."""
    estate = make.estate(session)
    door, next_door = north_of(PATIENT, metres=12), north_of(PATIENT, metres=28)
    device = make.device(session, at=next_door, floor=10)

    def floors() -> float:
        (near,) = ask(session, settings, floor=10).devices
        return near.fetch.floor_seconds

    two_lifts = 4 * (45 + 2 * 10)
    assert floors() == two_lifts, "28 m apart, and nothing known of buildings"
    make.building(session, estate, at=north_of(PATIENT, metres=14))
    assert floors() == 0, "both nearest to the one entrance"
    make.building(session, estate, at=north_of(PATIENT, metres=30))
    assert floors() == two_lifts, "each at a door of its own"
    assert door != next_door
    assert device.floor == 10


def test_a_wait_of_three_minutes_is_three_minutes_everywhere(session: Session, settings: Settings) -> None:
    """The wait is at a closed gate on the only street, to a device, to a patient, and for live arrival."""
    network = streets(settings, {1: (0, 0), 2: (0, 300)}, [1, 2])
    estate = make.estate(session)
    device = make.device(session, at=place(0, 300))
    person = responder(session, at=place(0, 300))

    def times() -> list[float]:
        (near,) = ask(session, settings, make.ADMINISTRATOR, network=network).devices
        planned = offers(session, settings, network=network)
        on_foot = make.person(session)
        alert = make.alert(session, make.incident(session), on_foot, key=f"call_{on_foot.id}")
        alert.state, alert.task, alert.device_id = AlertState.ACCEPTED, Task.DIRECT, None
        session.flush()
        take_location(session, alert.id, place(0, 300), at=NOW, network=network, settings=settings)
        left = (alert.due_at - NOW) / timedelta(seconds=1)
        return [
            near.fetch.fetch_seconds / 2,
            planned[Task.DIRECT, None].seconds,
            planned[Task.FETCH, device.id].seconds,
            left,
        ]

    free = times()
    make.gate(session, estate, at=place(0, 150), passage="open", opening_hours="off")
    waited = times()

    assert person
    assert [one - other for one, other in zip(waited, free, strict=True)] == pytest.approx(
        [CLOSED_SECONDS] * 4, abs=1e-6
    )
