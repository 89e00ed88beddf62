"""How much of what was once confirmed still holds: the longer ago, the less.

    confidence(days) = 0.5 ** (days / half_life)

What fails by chance, as often in one month as in the next, stays right for such a share (an exponential law
of survival). The half-lives are settings (`aed.settings.Trust`). The curve is drawn in deploy/trust.svg.
"""

from __future__ import annotations

from aed.settings import Arrival


def confidence(days: float | None, *, half_life_days: float) -> float:
    """1 for what was confirmed today, half of it after each half-life, 0 for what nobody ever confirmed.

    `days` since then; less than 0: it was confirmed only after the moment that is asked about.
    """
    if days is None or days < 0:
        return 0.0
    return float(0.5 ** (days / half_life_days))


def chance_ready(confidence_in_readiness: float, numbers: Arrival) -> float:
    """That a device works, from what audits find of any device up to what they find of one just checked."""
    return numbers.chance_ready + (numbers.chance_ready_checked - numbers.chance_ready) * (
        confidence_in_readiness
    )
