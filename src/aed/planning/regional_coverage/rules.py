"""The arithmetic of a region's coverage."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

type Floats = NDArray[np.float64]


def share_within(seconds: Floats, climbs: Floats, limit_seconds: float) -> Floats:
    """Return the share of a building's floors from which an AED is fetched in time, in each band.

    `seconds` (bands,) is there and back from the ground floor, `climbs` (floors,) one way between each floor
    and the ground. Residents live on all floors alike.
    """
    found: Floats = ((seconds[:, None] + 2 * climbs[None, :]) <= limit_seconds).mean(axis=1)
    return found
