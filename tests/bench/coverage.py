"""Measure previews in a city of 1,200 estates with 24,000 buildings, 3,600 devices and 2,400 gates."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import median

import numpy as np

from aed.accounts.permissions import Audience
from aed.accounts.regions.queries import region_by_code
from aed.database.session import open_database, read_session
from aed.geo import Position
from aed.planning.coverage.previewing import compute
from aed.planning.coverage.regional import preview_region
from aed.planning.coverage.schemas import RegionStepIn, StepIn
from aed.registry.estates import queries as estate_queries
from aed.settings import Settings
from tests.bench.filling import fill_some_on_spatialite
from tests.bench.population import METRES_PER_DEGREE, Row, point, square
from tests.bench.ratio import Ratio
from tests.make import ADMINISTRATOR
from tests.walking.grids import SOUTH_WEST, street_grid

ESTATES, A_ROW = 1_200, 40
BUILDINGS_AN_ESTATE, DEVICES_AN_ESTATE = 20, 3
PITCH_METRES, HALF_METRES = 280.0, 125.0
TABLES = ("regions", "estates", "gates", "buildings", "devices")
REGION = "CN-999"
MONDAY = date(2026, 9, 21)


@dataclass(frozen=True, slots=True)
class CityOfEstates:
    """Estates side by side in rows; four of them are a neighbourhood."""

    estates: int = ESTATES

    def rows(self, table: str) -> Iterator[list[Row]]:
        """Yield all rows of a table, in one batch."""
        yield list(getattr(self, f"_{table}")())

    @property
    def side_metres(self) -> float:
        return PITCH_METRES * (max(A_ROW, math.ceil(self.estates / A_ROW)) + 1)

    def _centre(self, estate: int) -> tuple[float, float]:
        """Return metres east and north of the grid's corner."""
        return PITCH_METRES * (1 + estate % A_ROW), PITCH_METRES * (1 + estate // A_ROW)

    def _regions(self) -> Iterator[Row]:
        yield 999, REGION, "City", "市", "CN", "Asia/Shanghai", "120", "CN", 1

    def _estates(self) -> Iterator[Row]:
        for n in range(self.estates):
            east, north = self._centre(n)
            corner = _at(east - HALF_METRES, north - HALF_METRES)
            opposite = _at(east + HALF_METRES, north + HALF_METRES)
            neighbourhood = f"n{n % A_ROW // 2}-{n // A_ROW // 2}"
            yield (
                *(n + 1, 999, "bench", f"e{n}", f"Estate {n}", f"小区{n}", neighbourhood, None, "active", 1),
                square(corner.lat, opposite.lat, corner.lon, opposite.lon),
            )

    def _gates(self) -> Iterator[Row]:
        for n in range(self.estates):
            east, north = self._centre(n)
            for i, (passage, hours, dx, dy) in enumerate(
                (("guarded", "24/7", 0.0, -HALF_METRES), ("open", "Mo-Su 06:00-23:00", HALF_METRES, 0.0))
            ):
                at = _at(east + dx, north + dy)
                number = 2 * n + i + 1
                yield (
                    *(number, n + 1, "bench", f"g{number}", f"Gate {i + 1}", f"{i + 1}号门", passage, hours),
                    *("active", 1, point(at.lat, at.lon)),
                )

    def _buildings(self) -> Iterator[Row]:
        floors = np.random.default_rng(1).integers(6, 31, self.estates * BUILDINGS_AN_ESTATE).tolist()
        for n in range(self.estates):
            east, north = self._centre(n)
            for i in range(BUILDINGS_AN_ESTATE):
                at = _at(east - 90 + 60 * (i % 4), north - 100 + 50 * (i // 4))
                number = BUILDINGS_AN_ESTATE * n + i
                yield (
                    *(number + 1, n + 1, "bench", f"b{number}", f"Building {i + 1}", f"{i + 1}幢"),
                    *(floors[number], point(at.lat, at.lon)),
                )

    def _devices(self) -> Iterator[Row]:
        kinds = (
            (0.0, -HALF_METRES + 5, "24/7", "free", "estate"),
            (-30.0, 50.0, "Mo-Fr 08:30-17:30; PH off", "assisted", "neighbours"),
            (90.0, 0.0, "Mo-Su 07:00-22:00", "free", "estate"),
        )
        for n in range(self.estates):
            east, north = self._centre(n)
            for i, (dx, dy, hours, entry, audience) in enumerate(kinds):
                at = _at(east + dx, north + dy)
                number = DEVICES_AN_ESTATE * n + i + 1
                yield (
                    *(number, 999, n + 1, "bench", f"d{number}", "wgs84", at.lat, at.lon, "Hall", "大堂", 0),
                    *(hours, entry, None, None, "unlocked", "Maker", "M1", f"s{number}", None, audience),
                    *("in_service", None, None, 1, point(at.lat, at.lon)),
                )


def _at(east: float, north: float) -> Position:
    across = METRES_PER_DEGREE * math.cos(math.radians(SOUTH_WEST.lat))
    return Position(SOUTH_WEST.lat + north / METRES_PER_DEGREE, SOUTH_WEST.lon + east / across)


def coverage(folder: Path) -> Iterator[Ratio]:
    """Measure previews of single estates among the others, and of the whole city, in seconds of work."""
    city, url = CityOfEstates(), f"sqlite:///{folder / 'city.sqlite'}"
    fill_some_on_spatialite(folder / "city.sqlite", city, TABLES)
    network = street_grid(int((city.side_metres / 60) ** 2))
    settings = Settings(database_url=url)
    database = open_database(settings)
    try:
        with read_session(database) as session:
            taken = []
            for estate_id in range(601, 601 + 9):
                estate = estate_queries.estate(session, ADMINISTRATOR, estate_id)
                began = time.process_time()
                compute(
                    session,
                    ADMINISTRATOR,
                    estate,
                    StepIn(audience=Audience.NEIGHBOURS),
                    network=network,
                    settings=settings,
                    monday=MONDAY,
                )
                taken.append(time.process_time() - began)
            yield Ratio(
                f"preview of an estate among {ESTATES:,} : 3 s",
                median(taken) / 3.0,
                1.0,
                f"{median(taken):.2f} s of CPU, {ESTATES * BUILDINGS_AN_ESTATE:,} buildings, SpatiaLite",
            )
            region = region_by_code(session, REGION)
            began, began_wall = time.process_time(), time.perf_counter()
            found = preview_region(
                session,
                region,
                RegionStepIn(region=REGION, audience=Audience.NEIGHBOURS),
                network=network,
                settings=settings,
                monday=MONDAY,
                progress=lambda _done, _total: None,
            )
            seconds, wall = time.process_time() - began, time.perf_counter() - began_wall
            yield Ratio(
                f"previews of {len(found.estates):,} estates in one run : 60 s",
                seconds / 60.0,
                1.0,
                f"{seconds:.0f} s of CPU in {wall:.0f} s, SpatiaLite",
            )
    finally:
        database.close()
