"""Match the entries of a list with registered devices."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.orm import Session

from aed.geo import Position
from aed.imports.devices import queries, reviews
from aed.imports.devices.likeness import FAR_METRES, ComparedEntry, DeviceLikeness, likeness
from aed.imports.devices.queries import Identity, RegisteredDevice
from aed.imports.devices.rules import Decision, ReviewKind, Thresholds, metres_apart

CLEARLY: Final = 0.05
"""The best match must be better than any other by this much to be sure."""


@dataclass(frozen=True, slots=True)
class Match:
    """A registered device that an entry may refer to."""

    device_id: int
    likeness: DeviceLikeness
    is_sure: bool
    """If true, the entry is linked to this device; otherwise a person decides."""
    by: str | None = None
    """The person who said so; None: the score did."""


def match_entries(
    session: Session,
    entries: Mapping[Identity, Mapping[str, Any]],
    *,
    thresholds: Thresholds,
    up_to_id: int,
    different: Collection[tuple[str, str, int]] = (),
) -> dict[Identity, Match]:
    """Return the best match of each entry that has one; `entries` are claims by identity.

    Only devices up to `last_device_id` are considered. `different`: pairs that a person has just called
    different, as (source, source_id, device id).

    A match is not sure, so a person decides, if two devices are nearly equally like an entry, or two entries
    of a list like a device. Pairs that a person has called different are not considered again.
    """
    near = _near(session, entries, up_to_id)
    devices = queries.registered_devices(session, {device_id for _, device_id in near})
    decided = set(different) | {
        (review.source, review.source_id, review.device_id)
        for review in reviews.reviews_of_records(session, entries, ReviewKind.DUPLICATE)
        if review.decision is Decision.DIFFERENT
    }
    scored = []
    for identity, device_id in near:
        if (*identity, device_id) in decided:
            continue
        found = _likeness(entries[identity], devices[device_id])
        if found is not None and found.score >= thresholds.maybe_same_score:
            scored.append((found, identity, device_id))
    best: dict[Identity, Match] = {}
    of_entry: dict[Identity, list[float]] = {}
    of_device: dict[tuple[str, int], list[float]] = {}
    for found, identity, device_id in scored:
        of_entry.setdefault(identity, []).append(found.score)
        of_device.setdefault((identity[0], device_id), []).append(found.score)
    for found, identity, device_id in sorted(scored, key=lambda each: (-each[0].score, each[1], each[2])):
        if identity not in best:
            rivals = (of_entry[identity], of_device[identity[0], device_id])
            is_clear = all(_is_clearly_best(found.score, scores) for scores in rivals)
            is_sure = is_clear and found.score >= thresholds.same_device_score
            best[identity] = Match(device_id, found, is_sure)
    return best


def _is_clearly_best(score: float, scores: Sequence[float]) -> bool:
    """Return whether the score exceeds all others by `CLEARLY`; `scores` includes it."""
    return sum(other > score - CLEARLY for other in scores) == 1


def _near(
    session: Session, entries: Mapping[Identity, Mapping[str, Any]], up_to_id: int
) -> list[tuple[Identity, int]]:
    found: list[tuple[Identity, int]] = []
    for source, identities in _by_source(entries).items():
        places = [_place(entries[identity]) for identity in identities]
        near = queries.devices_near(
            session, places, within_metres=FAR_METRES, not_of=source, up_to_id=up_to_id
        )
        found += [(identities[number], device_id) for number, device_id in near]
    return found


def _by_source(entries: Iterable[Identity]) -> dict[str, Sequence[Identity]]:
    found: dict[str, list[Identity]] = {}
    for identity in entries:
        found.setdefault(identity[0], []).append(identity)
    return {**found}


def _place(claims: Mapping[str, Any]) -> Position:
    return Position(claims["position"]["lat"], claims["position"]["lon"])


def _likeness(claims: Mapping[str, Any], device: RegisteredDevice) -> DeviceLikeness | None:
    return likeness_to(claims, device) if _metres(claims, device) <= FAR_METRES else None


def likeness_to(claims: Mapping[str, Any], device: RegisteredDevice) -> DeviceLikeness:
    """Return how like a device an entry is, however far apart they are."""
    return likeness(compared_entry(claims), _entry_of_device(device), metres=_metres(claims, device))


def _metres(claims: Mapping[str, Any], device: RegisteredDevice) -> float:
    return metres_apart(claims["position"], {"lat": device.lat, "lon": device.lon})


def compared_entry(claims: Mapping[str, Any]) -> ComparedEntry:
    """Return the claims by which two records are compared."""
    keeper = claims.get("keeper", {})
    return ComparedEntry(
        place_en=claims.get("place_en"),
        place_zh=claims.get("place_zh"),
        floor=claims.get("floor"),
        opening_hours=claims.get("opening_hours", {}).get("opening_hours"),
        maker=claims.get("maker"),
        model=claims.get("model"),
        serial=claims.get("serial"),
        phone=keeper.get("keeper_phone"),
    )


def _entry_of_device(device: RegisteredDevice) -> ComparedEntry:
    return ComparedEntry(
        place_en=device.place_en,
        place_zh=device.place_zh,
        floor=device.floor,
        opening_hours=device.opening_hours,
        maker=device.maker,
        model=device.model,
        serial=device.serial,
        phone=device.keeper_phone,
    )
