"""Decide, from OpenStreetMap tags, which ways are walkable and which barriers are gates.

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
        # Not made for walking, but usable in an emergency; foot=no still excludes them.
        "cycleway",
        "bridleway",
    }
)
# Walkable only if a tag permits it.
_WALKABLE_BY_PERMISSION = frozenset({"trunk", "trunk_link", "busway"})

_FOOT_REFUSED = frozenset({"no", "private"})
_SIDEWALKS = frozenset({"both", "left", "right", "yes", "separate"})

# Barriers that stop a person on foot when closed.
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
# People can walk around these; they are gates only if the map says that they keep people out.
_GATES_FOR_VEHICLES = frozenset({"lift_gate", "swing_gate", "kissing_gate", "entrance", "chain"})


def not_walkable_reason(tags: Mapping[str, str]) -> str | None:
    """Return why a way with these tags is not walkable, as a short reason for statistics; None if it is.

    `foot` overrides `access`: a private road with foot=permissive is walkable. Values other than `no` and
    `private` (destination, customers, delivery, agricultural, forestry, permit ...) restrict vehicles or
    purposes, which does not exclude a person on the way to a patient. Private streets inside an estate
    without `foot` are not walkable, since the map does not permit strangers there.
    """
    highway = tags.get("highway", "")
    foot = tags.get("foot")
    if highway not in _WALKABLE_HIGHWAYS and highway not in _WALKABLE_BY_PERMISSION:
        return f"highway={highway}"
    if foot in _FOOT_REFUSED:
        return f"foot={foot}"
    permitted = foot is not None or tags.get("sidewalk") in _SIDEWALKS
    if highway in _WALKABLE_BY_PERMISSION and not permitted:
        return f"highway={highway} without foot=*"
    if tags.get("motorroad") == "yes" and not permitted:
        return "motorroad=yes"
    if foot is None and tags.get("access") in _FOOT_REFUSED:
        return f"access={tags['access']}"
    return None


def is_gate(tags: Mapping[str, str]) -> bool:
    """Return whether a node with these tags is a gate that can be closed to people on foot.

    Gates and turnstiles always are. Barriers to vehicles (lift gates, swing gates, chains) are if locked or
    private. All others (bollards, kerbs, stiles, cattle grids) are only if foot=no or foot=private.
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
    """Return the access on foot according to the map (`foot`, else `access`), or None if there is no tag."""
    return tags.get("foot", tags.get("access"))
