"""Score how likely two person entries are the same person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aed.certificates.rules import ids_agree, names_agree, phones_agree

LIKELY: Final = 0.6
"""Minimum score of a pair that is submitted for a decision."""


@dataclass(frozen=True, slots=True)
class DuplicateCandidate:
    """The data of a person that is compared."""

    name: str
    phone: str | None
    holder_ids: tuple[str, ...] = ()
    """Masked identity numbers, as issuers give them."""
    estate_id: int | None = None
    certificates: frozenset[tuple[str, str]] = frozenset()
    """Issuer and number of each certificate."""


@dataclass(frozen=True, slots=True)
class PersonLikeness:
    """A score from 0 to 1, with the reasons for it."""

    score: float
    reasons: tuple[str, ...]


def likeness(one: DuplicateCandidate, other: DuplicateCandidate) -> PersonLikeness:
    """Return how likely the two are the same person, with reasons.

    A shared certificate number and matching identity numbers weigh most. A name alone is not enough, because
    hundreds of people in a city share it. Identity numbers that do not match count strongly against it,
    whatever else agrees.
    """
    score = 0.0
    reasons: list[str] = []
    has_same_name = names_agree(one.name, other.name)
    if has_same_name:
        score += 0.4
        reasons.append("the same name")
    if phones_agree(one.phone, other.phone):
        score += 0.45 if has_same_name else 0.3
        reasons.append("the same phone number")
    agreements = [ids_agree(mine, theirs) for mine in one.holder_ids for theirs in other.holder_ids]
    if True in agreements:
        score += 0.5
        reasons.append("matching identity numbers")
    elif agreements:
        score -= 0.6
        reasons.append("but different identity numbers")
    if one.estate_id is not None and one.estate_id == other.estate_id:
        score += 0.2 if has_same_name else 0.05
        reasons.append("the same estate")
    if one.certificates & other.certificates:
        score += 0.5
        reasons.append("a certificate with the same number")
    return PersonLikeness(round(min(max(score, 0.0), 1.0), 2), tuple(reasons))
