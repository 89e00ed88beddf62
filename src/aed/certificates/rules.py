"""How a certificate's verification stands, when an issuer is asked again, and when it is left alone."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from aed.issuers.rules import CertificateKind
from aed.training.rules import months_after


class CheckState(StrEnum):
    WAITING = "waiting"
    """To be asked, or to be asked again."""
    CONFIRMED = "confirmed"
    CORRECTED = "corrected"
    """Right but for some of it, which is now as the issuer has it."""
    DISPUTED = "disputed"
    """The issuer knows the number, and says that it is somebody else's: a person must look."""
    UNKNOWN = "unknown"
    """The issuer knows no such certificate."""
    REVOKED = "revoked"


FIRST_PAUSE: Final = timedelta(minutes=5)
LONGEST_PAUSE: Final = timedelta(days=1)
FAILURES_IN_A_ROW: Final = 5
"""After so many the issuer is left alone."""
LEFT_ALONE: Final = timedelta(minutes=15)


def pause_after(tries: int, asked_to_wait: timedelta | None = None) -> timedelta:
    """5, 10, 20, 40 minutes … a day; longer where the server asks for it, but no longer than a day."""
    doubled = FIRST_PAUSE * (1 << min(max(tries - 1, 0), 12))
    return min(max(doubled, asked_to_wait or timedelta()), LONGEST_PAUSE)


def is_left_alone(failures: int) -> bool:
    """Whether an issuer that failed so often in a row is not asked for a while. Each failure after that while
    closes the line again: the first question is a trial."""
    return failures >= FAILURES_IN_A_ROW


_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK: Final = "10X98765432"
"""GB 11643: the last character by the weighted sum of the others, modulo 11."""
_STARS: Final = re.compile("[*＊×•●#?_]")
SHOWN: Final = re.compile(r"[A-Z]{0,3}[0-9*]{3,28}[0-9X*]")
LAST_SHOWN: Final = 4


def written(text: str) -> str:
    """An identity number as it is compared: no spaces, small x as X, every kind of mask a star."""
    bare = "".join(unicodedata.normalize("NFKC", _STARS.sub("*", text)).upper().split())
    return bare.replace("-", "")


def is_whole(number: str) -> bool:
    return re.fullmatch(r"[0-9]{17}[0-9X]", number) is not None


def has_right_check_digit(number: str) -> bool:
    """Of a whole Chinese identity number of 18 characters."""
    total = sum(int(digit) * weight for digit, weight in zip(number[:17], _WEIGHTS, strict=True))
    return _CHECK[total % 11] == number[17]


def mask_holder_id(number: str) -> str:
    """The first six, where somebody was registered, and the last four; never the date of birth whole."""
    if is_whole(number):
        return f"{number[:6]}{'*' * 8}{number[-LAST_SHOWN:]}"
    if "*" in number:
        return number
    return f"{'*' * max(len(number) - LAST_SHOWN, 4)}{number[-LAST_SHOWN:]}"


def ids_agree(one: str | None, other: str | None) -> bool | None:
    """Whether two masked numbers may be one; None where that cannot be said.

    1. Of the same length: wherever both show something, it is the same, in three places at least.
    2. Of other lengths: their last four are the same, where both show them.
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
"""Of a Chinese mobile; the country code before them is written or not."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a card says."""

    kind: CertificateKind
    issued_on: date | None
    valid_until: date


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose it is."""

    name: str
    phone: str | None
    holder_id: str | None
    """Masked."""


@dataclass(frozen=True, slots=True)
class IssuerStatement:
    """What the issuer says of a number."""

    holder: Holder
    facts: Facts
    is_revoked: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """What becomes of a certificate by what its issuer says."""

    state: CheckState
    said: str
    corrections: tuple[str, ...] = ()
    """The facts that were wrong."""


def compare(holder: Holder, facts: Facts, said: IssuerStatement) -> Finding:
    """What becomes of the certificate with that number.

    1. Somebody else's: disputed, and nothing of it is believed. The names must agree; identity numbers, where
       both are shown, too. Another telephone is no contradiction: numbers change.
    2. Revoked there: revoked here.
    3. The facts as the issuer has them; what was different is told.
    """
    if not names_agree(holder.name, said.holder.name):
        return Finding(
            CheckState.DISPUTED,
            "The issuer has this number for somebody of another name: compare the card with the person's "
            "papers, and put right the number or the name.",
        )
    if ids_agree(holder.holder_id, said.holder.holder_id) is False:
        return Finding(
            CheckState.DISPUTED,
            "The issuer has this number for somebody with another identity number: compare the card with the "
            "person's papers.",
        )
    if said.is_revoked:
        return Finding(CheckState.REVOKED, "The issuer has revoked it.")
    wrong = tuple(
        each.name
        for each in fields(Facts)
        if (theirs := getattr(said.facts, each.name)) is not None and getattr(facts, each.name) != theirs
    )
    if wrong:
        corrected = ", ".join(
            f"{name} was {getattr(facts, name) or 'not known'} and is {getattr(said.facts, name)}"
            for name in wrong
        )
        return Finding(CheckState.CORRECTED, f"The issuer confirms it and corrects: {corrected}.", wrong)
    return Finding(CheckState.CONFIRMED, "The issuer confirms it.")


def names_agree(one: str, other: str) -> bool:
    """Whether two names may be one person's: 墨闻笛 and 墨闻笛 Mo Wendi, 王小明 and 王*明."""
    mine, theirs = _parts(one), _parts(other)
    if mine[0] and theirs[0]:
        return _fits(mine[0], theirs[0])
    return bool(mine[1]) and mine[1] == theirs[1]


def blocking_name(name: str) -> str:
    """What two names that agree have in common, masked ones apart: for looking up many at once."""
    chinese, latin = _parts(name)
    return chinese or " ".join(latin)


def _parts(name: str) -> tuple[str, tuple[str, ...]]:
    """The Chinese characters in their order, and the Latin words, sorted."""
    plain = unicodedata.normalize("NFKC", name).casefold()
    chinese = "".join(_CHINESE.findall(plain))
    if _HAN.search(chinese) is None:
        chinese = ""
    latin = re.findall(r"[^\W\d_]+", re.sub("[\u3400-\u9fff]", " ", plain))
    return chinese, tuple(sorted(latin))


def _fits(one: str, other: str) -> bool:
    if "*" not in one + other:
        return one == other
    if len(one) != len(other):
        return False
    shown = [(a, b) for a, b in zip(one, other, strict=True) if "*" not in (a, b)]
    return bool(shown) and all(a == b for a, b in shown)


def bare_phone(phone: str) -> str:
    """The digits that a number is known by, whether its country code is written or not."""
    digits = "".join(character for character in phone if character.isdigit())
    return digits[-_PHONE_DIGITS:]


def phones_agree(one: str | None, other: str | None) -> bool:
    if one is None or other is None:
        return False
    mine, theirs = bare_phone(one), bare_phone(other)
    return len(mine) >= 7 and mine == theirs


class PairDecision(StrEnum):
    SAME = "same"
    DIFFERENT = "different"


def mask_name(name: str) -> str:
    """A name that its holder recognises and nobody else can look up: 王小明 is 王**, Anna Berg is A*** B***.

    The number of asterisks of a Latin name says nothing of its length.
    """
    words = name.split()
    return " ".join(
        word[0] + ("***" if word.isascii() or len(word) > 4 else "*" * max(1, len(word) - 1))
        for word in words
    )


def is_valid(*, today: date, valid_until: date, revoked_at: datetime | None) -> bool:
    """Its last day included; a revoked one never."""
    return revoked_at is None and today <= valid_until


WORTHWHILE_AFTER_MONTHS: Final = 3
"""IFRC guidelines; PAD trial: skills are worse after 3 months and poor after 6."""


class Refresher(StrEnum):
    SUGGESTED = "suggested"
    """It would do good, and there is still time."""
    DUE = "due"
    """The course's own term is over."""


def refresher(*, practised_on: date, refresher_months: int, today: date) -> Refresher | None:
    """What is suggested to somebody who last practised then; None: nothing yet.

    The card's validity is another matter: it is not asked.
    """
    if today >= months_after(practised_on, refresher_months):
        return Refresher.DUE
    if today >= months_after(practised_on, min(WORTHWHILE_AFTER_MONTHS, refresher_months)):
        return Refresher.SUGGESTED
    return None
