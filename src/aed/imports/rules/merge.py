"""Which of the claims about a device holds: for each attribute the one of the source that is ranked highest.

What holds follows from what the sources say now, from their ranks and from what people have decided. So it
does not matter in which order the sources came, unless sources ranked alike disagree: then what stands stays
until a person decides, and the decision holds for as long as the two say what they said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aed.imports.rules.claims import Claims, agree, is_weak
from aed.imports.rules.claims import plain_words as plain_words
from aed.registry.rules.device import DeviceState
from aed.registry.rules.origin import BY_HAND, Origins

HAND_RANK: Final = 100
"""What people amend by hand outranks every list."""
DEFAULT_RANK: Final = 50
type Ranks = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Said:
    """What a source says of one attribute. `value` None: a person has emptied it."""

    source: str
    source_id: str
    value: Any


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two that are ranked alike disagree about an attribute: what is offered does not stand."""

    attribute: str
    present: Said
    offered: Said


@dataclass(frozen=True, slots=True)
class Settled:
    """A person has decided between two."""

    attribute: str
    right: Said
    wrong: Said


@dataclass(frozen=True, slots=True)
class Merged:
    """What holds of the attributes that somebody says something of, and what a person must decide."""

    holds: Mapping[str, Said]
    conflicts: tuple[Conflict, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """One source's record of the device, as it is listed now."""

    source: str
    source_id: str
    claims: Claims


def merge(
    listed: Sequence[Listed],
    *,
    present: Claims,
    origins: Origins,
    gone: frozenset[str],
    ranks: Ranks,
    settled: Sequence[Settled] = (),
) -> Merged:
    """Decides attribute by attribute.

    `listed` are all that list the device now. `present` is what stands, from where `origins` says; `gone` are
    the sources that no longer list it: what stands of theirs is believed only where nobody else says
    anything.

    1. What people amended by hand is said by hand. What stands and its source does not say any more (an empty
       cell), that source still says.
    2. Whom a person has decided against, in favour of another that is there, is out.
    3. The highest rank decides; within it, what only lists say that do not know yields.
    4. If those left agree, the first by name holds; the latest, of dates on which it was checked.
    5. If not, what stands stays, in its source's newest words; the others are conflicts. So is one that is
       ranked lower and says that the device is not in service: nobody is overruled in silence who does.
    """
    holds: dict[str, Said] = {}
    conflicts: list[Conflict] = []
    for attribute in sorted({name for each in listed for name in each.claims}):
        all_said = _not_overruled(
            attribute,
            _all_said(attribute, listed, present=present, origins=origins, gone=gone),
            settled,
        )
        rank = max(rank_of(said.source, ranks) for said in all_said)
        best = [said for said in all_said if rank_of(said.source, ranks) == rank]
        sure = [said for said in best if said.value is None or not is_weak(attribute, said.value)]
        left = sure or best
        chosen = _chosen(attribute, left, standing=origins.of(attribute).source)
        holds[attribute] = chosen
        alarms = [said for said in all_said if _is_alarm(attribute, said) and said not in left]
        conflicts += [
            Conflict(attribute, chosen, said)
            for said in [*left, *alarms]
            if not agree(attribute, said.value, chosen.value)
            and not _is_settled(attribute, chosen, said, settled)
        ]
    return Merged(holds, tuple(conflicts))


def _all_said(
    attribute: str, listed: Sequence[Listed], *, present: Claims, origins: Origins, gone: frozenset[str]
) -> list[Said]:
    said = [
        Said(each.source, each.source_id, each.claims[attribute])
        for each in listed
        if each.claims.get(attribute) is not None
    ]
    origin = origins.of(attribute).source
    stands = present.get(attribute)
    is_amended = origin == BY_HAND and (stands is not None or attribute in origins.named)
    is_not_said_any_more = (
        stands is not None and origin not in gone and all(each.source != origin for each in said)
    )
    if origin == BY_HAND and is_amended:
        said = [each for each in said if each.source != BY_HAND]
        said.append(Said(BY_HAND, "", stands))
    elif is_not_said_any_more:
        said.append(Said(origin, "", stands))
    return sorted(said, key=lambda each: (each.source, each.source_id))


def _chosen(attribute: str, left: Sequence[Said], *, standing: str) -> Said:
    if attribute == "last_checked_on":
        return max(left, key=lambda said: said.value or "")
    agreeing = all(agree(attribute, one.value, other.value) for one in left for other in left)
    if agreeing:
        return left[0]
    return next((said for said in left if said.source == standing), left[0])


def _is_alarm(attribute: str, said: Said) -> bool:
    return (
        attribute == "state"
        and said.value is not None
        and said.value.get("state") in (DeviceState.OUT_OF_SERVICE, DeviceState.WITHDRAWN)
    )


def _not_overruled(attribute: str, said: Sequence[Said], settled: Sequence[Settled]) -> list[Said]:
    """Without those that a person found wrong beside another that is there; all, if none would be left."""
    left = [
        each
        for each in said
        if not any(
            _means(attribute, one.wrong, each) and any(_means(attribute, one.right, other) for other in said)
            for one in settled
            if one.attribute == attribute
        )
    ]
    return left or list(said)


def _is_settled(attribute: str, one: Said, other: Said, settled: Sequence[Settled]) -> bool:
    return any(
        (_means(attribute, each.right, one) and _means(attribute, each.wrong, other))
        or (_means(attribute, each.right, other) and _means(attribute, each.wrong, one))
        for each in settled
        if each.attribute == attribute
    )


def _means(attribute: str, decided: Said, said: Said) -> bool:
    """Whether a source still says what was decided about."""
    return decided.source == said.source and agree(attribute, decided.value, said.value)


def rank_of(source: str, ranks: Ranks) -> int:
    return HAND_RANK if source == BY_HAND else ranks.get(source, DEFAULT_RANK)
