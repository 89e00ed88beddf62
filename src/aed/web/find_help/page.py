"""What the first page shows of a lookup: its devices in sections, each device in the reader's words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from aed.geo import Position, in_mainland_china
from aed.http.map_links import map_links
from aed.lookup import reasons
from aed.lookup.answer import LookupAnswer
from aed.lookup.candidates import NearbyDevice, QuarantinedDevice
from aed.registry.devices.rules import Access, Mark, mark_of
from aed.registry.storeys import spoken_storey
from aed.upkeep.rules import short_number
from aed.web.find_help.rules import Show

ALWAYS_OPEN = "24/7"


@dataclass(frozen=True, slots=True)
class Call:
    """A number to call for a device."""

    phone: str
    link: str
    minutes: int = 0
    """Minutes until it is at the patient; 0 if it is not brought."""


@dataclass(frozen=True, slots=True)
class DeviceLine:
    """One device of the list. Words are {"en", "zh"}."""

    code: str
    link: str
    """The device's page, in the cell that has the device."""
    cell: Mapping[str, str] | None
    """The name of the province, of a device of another cell."""
    mark: Mark
    place: Mapping[str, str | None]
    estate: Mapping[str, str | None]
    storey: Mapping[str, str]
    minutes: int
    """There and back."""
    metres: int
    """On foot, one way."""
    access: Mapping[str, str]
    readiness: Mapping[str, str]
    instructions: Mapping[str, str | None]
    gates: list[reasons.Words]
    bring: Call | None
    guard: Call | None
    map_link: str


def estates_in(answer: LookupAnswer) -> list[int]:
    """Return the estates of the devices in an answer, the soonest first: those that a phone should keep."""
    devices = [*answer.in_time, *answer.unusable, *answer.too_far]
    return list(dict.fromkeys(near.row.estate_id for near in devices if near.row.estate_id is not None))


@dataclass(frozen=True, slots=True)
class OutOfServiceLine:
    code: str
    link: str
    place: Mapping[str, str | None]
    metres: int
    reason: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DeviceSections:
    """The devices of a lookup as the page shows them."""

    in_time: list[DeviceLine]
    too_far: list[DeviceLine]
    last_resort: list[DeviceLine]
    closed: list[DeviceLine]
    out_of_service: list[OutOfServiceLine]

    @property
    def is_empty(self) -> bool:
        return not (self.in_time or self.too_far or self.last_resort or self.closed or self.out_of_service)


def sections_of(answer: LookupAnswer, show: Show) -> DeviceSections:
    """Return the devices to show.

    `now` has those that can be used now; `24h` those that are always open, whatever their state now; `all`
    also those that are closed or out of service.
    """

    def lines(devices: Iterable[NearbyDevice]) -> list[DeviceLine]:
        return [
            _line(near, answer)
            for near in devices
            if show is not Show.ALWAYS or near.row.opening_hours == ALWAYS_OPEN
        ]

    closed = [near for near in answer.unusable if not near.is_last_resort]
    return DeviceSections(
        in_time=lines(answer.in_time),
        too_far=lines(answer.too_far),
        last_resort=lines(answer.last_resort),
        closed=lines(closed) if show is not Show.NOW else [],
        out_of_service=[_out_of_service(each) for each in answer.quarantined] if show is Show.ALL else [],
    )


def _line(near: NearbyDevice, answer: LookupAnswer) -> DeviceLine:
    row = near.row
    here = Position(row.lat, row.lon)
    links = map_links(here, label=row.place_zh or row.place_en or "AED")
    needs_guard = near.access.access is Access.ASSISTED or near.by_closed_gate
    bring = near.bringing
    return DeviceLine(
        code=_code(near),
        link=_link(near),
        cell=None if near.cell is None else {"en": near.cell.name_en, "zh": near.cell.name_zh},
        mark=mark_of(near.access, near.readiness),
        place={"en": row.place_en, "zh": row.place_zh},
        estate={"en": row.estate_en, "zh": row.estate_zh},
        storey=_storey(near),
        minutes=_minutes(near.fetch.fetch_seconds),
        metres=round(near.walk_metres),
        access=reasons.access_reason(near.access, answer.question.at, row.time_zone),
        readiness=reasons.readiness_reason(near.readiness),
        instructions={"en": row.access_instructions_en, "zh": row.access_instructions_zh},
        gates=[
            reasons.gate_reason(
                gate.name_en,
                gate.name_zh,
                gate.wait_seconds,
                hours_known=gate.hours_known,
                is_closed=gate.is_closed,
            )
            for gate in near.gates
        ],
        bring=Call(bring.phone, bring.link, _minutes(bring.seconds)) if bring is not None else None,
        guard=Call(row.guard_phone, "tel:" + _dialled(row.guard_phone))
        if bring is None and needs_guard and row.guard_phone
        else None,
        map_link=links["amap"] if in_mainland_china(here) else links["osm"],
    )


def missing_lines(answer: LookupAnswer) -> list[Mapping[str, str]]:
    """Return a line for each province whose devices are missing from an answer."""
    return [reasons.missing_cell_words(cell.name_en, cell.name_zh) for cell in answer.missing_cells]


def _code(near: NearbyDevice | QuarantinedDevice) -> str:
    number = short_number(near.row.id)
    return number if near.cell is None else f"{near.cell.code}:{number}"


def _link(near: NearbyDevice | QuarantinedDevice) -> str:
    address = near.cell.address if near.cell is not None else ""
    return f"{address}/d/{short_number(near.row.id)}"


def _storey(near: NearbyDevice) -> Mapping[str, str]:
    words = spoken_storey(near.row.floor, counts_ground_as_one=bool(near.row.counts_ground_as_one))
    return {"en": words["en"], "zh": words["zh"]}


def _out_of_service(near: QuarantinedDevice) -> OutOfServiceLine:
    row = near.row
    return OutOfServiceLine(
        code=_code(near),
        link=_link(near),
        place={"en": row.place_en, "zh": row.place_zh},
        metres=round(near.straight_metres),
        reason=reasons.out_of_service_reason(row.reason),
    )


def _minutes(seconds: float) -> int:
    return max(1, math.ceil(seconds / 60))


def _dialled(phone: str) -> str:
    return "".join(each for each in phone if each in "+0123456789")
