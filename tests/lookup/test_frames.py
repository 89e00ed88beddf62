"""Test the depth of the call stack from the route to SQL."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from fastapi.testclient import TestClient
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

import aed
from aed.lookup import api
from aed.settings import Settings
from tests import make
from tests.lookup.asking import place, streets
from tests.make import NOW, PATIENT

MAX_FRAMES = 7
"""Maximum number of this program's frames, from the route on the event loop to the driver."""
OURS = str(Path(aed.__file__).parent)


def test_at_most_seven_frames_lead_from_the_route_to_sql(
    session: Session, settings: Settings, client_on: Callable[[Settings], TestClient]
) -> None:
    streets(settings, {1: (-300, 0), 2: (300, 0)}, [1, 2])
    estate = make.estate(session)
    make.gate(session, estate, at=place(40, 0), passage="guarded")
    for east in (20, 60, 90):
        make.device(session, at=place(east, 2))
    make.device(session, at=place(30, 2), state="out_of_service", out_of_service_reason="no battery")
    session.commit()
    client = client_on(settings)
    stacks: list[list[str]] = []

    def note(*_args: object) -> None:
        frame, found = sys._getframe(), list[str]()
        while frame is not None and frame.f_back is not None:
            if frame.f_code.co_filename.startswith(OURS):
                found.append(f"{Path(frame.f_code.co_filename).name}:{frame.f_code.co_name}")
            frame = frame.f_back
        stacks.append(found)

    asked = f"/v1/nearest?lat={PATIENT.lat}&lon={PATIENT.lon}&at={NOW:%Y-%m-%dT%H:%M:%SZ}&limit=2"
    assert client.get(asked).status_code == 200, "calendars are cached now"
    event.listen(Engine, "before_cursor_execute", note)
    try:
        assert client.get(asked).status_code == 200
    finally:
        event.remove(Engine, "before_cursor_execute", note)

    assert len(stacks) == 3, "devices, gates, and devices out of service"
    for stack in stacks:
        assert stack[-1] == f"api.py:{api.find_nearest.__name__}"
        assert len(stack) + 1 <= MAX_FRAMES, stack  # plus the route, in another thread
