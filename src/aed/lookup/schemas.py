"""Request and response schemas of the lookup.

`answer_out` builds plain dictionaries that are serialised without validation, because validating the response
would take longer than computing it. `NearestOut` documents the same shape for OpenAPI; tests validate each
response against it.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Literal

import h3
from pydantic import BaseModel, ConfigDict, Field

from aed.accounts.permissions import Viewer, is_insider
from aed.geo import Datum, Position, from_wgs84, in_mainland_china
from aed.http.map_links import map_links
from aed.lookup import reasons
from aed.lookup.answer import LookupAnswer
from aed.lookup.arrival import Basis
from aed.lookup.candidates import NearbyDevice, QuarantinedDevice
from aed.lookup.responders import NearbyResponder
from aed.registry.devices.rules import Access, Cabinet, Readiness, short_number
from aed.registry.fields import Room, Storey
from aed.registry.storeys import storey_words
from aed.responders.rules import Availability, CertificateKind
from aed.settings import Settings


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NearestIn(BaseModel):
    """Query parameters of the lookup, in one model because FastAPI resolves separate ones more slowly."""

    lat: float = Field(description="Degrees, in the coordinate system `datum`", examples=[30.2901])
    lon: float = Field(description="Degrees, in the coordinate system `datum`", examples=[120.1003])
    datum: Datum = Field(Datum.WGS84, description="Coordinate system of lat and lon")
    answer_datum: Datum = Field(
        Datum.WGS84, description="Coordinate system of positions and routes in the answer"
    )
    at: datetime | None = Field(None, description="Moment with UTC offset for which to answer; default: now")
    limit: int = Field(5, ge=1, le=50, description="Maximum number of devices")
    floor: int | None = Field(
        None, ge=-20, le=200, description="Floor of the patient; 0 is the ground floor and the default"
    )
    storey: Storey | None = None
    room: Room | None = None
    route: bool = Field(False, description="Include the route to each device as GeoJSON")
    responders: int = Field(
        10, ge=0, le=50, description="Maximum number of responders, for dispatchers; 0 for none"
    )


class WordsOut(Strict):
    en: str
    zh: str


class ReasonOut(WordsOut):
    """One reason for the place of a device in the answer: a code for programs, and words for people."""

    code: reasons.ReasonCode


class MaybeWordsOut(Strict):
    en: str | None
    zh: str | None


class PlaceOut(Strict):
    lat: float = Field(examples=[30.2901])
    lon: float = Field(examples=[120.1003])


class EmergencyOut(WordsOut):
    number: str = Field(examples=["120"])


class AccessOut(Strict):
    state: Access
    until: datetime | None = Field(description="When the state changes next; null if not known")


class ContactsOut(Strict):
    """Phone numbers to call for access to the device."""

    guard_phone: str | None
    keeper_name: str | None = None
    keeper_phone: str | None = None


class RouteOut(Strict):
    """The way from the patient to the device as a GeoJSON LineString."""

    type: Literal["LineString"]
    coordinates: list[tuple[float, float]]


class BringOut(WordsOut):
    """How to have the device brought; present only if staff are known to be with the device now."""

    call: str = Field(examples=["tel:+8657155501000"])
    phone: str
    seconds: int = Field(description="Seconds from the phone call until the device is at the patient's side")
    expected_seconds: int = Field(
        description="The same, weighted by the probability that the device can be fetched"
    )


class OtherCellOut(Strict):
    """The cell of a device of another province: an installation with devices and numbers of its own."""

    code: str = Field(examples=["33"])
    name: WordsOut
    number: str = Field(
        description="The device's number with its cell. `id` is the number in that cell, where another "
        "device may have the same as here",
        examples=["33:1234-4"],
    )
    link: str = Field(description="The device's page there", examples=["https://aed33.example.org/d/1234-4"])


class MissingCellOut(WordsOut):
    """A neighbouring cell that did not answer in time, so that its devices are missing."""

    code: str = Field(examples=["33"])


_CELL: Final = Field(
    None, examples=[None], description="The cell of a device of another province; absent for our own devices"
)


class QuarantinedDeviceOut(Strict):
    """A nearby device that is out of service and must not be fetched."""

    id: int
    position: PlaceOut
    place: MaybeWordsOut
    floor: int
    straight_metres: int
    reason: ReasonOut
    cell: OtherCellOut | None = _CELL


class NearbyDeviceOut(Strict):
    id: int
    position: PlaceOut
    place: MaybeWordsOut
    floor: int
    storey: WordsOut = Field(description="Floor as people there name it, with its number")
    estate: WordsOut | None
    fetch_seconds: int = Field(description="Seconds to fetch the device and return to the patient")
    expected_seconds: int = Field(
        description="The same, weighted by the probability that the device can be fetched"
    )
    probability_usable: float = Field(
        ge=0, le=1, description="Probability that the device can be reached and works"
    )
    walk_metres: int = Field(description="Walk in one direction, in metres")
    straight_metres: int
    basis: Basis
    access: AccessOut
    readiness: Readiness
    access_instructions: MaybeWordsOut
    cabinet: Cabinet
    contacts: ContactsOut
    route: RouteOut | None = Field(examples=[None])
    bring: BringOut | None = Field(
        description="Phone number of people near the device who can bring it; null if there is none"
    )
    reasons: list[ReasonOut]
    links: dict[str, str] = Field(
        description="URL for each map service that opens its map at this position",
        examples=[{"geo": "geo:30.2901,120.1003"}],
    )
    cell: OtherCellOut | None = _CELL


class UnusableDeviceOut(NearbyDeviceOut):
    opens_at: datetime | None = Field(
        description="When the device is next accessible; null if not known or if it is not closed"
    )


class NearbyResponderOut(Strict):
    """A nearby responder, located by H3 cell only.

    Until they accept a call, their place is a cell of about 0.1 km2 and times are from its centre.
    """

    id: int
    cell: str = Field(description="H3 index of the cell")
    walk_seconds: int = Field(
        description="Seconds from receiving the alert to the patient's side: reaction, walk, stairs and lifts"
    )
    basis: Basis
    availability: Availability
    certificate: CertificateKind


class LookupQueryOut(Strict):
    position: PlaceOut
    at: datetime
    floor: int
    storey: WordsOut = Field(description="Floor as people there name it, with its number")


class NearestOut(Strict):
    """The devices that can be at the patient soonest, best first, and what to do before fetching one."""

    first_aid: WordsOut = Field(description="What to do before anything else; show it first")
    emergency: EmergencyOut
    query: LookupQueryOut
    basis: Basis
    devices: list[NearbyDeviceOut] = Field(
        description="Devices that can be there in time, fetched or brought (`bring`), whichever is sooner"
    )
    too_far: list[NearbyDeviceOut] = Field(
        examples=[[]],
        description="Usable devices too far to leave the patient for: they would arrive after the ambulance, "
        "or are farther away than AED_ARRIVAL__MAX_FETCH_METRES",
    )
    last_resort: list[NearbyDeviceOut] = Field(
        examples=[[]], description="Devices with expired pads; use them only if there is no other AED"
    )
    unusable_now: list[UnusableDeviceOut] = Field(
        examples=[[]], description="Devices nearby that are closed or not ready, with when they open"
    )
    quarantined: list[QuarantinedDeviceOut] = Field(
        examples=[[]], description="Devices nearby that are out of service, with the reason; nearest first"
    )
    responders: list[NearbyResponderOut] | None = Field(
        examples=[None], description="Responders nearby, for dispatchers; null for others"
    )
    responders_withheld: WordsOut | None = Field(
        examples=[None],
        description="Why a dispatcher sees no responders: too many lookups within the hour; otherwise null",
    )
    is_complete: bool = Field(
        description="False if the search stopped early because too many devices were unusable"
    )
    missing_cells: list[MissingCellOut] = Field(
        examples=[[]],
        description="Neighbouring provinces that did not answer in time, so that their devices are missing; "
        "the header AED-Missing-Cells has their codes",
    )


def answer_out(
    answer: LookupAnswer,
    viewer: Viewer,
    *,
    settings: Settings,
    datum: Datum = Datum.WGS84,
    responders_withheld: bool = False,
) -> dict[str, Any]:
    """Return the answer as a dictionary in the shape of `NearestOut`, with coordinates in `datum`."""
    question = answer.question
    shown = {
        "first_aid": reasons.first_aid_words(answer.emergency_number),
        "emergency": {
            "number": answer.emergency_number,
            **reasons.emergency_words(answer.emergency_number),
        },
        "query": {
            "position": {"lat": question.here.lat, "lon": question.here.lon},
            "at": moment(question.at),
            "floor": question.floor,
            "storey": storey_words(question.floor, counts_ground_as_one=_counts_from_one(answer)),
        },
        "basis": answer.basis,
        "devices": [_device(near, answer, viewer, settings) for near in answer.in_time],
        "too_far": [_device(near, answer, viewer, settings) for near in answer.too_far],
        "last_resort": [_device(near, answer, viewer, settings) for near in answer.last_resort],
        "unusable_now": [
            {
                **_device(near, answer, viewer, settings),
                "opens_at": moment(near.access.until)
                if near.access.access is Access.CLOSED and near.readiness.is_usable
                else None,
            }
            for near in answer.unusable
            if not near.is_last_resort
        ],
        "quarantined": [_quarantined(near) for near in answer.quarantined],
        "responders": None
        if answer.responders is None
        else [_responder(person, settings) for person in answer.responders],
        "responders_withheld": reasons.responders_withheld_words() if responders_withheld else None,
        "is_complete": answer.is_complete,
        "missing_cells": [
            {"code": cell.code, **reasons.missing_cell_words(cell.name_en, cell.name_zh)}
            for cell in answer.missing_cells
        ],
    }
    if datum is not Datum.WGS84:
        _move(shown, datum)
    return shown


_PLACED: Final = ("devices", "too_far", "last_resort", "unusable_now", "quarantined")


def _move(shown: dict[str, Any], datum: Datum) -> None:
    """Convert the coordinates of an answer from WGS-84 to `datum`, in place."""
    for each in (shown["query"], *(device for part in _PLACED for device in shown[part])):
        lat, lon = from_wgs84(Position(**each["position"]), datum)
        each["position"] = {"lat": lat, "lon": lon}
        if each.get("route") is not None:
            points = (from_wgs84(Position(lat, lon), datum) for lon, lat in each["route"]["coordinates"])
            each["route"] = {**each["route"], "coordinates": [(lon, lat) for lat, lon in points]}


def _counts_from_one(answer: LookupAnswer) -> bool:
    """Return whether the ground floor is storey 1 at the patient's place.

    Uses the convention of the question if it has one, else that of the nearest device, else the country's.
    """
    question = answer.question
    if question.counts_ground_as_one is not None:
        return question.counts_ground_as_one
    nearest = next(iter((*answer.devices, *answer.unusable)), None)
    return bool(nearest.row.counts_ground_as_one) if nearest is not None else in_mainland_china(question.here)


@lru_cache(maxsize=4_096)
def moment(at: datetime | None) -> str | None:
    """Format a moment as ISO 8601 in UTC with the suffix Z; return None for None."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if at is not None else None


def _device(near: NearbyDevice, answer: LookupAnswer, viewer: Viewer, settings: Settings) -> dict[str, Any]:
    row, until = near.row, near.access.until
    needs_guard = near.access.access is Access.ASSISTED or near.by_closed_gate
    contacts = {"guard_phone": row.guard_phone if needs_guard else None}
    if near.cell is None and viewer.is_signed_in and is_insider(viewer, row.estate_id, row.region_id):
        contacts = {
            "guard_phone": row.guard_phone,
            "keeper_name": row.keeper_name,
            "keeper_phone": row.keeper_phone,
        }
    return {
        "id": row.id,
        "position": {"lat": row.lat, "lon": row.lon},
        "place": {"en": row.place_en, "zh": row.place_zh},
        "floor": row.floor,
        "storey": storey_words(row.floor, counts_ground_as_one=bool(row.counts_ground_as_one)),
        "estate": {"en": row.estate_en, "zh": row.estate_zh} if row.estate_en and row.estate_zh else None,
        "fetch_seconds": round(near.fetch.fetch_seconds),
        "expected_seconds": round(near.fetch.expected_seconds),
        "probability_usable": round(near.fetch.probability_usable, 3),
        "walk_metres": round(near.walk_metres),
        "straight_metres": round(near.straight_metres),
        "basis": near.basis,
        "access": {"state": near.access.access, "until": moment(until)},
        "readiness": near.readiness,
        "access_instructions": {"en": row.access_instructions_en, "zh": row.access_instructions_zh},
        "cabinet": row.cabinet,
        "contacts": contacts,
        "route": None
        if near.route is None
        else {"type": "LineString", "coordinates": near.route.coordinates},
        "bring": _how_to_bring(near),
        "reasons": _reasons(near, answer),
        "links": _links(row.lat, row.lon, row.place_zh or row.place_en or "AED"),
        **_other_cell(near),
    }


def _other_cell(near: NearbyDevice | QuarantinedDevice) -> dict[str, Any]:
    cell, number = near.cell, short_number(near.row.id)
    if cell is None:
        return {}
    return {
        "cell": {
            "code": cell.code,
            "name": {"en": cell.name_en, "zh": cell.name_zh},
            "number": f"{cell.code}:{number}",
            "link": f"{cell.address}/d/{number}",
        }
    }


def _how_to_bring(near: NearbyDevice) -> dict[str, Any] | None:
    how = near.bringing
    if how is None:
        return None
    return {
        "call": how.link,
        "phone": how.phone,
        "seconds": round(how.seconds),
        "expected_seconds": round(how.expected_seconds),
        **reasons.bringing_words(how.phone, how.seconds),
    }


def _quarantined(near: QuarantinedDevice) -> dict[str, Any]:
    row = near.row
    return {
        "id": row.id,
        "position": {"lat": row.lat, "lon": row.lon},
        "place": {"en": row.place_en, "zh": row.place_zh},
        "floor": row.floor,
        "straight_metres": round(near.straight_metres),
        "reason": reasons.out_of_service_reason(row.reason),
        **_other_cell(near),
    }


@lru_cache(maxsize=8_192)
def _links(lat: float, lon: float, label: str) -> dict[str, str]:
    """Return map links for a device; cached (about 10 MB), as the same devices are returned repeatedly."""
    return map_links(Position(lat, lon), label=label)


def _reasons(near: NearbyDevice, answer: LookupAnswer) -> list[reasons.Reason]:
    row = near.row
    found = [
        reasons.walk_reason(near.basis, near.walk_metres, near.straight_metres),
        reasons.access_reason(near.access, answer.question.at, row.time_zone),
        reasons.readiness_reason(near.readiness),
    ]
    if near.access.access is Access.UNKNOWN and not near.access.is_entry_unknown:
        found.insert(2, reasons.reachability_reason(near.place, near.band, near.reachable))
    if near.row.seconds_per_metre is not None:
        found.append(reasons.pace_reason())
    if near.fetch.floor_seconds:
        found.append(
            reasons.floor_reason(
                row.floor, near.fetch.floor_seconds, counts_ground_as_one=bool(row.counts_ground_as_one)
            )
        )
    found += [
        reasons.gate_reason(
            gate.name_en,
            gate.name_zh,
            gate.wait_seconds,
            hours_known=gate.hours_known,
            is_closed=gate.is_closed,
        )
        for gate in near.gates
    ]
    return found


def _responder(person: NearbyResponder, settings: Settings) -> dict[str, Any]:
    step, centre = settings.responder_seconds_step, person.cell_centre
    return {
        "id": person.responder_id,
        "cell": h3.latlng_to_cell(centre.lat, centre.lon, settings.responder_cell_resolution),
        "walk_seconds": math.ceil(person.shown_seconds / step) * step,
        "basis": person.basis,
        "availability": person.availability,
        "certificate": person.certificate_kind,
    }
