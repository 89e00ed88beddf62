"""Read the floor that a list gives in words or numbers, in the languages of its publishers."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

MAX_CACHED: Final = 5_000
_NUMERALS: Final = {"一": 1, "二": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
_N: Final = r"(?:[0-9]{1,3}|[一二三四五六七八九]?十[一二三四五六七八九]?|[一二三四五六七八九])"
_UNIT: Final = r"(?:階(?!建|段)|樓(?!梯)|楼(?!梯)|层|層|층)"
_BETWEEN: Final = r"\s*(?:[・,、/~〜\-–&+]|和|及|與|与|から)\s*"
_UNDERGROUND: Final = re.compile(
    rf"(?:地下|지하)\s*(?P<a>{_N})\s*(?:{_UNIT}|f)|[负負]\s*(?P<d>{_N})\s*(?:{_UNIT}|f)?"
    rf"|(?:^|(?<=[\s(,;]))-\s*(?P<e>[0-9]{{1,2}})\s*(?:{_UNIT}|f(?![a-z0-9]))|(?<![a-z0-9])b\s*(?P<b>[0-9]{{1,2}})\s*(?:f|{_UNIT})?(?![a-z0-9])"
    r"|(?<![a-z0-9.])(?P<c>[0-9]{1,2})\s*\.?\s*(?:ug|untergeschoss)(?![a-z])"
    r"|(?:s[óo]tano|planta|piano|verdieping)\s*-\s*(?P<f>[0-9])(?![0-9])|s[óo]tano\s*(?P<g>[0-9])(?![0-9])"
)
_ABOVE: Final = re.compile(
    rf"(?P<many>{_N}(?:{_UNIT}|f)?(?:{_BETWEEN}{_N}(?:{_UNIT}|f)?)*{_BETWEEN}{_N}\s*(?:{_UNIT}|f(?![a-z0-9])))"
    rf"|(?<![0-9.・,、/~〜\-–])(?P<a>{_N})\s*{_UNIT}"
    r"|(?<![a-z0-9.])(?P<b>[0-9]{1,3})\s*/?\s*f(?![a-z0-9])"
    r"|(?<![a-z0-9.])(?P<c>[0-9]{1,3})(?:st|nd|rd|th)\s+floor|^(?P<h>[0-9]{1,3})(?:st|nd|rd|th|[ao]|°|e)\.?$"
    r"|(?<![a-z0-9.])(?P<i>[0-9]{1,3})\s*(?:[ao°e]\.?)?\s*(?:planta|piso|piano|verdieping)(?![a-z])"
    r"|(?<![a-z])(?:planta|piso|piano|verdieping)\s*(?P<j>[0-9]{1,3})(?![0-9.])"
    r"|(?<![a-z0-9.])(?P<d>[0-9]{1,3})\s*(?:er|ère|e|ème|eme|è|nd|nde)\.?\s*(?:étage|etage|etg)"
    r"|(?<![a-z0-9.])(?P<g>[0-9]{1,3})\s*\.?\s*(?:og|obergeschoss|stock)(?![a-z])"
    r"|(?<![a-z0-9])r\s*\+\s*(?P<e>[0-9]{1,3})|(?:étage|etage|niveau|level|floor)\s*(?P<f>-?[0-9]{1,3})(?![0-9.])"
)
_GROUND: Final = re.compile(
    r"^(?:ground(?:\s+level)?|g|baja|pb|t|pt)$"
    r"|(?<![a-z])(?:g\s*/\s*f|ground\s+floor|planta\s+baja|piano\s+terra|pianterreno|begane\s+grond|rez[\s-]*de[\s-]*chauss[ée]{1,2}e?|r\.?d\.?c\.?|erdgeschoss|eg|parterre"
    r"|parter)(?![a-z])"
)
_ORDINALS: Final = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5}
_FLOOR_IN_WORDS: Final = re.compile(rf"({'|'.join(_ORDINALS)})\s+floor")
_BETWEEN_FLOORS: Final = re.compile(r"中[0-9二三]+階|mezzanine|entresol|m[0-9]f|夾層|夹层")
_SOME_FLOOR: Final = re.compile(
    r"地下|지하|地庫|sous[\s-]*sol|basement|underground|untergeschoss|(?<![a-z])ug(?![a-z])|keller|s[óo]tano|interrato|kelder"
)


@lru_cache(maxsize=MAX_CACHED)
def floor_of(text: str, *, ground: int) -> int | str | None:
    """Parse a floor; 0 is at street level.

    Returns None if no floor is named, or a sentence with the reason if it is ambiguous. `ground` is the local
    number of the floor at street level: 1 where it is called 1F (East Asia, North America), else 0 (most of
    Europe). B1 and 地下1階 are always one floor below it.
    """
    written = unicodedata.normalize("NFKC", text).casefold().strip()[:300]
    written = _FLOOR_IN_WORDS.sub(lambda found: f"{_ORDINALS[found[1]]}th floor", written)
    if re.fullmatch(r"[+-]?[0-9]{1,3}", written):
        return _counted(int(written), ground)
    if _BETWEEN_FLOORS.search(written):
        return "the floor is between two floors"
    found = {
        -number
        for each in _UNDERGROUND.finditer(written)
        if (number := small_number(next(part for part in each.groups() if part is not None)))
    }
    rest = _UNDERGROUND.sub(" ", written)
    if _GROUND.search(rest):
        found.add(0)
        rest = _GROUND.sub(" ", rest)
    for each in _ABOVE.finditer(rest):
        if each["many"]:
            return "several floors are named"
        number = small_number(next(part for part in each.groups()[1:] if part is not None))
        found.add(_counted(number, ground))
    if len(found) > 1:
        return "several floors are named"
    if found:
        return found.pop()
    return "the number of the floor below ground is missing" if _SOME_FLOOR.search(rest) else None


_CALLED_GROUND: Final = re.compile(
    r"^(?:ground(?:\s+level)?|g)$|(?<![a-z])(?:g\s*/\s*f(?![a-z])|ground\s+floor)"
)


def is_called_ground(text: str) -> bool:
    """Return whether a floor is called ground floor or G/F, so that 1/F of the same list is above it."""
    return _CALLED_GROUND.search(unicodedata.normalize("NFKC", text[:300]).casefold().strip()) is not None


def _counted(number: int, ground: int) -> int:
    return number - ground if number >= ground else number


def small_number(text: str) -> int:
    """Return the number of digits, or of Chinese numerals to 99 such as 二十三; 0 for other text."""
    if text.lstrip("-").isdigit():
        return int(text)
    tens, ten, ones = text.rpartition("十")
    return (10 * _NUMERALS.get(tens, 1) if ten else 0) + _NUMERALS.get(ones, 0)
