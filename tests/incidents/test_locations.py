"""Responders' shared locations: who sees them, from when and for how long; and the expected arrival."""

from __future__ import annotations

from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.permissions import TokenRole
from aed.geo import Position, distance_metres
from aed.incidents.alerts.answers import prune_locations, take_location
from aed.incidents.models import Alert, AlertLocation
from aed.incidents.rules import AlertState, Task
from aed.responders.rules import cell_middle
from aed.settings import Settings
from aed.walking.travel import estate_pace, general_pace, walk_seconds
from tests import make
from tests.incidents.test_live import entries
from tests.lookup.asking import place, streets
from tests.make import NOW, PATIENT, east_of, north_of

HERE = north_of(PATIENT, metres=200)
EXACT = {"lat": HERE.lat, "lon": HERE.lon, "accuracy_metres": 8}


def called(session: Session, *, task: Task = Task.DIRECT, state: AlertState = AlertState.ACCEPTED) -> Alert:
    """Alert a person who has accepted."""
    alert = make.alert(session, make.incident(session, at=clock.now()), make.person(session))
    alert.state, alert.task = state, task
    session.flush()
    return alert


def fetching(session: Session, device_at: Position) -> Alert:
    alert = make.alert(session, make.incident(session), make.person(session))
    alert.state, alert.task, alert.device = (
        AlertState.ACCEPTED,
        Task.FETCH,
        make.device(session, at=device_at),
    )
    session.flush()
    return alert


def test_locations_are_taken_after_accepting_and_shown_only_to_dispatchers(
    session: Session, client: TestClient
) -> None:
    alert = called(session, state=AlertState.ASKED)
    incident = f"/v1/incidents/{alert.incident_id}"
    centre = make.key(session, TokenRole.DISPATCHER, region=make.region(session), writes=True)
    session.commit()
    url = "/v1/alerts/call_key"

    def page() -> str:
        return client.get(url, headers={"Accept": "text/html"}).text

    assert 'id="location-status"' not in page()
    early = client.put(f"{url}/location", json=EXACT)
    assert (early.status_code, "Accept the call before" in early.json()["detail"]) == (409, True)
    assert client.post(url, json={"reply": "accept"}).status_code == 200
    assert 'id="location-status"' in page()

    for _ in range(50):  # a phone that sends every position
        assert client.put(f"{url}/location", json=EXACT).status_code == 204

    (shown,) = [
        each["place"]
        for each in client.get(incident, headers=centre).json()["alerts"]
        if each["id"] == alert.id
    ]
    assert shown["position"] == {"lat": pytest.approx(HERE.lat), "lon": pytest.approx(HERE.lon)}
    assert shown["is_exact"]
    assert session.scalar(select(func.count()).select_from(AlertLocation)) == 1
    session.commit()
    stream = client.get(f"{incident}/live", headers=centre).text
    assert f'event: place\ndata: {{"alert":{alert.id},"position"' in stream
    assert [each["event"] for each in entries(stream)] == ["opened", "planned", "said", "planned"]

    closed = client.post(f"{incident}/close", json={"outcome": "handed_over"}, headers=centre)
    assert closed.status_code == 200, closed.text
    late = client.put(f"{url}/location", json=EXACT)
    assert (late.status_code, "is over" in late.json()["detail"]) == (409, True)
    assert client.put("/v1/alerts/call_nobodys/location", json=EXACT).status_code == 404


@pytest.mark.one_engine("a refusal before any statement")
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"lat": 91}, "lat"),
        ({"accuracy_metres": 5_000}, "accuracy_metres"),
        ({"at": "2020-01-01T00:00:00Z"}, "at"),
    ],
)
def test_an_invalid_location_is_refused_with_the_field(
    session: Session, client: TestClient, change: dict[str, object], field: str
) -> None:
    called(session)
    session.commit()
    answer = client.put("/v1/alerts/call_key/location", json={**EXACT, **change})
    assert (answer.status_code, field in str(answer.json())) == (422, True), answer.text


def test_a_location_updates_the_arrival_time(session: Session, settings: Settings) -> None:
    alert = called(session)

    def walked(metres: float) -> float:
        return walk_seconds(1.5 * metres, general_pace(settings.arrival), settings.arrival)

    for number, metres in enumerate((600.0, 300.0, 50.0)):
        at = NOW + timedelta(minutes=number)
        take_location(
            session, alert.id, north_of(PATIENT, metres=metres), at=at, network=None, settings=settings
        )
        assert (alert.due_at - at).total_seconds() == pytest.approx(walked(metres), rel=0.01)

    due = alert.due_at
    old = NOW + timedelta(minutes=1, seconds=30)
    take_location(session, alert.id, north_of(PATIENT, metres=900), at=old, network=None, settings=settings)
    assert alert.due_at == due, "older news"


def test_arrival_is_computed_on_the_network_with_its_gates(session: Session, settings: Settings) -> None:
    """300 m up a street, 100 m along, and 300 m down to the next house; a guarded gate halfway."""
    network = streets(settings, {1: (0, 0), 2: (0, 300), 3: (100, 300), 4: (100, 0)}, [1, 2, 3, 4])
    alert = called(session)
    walked = walk_seconds(700, general_pace(settings.arrival), settings.arrival)

    take_location(session, alert.id, place(100, 0), at=NOW, network=network, settings=settings)
    assert (alert.due_at - NOW).total_seconds() == pytest.approx(walked, abs=2)

    make.gate(session, make.estate(session), at=place(0, 150), passage="guarded", opening_hours="24/7")
    at = NOW + timedelta(seconds=10)
    take_location(session, alert.id, place(100, 0), at=at, network=network, settings=settings)
    slower = walk_seconds(700, estate_pace(settings.arrival), settings.arrival)  # the patient is in an estate
    assert (alert.due_at - at).total_seconds() == pytest.approx(slower + 30, abs=2)


def test_arrival_of_a_fetcher_includes_the_device_until_they_have_it(
    session: Session, settings: Settings
) -> None:
    device_at = east_of(PATIENT, metres=300)
    alert = fetching(session, device_at)
    opening = settings.arrival.open_cabinet_seconds

    def walked(metres: float) -> float:
        return walk_seconds(1.5 * metres, general_pace(settings.arrival), settings.arrival)

    def left(here: Position, seconds: int) -> float:
        at = NOW + timedelta(seconds=seconds)
        take_location(session, alert.id, here, at=at, network=None, settings=settings)
        return (alert.due_at - at).total_seconds()

    assert left(PATIENT, 0) == pytest.approx(2 * walked(300) + opening, rel=0.01)
    assert left(east_of(PATIENT, metres=290), 60) == pytest.approx(
        walked(10) + opening + walked(300), rel=0.01
    )
    assert left(east_of(PATIENT, metres=200), 120) == pytest.approx(walked(200), rel=0.01)


def test_exact_locations_are_deleted_after_a_day_and_rough_ones_after_ninety(
    session: Session, settings: Settings
) -> None:
    alert = called(session)
    take_location(session, alert.id, HERE, at=NOW, network=None, settings=settings)
    moment = timedelta(seconds=1)

    assert prune_locations(session, at=NOW + timedelta(hours=24) - moment) == (0, 0)
    assert prune_locations(session, at=NOW + timedelta(hours=24)) == (1, 0)
    session.expire_all()
    kept = session.scalars(select(AlertLocation)).one()
    assert (kept.lat, kept.lon) == (None, None)
    assert 0 < distance_metres(cell_middle(kept.cell), HERE) < 300
    assert prune_locations(session, at=NOW + timedelta(days=90) - moment) == (0, 0)
    assert prune_locations(session, at=NOW + timedelta(days=90)) == (0, 1)
    assert session.scalars(select(AlertLocation)).all() == []


def test_a_coarsened_location_is_shown_as_rough(
    session: Session, client: TestClient, settings: Settings
) -> None:
    alert = called(session)
    take_location(session, alert.id, HERE, at=NOW, network=None, settings=settings)
    prune_locations(session, at=NOW + timedelta(days=2))
    centre = make.key(session, TokenRole.DISPATCHER, region=make.region(session))
    session.commit()

    shown = client.get(f"/v1/incidents/{alert.incident_id}", headers=centre).json()["alerts"][-1]["place"]
    assert not shown["is_exact"]
    assert shown["position"]["lat"] != pytest.approx(HERE.lat, abs=1e-6)
    record = client.get(f"/v1/incidents/{alert.incident_id}/record", headers=centre).json()
    assert [each["kind"] for each in record] == ["opened", "planned"], "places are not for ever"
