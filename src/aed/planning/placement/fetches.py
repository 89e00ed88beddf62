"""How long people take to fetch a device from each option, and from the existing devices."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from aed.accounts.permissions import Audience
from aed.geo import Position
from aed.planning.bands import (
    BANDS,
)
from aed.planning.placement.demand import DemandCells
from aed.planning.placement.options import Choice
from aed.planning.queries import (
    HoursOfDevices,
    PlannedDevice,
    device_pace,
)
from aed.planning.walks import WalksToDoors
from aed.settings import Settings
from aed.walking.travel import (
    Pace,
    floor_seconds,
)

type Floats = NDArray[np.float64]


def option_seconds(
    choices: Sequence[Choice],
    cells: DemandCells,
    walks: WalksToDoors,
    reach: float,
    settings: Settings,
) -> list[csr_array]:
    """Return (options, cells) seconds there and back in each band."""
    found = []
    for band in range(len(BANDS)):
        rows: list[NDArray[np.intp]] = []
        columns: list[NDArray[np.intp]] = []
        data: list[Floats] = []
        for row, each in enumerate(choices):
            if not each.option.bands[band]:
                continue
            doors, seconds = _fetches(
                each.thing.position, each.floor, each.pace, cells, walks, band, reach, settings
            )
            may = _may_fetch(each.audience, each.thing.estate_id, each.neighbourhood, cells, doors)
            rows.append(np.full(int(may.sum()), row, dtype=np.intp))
            columns.append(doors[may])
            data.append(seconds[may])
        shape = (len(choices), len(cells.years))
        if not rows:
            found.append(csr_array(shape))
            continue
        found.append(
            csr_array((np.concatenate(data), (np.concatenate(rows), np.concatenate(columns))), shape=shape)
        )
    return found


def existing_seconds(
    devices: Sequence[PlannedDevice],
    cells: DemandCells,
    walks: WalksToDoors,
    hours: HoursOfDevices,
    reach: float,
    settings: Settings,
) -> Floats:
    """Return (cells, bands): the seconds of the best device that people there may fetch today."""
    best = np.full((len(cells.years), len(BANDS)), math.inf)
    for device in devices:
        for band in np.flatnonzero(hours.accessible(device)).tolist():
            doors, seconds = _fetches(
                device.position,
                device.floor,
                device_pace(device, settings.arrival),
                cells,
                walks,
                band,
                reach,
                settings,
            )
            may = _may_fetch(device.audience, device.estate_id, device.neighbourhood, cells, doors)
            best[doors[may], band] = np.minimum(best[doors[may], band], seconds[may])
    return best


def _fetches(
    place: Position,
    floor: int,
    pace: Pace,
    cells: DemandCells,
    walks: WalksToDoors,
    band: int,
    reach: float,
    settings: Settings,
) -> tuple[NDArray[np.intp], Floats]:
    doors, one_way = walks.seconds_to_doors(place, pace, band, within_seconds=reach)
    legs = one_way + cells.floor_seconds[doors] + floor_seconds(floor, settings.arrival)
    return doors, pace.pick_up_seconds + 2 * legs


def _may_fetch(
    audience: Audience,
    estate_id: int | None,
    neighbourhood: str | None,
    cells: DemandCells,
    doors: NDArray[np.intp],
) -> NDArray[np.bool_]:
    """Return which of the doors belong to people who may fetch a device with this audience."""
    if audience is Audience.PUBLIC:
        return np.ones(len(doors), dtype=np.bool_)
    own: NDArray[np.bool_] = cells.doors.estate[doors] == (estate_id or -1)
    if audience is Audience.ESTATE or neighbourhood is None:
        return own
    near = np.array([cells.neighbourhood[i] == neighbourhood for i in doors.tolist()], dtype=np.bool_)
    return np.logical_or(own, near)
