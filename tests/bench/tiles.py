"""Vector tiles of dense cities over HTTP, requested without a cached version."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence

from aed.geo import Position
from aed.web.basemap import RINGS_FROM_ZOOM
from tests.bench.client import request
from tests.bench.ratio import Ratio
from tests.bench.rounds import by_turns
from tests.bench.server import serving

MAX_MILLISECONDS = 100.0
ZOOMS = range(5, 18)
"""Pages request tiles to zoom 17, and where there are many devices from RINGS_FROM_ZOOM."""
CITIES = 8


def target(zoom: int, place: Position) -> str:
    """Return the path of the tile that contains the position."""
    across = (place.lon + 180.0) / 360.0
    down = 0.5 - math.asinh(math.tan(math.radians(place.lat))) / (2 * math.pi)
    return f"/tiles/{zoom}/{int(across * 2**zoom)}/{int(down * 2**zoom)}.mvt"


def tiles(environment: Mapping[str, str], centres: Sequence[Position], what: str) -> Iterator[Ratio]:
    """Compare the slowest zoom level that pages request with the limit; report every level."""
    middles: dict[int, float] = {}
    with serving(environment) as server, contextlib.closing(server.line()) as line:
        for zoom in ZOOMS:
            messages = [request(target(zoom, centre)) for centre in centres[:CITIES]]
            asked = by_turns({"tile": (line.exchange, messages)}, rounds=3, a_round=CITIES, warm_up=2)["tile"]
            middles[zoom] = asked.percentile(0.5) / 1000
    slowest = max(middle for zoom, middle in middles.items() if zoom >= RINGS_FROM_ZOOM)
    timings = ", ".join(f"zoom {zoom} {middle:.1f} ms" for zoom, middle in middles.items())
    what = f"tile of a dense city, {what} : {MAX_MILLISECONDS:.0f} ms"
    yield Ratio(what, slowest / MAX_MILLISECONDS, 1.0, timings)
