"""A slow reference lookup: every device of the register, a search over the whole network, one sort.

It only shares pure functions with the program: hours, readiness and arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload

from aed.accounts.permissions import Audience, TokenRole, Viewer
from aed.database.geometry import position_of
from aed.geo import Position, distance_metres
from aed.hours.evaluation import HolidayDates, Opening, hours_at
from aed.lookup.answer import LookupAnswer
from aed.lookup.arrival import accessible_probability, fetch, usable_probability
from aed.lookup.candidates import NearbyDevice
from aed.lookup.places import SAME_DOOR_METRES
from aed.lookup.question import LookupQuestion
from aed.registry.devices.models import Consumable, Device
from aed.registry.devices.reachability import hour_band, place_class
from aed.registry.devices.rules import ConsumableState, DeviceState, access_at, readiness_on
from aed.registry.estates.models import EstatePace, Gate
from aed.registry.estates.rules import GateState, Passage
from aed.registry.holidays import queries as holiday_queries
from aed.settings import Settings
from aed.walking.network import Crossing, WalkingNetwork
from aed.walking.travel import Leg, Pace, floors_between, metres_of_wait, pace_at, seconds_of_wait
from tests.walking.whole_network import ways_over_the_whole_network


@dataclass(frozen=True)
class Found:
    """One device as found by the slow search."""

    device_id: int
    expected_seconds: float
    fetch_seconds: float
    straight_metres: float
    cost_metres: float
    is_usable: bool
    by_closed_gate: bool
    is_too_far: bool


@dataclass(frozen=True)
class Known:
    """One device of the register, with the data that its ranking depends on."""

    device: Device
    position: Position
    time_zone: str
    calendar: HolidayDates | None
    first_expiry: date | None
    pace: Pace | None


def whole_register(session: Session) -> list[Known]:
    """Return every device, regardless of its visibility."""
    expiry = dict(
        session.execute(
            select(Consumable.device_id, func.min(Consumable.expires_on))
            .where(Consumable.state == ConsumableState.FITTED)
            .group_by(Consumable.device_id)
        ).all()
    )
    paces = {
        pace.estate_id: Pace(pace.seconds_per_metre, pace.pick_up_seconds)
        for pace in session.scalars(select(EstatePace))
    }
    devices = session.scalars(
        select(Device).options(joinedload(Device.region), joinedload(Device.estate)).order_by(Device.id)
    ).all()
    calendars = {
        name: holiday_queries.holiday_calendar(session, name)
        for name in {device.region.holiday_calendar for device in devices}
        if name is not None
    }
    return [
        Known(
            device,
            position_of(device.position),
            (device.estate.time_zone if device.estate else None) or device.region.time_zone,
            calendars.get(device.region.holiday_calendar or ""),
            expiry.get(device.id),
            paces.get(device.estate_id or 0),
        )
        for device in devices
    ]


def may_see(viewer: Viewer, device: Device) -> bool:
    """Return whether the viewer may see a device, implemented independently of the program."""
    if device.state is not DeviceState.IN_SERVICE:
        return False
    if device.audience is Audience.PUBLIC or viewer.role is TokenRole.ADMINISTRATOR:
        return True
    if viewer.role is TokenRole.DISPATCHER:
        return device.region_id in viewer.region_ids
    if viewer.role is TokenRole.MEMBER:
        if device.estate_id == viewer.estate_id:
            return True
        return device.estate_id in viewer.estate_ids and device.audience is not Audience.ESTATE
    return False


def gates_as_they_stand(
    session: Session,
    network: WalkingNetwork,
    viewer: Viewer,
    question: LookupQuestion,
    settings: Settings,
    *,
    local: Known | None,
) -> tuple[list[Crossing], list[tuple[Crossing, float]]]:
    """Return closed gates, and waits in metres, of the whole register and map."""
    closed: list[Crossing] = []
    waits: list[tuple[Crossing, float]] = []
    wait = metres_of_wait(settings.arrival.guarded_gate_seconds, settings.arrival)
    registered: set[int] = set()
    for gate in session.scalars(select(Gate).where(Gate.state == GateState.ACTIVE)):
        crossing = network.crossing_at(position_of(gate.position))
        if crossing is None:
            continue
        registered.add(crossing.edge)
        hours = hours_at(
            gate.opening_hours,
            question.at,
            time_zone="Asia/Shanghai",
            calendar=holiday_queries.holiday_calendar(session, "CN"),
        ).state
        is_at_home = viewer.role is TokenRole.MEMBER and viewer.estate_id == gate.estate_id
        is_dispatch = viewer.role in (TokenRole.DISPATCHER, TokenRole.ADMINISTRATOR)
        if hours is Opening.CLOSED:
            closed.append(crossing)
        elif gate.passage is Passage.GUARDED and not is_at_home:
            waits.append((crossing, wait))
        elif gate.passage is Passage.RESIDENTS and not is_at_home:
            if is_dispatch:
                waits.append((crossing, wait))
            else:
                closed.append(crossing)
    for barrier in network.barriers:
        if barrier.crossing.edge in registered:
            continue
        is_shut = barrier.opening_hours is not None and (
            local is not None
            and hours_at(
                barrier.opening_hours, question.at, time_zone=local.time_zone, calendar=local.calendar
            ).state
            is Opening.CLOSED
        )
        is_private = barrier.access in ("no", "private")
        is_dispatch = viewer.role in (TokenRole.DISPATCHER, TokenRole.ADMINISTRATOR)
        if barrier.locked or is_shut or (is_private and not is_dispatch):
            closed.append(barrier.crossing)
        elif is_private:
            waits.append((barrier.crossing, wait))
    return closed, waits


def all_devices(
    session: Session,
    viewer: Viewer,
    question: LookupQuestion,
    *,
    network: WalkingNetwork | None,
    settings: Settings,
) -> list[Found]:
    """Return every device that the viewer may see: usable ones first, then by expected time."""
    known = [
        each
        for each in whole_register(session)
        if may_see(viewer, each.device)
        and distance_metres(question.here, each.position) <= settings.search_radius_metres
    ]
    if not known:
        return []
    count = len(known)
    reach = settings.walking_reach_metres
    costs = opened = delays = delays_if_opened = [math.inf] * count
    on_street = [False] * count
    if network is not None:
        snapped_points = network.snap(
            [question.here.lat, *(each.position.lat for each in known)],
            [question.here.lon, *(each.position.lon for each in known)],
        )
        if snapped_points.edge[0] >= 0:
            local = min(known, key=lambda each: distance_metres(question.here, each.position))
            closed, waits = gates_as_they_stand(session, network, viewer, question, settings, local=local)
            closed_gate_metres = metres_of_wait(settings.arrival.closed_gate_seconds, settings.arrival)
            start, targets = snapped_points.take([0]), snapped_points.take(range(1, count + 1))
            (costs, delays), (opened, delays_if_opened) = (
                [
                    each.tolist()
                    for each in ways_over_the_whole_network(
                        network, start, targets, within_metres=reach, closed=shut, delays=delays
                    )
                ]
                for shut, delays in (
                    (closed, waits),
                    ([], [*waits, *((crossing, closed_gate_metres) for crossing in closed)]),
                )
            )
            on_street = (targets.edge >= 0).tolist()
    found = []
    for number, each in enumerate(known):
        by_closed_gate = math.isinf(costs[number]) and not math.isinf(opened[number])
        cost, delay = costs[number], delays[number]
        if by_closed_gate:
            cost, delay = opened[number], delays_if_opened[number]
        way = None
        if not math.isinf(cost):
            way = Leg(cost - delay, seconds_of_wait(delay, settings.arrival))
        found.append(
            judged(
                each,
                question,
                settings,
                way=way,
                by_closed_gate=by_closed_gate,
                is_within_a_network=on_street[number],
            )
        )
    return sorted(
        found,
        key=lambda one: (not one.is_usable, one.is_too_far, one.expected_seconds, one.straight_metres),
    )


def judged(
    known: Known,
    question: LookupQuestion,
    settings: Settings,
    *,
    way: Leg | None,
    by_closed_gate: bool,
    is_within_a_network: bool,
) -> Found:
    """Evaluate one device by its walk: without closed gates, else through them, else estimated."""
    straight = distance_metres(question.here, known.position)
    if way is None:
        metres = 1.5 * straight
        if is_within_a_network:
            metres = max(metres, settings.walking_reach_metres)
        way = Leg(metres)
    hours = hours_at(
        known.device.opening_hours, question.at, time_zone=known.time_zone, calendar=known.calendar
    )
    day = question.at.astimezone(ZoneInfo(known.time_zone)).date()
    checked_on = known.device.last_checked_on
    confidence = 0.0
    if checked_on is not None and checked_on <= day:
        confidence = 2 ** -((day - checked_on).days / settings.trust.readiness_half_life_days)
    numbers = settings.arrival
    readiness = readiness_on(
        day,
        state=known.device.state,
        first_expiry=known.first_expiry,
        last_checked_on=checked_on,
        checked_within_days=numbers.checked_within_days,
    )
    reachable = accessible_probability(
        access_at(hours, known.device.entry),
        place_class(
            known.device.place_en,
            known.device.place_zh,
            is_in_estate=known.device.estate_id is not None,
        ),
        hour_band(question.at.astimezone(ZoneInfo(known.time_zone)), known.calendar),
        numbers,
    )
    floors = floors_between(
        question.floor,
        known.device.floor,
        is_same_building=straight <= SAME_DOOR_METRES,  # the registers in these tests have no buildings
        numbers=numbers,
    )
    fetched = fetch(
        way,
        floors_seconds=floors,
        probability_usable=usable_probability(
            reachable, readiness, confidence, numbers, by_closed_gate=by_closed_gate
        ),
        pace=known.pace
        or pace_at(
            is_in_estate=known.device.estate_id is not None,
            seconds_per_metre=None,
            pick_up_seconds=None,
            numbers=numbers,
        ),
        numbers=numbers,
    )
    return Found(
        known.device.id,
        fetched.expected_seconds,
        fetched.fetch_seconds,
        straight,
        way.metres,
        fetched.probability_usable > 0 and readiness.is_usable,
        by_closed_gate,
        way.metres > 400 or fetched.fetch_seconds > 600,
    )


def same(answer: LookupAnswer, slow: Sequence[Found], *, settings: Settings) -> None:
    """Assert that the answer equals that of the slow search.

    Devices with the same expected time, to a microsecond, may be in any order.
    """
    assert answer.is_complete
    limit = answer.question.limit
    usable = [one for one in slow if one.is_usable]
    expected = usable[:limit]
    assert len(answer.devices) == len(expected)
    by_id = {one.device_id: one for one in slow}
    for near, one in zip(answer.devices, expected, strict=True):
        _same_device(near, by_id[near.row.id])
        if near.row.id != one.device_id:
            assert abs(near.fetch.expected_seconds - one.expected_seconds) < 1e-6
    assert len({near.row.id for near in answer.devices}) == len(answer.devices)

    latest = expected[-1].fetch_seconds if len(expected) >= limit else math.inf
    sooner = sorted(one.fetch_seconds for one in slow if not one.is_usable)
    for near in answer.unusable:
        _same_device(near, by_id[near.row.id])
        assert not by_id[near.row.id].is_usable
    returned = [near.fetch.fetch_seconds for near in answer.unusable]
    surely, at_most = ([each for each in sooner if each <= latest + more][:5] for more in (-1e-5, 1e-5))
    assert len(surely) <= len(returned) <= len(at_most)
    assert _close(returned, at_most[: len(returned)])


def _same_device(near: NearbyDevice, one: Found) -> None:
    assert near.row.id == one.device_id
    assert _close(
        [near.fetch.expected_seconds, near.fetch.fetch_seconds, near.straight_metres],
        [one.expected_seconds, one.fetch_seconds, one.straight_metres],
    )
    assert near.by_closed_gate == one.by_closed_gate


def _close(some: Sequence[float], others: Sequence[float]) -> bool:
    return len(some) == len(others) and all(abs(a - b) < 1e-5 for a, b in zip(some, others, strict=True))
