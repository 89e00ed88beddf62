"""Convert between storeys as people say them and the floor numbers of the API.

A *floor* is a number of the API and the database: 0 is the ground floor, -1 the one below, everywhere. A
*storey* is the name that people use: where the ground floor is storey 1 (China, Japan, North America), storey
3, 3楼 and room 301 are on floor 2; elsewhere storey 3 is floor 3. Both are always shown together, to avoid
confusion.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, TypedDict

from aed.errors import InvalidInput

LOWEST_FLOOR: Final = -20
HIGHEST_FLOOR: Final = 200


class StoreyWords(TypedDict):
    en: str
    zh: str


_DIGITS: Final[Mapping[str, int]] = {
    "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9,
}  # fmt: skip
_NUMBER: Final = r"(?:\d{1,3}|[一二两三四五六七八九]?十[一二三四五六七八九]?|[一二两三四五六七八九])"
_UNIT: Final = r"(?:楼|樓|层|層|/?f|storey|story|floor)?"
_GROUND: Final = re.compile(r"(?:g|gf|g/f|ground|groundfloor|首层|首層|底层|底層|地面层|地面層)")
_BELOW: Final = re.compile(rf"(?:b|-|负|負|地下|basement)({_NUMBER}){_UNIT}")
_ABOVE: Final = re.compile(rf"(?:l|第|地上)?({_NUMBER}){_UNIT}")
_ROOM: Final = re.compile(r"(?:.*[^0-9a-z])?(0?\d)(\d\d)|(?:.*[^0-9a-z])?(\d\d)(\d\d)")


def floor_from_storey(
    *, floor: int | None, storey: str | None, room: str | None, counts_ground_as_one: bool
) -> int | None:
    """Return the floor from any of these inputs; None if none is given.

    Raises InvalidInput for a storey or a room that cannot be read, and if they contradict each other.
    """
    floors: dict[str, int] = {}
    if floor is not None:
        floors["floor"] = floor
    if storey is not None:
        floors["storey"] = floor_of_storey(storey, counts_ground_as_one=counts_ground_as_one)
    if room is not None:
        floors["room"] = floor_of_room(room, counts_ground_as_one=counts_ground_as_one)
    if len(set(floors.values())) > 1:
        given = {"floor": floor, "storey": storey, "room": room}
        sides = [
            f"{name} {given[name]} is {storey_words(number, counts_ground_as_one=counts_ground_as_one)['en']}"
            for name, number in floors.items()
        ]
        raise InvalidInput(
            "These contradict each other: {names}. Send only one of them.",
            field="floor",
            names="; ".join(sides),
        )
    return next(iter(floors.values()), None)


def floor_of_storey(text: str, *, counts_ground_as_one: bool) -> int:
    """Return the floor of a storey as the place names it: `3楼`, `十二层`, `B1`, `-1`, `地下一层`, `G`.

    Raises InvalidInput for anything else.
    """
    storey = unicodedata.normalize("NFKC", text).casefold().replace(" ", "")
    if _GROUND.fullmatch(storey):
        return 0
    if (below := _BELOW.fullmatch(storey)) is not None and (number := _number(below[1])) > 0:
        return _checked_floor(-number, text, "storey")
    above = _ABOVE.fullmatch(storey)
    if above is None:
        raise InvalidInput(
            "The storey “{shown}” is not valid; write it like 3, 3楼, B1, 地下一层 or G.",
            field="storey",
            shown=_printable(text),
        )
    number = _number(above[1])
    if counts_ground_as_one and number == 0:
        raise InvalidInput(
            "There is no storey 0 where the ground floor is storey 1: send storey=1 or floor=0.",
            field="storey",
        )
    return _checked_floor(number - 1 if counts_ground_as_one else number, text, "storey")


def floor_of_room(text: str, *, counts_ground_as_one: bool) -> int:
    """Return the floor of a room whose last two digits number it within its storey: `301室`, `2单元1203`.

    Raises InvalidInput if the storey is ambiguous: `B101` may be in the basement or in building B.
    """
    room = unicodedata.normalize("NFKC", text).casefold().replace(" ", "")
    found = _ROOM.fullmatch(re.sub(r"(?:室|房|号|號)$", "", room))
    number = int((found[1] or found[3]) if found else 0)
    if number == 0:
        raise InvalidInput(
            "The storey cannot be derived from room “{shown}”; send storey, like 3楼 or B1.",
            field="room",
            shown=_printable(text),
        )
    return _checked_floor(number - 1 if counts_ground_as_one else number, text, "room")


@lru_cache(maxsize=1_024)
def storey_words(floor: int, *, counts_ground_as_one: bool) -> StoreyWords:
    """Return a floor as the place names it, with its number: `storey 3 (floor 2)`, `3楼（floor 2）`."""
    if floor < 0:
        return {"en": f"basement {-floor} (floor {floor})", "zh": f"地下{-floor}层（floor {floor}）"}
    storey = floor + 1 if counts_ground_as_one else floor
    if floor == 0:
        name = "ground floor, storey 1" if counts_ground_as_one else "ground floor"
        return {"en": f"{name} (floor 0)", "zh": f"{'1楼' if counts_ground_as_one else '地面层'}（floor 0）"}
    return {"en": f"storey {storey} (floor {floor})", "zh": f"{storey}楼（floor {floor}）"}


def both_words(floor: int, *, counts_ground_as_one: bool) -> str:
    """Return a floor in both languages, with its number: `3楼（floor 2） storey 3 (floor 2)`."""
    words = storey_words(floor, counts_ground_as_one=counts_ground_as_one)
    return f"{words['zh']} {words['en']}"


def spoken_storey(floor: int, *, counts_ground_as_one: bool) -> StoreyWords:
    """Return a floor as the place names it, for people on their way: one number, not two."""
    if floor < 0:
        return {"en": f"basement {-floor}", "zh": f"地下{-floor}层"}
    if floor == 0:
        return {"en": "ground floor", "zh": "1楼" if counts_ground_as_one else "地面层"}
    if counts_ground_as_one:
        return {"en": f"storey {floor + 1}, the ground floor being 1", "zh": f"{floor + 1}楼"}
    return {"en": f"storey {floor}, above the ground floor", "zh": f"{floor}楼（地面层以上）"}


def storey_sign(floor: int, *, counts_ground_as_one: bool) -> str:
    """Return a floor as on the sign beside the lift, for tables and messages: `3F`, `1F`, `G`, `B1`.

    It is never a bare number, is the same in both languages, and `floor_of_storey` can parse it.
    """
    if floor < 0:
        return f"B{-floor}"
    if counts_ground_as_one:
        return f"{floor + 1}F"
    return "G" if floor == 0 else f"{floor}F"


def storey_label(floor: int, *, counts_ground_as_one: bool) -> str:
    """Return a floor as on the sign, with its number, for the cells of a table: `3F (floor 2)`."""
    return f"{storey_sign(floor, counts_ground_as_one=counts_ground_as_one)} (floor {floor})"


def _checked_floor(floor: int, text: str, field: str) -> int:
    if not LOWEST_FLOOR <= floor <= HIGHEST_FLOOR:
        raise InvalidInput("No building has a storey “{shown}”.", field=field, shown=_printable(text))
    return floor


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in text[:20])


def _number(text: str) -> int:
    """Parse a number in digits, or in Chinese up to 99."""
    if text.isdecimal():
        return int(text)
    tens, ten, ones = text.partition("十")
    if not ten:
        return _DIGITS[text]
    return _DIGITS.get(tens, 1) * 10 + _DIGITS.get(ones, 0)
