"""The parts of a week in words."""

from __future__ import annotations

from typing import Final

from aed.planning.bands import Band
from aed.web.words import noop

BAND_NAMES: Final = {
    Band.DAY: noop("Day, Monday to Friday 8–20"),
    Band.EVENING: noop("Evening, Monday to Friday 20–23"),
    Band.NIGHT: noop("Night, 23–8"),
    Band.WEEKEND: noop("Weekend, 8–23"),
}
