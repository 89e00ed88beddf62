"""In which order, and at which hours, should Liechtenstein open its private devices to everyone?

`python -m tests.liechtenstein_placement` prints the answer as Markdown. Every house in a residential area has
the same number of the 39,000 inhabitants; devices of the list that everyone may use are there already.
Needs ../shared/data/liechtenstein beside the project.

Data (c) OpenStreetMap contributors, ODbL.
"""

from __future__ import annotations

from datetime import date

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from aed.cli.screen import say
from aed.hours.evaluation import hours_at
from aed.lookup.arrival import accessible_probability
from aed.planning.arrests import arrests_at_home
from aed.planning.bands import BANDS, SHARE_OF_ARRESTS, representative_moment
from aed.planning.placement.rules.problem import Action, Limits, Option, cover_problem, within_seconds
from aed.planning.placement.rules.ranking import ranked
from aed.planning.placement.rules.solving import solve
from aed.planning.queries import MIN_PROBABILITY
from aed.registry.devices.reachability import hour_band
from aed.registry.devices.rules import access_at
from aed.settings import Settings
from aed.settings.planning import ArrestRates
from aed.simulation.queries import read_list_of_devices, read_world
from aed.simulation.rules.world import SimulatedDevice
from aed.walking.travel import fetch_seconds, general_pace, walk_seconds
from tests.liechtenstein import DEVICES, IS_HERE, STREETS, WHY_NOT, markdown

ZONE = "Europe/Vaduz"
INHABITANTS = 39_000
AMBULANCE_SECONDS = 426.0
MONDAY = date(2026, 9, 14)
NIGHT_COSTS = 2.0
"""Opening at all hours, in the price of opening at a device's own hours."""


def bands_of(device: SimulatedDevice) -> tuple[bool, ...]:
    numbers = Settings().arrival
    found = []
    for band in BANDS:
        at = representative_moment(band, MONDAY, ZONE)
        access = access_at(hours_at(device.opening_hours, at, time_zone=ZONE), device.entry)
        chance = accessible_probability(access, device.place, hour_band(at, None), numbers)
        found.append(chance >= MIN_PROBABILITY)
    return tuple(found)


def main() -> None:
    if not IS_HERE:
        say(f"Nothing to open: {WHY_NOT}.")
        return
    devices = read_list_of_devices(DEVICES).devices
    world = read_world(STREETS, devices, time_zone=ZONE, network=None)
    numbers, homes = Settings().arrival, world.homes
    pace, network = general_pace(numbers), world.network
    snapped = network.snap(homes.lats, homes.lons)
    seconds: NDArray[np.float64] = np.zeros((len(devices), len(homes)))
    for i, device in enumerate(devices):
        reachable = network.reachable(device.position, within_metres=numbers.max_fetch_metres)
        if reachable is None:
            continue
        costs = reachable.costs(snapped)
        for home in np.flatnonzero(np.isfinite(costs)).tolist():
            leg = walk_seconds(float(costs[home]), pace, numbers)
            seconds[i, home] = fetch_seconds(leg, leg, pace)
    rate = INHABITANTS / len(homes) * arrests_at_home(ArrestRates()).middle
    weights = np.outer(np.full(len(homes), rate), [SHARE_OF_ARRESTS[band] for band in BANDS])
    existing = np.full(weights.shape, np.inf)
    options, rows = [], []
    for i, device in enumerate(devices):
        own = bands_of(device)
        if not device.is_private:
            times = np.where(seconds[i] > 0, seconds[i], np.inf)
            existing[:, own] = np.minimum(existing[:, own], times[:, None])
            continue
        for name, bands, cost in (("own hours", own, 1.0), ("always", (True,) * len(BANDS), NIGHT_COSTS)):
            options.append(Option(f"{i}:{name}", f"{i}", Action.OPEN, cost, bands))
            rows.append(i)
    private = sum(device.is_private for device in devices)
    say(f"{len(devices)} devices, {private} of them private; {len(homes):,} homes.")
    lines = []
    for budget in (5.0, 10.0, 20.0, NIGHT_COSTS * private):
        problem = cover_problem(
            options,
            [csr_array(seconds[rows])] * len(BANDS),
            within_seconds(weights, AMBULANCE_SECONDS),
            existing=existing,
            limits=Limits(budget),
        )
        found = solve(problem)
        chosen = [problem.options[i] for i in found.chosen]
        always = sum(option.key.endswith("always") for option in chosen)
        lines.append(
            [
                f"{budget:.0f}",
                f"{len(chosen) - always}",
                f"{always}",
                f"{100 * problem.base / problem.total:.1f} %",
                f"{100 * found.value / problem.total:.1f} %",
                f"{100 * found.gap:.2f} %",
            ]
        )
        last = ranked(problem, found)
    head = ["budget", "opened at own hours", "opened always", "before", "after", "gap"]
    say(markdown(head, lines))
    say()
    say(
        markdown(
            ["order", "device", "hours", "arrests a year", "covered"],
            [
                [
                    f"{line.rank}",
                    "{0.lat:.4f}, {0.lon:.4f}".format(devices[int(line.option.site)].position),
                    line.option.key.partition(":")[2],
                    f"{line.gain:.3f}",
                    f"{100 * line.covered / problem.total:.1f} %",
                ]
                for line in last[:11]
                if line.option is not None
            ],
        )
    )


if __name__ == "__main__":
    main()
