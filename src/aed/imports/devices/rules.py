"""Rules for merging lists: the claims of each source, which claim wins, and what a person must decide."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import orjson

from aed.geo import Datum, flat_distance_metres, to_wgs84
from aed.registry.devices.origins import BY_HAND, Origins
from aed.registry.devices.rules import DeviceState
from aed.settings import Settings

type Claims = Mapping[str, Any]
"""{attribute: claimed value}, without attributes that are not given.

Most values are scalars; `position`, `belongs_to`, `opening_hours`, `keeper` and `state` consist of several
fields and stay dicts.
"""

SAME_PLACE_METRES: Final = 30.0
"""Sources agree about the position up to this distance."""
SAME_WORDS: Final = 0.6
"""Descriptions with at least this share of letter pairs in common agree."""

_DESCRIPTIONS: Final = frozenset(("place_en", "place_zh", "access_instructions_en", "access_instructions_zh"))
_PLAIN: Final = (
    "place_en",
    "place_zh",
    "floor",
    "entry",
    "access_instructions_en",
    "access_instructions_zh",
    "cabinet",
    "maker",
    "model",
    "serial",
    "registration_number",
    "udi_di",
    "manufactured_on",
    "end_of_life_on",
    "audience",
    "last_checked_on",
    "pads_expire_on",
    "child_pads_expire_on",
    "battery_expires_on",
    "cartridge_expires_on",
)
_TOGETHER: Final[Mapping[str, tuple[str, ...]]] = {
    "opening_hours": ("opening_hours", "opening_hours_raw"),
    "keeper": ("keeper_name", "keeper_phone"),
    "state": ("state", "out_of_service_reason"),
}
_UNSAID: Final[Mapping[str, Any]] = {"floor": 0, "cabinet": "unknown", "entry": "unknown"}
"""Values that lists also give if they do not know."""


def digest_of(fields: Mapping[str, Any]) -> str:
    """Return a SHA-256 in hexadecimal of the fields, independent of their order."""
    return hashlib.sha256(orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)).hexdigest()


def claims_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the claims of a record from the given fields of its row."""
    claims: dict[str, Any] = {name: fields[name] for name in _PLAIN if fields.get(name) is not None}
    datum = Datum(fields.get("datum") or Datum.WGS84)
    here = to_wgs84(fields["lat"], fields["lon"], datum)
    claims["position"] = {
        "lat": here.lat,
        "lon": here.lon,
        "given": [fields["lat"], fields["lon"], str(datum)],
    }
    for attribute, parts in _TOGETHER.items():
        parts_given = {part: fields[part] for part in parts if fields.get(part) is not None}
        if parts_given:
            claims[attribute] = parts_given
    if "opening_hours" in claims:  # given, both are replaced
        claims["opening_hours"] = {part: fields.get(part) for part in _TOGETHER["opening_hours"]}
    if fields.get("estate") is not None:
        claims["belongs_to"] = {"estate": fields["estate"], "estate_source": fields.get("estate_source")}
    elif fields.get("region") is not None:
        claims["belongs_to"] = {"region": fields["region"]}
    return claims


def is_weak_claim(attribute: str, value: Any) -> bool:
    """Return whether the claim means "unknown": it yields to any other claim of the same rank."""
    if attribute == "opening_hours":
        return value.get("opening_hours") is None
    if attribute == "belongs_to":
        return value.get("region") is not None
    return attribute in _UNSAID and value == _UNSAID[attribute]


def claims_agree(attribute: str, one: Any, other: Any) -> bool:
    """Return whether two claims agree in substance."""
    if one == other:
        return True
    if one is None or other is None:
        return False
    match attribute:
        case "position":
            return metres_apart(one, other) <= SAME_PLACE_METRES
        case "opening_hours":
            mine, theirs = one.get("opening_hours"), other.get("opening_hours")
            if mine is not None or theirs is not None:
                return bool(mine == theirs)
            return _said_alike(one.get("opening_hours_raw") or "", other.get("opening_hours_raw") or "")
        case "keeper":
            return _agree_on_keeper(one, other)
        case "state":
            return bool(one.get("state") == other.get("state"))
        case "belongs_to":
            return False
        case "last_checked_on":
            return True  # both may have happened; the latest check counts
    if attribute in _DESCRIPTIONS:
        return _said_alike(one, other)
    if isinstance(one, str) and isinstance(other, str):
        return plain_words(one) == plain_words(other)
    return bool(one == other)


def _agree_on_keeper(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    mine, theirs = digits(one.get("keeper_phone", "")), digits(other.get("keeper_phone", ""))
    if mine and theirs:
        return mine[-8:] == theirs[-8:]
    return plain_words(one.get("keeper_name", "")) == plain_words(other.get("keeper_name", ""))


def _said_alike(one: str, other: str) -> bool:
    first, second = plain_words(one), plain_words(other)
    return first in second or second in first or similarity(first, second) >= SAME_WORDS


def metres_apart(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Return the approximate distance of two positions {lat, lon}."""
    return flat_distance_metres(one["lat"], one["lon"], other["lat"], other["lon"])


def plain_words(text: str) -> str:
    """Normalise width, case, accents, punctuation and spaces."""
    folded = unicodedata.normalize("NFKD", text).casefold()
    return "".join(character for character in folded if character.isalnum())


def digits(text: str) -> str:
    return "".join(character for character in text if character.isdecimal())


def similarity(one: str, other: str) -> float:
    """Return the Dice similarity of two texts by letter pairs, 0 to 1; works for any script."""
    if one == other:
        return 1.0
    pairs, others = _pairs(one), _pairs(other)
    if not pairs or not others:
        return 0.0
    return 2.0 * len(pairs & others) / (len(pairs) + len(others))


def _pairs(text: str) -> set[str]:
    return {text[i : i + 2] for i in range(len(text) - 1)}


HAND_RANK: Final = 100
"""The rank of amendments by hand: above every list."""
DEFAULT_RANK: Final = 50
type Ranks = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class SourceClaim:
    """A source's value of one attribute; None if a person has emptied it."""

    source: str
    source_id: str
    value: Any


@dataclass(frozen=True, slots=True)
class ClaimConflict:
    """Two sources of equal rank disagree about an attribute; the present value stays."""

    attribute: str
    present: SourceClaim
    offered: SourceClaim


@dataclass(frozen=True, slots=True)
class DecidedConflict:
    """A person's decision between two claims."""

    attribute: str
    right: SourceClaim
    wrong: SourceClaim


@dataclass(frozen=True, slots=True)
class MergedClaims:
    """The winning claim of each attribute, and the conflicts that a person must decide."""

    holds: Mapping[str, SourceClaim]
    conflicts: tuple[ClaimConflict, ...]


@dataclass(frozen=True, slots=True)
class ListedRecord:
    """A source's current record of the device."""

    source: str
    source_id: str
    claims: Claims


def merge(
    listed: Sequence[ListedRecord],
    *,
    present: Claims,
    origins: Origins,
    gone: frozenset[str],
    ranks: Ranks,
    settled: Sequence[DecidedConflict] = (),
) -> MergedClaims:
    """Decide, for each attribute, which claim wins.

    `listed` are the current records of all sources. `present` are the current values, and `origins` their
    sources; `gone` are sources that no longer list the device. A current value from a gone source counts only
    if no other source has a value.

    1. A value edited by hand is a claim by hand. A current value that its source no longer gives (an empty
       cell) remains a claim of that source.
    2. A claim is dropped if a person has decided against it, in favour of another claim that is still made.
    3. Only claims of the highest rank remain; among them, weak claims ("unknown") yield to others.
    4. If the remaining claims agree, the first by source name wins; for dates of checks, the latest wins.
    5. Otherwise the current source wins, with its newest value, and the others are conflicts. A claim that
       the device is out of service is a conflict even at a lower rank, so that it is never ignored silently.
    """
    holds: dict[str, SourceClaim] = {}
    conflicts: list[ClaimConflict] = []
    for attribute in sorted({name for each in listed for name in each.claims}):
        claims = _not_overruled(
            attribute,
            _all_claims(attribute, listed, present=present, origins=origins, gone=gone),
            settled,
        )
        rank = max(rank_of(claim.source, ranks) for claim in claims)
        best = [claim for claim in claims if rank_of(claim.source, ranks) == rank]
        sure = [claim for claim in best if claim.value is None or not is_weak_claim(attribute, claim.value)]
        left = sure or best
        chosen = _chosen(attribute, left, current_source=origins.of(attribute).source)
        holds[attribute] = chosen
        alarms = [claim for claim in claims if _is_alarm(attribute, claim) and claim not in left]
        conflicts += [
            ClaimConflict(attribute, chosen, claim)
            for claim in [*left, *alarms]
            if not claims_agree(attribute, claim.value, chosen.value)
            and not _is_settled(attribute, chosen, claim, settled)
        ]
    return MergedClaims(holds, tuple(conflicts))


def _all_claims(
    attribute: str, listed: Sequence[ListedRecord], *, present: Claims, origins: Origins, gone: frozenset[str]
) -> list[SourceClaim]:
    claims = [
        SourceClaim(each.source, each.source_id, each.claims[attribute])
        for each in listed
        if each.claims.get(attribute) is not None
    ]
    origin = origins.of(attribute).source
    stands = present.get(attribute)
    is_amended = origin == BY_HAND and (stands is not None or attribute in origins.named)
    is_not_said_any_more = (
        stands is not None and origin not in gone and all(each.source != origin for each in claims)
    )
    if origin == BY_HAND and is_amended:
        claims = [each for each in claims if each.source != BY_HAND]
        claims.append(SourceClaim(BY_HAND, "", stands))
    elif is_not_said_any_more:
        claims.append(SourceClaim(origin, "", stands))
    return sorted(claims, key=lambda each: (each.source, each.source_id))


def _chosen(attribute: str, left: Sequence[SourceClaim], *, current_source: str) -> SourceClaim:
    if attribute == "last_checked_on":
        return max(left, key=lambda claim: claim.value or "")
    agreeing = all(claims_agree(attribute, one.value, other.value) for one in left for other in left)
    if agreeing:
        return left[0]
    return next((claim for claim in left if claim.source == current_source), left[0])


def _is_alarm(attribute: str, claim: SourceClaim) -> bool:
    return (
        attribute == "state"
        and claim.value is not None
        and claim.value.get("state") in (DeviceState.OUT_OF_SERVICE, DeviceState.WITHDRAWN)
    )


def _not_overruled(
    attribute: str, claims: Sequence[SourceClaim], settled: Sequence[DecidedConflict]
) -> list[SourceClaim]:
    """Drop the claims that a person rejected in favour of another one present; keep all if none would
    remain."""
    left = [
        each
        for each in claims
        if not any(
            _means(attribute, one.wrong, each)
            and any(_means(attribute, one.right, other) for other in claims)
            for one in settled
            if one.attribute == attribute
        )
    ]
    return left or list(claims)


def _is_settled(
    attribute: str, one: SourceClaim, other: SourceClaim, settled: Sequence[DecidedConflict]
) -> bool:
    return any(
        (_means(attribute, each.right, one) and _means(attribute, each.wrong, other))
        or (_means(attribute, each.right, other) and _means(attribute, each.wrong, one))
        for each in settled
        if each.attribute == attribute
    )


def _means(attribute: str, decided: SourceClaim, claim: SourceClaim) -> bool:
    """Return whether a source still makes the claim that was decided about."""
    return decided.source == claim.source and claims_agree(attribute, decided.value, claim.value)


def rank_of(source: str, ranks: Ranks) -> int:
    return HAND_RANK if source == BY_HAND else ranks.get(source, DEFAULT_RANK)


class ReviewKind(StrEnum):
    DUPLICATE = "duplicate"
    """Whether an entry of a list is an already registered device."""
    CONFLICT = "conflict"
    """Which of two equally ranked sources is right about an attribute."""
    SHRINK = "shrink"
    """Whether the many devices that a list has lost are gone."""
    SIGHTING = "sighting"
    """Whether a device that a passer-by has reported, and that resembles no registered one, is there."""


class Decision(StrEnum):
    SAME = "same"
    DIFFERENT = "different"
    TAKE = "take"
    """The offered value is right."""
    KEEP = "keep"
    """The current value is right."""
    ACCEPT = "accept"
    """The devices are gone; the reported device is there."""
    REFUSE = "refuse"
    """The list is wrong; there is no such device."""


DECISIONS: Final = {
    ReviewKind.DUPLICATE: (Decision.SAME, Decision.DIFFERENT),
    ReviewKind.CONFLICT: (Decision.TAKE, Decision.KEEP),
    ReviewKind.SHRINK: (Decision.ACCEPT, Decision.REFUSE),
    ReviewKind.SIGHTING: (Decision.ACCEPT, Decision.REFUSE),
}
"""The possible decisions for each kind of review."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    same_device_score: float = 0.9
    """At this score or above, an entry is linked to the registered device."""
    maybe_same_score: float = 0.6
    """At this score or above, a person decides; below, it is a new device."""
    shrink_share: float = 0.2
    """If a larger share of a list (and more than a few devices) is missing, a person decides."""

    def holds_back(self, missing: int, of: int) -> bool:
        return missing > MAX_MISSING_UNASKED and missing > self.shrink_share * of


MAX_MISSING_UNASKED = 5
"""Maximum number of devices that may disappear from a list without a decision by a person."""


def thresholds_in(settings: Settings) -> Thresholds:
    return Thresholds(
        same_device_score=settings.same_device_score,
        maybe_same_score=settings.maybe_same_score,
        shrink_share=settings.shrink_share,
    )
