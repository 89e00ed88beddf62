"""The thresholds as they are set."""

from __future__ import annotations

from aed.imports.rules.thresholds import Thresholds
from aed.settings import Settings


def thresholds_in(settings: Settings) -> Thresholds:
    return Thresholds(
        same_device_score=settings.same_device_score,
        maybe_same_score=settings.maybe_same_score,
        shrink_share=settings.shrink_share,
    )
