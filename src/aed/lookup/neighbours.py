"""A lookup at a border: what two cells send each other, and the best of both answers.

Each device is registered in one cell. So the first `limit` devices of both answers together, in the order of
`ranking`, are those that one installation with the devices of both would give: a device in neither answer has
at least `limit` better ones in its own cell. See docs/run/provinces.md for what else has to be the same.

A cell answers another one with what a stranger sees, and asks nobody itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Final, Literal
from urllib.parse import urlencode
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import anyio
import anyio.from_thread
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from aed.cells.neighbours import AnswerRefused, NeighbourClient
from aed.cells.rules import Cell
from aed.geo import Placed, Position, distance_metres
from aed.lookup.answer import LookupAnswer
from aed.lookup.arrival import Basis, Bringing, Fetch
from aed.lookup.candidates import MAX_QUARANTINED, NearbyDevice, QuarantinedDevice
from aed.lookup.question import LookupQuestion
from aed.lookup.ranking import MAX_UNUSABLE
from aed.lookup.walks import GatePassed
from aed.registry.devices.reachability import HourBand, PlaceClass
from aed.registry.devices.rules import Access, AccessAt, Cabinet, Readiness
from aed.registry.nearby import DeviceNearby, OutOfService
from aed.walking.path import Walk
from aed.walking.travel import Leg, Pace

PATH: Final = "/v1/cells/nearest"
_SAME_METRES: Final = 1.0
"""Two cells compute a distance from the same formula; a position may be rounded to 7 digits."""


def _require_time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("not a time zone") from error
    return name


type Text = Annotated[str, Field(max_length=2_000)]
type Probability = Annotated[float, Field(ge=0, le=1)]
type Amount = Annotated[float, Field(ge=0, le=1e7)]


class _Exchanged(BaseModel):
    """Ignore fields that a later release adds, so that a cell understands its neighbour's next release."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)


class NeighbourQuestionIn(BaseModel):
    """The question of another cell, in WGS-84."""

    lat: float = Field(ge=-90, le=90, description="Degrees, WGS-84", examples=[30.2901])
    lon: float = Field(ge=-180, le=180, description="Degrees, WGS-84", examples=[120.1003])
    at: datetime = Field(
        description="Moment with UTC offset for which to answer", examples=["2026-10-01T10:00:00+08:00"]
    )
    limit: int = Field(ge=1, le=50, description="Maximum number of devices", examples=[5])
    floor: int = Field(0, ge=-20, le=200, description="Floor of the patient; 0 is the ground floor")
    route: bool = Field(False, description="Include the route to each device")
    version: int = Field(1, ge=1, le=1, description="Version of question and answer")


class GateExchanged(_Exchanged):
    name_en: Text
    name_zh: Text
    wait_seconds: Amount
    hours_known: bool
    is_closed: bool


class BringExchanged(_Exchanged):
    phone: Annotated[str, Field(max_length=60)]
    seconds: Amount
    expected_seconds: Amount


class DeviceExchanged(_Exchanged):
    """A device as a stranger sees it, with unrounded times, by which both answers are ranked."""

    id: int = Field(ge=1)
    lat: float = Field(ge=-90, le=90)
    lon: float = Field(ge=-180, le=180)
    floor: int = Field(ge=-20, le=200)
    place_en: Text | None
    place_zh: Text | None
    estate_en: Text | None
    estate_zh: Text | None
    access_instructions_en: Text | None
    access_instructions_zh: Text | None
    cabinet: Cabinet
    opening_hours: Text | None
    time_zone: Annotated[str, Field(max_length=64), AfterValidator(_require_time_zone)]
    counts_ground_as_one: bool
    guard_phone: Annotated[str, Field(max_length=60)] | None
    has_own_pace: bool
    straight_metres: Amount
    access: Access
    access_until: datetime | None
    is_entry_unknown: bool
    readiness: Readiness
    confidence: Probability
    place_class: PlaceClass
    hour_band: HourBand
    reachable: Probability
    probability_usable: Probability
    walk_metres: Amount
    wait_seconds: Amount
    seconds_per_metre: Amount
    pick_up_seconds: Amount
    floor_seconds: Amount
    fetch_seconds: Amount
    expected_seconds: Amount
    fetch_probability: Probability
    basis: Basis
    is_too_far: bool
    is_fetch_too_far: bool
    by_closed_gate: bool
    gates: Annotated[list[GateExchanged], Field(max_length=50)]
    bring: BringExchanged | None
    route: Annotated[list[tuple[float, float]], Field(max_length=20_000)] | None


class QuarantinedExchanged(_Exchanged):
    id: int = Field(ge=1)
    lat: float = Field(ge=-90, le=90)
    lon: float = Field(ge=-180, le=180)
    floor: int = Field(ge=-20, le=200)
    place_en: Text | None
    place_zh: Text | None
    reason: Text
    straight_metres: Amount


class NeighbourAnswerOut(_Exchanged):
    """The answer to another cell: its devices, with what is needed to rank them among one's own."""

    version: Literal[1]
    cell: str = Field(max_length=20)
    devices: Annotated[list[DeviceExchanged], Field(max_length=50)]
    unusable: Annotated[list[DeviceExchanged], Field(max_length=MAX_UNUSABLE)]
    quarantined: Annotated[list[QuarantinedExchanged], Field(max_length=MAX_QUARANTINED)]
    is_complete: bool


@dataclass(frozen=True, slots=True)
class NeighbourAnswer:
    """The devices of another cell for a lookup."""

    devices: list[NearbyDevice]
    unusable: list[NearbyDevice]
    quarantined: list[QuarantinedDevice]
    is_complete: bool


# --- asking -----------------------------------------------------------------------------------------------


async def with_neighbours(client: NeighbourClient, answer: LookupAnswer) -> LookupAnswer:
    """Return the answer with the devices of the neighbouring cells that can matter.

    1. Choose the cells whose outline is within the distance at which a device could still be in the answer.
    2. Ask them at once, each within its deadline.
    3. Merge. A cell without a usable answer is in `missing_cells`.
    """
    question = answer.question
    near = [
        cell for cell in client.table.others if cell.is_within(answer.neighbour_reach_metres, question.here)
    ]
    if not near:
        return merged(answer, [], missing=[])
    path = f"{PATH}?{urlencode(_parameters(question))}"
    others, missing = await client.ask(near, path, _reader(question))
    return merged(answer, others, missing=missing)


def with_neighbours_in_thread(client: NeighbourClient | None, answer: LookupAnswer) -> LookupAnswer:
    """Do the same in a thread that the event loop has started; without a table of cells return the answer."""
    return answer if client is None else anyio.from_thread.run(with_neighbours, client, answer)


def _parameters(question: LookupQuestion) -> dict[str, str | int | float]:
    return {
        "lat": repr(question.here.lat),
        "lon": repr(question.here.lon),
        "at": question.at.isoformat(),
        "limit": question.limit,
        "floor": question.floor,
        "route": int(question.with_routes),
        "version": 1,
    }


def merged(own: LookupAnswer, others: Sequence[NeighbourAnswer], *, missing: Sequence[Cell]) -> LookupAnswer:
    """Return the best of several answers, ranked as one installation ranks.

    Ties that one installation breaks by the devices' numbers go to the own cell, then by the cells' codes.
    """
    limit = own.question.limit
    devices = sorted(_all(own.devices, (each.devices for each in others)), key=_by_expected)[:limit]
    latest = devices[-1].fetch_seconds if len(devices) >= limit else math.inf
    unusable = [
        near
        for near in _all(own.unusable, (each.unusable for each in others))
        if near.fetch_seconds <= latest
    ]
    unusable.sort(key=lambda near: (near.fetch_seconds, _code(near), near.row.id))
    quarantined = _all(own.quarantined, (each.quarantined for each in others))
    quarantined.sort(key=lambda near: (near.straight_metres, _code(near), near.row.id))
    return replace(
        own,
        devices=devices,
        unusable=unusable[:MAX_UNUSABLE],
        quarantined=quarantined[:MAX_QUARANTINED],
        is_complete=own.is_complete and all(each.is_complete for each in others),
        missing_cells=list(missing),
    )


def _all[Near](own: list[Near], others: Iterable[list[Near]]) -> list[Near]:
    return [*own, *(near for some in others for near in some)]


def _by_expected(near: NearbyDevice) -> tuple[bool, float, float, str, int]:
    return (
        near.is_fetch_too_far,
        near.expected_seconds,
        near.straight_metres,
        _code(near),
        near.row.id,
    )


def _code(near: NearbyDevice | QuarantinedDevice) -> str:
    """Return the code of the device's cell; empty, so that it is first, for the own one."""
    return near.cell.code if near.cell is not None else ""


# --- from and to the exchanged form -----------------------------------------------------------------------


def neighbour_answer_out(answer: LookupAnswer, *, own: Cell) -> NeighbourAnswerOut:
    """Return an answer for another cell; it must be the answer to a stranger.

    Devices outside the outline of `own`, the cell that answers, are left out, since the other cell would
    refuse the whole answer. There are such devices while an estate moves: the table has changed, and the
    estate is not released yet.
    """

    def is_ours(row: Placed) -> bool:
        return own.has(Position(row.lat, row.lon))

    devices = [_exchanged(near) for near in answer.devices if is_ours(near.row)]
    return NeighbourAnswerOut(
        version=1,
        cell=own.code,
        devices=devices,
        unusable=[_exchanged(near) for near in answer.unusable if is_ours(near.row)],
        quarantined=[_quarantined_exchanged(near) for near in answer.quarantined if is_ours(near.row)],
        is_complete=answer.is_complete and len(devices) == len(answer.devices),
    )


def _quarantined_exchanged(near: QuarantinedDevice) -> QuarantinedExchanged:
    row = near.row
    return QuarantinedExchanged(
        id=row.id,
        lat=row.lat,
        lon=row.lon,
        floor=row.floor,
        place_en=row.place_en,
        place_zh=row.place_zh,
        reason=row.reason,
        straight_metres=near.straight_metres,
    )


def _exchanged(near: NearbyDevice) -> DeviceExchanged:
    row, bring = near.row, near.bringing
    needs_guard = near.access.access is Access.ASSISTED or near.by_closed_gate
    return DeviceExchanged(
        id=row.id,
        lat=row.lat,
        lon=row.lon,
        floor=row.floor,
        place_en=row.place_en,
        place_zh=row.place_zh,
        estate_en=row.estate_en,
        estate_zh=row.estate_zh,
        access_instructions_en=row.access_instructions_en,
        access_instructions_zh=row.access_instructions_zh,
        cabinet=Cabinet(row.cabinet),
        opening_hours=row.opening_hours,
        time_zone=row.time_zone,
        counts_ground_as_one=bool(row.counts_ground_as_one),
        guard_phone=row.guard_phone if needs_guard else None,
        has_own_pace=row.seconds_per_metre is not None,
        straight_metres=near.straight_metres,
        access=near.access.access,
        access_until=near.access.until,
        is_entry_unknown=near.access.is_entry_unknown,
        readiness=near.readiness,
        confidence=near.confidence,
        place_class=near.place,
        hour_band=near.band,
        reachable=near.reachable,
        probability_usable=near.probability_usable,
        walk_metres=near.way.metres,
        wait_seconds=near.way.wait_seconds,
        seconds_per_metre=near.pace.seconds_per_metre,
        pick_up_seconds=near.pace.pick_up_seconds,
        floor_seconds=near.floors,
        fetch_seconds=near.fetch_seconds,
        expected_seconds=near.expected_seconds,
        fetch_probability=near.fetch.probability_usable,
        basis=near.basis,
        is_too_far=near.is_too_far,
        is_fetch_too_far=near.is_fetch_too_far,
        by_closed_gate=near.by_closed_gate,
        gates=[
            GateExchanged(
                name_en=gate.name_en,
                name_zh=gate.name_zh,
                wait_seconds=gate.wait_seconds,
                hours_known=gate.hours_known,
                is_closed=gate.is_closed,
            )
            for gate in near.gates
        ],
        bring=None
        if bring is None
        else BringExchanged(
            phone=bring.phone, seconds=bring.seconds, expected_seconds=bring.expected_seconds
        ),
        route=None if near.route is None else near.route.coordinates,
    )


def _reader(question: LookupQuestion) -> Callable[[Cell, bytes], NeighbourAnswer]:
    """Return what parses the answer of a cell to a question. It raises AnswerRefused."""

    def read(cell: Cell, content: bytes) -> NeighbourAnswer:
        try:
            found = NeighbourAnswerOut.model_validate_json(content)
        except ValidationError as error:
            wrong = error.errors(include_url=False, include_input=False)[0]
            raise AnswerRefused(f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}") from None
        if found.cell != cell.code:
            raise AnswerRefused(f"it is the answer of cell {found.cell}")
        if len(found.devices) > question.limit:
            raise AnswerRefused("more devices than were asked for")
        for device in (*found.devices, *found.unusable):
            _require_place(cell, device, question.here)
        for quarantined in found.quarantined:
            _require_place(cell, quarantined, question.here)
        return NeighbourAnswer(
            devices=[_device(cell, each) for each in found.devices],
            unusable=[_device(cell, each) for each in found.unusable],
            quarantined=[_quarantined(cell, each) for each in found.quarantined],
            is_complete=found.is_complete,
        )

    return read


def _require_place(cell: Cell, found: DeviceExchanged | QuarantinedExchanged, here: Position) -> None:
    """Raise AnswerRefused unless the device is in its cell, and as far away as the cell says."""
    place = Position(found.lat, found.lon)
    if not cell.has(place):
        raise AnswerRefused(f"device {found.id} is outside the cell's outline")
    if abs(distance_metres(here, place) - found.straight_metres) > _SAME_METRES:
        raise AnswerRefused(f"the distance of device {found.id} is wrong")


def _device(cell: Cell, found: DeviceExchanged) -> NearbyDevice:
    """Return the device for our answer. Its estate and region are of another cell, so ours do not match."""
    row = DeviceNearby(
        id=found.id,
        lat=found.lat,
        lon=found.lon,
        floor=found.floor,
        opening_hours=found.opening_hours,
        entry="unknown",
        access_instructions_en=found.access_instructions_en,
        access_instructions_zh=found.access_instructions_zh,
        place_en=found.place_en,
        place_zh=found.place_zh,
        cabinet=found.cabinet,
        last_checked_on=None,
        estate_id=None,
        region_id=0,
        hours_of_sharing=None,
        first_expiry=None,
        battery_expiry=None,
        estate_en=found.estate_en,
        estate_zh=found.estate_zh,
        guard_phone=found.guard_phone,
        time_zone=found.time_zone,
        emergency_number="",
        counts_ground_as_one=found.counts_ground_as_one,
        region_code=cell.code,
        holiday_calendar=None,
        calendar_version=None,
        seconds_per_metre=found.seconds_per_metre if found.has_own_pace else None,
        pick_up_seconds=found.pick_up_seconds if found.has_own_pace else None,
        least_seconds_per_metre=None,
        min_pick_up_seconds=None,
        out_alert=None,
        keeper_name=None,
        keeper_phone=None,
    )
    return NearbyDevice(
        number=0,
        row=row,
        cell=cell,
        straight_metres=found.straight_metres,
        access=AccessAt(found.access, found.access_until, found.is_entry_unknown),
        readiness=found.readiness,
        confidence=found.confidence,
        is_usable=found.access is not Access.CLOSED and found.readiness.is_usable,
        floors=found.floor_seconds,
        place=found.place_class,
        band=found.hour_band,
        reachable=found.reachable,
        probability_usable=found.probability_usable,
        pace=Pace(found.seconds_per_metre, found.pick_up_seconds),
        way=Leg(found.walk_metres, found.wait_seconds),
        fetch_seconds=found.fetch_seconds,
        expected_seconds=found.expected_seconds,
        fetch=Fetch(
            found.fetch_seconds, 2 * found.floor_seconds, found.fetch_probability, found.expected_seconds
        ),
        basis=found.basis,
        is_too_far=found.is_too_far,
        is_fetch_too_far=found.is_fetch_too_far,
        bringing=None
        if found.bring is None
        else Bringing(found.bring.phone, found.bring.seconds, found.bring.expected_seconds),
        by_closed_gate=found.by_closed_gate,
        gates=tuple(
            GatePassed(gate.name_en, gate.name_zh, gate.wait_seconds, gate.hours_known, gate.is_closed)
            for gate in found.gates
        ),
        route=None if found.route is None else Walk(found.walk_metres, found.route, ()),
    )


def _quarantined(cell: Cell, found: QuarantinedExchanged) -> QuarantinedDevice:
    row = OutOfService(
        found.id, found.lat, found.lon, found.floor, found.place_en, found.place_zh, found.reason
    )
    return QuarantinedDevice(row, found.straight_metres, cell)
