"""What an issuer says of a certificate against what is recorded here."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, fields
from datetime import date
from typing import Final

from aed.certificates.rules.checking import CheckState
from aed.certificates.rules.identity import ids_agree
from aed.issuers.rules import CertificateKind

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
class Said:
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


def compare(holder: Holder, facts: Facts, said: Said) -> Finding:
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
