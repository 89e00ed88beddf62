"""Whether two entries of people are likely one person: what speaks for it, what against, and how much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aed.certificates.rules import ids_agree, names_agree, phones_agree

LIKELY: Final = 0.6
"""From this score on a person is asked."""


@dataclass(frozen=True, slots=True)
class DuplicateCandidate:
    """What is known of a person that another entry may share."""

    name: str
    phone: str | None
    holder_ids: tuple[str, ...] = ()
    """Masked, as issuers show them."""
    estate_id: int | None = None
    certificates: frozenset[tuple[str, str]] = frozenset()
    """Issuer and number of each."""


@dataclass(frozen=True, slots=True)
class Likeness:
    score: float
    reasons: tuple[str, ...]


def likeness(one: DuplicateCandidate, other: DuplicateCandidate) -> Likeness:
    """How likely the two are one person, from 0 to 1, and why.

    The same number of a certificate is as good as certain. A name alone is not enough: in a city hundreds
    have the same. Two identity numbers that cannot be one are, whatever else agrees, two people.
    """
    score = 0.0
    reasons: list[str] = []
    has_same_name = names_agree(one.name, other.name)
    if has_same_name:
        score += 0.4
        reasons.append("the same name")
    if phones_agree(one.phone, other.phone):
        score += 0.45 if has_same_name else 0.3
        reasons.append("the same telephone number")
    agreements = [ids_agree(mine, theirs) for mine in one.holder_ids for theirs in other.holder_ids]
    if True in agreements:
        score += 0.5
        reasons.append("identity numbers that fit")
    elif agreements:
        score -= 0.6
        reasons.append("but identity numbers that do not fit")
    if one.estate_id is not None and one.estate_id == other.estate_id:
        score += 0.2 if has_same_name else 0.05
        reasons.append("the same estate")
    if one.certificates & other.certificates:
        score += 0.5
        reasons.append("a certificate with the same number")
    return Likeness(round(min(max(score, 0.0), 1.0), 2), tuple(reasons))
