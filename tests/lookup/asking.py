"""Helpers to run lookups in tests, which validate every answer against its schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from aed.accounts.permissions import ANYONE, Viewer
from aed.geo import Position
from aed.lookup.answer import LookupAnswer, answer_lookup
from aed.lookup.candidates import NearbyDevice
from aed.lookup.question import LookupQuestion
from aed.lookup.schemas import NearbyDeviceOut, NearestOut, answer_out
from aed.settings import Settings
from aed.settings.arrival import Arrival
from aed.walking.build import build_network
from aed.walking.file import save_network
from aed.walking.network import WalkingNetwork
from aed.walking.travel import estate_pace, general_pace, walk_seconds
from tests.make import NOW, PATIENT
from tests.walking.osm_files import Plan, Tags, at, write_osm

NUMBERS = Arrival()
STREET: Tags = {"highway": "residential"}
GATE: Tags = {"barrier": "gate"}


def fetched(metres: float, *, wait: float = 0.0, floors: float = 0.0, in_estate: bool = True) -> float:
    """Return the seconds of a fetch by a person beside the patient; `wait` and `floors` are one way."""
    pace = estate_pace(NUMBERS) if in_estate else general_pace(NUMBERS)
    return pace.pick_up_seconds + 2 * (walk_seconds(metres, pace, NUMBERS) + wait + floors)


def place(east: float, north: float) -> Position:
    """Return the position at metres east and north of the patient."""
    return at(east, north, origin=PATIENT)


def streets(
    settings: Settings, plan: Plan, *ways: Sequence[int], gates: Mapping[int, Tags] | None = None
) -> WalkingNetwork:
    """Build the network of streets in metres around the patient, and save it where the server loads it."""
    folder = settings.walking_network.parent
    source = write_osm(
        folder / "streets.osm", plan, [(way, STREET) for way in ways], node_tags=gates, origin=PATIENT
    )
    network = build_network(source)
    save_network(network, settings.walking_network)
    return network


def ask(
    session: Session,
    settings: Settings,
    viewer: Viewer = ANYONE,
    *,
    network: WalkingNetwork | None = None,
    **given: Any,
) -> LookupAnswer:
    """Return the answer for the patient at `make.NOW`, unless the question says otherwise."""
    session.commit()
    question = LookupQuestion(**{"here": PATIENT, "at": NOW, **given})
    answer = answer_lookup(session.connection(), viewer, question, network=network, settings=settings)
    shown(answer, viewer, settings)
    return answer


def shown(answer: LookupAnswer, viewer: Viewer, settings: Settings) -> NearestOut:
    """Return the answer as JSON data, after validating it strictly against `NearestOut`."""
    return NearestOut.model_validate_json(orjson.dumps(answer_out(answer, viewer, settings=settings)))


def ids(near: Sequence[NearbyDevice]) -> list[int]:
    return [device.row.id for device in near]


def get(
    client: TestClient, headers: Mapping[str, str] | None = None, **given: str | float | bool
) -> NearestOut:
    """Return the answer over HTTP."""
    question: dict[str, str | float | bool] = {
        "lat": PATIENT.lat,
        "lon": PATIENT.lon,
        "at": NOW.isoformat(),
        **given,
    }
    response = client.get("/v1/nearest", params=question, headers=dict(headers or {}))
    assert response.status_code == 200, response.text
    return NearestOut.model_validate_json(response.content)


def offered(answer: NearestOut) -> list[NearbyDeviceOut]:
    """Return the usable devices in ranking order, those that are too far last."""
    return [*answer.devices, *answer.too_far]


def english(device: NearbyDeviceOut) -> list[str]:
    """Return the English reasons, after checking that each one has a Chinese text."""
    assert all(words.zh for words in device.reasons)
    return [words.en for words in device.reasons]


def chinese(device: NearbyDeviceOut) -> list[str]:
    return [words.zh for words in device.reasons]
