"""Rules of certificates: verification states, retries, comparison with the issuer's data, refreshers."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from aed.accounts.masking import LAST_SHOWN
from aed.accounts.masking import has_right_check_digit as has_right_check_digit
from aed.hours.dates import months_after
from aed.issuers.rules import CertificateKind


class CheckState(StrEnum):
    """The state of a certificate's verification with its issuer."""

    WAITING = "waiting"
    """Waiting to be checked, for the first time or again."""
    CONFIRMED = "confirmed"
    CORRECTED = "corrected"
    """Confirmed, with some fields corrected to the issuer's data."""
    DISPUTED = "disputed"
    """The issuer has the number for someone else. A person must review it."""
    UNKNOWN = "unknown"
    """The issuer has no certificate with this number."""
    REVOKED = "revoked"


class DeclarationState(StrEnum):
    """The state of a certificate that a person declares."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    REFUSED = "refused"


MIN_RETRY_PAUSE: Final = timedelta(minutes=5)
MAX_RETRY_PAUSE: Final = timedelta(days=1)
FAILURES_IN_A_ROW: Final = 5
"""Consecutive failures after which requests to the issuer are paused."""
PAUSED_FOR: Final = timedelta(minutes=15)
"""How long requests to a failing issuer are paused."""


def pause_after(tries: int, asked_to_wait: timedelta | None = None) -> timedelta:
    """Return the delay before the next try: 5, 10, 20, 40 minutes, and so on up to one day.

    The delay that the server asks for counts if it is longer, also up to one day.
    """
    doubled = MIN_RETRY_PAUSE * (1 << min(max(tries - 1, 0), 12))
    return min(max(doubled, asked_to_wait or timedelta()), MAX_RETRY_PAUSE)


def is_paused(failures: int) -> bool:
    """Return True if requests to the issuer should pause after that many consecutive failures.

    After the pause one more failure is enough to pause again (a circuit breaker).
    """
    return failures >= FAILURES_IN_A_ROW


_STARS: Final = re.compile("[*＊×•●#?_]")
SHOWN: Final = re.compile(r"[A-Z]{0,3}[0-9*]{3,28}[0-9X*]")


def written(text: str) -> str:
    """Normalise an identity number for comparison: no spaces or hyphens, uppercase X, every mask as `*`."""
    bare = "".join(unicodedata.normalize("NFKC", _STARS.sub("*", text)).upper().split())
    return bare.replace("-", "")


def ids_agree(one: str | None, other: str | None) -> bool | None:
    """Return whether two masked identity numbers can be the same; None if that cannot be decided.

    1. Numbers of the same length: all positions visible in both must match; at least three must be visible.
    2. Numbers of different lengths: the last four must match; all four must be visible in both.
    """
    if one is None or other is None:
        return None
    if len(one) == len(other):
        shown = [(a, b) for a, b in zip(one, other, strict=True) if "*" not in (a, b)]
        return all(a == b for a, b in shown) if len(shown) >= 3 else None
    ends = one[-LAST_SHOWN:], other[-LAST_SHOWN:]
    if any("*" in end for end in ends):
        return None
    return ends[0] == ends[1]


_CHINESE: Final = re.compile("[\u3400-\u9fff*＊]+")
_HAN: Final = re.compile("[\u3400-\u9fff]")
_PHONE_DIGITS: Final = 11
"""Length of a Chinese mobile number without country code."""


@dataclass(frozen=True, slots=True)
class Facts:
    """The data of a certificate that its issuer can confirm."""

    kind: CertificateKind
    issued_on: date | None
    valid_until: date


@dataclass(frozen=True, slots=True)
class Holder:
    """The holder of a certificate."""

    name: str
    phone: str | None
    holder_id: str | None
    """Masked identity number."""


@dataclass(frozen=True, slots=True)
class IssuerStatement:
    """What the issuer states about a certificate number."""

    holder: Holder
    facts: Facts
    is_revoked: bool = False


@dataclass(frozen=True, slots=True)
class CheckFinding:
    """The result of comparing a certificate with the issuer's statement."""

    state: CheckState
    said: str
    corrections: tuple[str, ...] = ()
    """Names of the fields in Facts that were wrong."""


def compare(holder: Holder, facts: Facts, statement: IssuerStatement) -> CheckFinding:
    """Compare a certificate with the issuer's statement about its number.

    1. If names or (where both are known) identity numbers do not match, the certificate is disputed and no
       data is taken over. Different phone numbers do not matter, because people change them.
    2. If the issuer revoked it, it is revoked.
    3. Otherwise it is confirmed, and fields that differ are corrected to the issuer's data.
    """
    if not names_agree(holder.name, statement.holder.name):
        return CheckFinding(
            CheckState.DISPUTED,
            "The issuer has this number for a person with another name. Compare the card "
            "with the person's identity card, and correct the number or the name.",
        )
    if ids_agree(holder.holder_id, statement.holder.holder_id) is False:
        return CheckFinding(
            CheckState.DISPUTED,
            "The issuer has this number for a person with another identity number. Compare "
            "the card with the person's identity card.",
        )
    if statement.is_revoked:
        return CheckFinding(CheckState.REVOKED, "The issuer revoked it.")
    wrong = tuple(
        each.name
        for each in fields(Facts)
        if (theirs := getattr(statement.facts, each.name)) is not None and getattr(facts, each.name) != theirs
    )
    if wrong:
        corrected = ", ".join(
            f"{name} was {getattr(facts, name) or 'unknown'}, now {getattr(statement.facts, name)}"
            for name in wrong
        )
        return CheckFinding(
            CheckState.CORRECTED, f"The issuer confirmed it with corrections: {corrected}.", wrong
        )
    return CheckFinding(CheckState.CONFIRMED, "The issuer confirmed it.")


def names_agree(one: str, other: str) -> bool:
    """Return True if two names can belong to one person: 墨闻笛 and 墨闻笛 Mo Wendi, 王小明 and 王*明."""
    mine, theirs = _parts(one), _parts(other)
    if mine[0] and theirs[0]:
        return _chinese_names_match(mine[0], theirs[0])
    return bool(mine[1]) and mine[1] == theirs[1]


def blocking_name(name: str) -> str:
    """Return a key that is equal for names that agree (except masked ones), for bulk lookups."""
    chinese, latin = _parts(name)
    return chinese or " ".join(latin)


def _parts(name: str) -> tuple[str, tuple[str, ...]]:
    """Return the Chinese characters in order, and the Latin words sorted."""
    plain = unicodedata.normalize("NFKC", name).casefold()
    chinese = "".join(_CHINESE.findall(plain))
    if _HAN.search(chinese) is None:
        chinese = ""
    latin = re.findall(r"[^\W\d_]+", re.sub("[\u3400-\u9fff]", " ", plain))
    return chinese, tuple(sorted(latin))


def _chinese_names_match(one: str, other: str) -> bool:
    """Return True if two Chinese names match; `*` matches any character."""
    if "*" not in one + other:
        return one == other
    if len(one) != len(other):
        return False
    shown = [(a, b) for a, b in zip(one, other, strict=True) if "*" not in (a, b)]
    return bool(shown) and all(a == b for a, b in shown)


def bare_phone(phone: str) -> str:
    """Return the last 11 digits of a phone number, without the country code of a Chinese mobile number."""
    digits = "".join(character for character in phone if character.isdigit())
    return digits[-_PHONE_DIGITS:]


def phones_agree(one: str | None, other: str | None) -> bool:
    """Return True if both numbers have the same digits, with or without a country code."""
    if one is None or other is None:
        return False
    mine, theirs = bare_phone(one), bare_phone(other)
    return len(mine) >= 7 and mine == theirs


class PairDecision(StrEnum):
    """Whether two entries are the same person."""

    SAME = "same"
    DIFFERENT = "different"


def is_valid(*, today: date, valid_until: date, revoked_at: datetime | None) -> bool:
    """Return True until the end of the last valid day, unless the certificate is revoked."""
    return revoked_at is None and today <= valid_until


WORTHWHILE_AFTER_MONTHS: Final = 3
"""IFRC guidelines and the PAD trial: skills decline after 3 months and are poor after 6."""


class Refresher(StrEnum):
    """How urgently a person should practise again."""

    SUGGESTED = "suggested"
    """Practice would help, but the course's refresher term has not ended."""
    DUE = "due"
    """The course's refresher term has ended."""


def suggested_refresher(*, practised_on: date, refresher_months: int, today: date) -> Refresher | None:
    """Return which refresher to suggest for someone who last practised on that day; None for none.

    The validity of the certificate does not matter.
    """
    if today >= months_after(practised_on, refresher_months):
        return Refresher.DUE
    if today >= months_after(practised_on, min(WORTHWHILE_AFTER_MONTHS, refresher_months)):
        return Refresher.SUGGESTED
    return None
