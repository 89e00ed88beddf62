"""Compare straight-line and walking distances to defibrillators over all of Liechtenstein.

`python -m tests.liechtenstein` imports the country's streets and devices into a new database. It prints, as
Markdown: how often the straight line selects another device than the walking network, how many metres
longer the walk to that device is, and the answer for one place in Vaduz. Needs ../shared/data/liechtenstein
beside the project.

Data (c) OpenStreetMap contributors, ODbL.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry
from sqlalchemy.orm import Session

from aed.accounts.permissions import ANYONE, TokenRole, TokenScope, Viewer
from aed.cli.nearest import print_answer
from aed.cli.screen import say
from aed.cli.server import bring_up_to_date
from aed.database.session import open_database
from aed.geo import Position, distances_metres
from aed.hours.evaluation import hours_at
from aed.imports.batches import ImportReport
from aed.imports.devices.actions import import_devices
from aed.lookup.answer import answer_lookup
from aed.lookup.question import LookupQuestion
from aed.registry.devices.rules import Access, access_at
from aed.settings import Settings
from aed.simulation.rules.world import shares_of, somewhere_in
from aed.walking.build import build_network
from aed.walking.network import Crossing, WalkingNetwork
from aed.walking.snapping import SnappedPoints
from aed.walking.travel import Leg, metres_of_wait, seconds_of_wait
from tests import make
from tests.lookup.brute_force import Found, Known, judged, may_see, whole_register

FOLDER = Path(__file__).parents[2] / "shared" / "data" / "liechtenstein"
STREETS = FOLDER / "liechtenstein.osm.pbf"
DEVICES = FOLDER / "liechtenstein_aeds.geojson"
RESIDENTIAL = FOLDER / "liechtenstein_residential_areas.geojson"
IS_HERE = all(file.is_file() for file in (STREETS, DEVICES, RESIDENTIAL))
WHY_NOT = "needs ../shared/data/liechtenstein beside the project"

IN_VADUZ = Position(47.1375, 9.5225)
NOON = datetime(2026, 9, 22, 10, 0, tzinfo=UTC)
"""Tuesday, 12:00 in Vaduz."""
NIGHT = datetime(2026, 9, 22, 1, 0, tzinfo=UTC)
"""The same Tuesday, 03:00."""
POINTS = 1_000

_LATER = 1e-5
type Floats = NDArray[np.float64]


def import_country(session: Session) -> ImportReport:
    """Import the region and its devices from OpenStreetMap data, without a holiday calendar."""
    make.region(
        session,
        "LI",
        name_en="Liechtenstein",
        name_zh="列支敦士登",
        country="LI",
        time_zone="Europe/Vaduz",
        emergency_number="144",
        holiday_calendar=None,
    )
    who = Viewer(role=TokenRole.ADMINISTRATOR, name="import", scopes=frozenset(TokenScope))
    return import_devices(session, who, DEVICES, at=make.NOW, region="LI")


# --- exhaustive search ----------------------------------------------------------------------------------


class WalksOfTheCountry:
    """Walks between any position and all devices: one Dijkstra search per device over the whole network.

    Streets are walkable in both directions, so the way from a device is also the way to it. Gates are
    those of the map, as they apply to a stranger (or to a dispatcher, who can have private gates opened).
    """

    def __init__(
        self, network: WalkingNetwork, known: Sequence[Known], settings: Settings, *, is_dispatch: bool
    ) -> None:
        self._network = network
        self._known = known
        self._settings = settings
        numbers = settings.arrival
        closed: list[Crossing] = []
        waits: list[tuple[Crossing, float]] = []
        for barrier in network.barriers:
            is_private = barrier.access in ("no", "private")
            if barrier.locked or (is_private and not is_dispatch):
                closed.append(barrier.crossing)
            elif is_private:
                wait = metres_of_wait(numbers.guarded_gate_seconds, numbers)
                waits.append((barrier.crossing, wait))
        self._targets = network.snap(
            [each.position.lat for each in known], [each.position.lon for each in known]
        )
        ring = metres_of_wait(numbers.closed_gate_seconds, numbers)
        free = [*waits, *((crossing, math.inf) for crossing in closed)]
        opened = [*waits, *((crossing, ring) for crossing in closed)]
        self._free, self._opened = self._distances(free), self._distances(opened)
        # With all delays slightly longer, the change in cost shows how much of it is delays.
        self._free_later, self._opened_later = (
            self._distances([(crossing, (1 + _LATER) * delay) for crossing, delay in delays])
            for delays in (free, opened)
        )

    def _distances(self, delays: Sequence[tuple[Crossing, float]]) -> Floats:
        """Return metres from each device to each node."""
        streets = self._network.streets
        metres = np.array([streets.edge_metres(edge) for edge in range(streets.edge_count)])
        for crossing, delay in delays:
            spokes = streets.gate_edges(crossing.edge)
            for spoke in spokes:
                metres[spoke] += delay if len(spokes) == 1 else delay / 2
        targets, first = self._targets, streets.node_count
        devices = np.arange(first, first + len(targets))[targets.edge >= 0]
        on = targets.edge[targets.edge >= 0]
        along, off = targets.along_metres[targets.edge >= 0], targets.off_metres[targets.edge >= 0]
        tails = np.concatenate([streets.edge_u, streets.edge_v, devices, devices])
        heads = np.concatenate([streets.edge_v, streets.edge_u, streets.edge_u[on], streets.edge_v[on]])
        lengths = np.concatenate([metres, metres, along + off, np.maximum(metres[on] - along, 0.0) + off])
        # Keep the shortest of parallel streets between two nodes; scipy would add them up.
        order = np.lexsort([lengths, heads, tails])
        pairs = np.stack([tails[order], heads[order]])
        is_first = np.ones(len(order), dtype=bool)
        is_first[1:] = (pairs[:, 1:] != pairs[:, :-1]).any(axis=0)
        is_first &= np.isfinite(lengths[order])
        size = first + len(targets)
        graph = coo_array(
            (lengths[order][is_first], (pairs[0][is_first], pairs[1][is_first])), shape=(size, size)
        ).tocsr()
        found: Floats = dijkstra(graph, indices=np.arange(first, size))[:, :first]
        return found

    def costs(self, here: Position) -> tuple[Floats, Floats, NDArray[np.bool_]]:
        """Return metres to each device, metres with closed gates opened, and whether each is on a street."""
        start = self._network.snap([here.lat], [here.lon])
        if start.edge[0] < 0:
            nowhere = np.full(len(self._known), np.inf)
            return nowhere, nowhere, np.zeros(len(self._known), dtype=bool)
        free, opened = (self._from(start, distances) for distances in (self._free, self._opened))
        return free, opened, self._targets.edge >= 0

    def _delays(self, here: Position) -> tuple[Floats, Floats]:
        """Return the part of the costs that is delays, with closed gates closed and opened."""
        start = self._network.snap([here.lat], [here.lon])
        if start.edge[0] < 0:
            return np.zeros(len(self._known)), np.zeros(len(self._known))
        pairs = ((self._free, self._free_later), (self._opened, self._opened_later))
        with np.errstate(invalid="ignore"):
            now, then = (
                (self._from(start, later) - self._from(start, costs)) / _LATER for costs, later in pairs
            )
        return now, then

    def connected(self, here: Sequence[Position]) -> list[Position]:
        """Return the positions from which some device is reachable on foot.

        Residential areas extend across the border, where the extract has no streets.
        """
        return [place for place in here if bool(np.isfinite(self.costs(place)[1]).any())]

    def _from(self, start: SnappedPoints, distances: Floats) -> Floats:
        streets, targets = self._network.streets, self._targets
        edge, along, off = int(start.edge[0]), float(start.along_metres[0]), float(start.off_metres[0])
        left = max(streets.edge_metres(edge) - along, 0.0)
        by_ends = np.minimum(
            distances[:, streets.edge_u[edge]] + along, distances[:, streets.edge_v[edge]] + left
        )
        along_it = np.abs(targets.along_metres - along) + targets.off_metres
        found: Floats = np.where(targets.edge == edge, np.minimum(by_ends, along_it), by_ends) + off
        return found

    def all_devices(self, viewer: Viewer, question: LookupQuestion) -> list[Found]:
        """Return every device the viewer may see: usable ones first, then by expected arrival."""
        reach = self._settings.walking_reach_metres
        costs, opened, on_street = self.costs(question.here)
        free = np.where(costs <= reach, costs, np.inf)
        by_gate = np.where(opened <= reach, opened, np.inf)
        delays, delays_if_opened = self._delays(question.here)
        found = []
        for i, each in enumerate(self._known):
            if not may_see(viewer, each.device):
                continue
            by_closed_gate = not np.isfinite(free[i]) and bool(np.isfinite(by_gate[i]))
            cost, delay = (by_gate, delays_if_opened) if by_closed_gate else (free, delays)
            way = None
            if np.isfinite(cost[i]):
                wait = seconds_of_wait(float(delay[i]), self._settings.arrival)
                way = Leg(float(cost[i] - delay[i]), wait)
            found.append(
                judged(
                    each,
                    question,
                    self._settings,
                    way=way,
                    by_closed_gate=by_closed_gate,
                    is_within_a_network=bool(on_street[i]),
                )
            )
        return sorted(
            found,
            key=lambda one: (not one.is_usable, one.is_too_far, one.expected_seconds, one.straight_metres),
        )


# --- places ---------------------------------------------------------------------------------------------


def residential_areas() -> list[BaseGeometry]:
    with RESIDENTIAL.open(encoding="utf-8") as file:
        return [shape(feature["geometry"]) for feature in json.load(file)["features"]]


def places_where_people_live(count: int, *, seed: int, astray_metres: float = 0.0) -> list[Position]:
    """Return random positions, uniform over the residential areas, or up to `astray_metres` from one."""
    random = np.random.default_rng(seed)
    areas = residential_areas()
    found: list[Position] = []
    for i in random.choice(len(areas), size=count, p=shares_of(areas)).tolist():
        place = somewhere_in(areas[i], random)
        metres, turn = astray_metres * math.sqrt(random.random()), random.uniform(0.0, math.tau)
        here = make.north_of(place, metres=metres * math.sin(turn))
        found.append(make.east_of(here, metres=metres * math.cos(turn)))
    return found


# --- the comparison -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """The nearest device by straight line compared with the nearest on foot, over many positions."""

    what: str
    devices: int
    places: int
    metres_wrong: list[float]
    """How much longer the walk is, for each position where the straight line selects another device."""
    ratios: list[float]
    """For each position, the walk to the nearest device on foot divided by the straight line to it."""

    def row(self) -> list[str]:
        wrong = np.array(self.metres_wrong)
        low, middle, high = np.quantile(self.ratios, [0.1, 0.5, 0.9])
        return [
            self.what,
            f"{self.devices}",
            f"{len(wrong) / self.places:.1%}".replace("%", " %"),
            f"{np.median(wrong):,.0f} m",
            f"{np.quantile(wrong, 0.9):,.0f} m",
            f"{wrong.max():,.0f} m",
            f"{middle:.2f} ({low:.2f}-{high:.2f})",
        ]


HEADER = [
    "devices that count",
    "how many",
    "straight line names another",
    "wrong by (median)",
    "90 %",
    "most",
    "walk : straight line (10-90 %)",
]


def compare(
    what: str, walks: WalksOfTheCountry, known: Sequence[Known], usable: Sequence[bool], here: list[Position]
) -> Comparison:
    """Compare the nearest usable device by line and on foot, by metres only (no floors, no probabilities)."""
    which = np.flatnonzero(usable)
    lats, lons = (
        np.array([getattr(each.position, name) for each in known])[which] for name in ("lat", "lon")
    )
    wrong: list[float] = []
    ratios: list[float] = []
    for place in here:
        costs, opened, _ = walks.costs(place)
        walk = np.where(np.isfinite(costs), costs, opened)[which]
        straight = distances_metres(place, lats, lons)
        by_line, on_foot = int(straight.argmin()), int(walk.argmin())
        if by_line != on_foot:
            wrong.append(float(walk[by_line] - walk[on_foot]))
        ratios.append(float(walk[on_foot] / straight[on_foot]))
    return Comparison(what, len(which), len(here), wrong, ratios)


def is_reachable(known: Known, at: datetime) -> bool:
    """Return whether the device is not closed at `at`; unknown hours count as reachable."""
    hours = hours_at(known.device.opening_hours, at, time_zone=known.time_zone, calendar=known.calendar)
    return access_at(hours, known.device.entry).access is not Access.CLOSED


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    if not IS_HERE:
        say(f"Nothing to compare: {WHY_NOT}.")
        return
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(database_url=f"sqlite:///{folder}/aed.sqlite")
        database = open_database(settings)
        bring_up_to_date(database)
        network = build_network(STREETS)
        with database.write_sessions() as session:
            report = import_country(session)
            session.commit()
            known = whole_register(session)
            walks = WalksOfTheCountry(network, known, settings, is_dispatch=False)
            here = walks.connected(places_where_people_live(2 * POINTS, seed=2026))[:POINTS]
            say(
                f"{report.taken} devices ({report.hours_not_understood} with hours that are not understood), "
                f"{network.node_count} nodes, {network.edge_count} edges, {len(network.barriers)} gates; "
                f"{len(here)} places."
            )
            say()
            rows = [
                compare(what, walks, known, usable, here).row()
                for what, usable in (
                    ("all", [True] * len(known)),
                    ("not closed on a Tuesday, 12:00", [is_reachable(each, NOON) for each in known]),
                    ("not closed on a Tuesday, 03:00", [is_reachable(each, NIGHT) for each in known]),
                )
            ]
            say(markdown(HEADER, rows))
            say()
            question = LookupQuestion(here=IN_VADUZ, at=NOON, limit=5)
            answer = answer_lookup(session.connection(), ANYONE, question, network=network, settings=settings)
            print_answer(answer, settings)
        database.close()


if __name__ == "__main__":
    main()
