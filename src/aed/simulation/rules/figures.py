"""Summarise many outcomes in a few numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np

from aed.simulation.rules.outcome import SimulatedOutcome
from aed.simulation.rules.policies import Strategy
from aed.simulation.rules.world import Flags
from aed.walking.streets import Floats

_SIGMAS_OF_95_PER_CENT: Final = 1.96


class DeviceSharing(StrEnum):
    """Whether strangers may use private devices."""

    OPEN = "open"
    CLOSED = "closed"


class Compared(NamedTuple):
    """A strategy by name, and which devices it may use."""

    way: str
    sharing: DeviceSharing


@dataclass(frozen=True, slots=True, eq=False)
class StrategyOutcomes:
    """Outcomes of one strategy, one entry per incident; the incidents are the same for all strategies."""

    cpr_seconds: Floats
    shock_seconds: Floats
    is_shock_before_ambulance: Flags
    alerts: Floats
    wasted: Floats
    survival: Floats
    """By Larsen's formula."""
    valenzuela: Floats
    is_alone: Flags


def outcomes(found: Sequence[SimulatedOutcome]) -> StrategyOutcomes:
    cpr, shock, is_before, alerts, wasted, survival, valenzuela, is_alone = zip(*found, strict=True)
    return StrategyOutcomes(
        np.array(cpr),
        np.array(shock),
        np.array(is_before, dtype=bool),
        np.array(alerts, dtype=float),
        np.array(wasted, dtype=float),
        np.array(survival),
        np.array(valenzuela),
        np.array(is_alone, dtype=bool),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Simulated:
    """Results of a simulation."""

    by: Mapping[Compared, StrategyOutcomes]
    had_cpr: Flags
    """True if a bystander already did compressions; times to compressions are those of the others."""
    responders: int
    devices: int
    private: int
    """Number of private devices."""

    @property
    def incidents(self) -> int:
        return len(self.had_cpr)


class Difference(NamedTuple):
    """Mean of paired differences, and the half-width of its 95 % confidence interval."""

    mean: float
    within: float


def difference(one: Floats, other: Floats) -> Difference:
    """Return how much larger `one` is than `other`, incident by incident."""
    differences = one - other
    if len(differences) < 2:
        return Difference(float(differences.mean()), math.inf)
    error = float(differences.std(ddof=1)) / math.sqrt(len(differences))
    return Difference(float(differences.mean()), _SIGMAS_OF_95_PER_CENT * error)


class Summary(NamedTuple):
    """One row of the table."""

    cpr_median_seconds: float
    cpr_late_seconds: float
    """The 90th percentile of the time to compressions."""
    shock_median_seconds: float
    shock_late_seconds: float
    share_shock_before_ambulance: float
    alerts: float
    wasted: float
    share_alone: float
    """Share of patients without a bystander's compressions for whom nobody arrives before the ambulance."""
    survival: float
    valenzuela: float
    gains: Difference
    """Gain in survival over the strategy `nearest_on_foot` with the same devices (0 if not compared)."""


def summary(found: Simulated, which: Compared) -> Summary:
    these = found.by[which]
    without_cpr = these.cpr_seconds[~found.had_cpr]
    cpr = np.quantile(without_cpr, [0.5, 0.9]) if len(without_cpr) else np.zeros(2)
    shock = np.quantile(these.shock_seconds, [0.5, 0.9])
    against = found.by.get(Compared(Strategy.WALK, which.sharing), these)
    alone = these.is_alone[~found.had_cpr]
    return Summary(
        cpr_median_seconds=float(cpr[0]),
        cpr_late_seconds=float(cpr[1]),
        shock_median_seconds=float(shock[0]),
        shock_late_seconds=float(shock[1]),
        share_shock_before_ambulance=float(these.is_shock_before_ambulance.mean()),
        alerts=float(these.alerts.mean()),
        wasted=float(these.wasted.mean()),
        share_alone=float(alone.mean()) if len(alone) else 0.0,
        survival=float(these.survival.mean()),
        valenzuela=float(these.valenzuela.mean()),
        gains=difference(these.survival, against.survival),
    )


def gained_by_opening(found: Simulated, way: str) -> Difference:
    """Return the gain in survival if private devices are open to strangers."""
    return difference(
        found.by[Compared(way, DeviceSharing.OPEN)].survival,
        found.by[Compared(way, DeviceSharing.CLOSED)].survival,
    )
