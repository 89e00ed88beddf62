"""Test that lookups of responders are counted, logged and limited, while devices are always returned."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import h3
import pytest
import structlog
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from aed.accounts.permissions import TokenRole
from aed.database.recent_moments import RecentMoments, recent_moments
from aed.errors import InvalidInput
from aed.lookup.api import COUNTED_SECONDS, ResponderLookups
from aed.settings import Settings
from tests import make
from tests.make import NOW, PATIENT

LOOKUP = f"/v1/nearest?lat={PATIENT.lat}&lon={PATIENT.lon}"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"responder_lookups_per_hour": 3})


def test_above_the_limit_a_dispatcher_gets_devices_without_responders(
    session: Session, client: TestClient
) -> None:
    device, responder = make.device(session), make.responder(session)
    one, other = (make.key(session, TokenRole.DISPATCHER, region=make.region(session)) for _ in range(2))
    session.commit()

    with structlog.testing.capture_logs() as logs:
        answers = [client.get(LOOKUP, headers=one).json() for _ in range(4)]

    assert [[near["id"] for near in each["devices"]] for each in answers] == [[device.id]] * 4
    assert [len(each["responders"] or []) for each in answers] == [1, 1, 1, 0]
    assert [each["responders_withheld"] is None for each in answers] == [True, True, True, False]
    assert answers[3]["responders"] is None
    assert client.get(LOOKUP, headers=other).json()["responders"][0]["id"] == responder, "each has its own"
    assert client.get(LOOKUP).json()["responders_withheld"] is None, "nobody else is counted"
    looked_up = [each for each in logs if each["event"].startswith("responders ")]
    assert [each["within_the_hour"] for each in looked_up] == [1, 2, 3, None]
    assert {each["cell"] for each in looked_up} == {h3.latlng_to_cell(PATIENT.lat, PATIENT.lon, 7)}
    assert all(each["who"].startswith("token:") for each in looked_up)


def test_a_lookup_without_responders_is_not_counted(session: Session, client: TestClient) -> None:
    make.responder(session)
    key = make.key(session, TokenRole.DISPATCHER, region=make.region(session))
    session.commit()

    for _ in range(5):
        assert client.get(f"{LOOKUP}&responders=0", headers=key).json()["responders"] is None
    assert client.get(LOOKUP, headers=key).json()["responders"]


def test_tests_and_exercises_count_too_and_a_real_patient_never_waits(
    session: Session, client: TestClient
) -> None:
    key = make.key(session, TokenRole.DISPATCHER, region=make.region(session), writes=True)
    make.responder(session)
    session.commit()

    def status_of_report(kind: str, number: int) -> int:
        here = make.north_of(PATIENT, metres=400 * number)
        report = {"key": str(uuid4()), "kind": kind, "position": {"lat": here.lat, "lon": here.lon}}
        return client.post("/v1/incidents", json=report, headers=key).status_code

    assert [status_of_report("test", number) for number in range(4)] == [200, 200, 200, 429]
    assert status_of_report("exercise", 5) == 429
    assert [status_of_report("real", number) for number in range(6, 10)] == [200] * 4


def test_lookups_older_than_an_hour_do_not_count() -> None:
    lookups = ResponderLookups(2, RecentMoments(kept_seconds=COUNTED_SECONDS))

    assert [lookups.count("one", NOW) for _ in range(3)] == [1, 2, None]
    assert lookups.count("one", NOW + timedelta(minutes=59)) is None
    assert lookups.count("one", NOW + timedelta(minutes=61)) == 1


def test_processes_that_share_a_file_count_together(tmp_path: Path) -> None:
    here, there = (
        ResponderLookups(3, RecentMoments(tmp_path / "lookups", kept_seconds=COUNTED_SECONDS)) for _ in "ab"
    )

    assert [each.count("one", NOW) for each in (here, there, here, there)] == [1, 2, 3, None]
    assert there.count("other", NOW) == 1


def test_a_limit_that_cannot_be_kept_stops_no_lookup(tmp_path: Path) -> None:
    lookups = ResponderLookups(1, RecentMoments(tmp_path / "lookups", kept_seconds=COUNTED_SECONDS))
    with closing(sqlite3.connect(tmp_path / "lookups")) as other:
        other.execute("DROP TABLE moments")

        assert [lookups.count("one", NOW) for _ in range(2)] == [1, 1]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    settings = Settings(shared_folder=tmp_path / "none")

    with pytest.raises(InvalidInput, match="AED_SHARED_FOLDER"):
        recent_moments(settings, "lookups", kept_seconds=COUNTED_SECONDS)
