"""The placement problem as maximum coverage: options that cover weighted rows, within a budget.

A *row* is one demand cell in one time band (and, for survivors, one level of delay): it has a weight, and is
covered if at least one chosen option reaches it in time. All three objectives have this form, so one solver
serves them:

* people covered: weight = people there in that band; in time = there and back within X minutes;
* devices before the ambulance: weight = arrests a year; in time = before the ambulance at that cell;
* survivors: one row per step of delay; weight = arrests times what that step is worth.

Church and ReVelle 1974, Papers of the Regional Science Association 32:101, is the source of the form.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from aed.errors import InvalidInput

type Floats = NDArray[np.float64]
type Bools = NDArray[np.bool_]

DELAY_STEP_SECONDS: Final = 30.0
"""Delays are rounded up to this for survivors, so that a plan is never worth more than it says."""


class Action(StrEnum):
    BUY = "buy"
    """A new device at a new site."""
    OPEN = "open"
    """An existing device, to more people or at more hours."""
    MOVE = "move"
    """An existing device, to another place."""
    KEEP = "keep"
    """A device that could be moved, left where it is."""


class Lock(StrEnum):
    IN = "in"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class Option:
    """One thing that can be done. Options of one `site` exclude each other."""

    key: str
    site: str
    action: Action
    cost: float
    """Over the whole horizon, in the user's currency."""
    bands: tuple[bool, ...]
    """The time bands in which the device is then available."""
    estate: str | None = None
    lock: Lock | None = None


@dataclass(frozen=True, slots=True)
class Demand:
    """Weighted cells, and the delay in which a device counts at each."""

    weights: Floats
    """(cells, bands): people, or arrests a year."""
    levels: tuple[tuple[Floats, Floats], ...]
    """Pairs of (cells,) arrays: the longest delay in seconds, and what one unit of weight is worth
    within it."""


def within_seconds(weights: Floats, limit_seconds: Floats | float) -> Demand:
    """Return demand that is worth its weight if a device comes within `limit_seconds` (of each cell)."""
    cells = len(weights)
    limits = np.broadcast_to(np.asarray(limit_seconds, dtype=np.float64), (cells,))
    return Demand(weights, ((limits, np.ones(cells)),))


def by_survival(
    weights: Floats,
    ambulance_seconds: Floats,
    survival: Callable[[Floats, Floats], Floats],
) -> Demand:
    """Return demand whose worth falls with the delay, in steps of `DELAY_STEP_SECONDS`.

    `survival` maps the seconds until the device is there and until the ambulance is there to a share.
    """
    last = float(ambulance_seconds.max(initial=0.0))
    steps = np.arange(DELAY_STEP_SECONDS, last + DELAY_STEP_SECONDS, DELAY_STEP_SECONDS)
    levels: list[tuple[Floats, Floats]] = []
    for step in steps.tolist():
        delay, later = (np.minimum(each, ambulance_seconds) for each in (step, step + DELAY_STEP_SECONDS))
        worth = survival(delay, ambulance_seconds) - survival(later, ambulance_seconds)
        levels.append((np.where(worth > 0, delay, -1.0), np.maximum(worth, 0.0)))
    return Demand(weights, tuple(levels))


@dataclass(frozen=True, slots=True)
class Floor:
    """The floor of equity: every building must be reached by a device."""

    seconds: Sequence[csr_array]
    """(options, buildings) in each band: there and back; absent where out of reach."""
    existing: Bools
    """(buildings, bands): served already."""
    limit_seconds: float
    bands: tuple[bool, ...]
    """The bands in which the floor holds."""


@dataclass(frozen=True, slots=True)
class Limits:
    budget: float
    max_per_estate: int | None = None
    max_options: int | None = None
    """Most devices that may be bought, opened or moved."""


@dataclass(frozen=True, slots=True)
class CoverProblem:
    """Rows to cover, the options that cover them, and the limits of choosing."""

    options: tuple[Option, ...]
    covers: csr_array
    """(rows, options), 1 where the option covers the row. Rows that are covered already are left out."""
    weights: Floats
    """(rows,)."""
    base: float
    """Weight that is covered if nothing is done, by what cannot be moved."""
    total: float
    """Weight of all rows."""
    limits: Limits
    floor: csr_array | None = None
    """(buildings, options): each building needs at least one of these."""
    out_of_reach: int = 0
    """Buildings of the floor that neither a device nor an option can reach; they are left out of it."""

    def value(self, chosen: NDArray[np.integer] | Sequence[int]) -> float:
        """Return the weight that is covered with the chosen options."""
        mask = np.zeros(len(self.options))
        mask[np.asarray(chosen, dtype=np.intp)] = 1
        return self.base + float(self.weights[(self.covers @ mask) > 0].sum())


def cover_problem(
    options: Sequence[Option],
    seconds: Sequence[csr_array],
    demand: Demand,
    *,
    existing: Floats,
    limits: Limits,
    floor: Floor | None = None,
) -> CoverProblem:
    """Build the problem.

    `seconds` is (options, cells) in each band, there and back, absent where out of reach (gates may be closed
    at night); `existing` is (cells, bands),
    the delay of the best fixed device in each band, infinite without one. Raises InvalidInput for sizes that
    do not fit and for numbers that are not.
    """
    cells, bands = demand.weights.shape
    available = _checked(options, seconds, demand, existing, limits)
    reaches = [each.tocoo() for each in seconds]
    parts: list[tuple[NDArray[np.intp], NDArray[np.intp]]] = []
    weights: list[Floats] = []
    base = 0.0
    for number, (limit, worth) in enumerate(demand.levels):
        for band, reach in enumerate(reaches):
            in_time = reach.data <= limit[reach.col]
            first = (number * bands + band) * cells
            row_weights = demand.weights[:, band] * worth
            done = existing[:, band] <= limit
            base += float(row_weights[done].sum())
            use = in_time & available[reach.row, band] & ~done[reach.col] & (row_weights[reach.col] > 0)
            parts.append((first + reach.col[use].astype(np.intp), reach.row[use].astype(np.intp)))
            weights.append(row_weights)
    rows = np.concatenate([part[0] for part in parts]) if parts else np.zeros(0, dtype=np.intp)
    columns = np.concatenate([part[1] for part in parts]) if parts else np.zeros(0, dtype=np.intp)
    all_weights = np.concatenate(weights) if weights else np.zeros(0)
    covers, merged = _merged(rows, columns, all_weights, len(options))
    served, out_of_reach = (None, 0) if floor is None else _served(floor, available)
    return CoverProblem(
        options=tuple(options),
        covers=covers,
        weights=merged,
        base=base,
        total=float(all_weights.sum()),
        limits=limits,
        floor=served,
        out_of_reach=out_of_reach,
    )


def _merged(
    rows: NDArray[np.intp], columns: NDArray[np.intp], weights: Floats, options: int
) -> tuple[csr_array, Floats]:
    """Merge rows that the same options cover: the solver sees far fewer, and the answer is the same."""
    used, numbers = np.unique(rows, return_inverse=True)
    matrix = csr_array((np.ones(len(rows)), (numbers, columns)), shape=(len(used), options))
    matrix.sort_indices()
    first: dict[bytes, int] = {}
    group = np.empty(len(used), dtype=np.intp)
    keep: list[int] = []
    for row in range(len(used)):
        key = matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]].tobytes()
        if key not in first:
            first[key] = len(keep)
            keep.append(row)
        group[row] = first[key]
    return matrix[keep], np.bincount(group, weights=weights[used], minlength=len(keep)).astype(np.float64)


def _served(floor: Floor, available: Bools) -> tuple[csr_array, int]:
    options, buildings = floor.seconds[0].shape
    found: list[csr_array] = []
    out_of_reach = np.zeros(buildings, dtype=np.bool_)
    for band, holds in enumerate(floor.bands):
        if not holds:
            continue
        reach = floor.seconds[band].tocoo()
        use = (reach.data <= floor.limit_seconds) & available[reach.row, band]
        matrix = csr_array(
            (np.ones(int(use.sum())), (reach.col[use], reach.row[use])),
            shape=(buildings, options),
        )
        missing = ~floor.existing[:, band]
        reachable = np.diff(matrix.indptr) > 0
        out_of_reach |= missing & ~reachable
        found.append(matrix[np.flatnonzero(missing & reachable)])
    rows = [row for matrix in found for row in _rows(matrix)]
    unique = sorted(set(rows))
    indptr = np.cumsum([0, *(len(row) for row in unique)])
    indices = np.array([column for row in unique for column in row], dtype=np.int32)
    return (
        csr_array((np.ones(len(indices)), indices, indptr), shape=(len(unique), options)),
        int(out_of_reach.sum()),
    )


def _rows(matrix: csr_array) -> list[tuple[int, ...]]:
    matrix.sort_indices()
    return [
        tuple(matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]].tolist())
        for row in range(matrix.shape[0])
    ]


def _checked(
    options: Sequence[Option], seconds: Sequence[csr_array], demand: Demand, existing: Floats, limits: Limits
) -> Bools:
    """Return (options, bands), where each option is available."""
    cells, bands = demand.weights.shape
    fits = len(seconds) == bands and all(each.shape == (len(options), cells) for each in seconds)
    if not fits or existing.shape != (cells, bands):
        raise InvalidInput("The distances do not fit the options and the demand.", field="seconds")
    if not (np.isfinite(demand.weights).all() and (demand.weights >= 0).all()):
        raise InvalidInput("The demand must be numbers, 0 or more.", field="demand")
    if not limits.budget >= 0:
        raise InvalidInput("The budget must be a number, 0 or more.", field="budget")
    for option in options:
        if not (np.isfinite(option.cost) and option.cost >= 0):
            raise InvalidInput("The cost of {key} must be a number, 0 or more.", field="cost", key=option.key)
        if len(option.bands) != bands:
            raise InvalidInput("{key} must say each of {bands} time bands.", key=option.key, bands=bands)
    return np.array([option.bands for option in options], dtype=np.bool_).reshape(len(options), bands)
