"""Answer a lookup: search for devices and responders and assemble the result."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from aed.accounts.permissions import Viewer
from aed.cells.rules import Cell
from aed.lookup.arrival import Basis
from aed.lookup.candidates import Candidates, NearbyDevice, QuarantinedDevice, quarantined_near
from aed.lookup.question import LookupQuestion
from aed.lookup.ranking import Ranking
from aed.lookup.responders import NearbyResponder, nearest_responders
from aed.lookup.walks import WalksFromPatient
from aed.registry import nearby as nearby_queries
from aed.settings import Settings
from aed.walking.network import WalkingNetwork

MAX_CANDIDATES: Final = 5_000
"""Maximum number of candidates; if it is reached, the answer may be incomplete and says so."""
EXTRA_CANDIDATES: Final = 4
"""Number of extra candidates in the first fetch, since some will be unusable."""


@dataclass(frozen=True, slots=True)
class LookupAnswer:
    """The result of one lookup."""

    question: LookupQuestion
    basis: Basis
    emergency_number: str
    devices: list[NearbyDevice]
    """Devices usable now: those in time first, then those too far, each soonest first."""
    unusable: list[NearbyDevice]
    """Devices sooner than the last of `devices`, but closed or not ready."""
    quarantined: list[QuarantinedDevice]
    """Nearby devices out of service, nearest first."""
    responders: list[NearbyResponder] | None
    """None if the viewer may not see responders or did not ask for any."""
    is_complete: bool
    neighbour_reach_metres: float = 0.0
    """Distance within which a device of another cell could be in the answer, if it is to be merged."""
    missing_cells: Sequence[Cell] = ()
    """Neighbouring cells whose devices are missing, because they did not answer."""

    @property
    def in_time(self) -> list[NearbyDevice]:
        """Devices that can be at the patient in time, fetched or brought, whichever is sooner."""
        found = [near for near in self.devices if not near.is_too_far]
        return sorted(found, key=lambda near: near.soonest_expected_seconds)

    @property
    def too_far(self) -> list[NearbyDevice]:
        """Usable devices that are too far to be fetched or brought in time."""
        return [near for near in self.devices if near.is_too_far]

    @property
    def last_resort(self) -> list[NearbyDevice]:
        """Devices whose expired pads are the only reason not to use them."""
        return [near for near in self.unusable if near.is_last_resort]


def answer_lookup(
    connection: Connection,
    viewer: Viewer,
    question: LookupQuestion,
    *,
    network: WalkingNetwork | None,
    settings: Settings,
) -> LookupAnswer:
    """Find the devices that can be at the patient soonest by expected time.

    The answer is the same as if the walk to every device had been computed: see docs/decide/exactness.md.

    1. Fetch devices that the viewer may see, ring by ring outwards.
    2. Walk from the patient, with the gates as they are for this viewer at the moment.
    3. Rank by expected time; walk farther until all walks that the answer shows are measured.
    4. Stop once no farther device could beat the last one kept.
    5. Add devices that are out of service and, for a dispatcher, responders.
    """
    candidates = Candidates(connection, viewer, question, settings)
    walks = _walks_from(connection, viewer, question, network, settings)
    ranking = Ranking(candidates, walks, question, settings)
    # Rank by walk and rank by straight line differ, so that more candidates are needed on a network.
    about = question.limit + EXTRA_CANDIDATES if network is None else 3 * question.limit
    to_metres = math.inf
    while True:
        candidates.widen(about=about, to_metres=to_metres)
        reach_metres = ranking.first_reach_metres()
        if walks is None or reach_metres is None:
            ranked = ranking.rank()
        else:
            walks.local = walks.local or candidates.local_time()
        while walks is not None and reach_metres is not None:
            walks.look_for_gates(reach_metres)
            walks.widen(reach_metres)
            ranked = ranking.rank()
            reach_metres = ranking.next_reach_metres(ranked)
        to_metres = min(settings.search_radius_metres, ranking.max_useful_metres(ranked))
        is_complete = candidates.complete_within_metres >= to_metres
        if is_complete or len(candidates.rows) >= MAX_CANDIDATES:
            break
        about = min(MAX_CANDIDATES, 4 * max(about, len(candidates.rows)))
    candidates.remember(to_metres)
    neighbour_reach_metres = ranking.neighbour_reach_metres(ranked) if question.is_for_merge else 0.0
    devices = [near for near in ranked if near.is_usable][: question.limit]
    unusable = ranking.unusable(ranked)
    ranking.describe([*devices, *unusable])
    if viewer.is_signed_in:
        for near in (*devices, *unusable):
            near.row = nearby_queries.with_keepers_phone(connection, viewer, near.row)
    shows_responders = viewer.sees_responders and question.responders > 0
    return LookupAnswer(
        question=question,
        basis=ranking.basis,
        emergency_number=candidates.emergency_number(),
        devices=devices,
        unusable=unusable,
        quarantined=[] if question.is_for_plan else quarantined_near(connection, viewer, question, settings),
        responders=nearest_responders(connection, viewer, question, walks, settings=settings)
        if shows_responders
        else None,
        is_complete=is_complete,
        neighbour_reach_metres=neighbour_reach_metres,
    )


def _walks_from(
    connection: Connection,
    viewer: Viewer,
    question: LookupQuestion,
    network: WalkingNetwork | None,
    settings: Settings,
) -> WalksFromPatient | None:
    """Return walks from the patient's place; None without a network or without a street nearby."""
    start = network.start_at(question.here) if network is not None else None
    if network is None or start is None:
        return None
    return WalksFromPatient(
        connection, viewer, network, question.here, start, at=question.at, numbers=settings.arrival
    )
