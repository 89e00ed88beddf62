"""An invented registry of any number of cities; a city's rows don't depend on the number of cities.

So the small registry is a prefix of the large one, row for row. The two differ only in size, not in the
density around a query or in its answer.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from aed.geo import Position, in_mainland_china

SEED = 20_260_922
DEVICES_A_CITY = 4_000
ESTATES_A_CITY = 1_000
KEEPERS_A_CITY = 100
CORE_DEVICES_PER_KM2 = 10.0
"""The density at a city's centre; it decreases exponentially with distance."""
THINNING_METRES = 1000.0 * math.sqrt(DEVICES_A_CITY / (2 * math.pi * CORE_DEVICES_PER_KM2))
"""The distance at which the density has fallen to 1/e: 8.0 km, so that a city has its number of devices."""
APART_METRES = 60_000.0
METRES_PER_DEGREE = 111_195.0

ALWAYS = "24/7"
DAY_HOURS = (
    "Mo-Su 08:00-22:00",
    "Mo-Fr 08:00-18:00; PH off",
    "Mo-Fr 09:00-17:30; PH off",
    "Mo-Su 07:00-21:00",
    "Mo-Sa 08:30-20:00; PH off",
    "Mo-Su 06:00-23:00",
    "Mo-Fr 07:30-19:00; Sa 09:00-12:00; PH off",
    "Mo-Su 09:00-21:30",
    "Mo-Su 10:00-22:00",
    "Mo-Fr 08:30-12:00,13:30-17:30; PH off",
    "Mo-Su 05:30-23:30",
    "Mo-Sa 08:00-17:00; Su,PH 09:00-16:00",
)

type Row = tuple[object, ...]

COLUMNS: dict[str, str] = {
    "regions": "id,code,name_en,name_zh,country,time_zone,emergency_number,holiday_calendar,version",
    "estates": "id,region_id,source,source_id,name_en,name_zh,neighbourhood,guard_phone,state,version,"
    "boundary",
    "gates": "id,estate_id,source,source_id,name_en,name_zh,passage,opening_hours,state,version,position",
    "buildings": "id,estate_id,source,source_id,name_en,name_zh,floors,position",
    "people": "id,name,phone,language",
    "devices": "id,region_id,estate_id,source,source_id,origin_datum,origin_lat,origin_lon,place_en,place_zh,"
    "floor,opening_hours,entry,access_instructions_en,access_instructions_zh,cabinet,maker,model,serial,keeper_id,"
    "audience,state,out_of_service_reason,last_checked_on,version,position",
    "consumables": "id,device_id,kind,lot,expires_on,state,version",
    "responders": "id,person_id,region_id,estate_id,source,source_id,availability,state",
    "certificates": "id,responder_id,kind,issuer,number,issued_on,valid_until,trust",
    "responder_places": "id,responder_id,kind,floor,hours,position",
}
"""The tables in filling order. Geometry columns come last, as hexadecimal WKB."""


@dataclass(frozen=True)
class Population:
    """Cities with devices and responders, as of `today`."""

    centres: Sequence[Position]
    responders: int
    """The total, divided among the cities."""
    today: date
    gates_everywhere: bool = True
    """False: no gates in the first city, on whose streets walks are measured."""

    @property
    def devices(self) -> int:
        return len(self.centres) * DEVICES_A_CITY

    def rows(self, table: str) -> Iterator[list[Row]]:
        """Yield all rows of a table, one city at a time."""
        each, left_over = divmod(self.responders, len(self.centres))
        for number, centre in enumerate(self.centres):
            before = number * each + min(number, left_over)
            if table == "gates" and number == 0 and not self.gates_everywhere:
                continue
            city = _City(number, centre, self.today, responders=each + (number < left_over), before=before)
            yield list(getattr(city, table)())


def city_centres(count: int, *, first: Position) -> list[Position]:
    """Return `first`, then others far apart in mainland China; a shorter list is a prefix of a longer one."""
    random = np.random.default_rng(SEED)
    centres = [first]
    while len(centres) < count:
        place = Position(float(random.uniform(21.5, 47.0)), float(random.uniform(98.0, 126.0)))
        if in_mainland_china(place) and all(_metres(place, other) > APART_METRES for other in centres):
            centres.append(place)
    return centres


def questions(
    centres: Sequence[Position], count: int, *, seed: int, farthest_metres: float = 9_000.0
) -> list[Position]:
    """Return random positions of patients in these cities, distributed like the devices."""
    random = np.random.default_rng([SEED, seed])
    found: list[Position] = []
    while len(found) < count:
        centre = centres[int(random.integers(len(centres)))]
        east, north = _scattered(random, 1)
        if math.hypot(float(east[0]), float(north[0])) <= farthest_metres:
            found.append(_moved(centre, float(east[0]), float(north[0])))
    return found


def _scattered(random: np.random.Generator, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return metres east and north of the centre, with a density that decreases exponentially."""
    away = random.gamma(2.0, THINNING_METRES, count)
    angle = random.uniform(0.0, 2 * math.pi, count)
    return away * np.cos(angle), away * np.sin(angle)


def _moved(place: Position, east: float, north: float) -> Position:
    return Position(
        place.lat + north / METRES_PER_DEGREE,
        place.lon + east / (METRES_PER_DEGREE * math.cos(math.radians(place.lat))),
    )


def _metres(one: Position, other: Position) -> float:
    across = math.cos(math.radians((one.lat + other.lat) / 2))
    return METRES_PER_DEGREE * math.hypot(one.lat - other.lat, (one.lon - other.lon) * across)


class _City:
    """The rows of one city; ids follow from its number and the number of responders in earlier cities."""

    def __init__(self, number: int, centre: Position, today: date, *, responders: int, before: int) -> None:
        self.number, self.centre, self.responder_count, self.today = number, centre, responders, today
        self.region = number + 1
        self.estate = 1 + number * ESTATES_A_CITY
        self.person = 1 + number * KEEPERS_A_CITY + before
        self.device = 1 + number * DEVICES_A_CITY
        self.responder = 1 + before
        self.across = METRES_PER_DEGREE * math.cos(math.radians(centre.lat))
        east, north = _scattered(self._random("estates"), ESTATES_A_CITY)
        self.estate_east, self.estate_north = east, north

    def _random(self, what: str) -> np.random.Generator:
        return np.random.default_rng([SEED, self.number, *what.encode()])

    def _lats(self, north: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.round(self.centre.lat + north / METRES_PER_DEGREE, 7)

    def _lons(self, east: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.round(self.centre.lon + east / self.across, 7)

    def regions(self) -> Iterator[Row]:
        n = self.region
        yield n, f"CN-{n:03}", f"City {n}", f"第{n}市", "CN", "Asia/Shanghai", "120", "CN", 1

    def estates(self) -> Iterator[Row]:
        half_lat, half_lon = 130.0 / METRES_PER_DEGREE, 130.0 / self.across
        lats, lons = self._lats(self.estate_north).tolist(), self._lons(self.estate_east).tolist()
        for i, (lat, lon) in enumerate(zip(lats, lons, strict=True)):
            n = self.estate + i
            boundary = square(lat - half_lat, lat + half_lat, lon - half_lon, lon + half_lon)
            yield (
                *(n, self.region, "bench", f"e{n}", f"Garden Estate {n}", f"花园小区{n}", f"n{n // 4}"),
                *(f"0571-8{n:07}", "active", 1, boundary),
            )

    def gates(self) -> Iterator[Row]:
        """Yield two gates per estate, on opposite sides: half open to all, some guarded, some private."""
        random = self._random("gates")
        kind = random.choice(3, 2 * ESTATES_A_CITY, p=[0.5, 0.35, 0.15]).tolist()
        closed_at_night = (random.random(2 * ESTATES_A_CITY) < 0.3).tolist()
        for i in range(2 * ESTATES_A_CITY):
            side = 1 if i % 2 else -1
            east = self._lons(self.estate_east[i // 2 : i // 2 + 1] + side * 130.0)
            north = self._lats(self.estate_north[i // 2 : i // 2 + 1])
            n = 2 * self.estate + i
            yield (
                *(n, self.estate + i // 2, "bench", f"g{n}", f"Gate {1 + i % 2}", f"{1 + i % 2}号门"),
                ("open", "guarded", "residents")[kind[i]],
                "Mo-Su 06:00-23:00" if closed_at_night[i] else ALWAYS,
                *("active", 1, point(float(north[0]), float(east[0]))),
            )

    def buildings(self) -> Iterator[Row]:
        """Yield nothing: the lookup reads no buildings."""
        return iter(())

    def people(self) -> Iterator[Row]:
        for n in range(self.person, self.person + KEEPERS_A_CITY + self.responder_count):
            yield n, f"居民{n}", f"1{n:010}", "zh"

    def devices(self) -> Iterator[Row]:
        """Yield devices: seven in ten belong to an estate and are in it, the others anywhere in the city."""
        random, count = self._random("devices"), DEVICES_A_CITY
        east, north = _scattered(random, count)
        estate = random.integers(0, ESTATES_A_CITY, count)
        in_estate = random.random(count) < 0.7
        east[in_estate] = (self.estate_east[estate] + random.uniform(-120.0, 120.0, count))[in_estate]
        north[in_estate] = (self.estate_north[estate] + random.uniform(-120.0, 120.0, count))[in_estate]
        lats, lons = self._lats(north).tolist(), self._lons(east).tolist()
        floors = random.choice([0, 0, 0, 0, 0, 0, 0, 1, 2, -1], count).tolist()
        hours_kind = random.random(count).tolist()
        day_hours = random.integers(0, len(DAY_HOURS), count).tolist()
        entry = random.choice(["free", "assisted", "unknown"], count, p=[0.85, 0.12, 0.03]).tolist()
        audience = random.choice(
            ["public", "estate", "neighbours", "dispatch"], count, p=[0.30, 0.60, 0.05, 0.05]
        ).tolist()
        out_of_service = (random.random(count) < 0.02).tolist()
        days_unchecked = np.where(
            random.random(count) < 0.8, random.integers(0, 31, count), random.integers(40, 400, count)
        ).tolist()
        keepers = random.integers(0, KEEPERS_A_CITY, count).tolist()
        for i, (lat, lon) in enumerate(zip(lats, lons, strict=True)):
            n = self.device + i
            house = self.estate + int(estate[i]) if in_estate[i] else None
            hours = (
                None if hours_kind[i] < 0.15 else ALWAYS if hours_kind[i] < 0.25 else DAY_HOURS[day_hours[i]]
            )
            free = entry[i] == "free"
            yield (
                *(n, self.region, house, "bench", f"d{n}", "wgs84", lat, lon),
                *(f"Lobby of building {n % 40}, by the reception", f"{n % 40}号楼大堂，服务台旁"),
                *(floors[i], hours, entry[i]),
                None if free else "Ask the guard at the gate",
                None if free else "请向门岗说明",
                *("alarmed" if n % 3 else "unlocked", "Mindray", "C1A", f"S{n:08}"),
                *(self.person + keepers[i], audience[i]),
                "out_of_service" if out_of_service[i] else "in_service",
                "battery low" if out_of_service[i] else None,
                *(self.today - timedelta(days=days_unchecked[i]), 1, point(lat, lon)),
            )

    def consumables(self) -> Iterator[Row]:
        """Yield pads and a battery per device; on 97 % of devices, both are in date."""
        random = self._random("consumables")
        expired = (random.random(DEVICES_A_CITY) < 0.03).tolist()
        left = random.integers(10, 1500, (2, DEVICES_A_CITY)).tolist()
        for i in range(DEVICES_A_CITY):
            n = self.device + i
            pads = self.today + timedelta(days=-left[0][i] // 4 - 1 if expired[i] else left[0][i])
            battery = self.today + timedelta(days=left[1][i])
            yield 2 * n - 1, n, "pads", f"P{n % 977}", pads, "fitted", 1
            yield 2 * n, n, "battery", f"B{n % 977}", battery, "fitted", 1

    def responders(self) -> Iterator[Row]:
        random, count = self._random("responders"), self.responder_count
        estate = (self.estate + random.integers(0, ESTATES_A_CITY, count)).tolist()
        hours_kind = random.random(count).tolist()
        for i in range(count):
            n = self.responder + i
            hours = None if hours_kind[i] < 0.4 else ALWAYS if hours_kind[i] < 0.7 else "Mo-Su 07:00-22:00"
            person = self.person + KEEPERS_A_CITY + i
            yield n, person, self.region, estate[i], "bench", f"r{n}", hours, "active"

    def certificates(self) -> Iterator[Row]:
        """Yield one certificate each, valid for three years; one in twenty has expired."""
        random, count = self._random("certificates"), self.responder_count
        left = np.where(
            random.random(count) < 0.05, random.integers(-400, 0, count), random.integers(0, 1095, count)
        ).tolist()
        kind = random.choice(["first_aid", "cpr_aed", "professional"], count, p=[0.7, 0.2, 0.1]).tolist()
        for i in range(count):
            n, until = self.responder + i, self.today + timedelta(days=left[i])
            yield n, n, kind[i], "Red Cross", f"C{n}", until - timedelta(days=1095), until, "verified"

    def responder_places(self) -> Iterator[Row]:
        random, count = self._random("places"), self.responder_count
        east, north = _scattered(random, count)
        lats, lons = self._lats(north).tolist(), self._lons(east).tolist()
        floors = random.integers(0, 18, count).tolist()
        for i in range(count):
            n = self.responder + i
            yield n, n, "home", floors[i], None, point(lats[i], lons[i])


def point(lat: float, lon: float) -> str:
    return struct.pack("<BIdd", 1, 1, lon, lat).hex()


def square(south: float, north: float, west: float, east: float) -> str:
    ring = (west, south, east, south, east, north, west, north, west, south)
    return struct.pack("<BIIBIII10d", 1, 6, 1, 1, 3, 1, 5, *ring).hex()
