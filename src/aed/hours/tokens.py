"""Cut a text with opening hours into the words of its language."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Mapping
from enum import Enum, auto
from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple

from aed.hours.week import Dates, Day
from aed.hours.words import (
    AM,
    EVERYWHERE,
    LANGUAGES,
    LATIN,
    LEXICONS,
    MAX_HOURS_TEXT_LENGTH,
    PM,
    WEEK,
    Clock,
    DaySet,
    Mark,
    Style,
    Token,
)


def _latin_clock(*words: str) -> re.Pattern[str]:
    """Return the pattern of times in an alphabet; `words` may replace `:` or follow the time."""
    units = "|".join(("h", *words))
    return re.compile(
        rf"""(?<![0-9])(?<![0-9][:./])
        (?: (?P<four>[0-9]{{4}}) (?:\s?(?P<hours>hours|hrs|hr|h))?
          | (?P<hour>[0-9]{{1,2}})
            (?: (?P<mark>[:.])(?P<minute>[0-5][0-9])(?:[:.]00)?
              | \s?(?P<unit>{units})(?:\s?(?P<after>[0-5][0-9]))? )?
            (?:\s?(?:hours|hrs|hr|{units}))?
            (?:\s?(?P<half>a\.m\.|p\.m\.|am|pm|a\.m|p\.m))?
        ) (?![0-9a-zà-ž:/])(?!\.[0-9])""",
        re.VERBOSE,
    )


_LATIN_CLOCK: Final = _latin_clock()
_GERMAN_CLOCK: Final = _latin_clock("uhr")
_DUTCH_CLOCK: Final = _latin_clock("uur", "u")
_EASTERN_CLOCK: Final = re.compile(
    r"""(?<![0-9])(?<![0-9][:./])
    (?: (?P<four>[0-9]{4}) (?P<hours>(?!))?
      | (?P<hour>[0-9]{1,2})
        (?: (?P<mark>:)(?P<minute>[0-5][0-9])(?::00)?
          | \s?(?P<unit>[時时點点시])(?![間间])(?:\s?(?P<after>[0-5]?[0-9])\s?[分분]|(?P<thirty>[半반]))? )?
        (?:\s?(?P<half>a\.m\.|p\.m\.|am|pm)(?!\s?[0-9]))?
    ) (?!\.?[0-9])(?![a-z:/])""",
    re.VERBOSE,
)
_AFTER_A_BARE_NUMBER: Final = re.compile(r"\s?(?:[-,;)\n]|至|到|から|부터|$)")
_EASTERN_DATES: Final = re.compile(
    r"""(?<![0-9])(?<![0-9][:./])
    (?:(?P<month>1[0-2]|0?[1-9])/(?P<day>3[01]|[12][0-9]|0?[1-9])
       (?:\s?(?:-|から|至|到)\s?(?:(?P<to_month>1[0-2]|0?[1-9])/)?(?P<to_day>3[01]|[12][0-9]|0?[1-9]))?
     | (?P<month_>1[0-2]|0?[1-9])[月월]\s?(?P<day_>3[01]|[12][0-9]|0?[1-9])[日号號일]
       (?:\s?(?:-|から|至|到)\s?(?:(?P<to_month_>1[0-2]|0?[1-9])[月월]\s?)?(?P<to_day_>3[01]|[12][0-9]|0?[1-9])[日号號일])?
    ) (?:\s?まで)?(?![0-9:/年-])""",
    re.VERBOSE,
)
_CHINESE_WEEK: Final = re.compile(
    r"""(?:每?(?:週|周|星期|禮拜|礼拜)\s?)
    (?P<days>[一二三四五六日天](?:\s?(?:至|到|-|,|&|及|和|與|与)?\s?(?:每?(?:週|周|星期|禮拜|礼拜)\s?)?[一二三四五六日天])*)
    (?![點点時时樓楼])""",
    re.VERBOSE,
)
_NUMBERED_WEEK: Final = re.compile(r"w\s?([1-7])(?:\s?-\s?w?([1-7]))?(?![0-9:])")
_JAPANESE_NTH: Final = re.compile(
    r"(?:毎月)?(?P<nths>第\s?[1-5一二三四五](?:\s?[,&と]?\s?第?\s?[1-5一二三四五])*)\s?(?P<day>[月火水木金土日])(?:曜日|曜)?"
)
_JAPANESE_DAY: Final = re.compile(
    r"""(?<![0-9])[月火水木金土日](?:曜日|曜)
    | (?:(?<![0-9一-龥々ぁ-んァ-ヶ])|(?<=[月火水木金土日祝曜はと]))[月火水木金土日](?![曜末時])""",
    re.VERBOSE,
)
_KOREAN_DAY: Final = re.compile(
    r"""(?<![0-9])[월화수목금토일]요일
    | (?:(?<![0-9가-힣])|(?<=[월화수목금토일]))[월화수목금토일](?=[월화수목금토일]|[^가-힣]|$)""",
    re.VERBOSE,
)
_HAN_NUMERALS: Final[Mapping[str, str]] = {
    **{numeral: str(number) for number, numeral in enumerate("一二三四五六七八九十", 1)},
    "十一": "11", "十二": "12", "兩": "2", "两": "2",
}  # fmt: skip
_HAN_HOUR: Final = re.compile(r"(十[一二]|(?<!十)[一二三四五六七八九十兩两])(?=[點点時时](?![間间]))")
_TYPED_FOR: Final = str.maketrans(
    dict.fromkeys("‐‑‒–—―−~〜～ー─﹣", "-")
    | {
        "、": ",",
        "，": ",",
        "・": "&",
        "·": "&",
        "[": "(",
        "]": ")",
        "•": "\n",
        "∶": ":",
        "；": ";",
        "。": ";",
        "\r": "\n",
        "’": "'",
    }
    | {"【": "(", "】": ")", "「": "(", "」": ")", "『": "(", "』": ")", "〔": "(", "〕": ")", "→": "-"}
)
_LINE_TAGS: Final = re.compile(
    r"</?(?:br|p|div|li|ul|ol|tr|td|table|tbody|span|b|strong)\s*/?>", re.IGNORECASE
)
_INVISIBLE: Final = dict.fromkeys(map(ord, "\ufeff\u200b"))
_DIGITS: Final = frozenset("0123456789")
_NEVER: Final = frozenset({"No", "Nl", "Cs", "Co", "Cn", "Cf", "Mn", "Me"})


def tidied(text: str) -> str | None:
    """Return the text in lower case with normalised characters; None if that could change its meaning.

    Circled digits, superscripts and similar may be enumerators, so they are not converted to digits.
    """
    if len(text) > MAX_HOURS_TEXT_LENGTH:
        return None
    text = _LINE_TAGS.sub("\n", html.unescape(text)).translate(_INVISIBLE)
    text = unicodedata.normalize("NFC", text)
    for sign in text:
        kind = unicodedata.category(sign)
        digits = set(unicodedata.normalize("NFKC", sign)) & _DIGITS
        if kind in _NEVER or (kind == "Cc" and sign not in "\t\r\n") or (kind == "Nd") != bool(digits):
            return None
    plain = unicodedata.normalize("NFKC", text).translate(_TYPED_FOR).lower()
    lines = (" ".join(line.split()) for line in plain.split("\n"))
    return "\n".join(line for line in lines if line)


class Gap(Enum):
    """The separator between two words."""

    NONE = auto()
    """Nothing, or a word such as "and"; the two words belong together."""
    SPACE = auto()
    COMMA = auto()
    EMPTY = auto()
    """Information about the first word is missing: "Saturday: , Sunday", "Saturday open, Sunday"."""


class Word(NamedTuple):
    token: Token
    after: Gap
    """The separator between this word and the one before."""


def words_of(text: str, language: str) -> list[Word] | None:
    """Split a normalised text into words, omitting those without information; None if any is unknown."""
    if language not in LATIN:
        text = _HAN_HOUR.sub(lambda found: _HAN_NUMERALS[found[1]], text)
    words: list[Word] = []
    between: list[Token] = []
    place = 0
    while place < len(text):
        found = _next(text, place, language)
        if found is None:
            return None
        tokens, place = found
        for token in tokens:
            if token in _GAPS:
                between.append(token)
            else:
                words.append(Word(token, _gap(words[-1].token if words else None, between)))
                between.clear()
    return words


_GAPS: Final = frozenset({Mark.AND, Mark.COMMA, Mark.SPACE, Mark.COLON, Mark.NOTHING})


def _gap(before: Token | None, between: list[Token]) -> Gap:
    signs = [token for token in between if token is not Mark.SPACE]
    if isinstance(before, DaySet) and (Mark.COLON in signs or (Mark.NOTHING, Mark.COMMA) in pairwise(signs)):
        return Gap.EMPTY
    gaps = {token for token in between if token not in (Mark.COLON, Mark.NOTHING)}
    if not gaps or Mark.AND in gaps:
        return Gap.NONE
    return Gap.COMMA if Mark.COMMA in gaps else Gap.SPACE


_STROKE_FOR_NOTHING: Final = re.compile(r"/\s*(?:[,;|]|$)", re.MULTILINE)
"""A slash instead of hours: "Saturday /, Sunday 9-12"."""


def _next(text: str, place: int, language: str) -> tuple[list[Token], int] | None:
    """Return the tokens of the longest word that starts at `place`, and the index where it ends."""
    best: tuple[list[Token], int] | None = None
    digit_before, digit_behind = text[place - 1 : place].isdigit(), text[place + 1 : place + 2].isdigit()
    word = _words(language).match(text, place)
    if word is not None and not _is_of_a_time(word[0], text, place, digit_behind):
        token = LEXICONS[language].get(word[1]) or EVERYWHERE[word[1]]
        best = [token], word.end()
    for pattern, read in _patterns(language):
        found = pattern.match(text, place)
        if found is not None and (best is None or found.end() > best[1]):
            tokens = read(found)
            if tokens is not None:
                best = tokens, found.end()
    if best is None and text[place] == "." and not digit_behind:
        return [Mark.BREAK], place + 1
    if best is None and text[place] == "/" and not (digit_before or digit_behind):
        return None if _STROKE_FOR_NOTHING.match(text, place) else ([Mark.AND], place + 1)
    return best


def _is_of_a_time(word: str, text: str, place: int, digit_behind: bool) -> bool:
    """Return whether a sign is part of a time that was not understood: `:30`, `10:00+`."""
    before = text[place - 1 : place]
    return (word == "+" and before.isdigit()) or (
        word == ":" and (before.isdigit() or (digit_behind and not before.strip()))
    )


@lru_cache(maxsize=len(LANGUAGES))
def _words(language: str) -> re.Pattern[str]:
    """Return a pattern of a language's words, longest first, with word boundaries in alphabetic scripts."""
    letter, ends = ("[a-zà-žß]", "[a-zà-žß0-9]") if language in LATIN else ("[a-z]", "[a-z]")
    written: list[str] = []
    for word in sorted({**EVERYWHERE, **LEXICONS[language]}, key=len, reverse=True):
        before = f"(?<!{letter})" if re.match(letter, word) else "(?<![0-9])" if word[0].isdigit() else ""
        after = f"(?!{ends})" if re.match(letter, word[-1]) else "(?![0-9])" if word[-1].isdigit() else ""
        written.append(f"{before}{re.escape(word)}{after}")
    # an abbreviation may end in a full stop: "Mo.-Fr.", "godz. 8"
    stop = r"(?:(?<=[a-zà-žß])\.(?![0-9]))?" if language in LATIN else ""
    return re.compile(f"((?:{'|'.join(written)})){stop}")


type _Reader = Callable[[re.Match[str]], list[Token] | None]


@lru_cache(maxsize=len(LANGUAGES))
def _patterns(language: str) -> tuple[tuple[re.Pattern[str], _Reader], ...]:
    if language in LATIN:
        clocks = {"de": _GERMAN_CLOCK, "nl": _DUTCH_CLOCK}
        return ((clocks.get(language, _LATIN_CLOCK), _clock),)
    eastern: tuple[tuple[re.Pattern[str], _Reader], ...]
    eastern = (_EASTERN_CLOCK, _clock), (_EASTERN_DATES, _dates)
    match language:
        case "zh":
            return (*eastern, (_CHINESE_WEEK, _chinese_week), (_NUMBERED_WEEK, _numbered_week))
        case "ja":
            return (*eastern, (_JAPANESE_NTH, _japanese_nth), (_JAPANESE_DAY, _day_in("月火水木金土日")))
        case _:
            return (*eastern, (_KOREAN_DAY, _day_in("월화수목금토일")))


def _clock(found: re.Match[str]) -> list[Token] | None:
    half = {"a": AM, "p": PM}.get((found["half"] or "")[:1])
    if found["four"]:
        hour, minute = int(found["four"][:2]), int(found["four"][2:])
        sure = found["four"][0] == "0" or bool(found["hours"])
        return [Clock(hour, minute, Style.FOUR_DIGITS, padded=sure)] if minute < 60 else None
    hour = int(found["hour"])
    padded = len(found["hour"]) == 2 and found["hour"][0] == "0"
    if found["mark"]:
        style = Style.COLON if found["mark"] == ":" else Style.DOT
        minute = int(found["minute"])
        return [Clock(hour, minute, style, padded, half)] if style is Style.COLON or minute % 5 == 0 else None
    groups = found.groupdict()
    if found["unit"]:
        minute = 30 if groups.get("thirty") else int(found["after"] or 0)
        return [Clock(hour, minute, Style.UNIT, padded, half)]
    if found.re is _EASTERN_CLOCK and not half and not _AFTER_A_BARE_NUMBER.match(found.string, found.end()):
        return None
    if found["hour"] == "00" and not half:
        return None
    return [Clock(hour, 0, Style.BARE, padded, half)]


def _dates(found: re.Match[str]) -> list[Token]:
    def number(name: str) -> int:
        return int(found[name] or found[f"{name}_"] or 0)

    month, day = number("month"), number("day")
    to_day = number("to_day")
    return [Dates(month, day, number("to_month") or month, to_day or day)]


def _chinese_week(found: re.Match[str]) -> list[Token]:
    tokens: list[Token] = []
    for sign in re.sub(r"週|周|星期|禮拜|礼拜|每", "", found["days"]):
        if sign in "至到-":
            tokens.append(Mark.TO)
        elif sign in "一二三四五六日天":
            tokens.append(WEEK[min("一二三四五六日天".index(sign), 6)])
    return tokens


def _numbered_week(found: re.Match[str]) -> list[Token]:
    first = WEEK[int(found[1]) - 1]
    return [first, Mark.TO, WEEK[int(found[2]) - 1]] if found[2] else [first]


def _japanese_nth(found: re.Match[str]) -> list[Token]:
    weekday = "月火水木金土日".index(found["day"])
    nths = ("一二三四五".find(sign) + 1 or int(sign) for sign in re.findall("[1-5一二三四五]", found["nths"]))
    return [DaySet(frozenset(Day(weekday, nth) for nth in nths))]


def _day_in(week: str) -> _Reader:
    return lambda found: [WEEK[week.index(found[0][0])]]
