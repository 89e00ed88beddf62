"""Write a simulation as JSON: the figures of each strategy, and the values of each incident."""

from __future__ import annotations

from dataclasses import asdict

import orjson

from aed.simulation.rules.assumptions import Assumptions
from aed.simulation.rules.figures import Compared, Sharing, Simulated, gained_by_opening, summary


def raw(found: Simulated, assumptions: Assumptions, *, seed: int) -> bytes:
    """Return one object; lists are in the order of the incidents, times in seconds from the alert."""
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
                    "way": str(which.way),
                    "private_devices": which.sharing.value,
                    "summary": summary(found, which)._asdict()
                    | {"gains": summary(found, which).gains._asdict()},
                    "gained_by_opening": _gained(found, which.way),
                    "cpr_seconds": these.cpr_seconds.round(1),
                    "shock_seconds": these.shock_seconds.round(1),
                    "is_shock_before_ambulance": these.is_shock_before_ambulance,
                    "alerts": these.alerts.astype(int),
                    "wasted": these.wasted.astype(int),
                    "survival": these.survival.round(3),
                    "valenzuela": these.valenzuela.round(3),
                    "is_alone": these.is_alone,
                }
                for which, these in found.by.items()
            ],
        },
        option=orjson.OPT_SERIALIZE_NUMPY,
    )


def _gained(found: Simulated, way: str) -> dict[str, float] | None:
    if Compared(way, Sharing.CLOSED) not in found.by:
        return None
    return gained_by_opening(found, way)._asdict()
