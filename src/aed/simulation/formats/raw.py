"""All that a simulation found, as JSON: the figures of each way of choosing, and each incident's numbers."""

from __future__ import annotations

from dataclasses import asdict

import orjson

from aed.simulation.rules.assumptions import Assumptions
from aed.simulation.rules.figures import Simulated, gained_by_opening, summary


def raw(found: Simulated, assumptions: Assumptions, *, seed: int) -> bytes:
    """One object; the lists are in the order of the incidents, times in seconds from the alert."""
    return orjson.dumps(
        {
            "seed": seed,
            "incidents": found.incidents,
            "responders": found.responders,
            "devices": found.devices,
            "private_devices": found.private,
            "assumptions": asdict(assumptions),
            "had_cpr": found.had_cpr,
            "results": [
                {
                    "way": which.way.value,
                    "private_devices": which.sharing.value,
                    "summary": summary(found, which)._asdict()
                    | {"gains": summary(found, which).gains._asdict()},
                    "gained_by_opening": gained_by_opening(found, which.way)._asdict(),
                    "cpr_seconds": these.cpr_seconds.round(1),
                    "shock_seconds": these.shock_seconds.round(1),
                    "is_shock_before_ambulance": these.is_shock_before_ambulance,
                    "alerts": these.alerts.astype(int),
                    "wasted": these.wasted.astype(int),
                    "survival": these.survival.round(3),
                }
                for which, these in found.by.items()
            ],
        },
        option=orjson.OPT_SERIALIZE_NUMPY,
    )
