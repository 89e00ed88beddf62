"""What a person may walk on, and which barriers are gates: decisions on OpenStreetMap tags.

Sources: the OSM wiki on `highway`, `barrier`, `access` and `foot`.
"""

from __future__ import annotations

from collections.abc import Mapping

_WALKABLE_HIGHWAYS = frozenset(
    {
        "primary",
        "primary_link",
        "secondary",
        "secondary_link",
        "tertiary",
        "tertiary_link",
        "unclassified",
        "residential",
        "living_street",
        "service",
        "road",
        "track",
        "path",
        "footway",
        "pedestrian",
        "steps",
        "corridor",
        "elevator",
        "platform",
        # Made for others, but a runner with a defibrillator takes them; foot=no still shuts them.
        "cycleway",
        "bridleway",
    }
)
# Walked on only where a tag says that people on foot may.
_WALKABLE_BY_PERMISSION = frozenset({"trunk", "trunk_link", "busway"})

_FOOT_REFUSED = frozenset({"no", "private"})
_SIDEWALKS = frozenset({"both", "left", "right", "yes", "separate"})

# Closed, these stop a person on foot.
_GATES = frozenset(
    {
        "gate",
        "sliding_gate",
        "sliding_beam",
        "wicket_gate",
        "hampshire_gate",
        "bump_gate",
        "turnstile",
        "full-height_turnstile",
        "security_control",
        "guard_house",
        "checkpoint",
        "door",
    }
)
# A person walks past the end of these; they are gates only where the map says that they keep people out.
_GATES_FOR_VEHICLES = frozenset({"lift_gate", "swing_gate", "kissing_gate", "entrance", "chain"})


def why_not_walkable(tags: Mapping[str, str]) -> str | None:
    """Why nobody may walk along a way with these tags (a short reason to count by), or None if one may.

    `foot` outranks `access`: a private road with foot=permissive is walked on. Other values than `no` and
    `private` (destination, customers, delivery, agricultural, forestry, permit ...) restrict vehicles or
    purposes, and someone on the way to a patient has the purpose. An estate's inner streets that the map
    calls private and gives no `foot` are left out, since the map does not say that a stranger may be there.
    """
    highway = tags.get("highway", "")
    foot = tags.get("foot")
    if highway not in _WALKABLE_HIGHWAYS and highway not in _WALKABLE_BY_PERMISSION:
        return f"highway={highway}"
    if foot in _FOOT_REFUSED:
        return f"foot={foot}"
    permitted = foot is not None or tags.get("sidewalk") in _SIDEWALKS
    if highway in _WALKABLE_BY_PERMISSION and not permitted:
        return f"highway={highway} without a word on foot"
    if tags.get("motorroad") == "yes" and not permitted:
        return "motorroad=yes"
    if foot is None and tags.get("access") in _FOOT_REFUSED:
        return f"access={tags['access']}"
    return None


def is_gate(tags: Mapping[str, str]) -> bool:
    """Whether a node with these tags can be closed to someone on foot.

    Gates and turnstiles always; what only stops vehicles (lift gates, swing gates, chains) when it is locked
    or private; anything else that is called a barrier (bollards, kerbs, stiles, cattle grids) only when it
    says foot=no or foot=private.
    """
    barrier = tags.get("barrier")
    if barrier is None:
        return False
    if barrier in _GATES:
        return True
    foot = tags.get("foot")
    if foot is not None:
        return foot in _FOOT_REFUSED
    return barrier in _GATES_FOR_VEHICLES and (
        tags.get("locked") == "yes" or tags.get("access") in _FOOT_REFUSED
    )


def access_on_foot(tags: Mapping[str, str]) -> str | None:
    """What the map says about who may pass on foot, or None where it is silent."""
    return tags.get("foot", tags.get("access"))
