"""Parse the text of opening hours into rules; normalise it, or refuse it with a reason.

The library implements the grammar. Input that it would interpret arbitrarily is refused (see `evaluation`).
"""

from __future__ import annotations

import re
import unicodedata
from calendar import monthrange
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final, NamedTuple, NoReturn

from opening_hours import (  # type: ignore[attr-defined]  # ParserError is missing from the package's stub
    OpeningHours,
    ParserError,
)

from aed.errors import InvalidInput
from aed.hours.dates import MONTH, NTH_IN_MONTH, DatesRefused, leaves_its_month, written_out

MAX_EXPRESSION_LENGTH: Final = 1_000
MAX_RULES: Final = 50
FURTHEST_OFFSET_DAYS: Final = 366
OPEN_END_HOURS: Final = 10
"""Longest duration of an open end, as in the most generous implementation of `opening_hours`
(opening_hours.js: 8 hours from 22:00, 10 hours from 17:00)."""


class Holiday(NamedTuple):
    """A holiday selector; `PH +1 day`, the day after a public holiday, is Holiday("PH", 1)."""

    kind: str
    days_after: int


@dataclass(frozen=True, slots=True)
class _Weekdays:
    """A selector of weekdays, such as `Mo-Fr`, `Su[1,3]` or `Mo[-1] +2 days`."""

    weekdays: frozenset[int]
    nth: frozenset[int]
    days_after: int

    def matches(self, day: date, weekday: int) -> bool:
        """Return whether the selector matches `day`, treating it as the given `weekday`."""
        if (weekday - self.days_after) % 7 not in self.weekdays:
            return False
        if not self.nth:
            return True
        named = day - timedelta(days=self.days_after)
        length = monthrange(named.year, named.month)[1]
        return not self.nth.isdisjoint({(named.day - 1) // 7 + 1, -((length - named.day) // 7 + 1)})


@dataclass(frozen=True, slots=True)
class _Days:
    """A selector of days: any of the weekdays or holidays; with `both` (`PH Mo-Fr`), both must match."""

    weekdays: tuple[_Weekdays, ...]
    holidays: tuple[Holiday, ...]
    both: bool

    def matches(self, day: date, weekday: int, holidays: frozenset[Holiday]) -> bool:
        on_a_weekday = any(weekdays.matches(day, weekday) for weekdays in self.weekdays)
        on_a_holiday = not holidays.isdisjoint(self.holidays)
        return (on_a_weekday and on_a_holiday) if self.both else (on_a_weekday or on_a_holiday)


@dataclass(frozen=True, slots=True)
class Rule:
    """A parsed rule. Times with a known extent are in `certain`, those with an unknown one in `vague`."""

    separator: str
    selector: str
    days_text: str
    days: _Days | None
    times: str
    certain: str
    vague: str
    modifier: str
    comment: str

    @property
    def text(self) -> str:
        pieces = (self.selector, self.days_text, self.times, self.modifier, self.comment)
        return " ".join(piece for piece in pieces if piece)

    @property
    def closes(self) -> bool:
        return self.modifier in ("off", "closed")

    @property
    def separator_of_day(self) -> str:
        """The separator that joins the rule to those before it on a day.

        `off` removes its times and keeps the rest of the day. Vague times that `off` may apply to are written
        as unknown, and must keep the rest of the day as well.
        """
        return (
            ","
            if self.separator == ";" and self.closes and not self.certain and self.vague
            else self.separator
        )

    def on(self, dates: str) -> str:
        """Return the rule as text for the library, with its dates replaced by `dates`."""
        modifier = self.modifier or ("unknown" if self.comment else "")
        parts = [(self.vague, "unknown")] if self.vague else []
        if self.certain or not self.vague:
            parts.insert(0 if self.closes else len(parts), (self.certain or "00:00-24:00", modifier))
        return ", ".join(
            " ".join(piece for piece in (dates, times, how, self.comment) if piece) for times, how in parts
        )


_WEEKDAYS: Final = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
_WEEKDAY: Final = "(?:" + "|".join(_WEEKDAYS) + ")"
_DATE_EDGE: Final = rf"(?:{MONTH}\s+\d{{1,2}}|easter)"
_NTH_RANGE: Final = (
    rf"{NTH_IN_MONTH}\s*-\s*(?:{NTH_IN_MONTH}|{_DATE_EDGE}(?![\d:]))|{_DATE_EDGE}\s*-\s*{NTH_IN_MONTH}"
)
_TOKEN: Final = re.compile(
    rf"""
      (?P<space>\s+)
    | (?P<comment>"[^"]*")
    | (?P<always>24\s*/\s*7)(?!\d)
    | (?P<nthrange>{_NTH_RANGE})
    | (?P<time>\d{{1,2}}:\d\d)(?!\d)
    | (?P<number>\d+)
    | (?P<weekday>{_WEEKDAY})(?![A-Za-z])
    | (?P<holiday>PH|SH)(?![A-Za-z])
    | (?P<month>{MONTH})(?![A-Za-z])
    | (?P<week>week)(?![A-Za-z])
    | (?P<easter>easter)(?![A-Za-z])
    | (?P<modifier>open|closed|off|unknown)(?![A-Za-z])
    | (?P<sun>dawn|sunrise|sunset|dusk)(?![A-Za-z])
    | (?P<day>days?)(?![A-Za-z])
    | (?P<end>;|\|\|)
    | (?P<mark>[-,+/():\[\]])
    """,
    re.VERBOSE | re.IGNORECASE,
)
_DAYS_ENTRY: Final = re.compile(
    rf"""
    (?:(?P<holiday>PH|SH)|(?P<first>{_WEEKDAY})(?:-(?P<last>{_WEEKDAY}))?(?:\[(?P<nth>[-\d,]+)\])?)
    (?:\ (?P<days_after>[-+]\d+)\ days?)?
    """,
    re.VERBOSE,
)
_OFFSET: Final = r"(?:\ [-+]\d+\ days?)?"
_HOLIDAY: Final = rf"(?:PH|SH){_OFFSET}"
_ON_WEEKDAYS: Final = rf"{_WEEKDAY}(?:-{_WEEKDAY}|\[[-\d,]+\]{_OFFSET})?"
_DAYS_ENTRIES: Final = re.compile(
    rf"(?P<both>{_HOLIDAY}(?:,{_HOLIDAY})*\ {_ON_WEEKDAYS}(?:,{_ON_WEEKDAYS})*)"
    rf"|(?:{_HOLIDAY}|{_ON_WEEKDAYS})(?:,(?:{_HOLIDAY}|{_ON_WEEKDAYS}))*"
)
_NTH: Final = re.compile(r"(-?[1-5])(?:-([1-5]))?")
_FIXED_SPAN: Final = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)")
_EXAMPLES: Final = 'for example "24/7" or "Mo-Fr 08:00-18:00; Sa 09:00-12:00; PH off"'

# Characters that people type instead of those of the grammar.
_TYPED_FOR: Final = str.maketrans(
    {"‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "−": "-", "~": "-", "〜": "-", "、": ",", "∶": ":"}
)
_QUOTES: Final = str.maketrans({"“": '"', "”": '"', "„": '"', "＂": '"'})

_TILL_LATE: Final = re.compile(r"(?i)(\d{1,2}:\d\d)\s*(?:-|till?|until|to)\s*late(?![a-z])")


class _Token(NamedTuple):
    kind: str
    text: str
    after_space: bool


_SELECTOR, _DAYS_OF_WEEK, _TIMES, _MODIFIER, _COMMENT = range(5)
_STAGES: Final = {
    "month": _SELECTOR, "number": _SELECTOR, "week": _SELECTOR, "easter": _SELECTOR, "nthrange": _SELECTOR,
    "weekday": _DAYS_OF_WEEK, "holiday": _DAYS_OF_WEEK,
    "time": _TIMES, "sun": _TIMES, "always": _TIMES,
    "modifier": _MODIFIER, "comment": _COMMENT,
}  # fmt: skip


@dataclass(slots=True)
class _Draft:
    """A rule that is being parsed, with its tokens by stage."""

    separator: str
    stages: tuple[list[_Token], ...] = field(default_factory=lambda: ([], [], [], [], []))
    stage: int = -1
    spaced_times: bool = False


def parsed(text: str) -> tuple[Rule, ...]:
    """Parse `text` into rules; raise InvalidInput unless this module and the library accept all of them."""
    drafts = _split_rules(_tokens(text), text)
    rules = tuple(_rule(draft, text) for draft in drafts)
    if not rules:
        _refuse(text, "are empty; leave the hours out if they are not known")
    if len(rules) > MAX_RULES:
        _refuse(text, f"have more than {MAX_RULES} rules")
    tidy = text_of(rules)
    if len(tidy) > MAX_EXPRESSION_LENGTH:
        _refuse(text, f"are longer than {MAX_EXPRESSION_LENGTH} characters")
    try:
        understood = str(OpeningHours(tidy))
        rule_by_rule = "".join(_between(rule.separator) + str(OpeningHours(rule.text)) for rule in rules)
    except ParserError as error:
        raise refusal(text, _parser_message(error, tidy)) from error
    if understood != rule_by_rule:
        _refuse(text, "are ambiguous; separate the rules with `; `")
    return rules


def text_of(rules: tuple[Rule, ...]) -> str:
    return "".join(_between(rule.separator) + rule.text for rule in rules)


def _between(separator: str) -> str:
    return {"": "", "||": " || "}.get(separator, f"{separator} ")


def _parser_message(error: Exception, tidy: str) -> str:
    message = str(error).strip()
    place = re.search(r"--> 1:(\d+)", message)
    if place is None:
        return f"cannot be parsed: {message.rpartition(': ')[2].rstrip('.')}"
    rest = tidy[int(place[1]) - 1 :][:16]
    return (
        f"are not understood from “{rest}” on" if rest else "are incomplete: something is missing at the end"
    )


def refusal(text: str, reason: str) -> InvalidInput:
    shown = "".join(character if character.isprintable() else "?" for character in text[:80])
    return InvalidInput(
        "The opening hours “{shown}” {reason}; {examples}.",
        field="opening_hours",
        shown=shown,
        reason=reason,
        examples=_EXAMPLES,
    )


def _refuse(text: str, reason: str) -> NoReturn:
    raise refusal(text, reason)


def _tokens(text: str) -> list[_Token]:
    if len(text) > MAX_EXPRESSION_LENGTH:
        _refuse(text, f"are longer than {MAX_EXPRESSION_LENGTH} characters")
    if any(unicodedata.category(each) in ("Cc", "Cs") and each not in "\t\r\n" for each in text):
        _refuse(text, "contain control characters")
    pieces = text.translate(_QUOTES).split('"')
    if len(pieces) % 2 == 0:
        _refuse(text, 'have a comment without its closing `"`')
    for n in range(0, len(pieces), 2):
        pieces[n] = unicodedata.normalize("NFKC", pieces[n]).translate(_TYPED_FOR)
        pieces[n] = _TILL_LATE.sub(r"\1+", pieces[n])
    tidy = '"'.join(" ".join(piece.split()) if n % 2 else piece for n, piece in enumerate(pieces))
    tokens: list[_Token] = []
    place, after_space = 0, False
    while place < len(tidy):
        found = _TOKEN.match(tidy, place)
        if found is None or found.lastgroup is None:
            _refuse(text, f"contain “{tidy[place : place + 12]}”, which is not understood")
        place = found.end()
        if found.lastgroup == "space":
            after_space = True
            continue
        tokens.append(_Token(found.lastgroup, _spelled(found.lastgroup, found.group()), after_space))
        after_space = False
    return tokens


def _spelled(kind: str, text: str) -> str:
    match kind:
        case "weekday" | "month":
            return text.capitalize()
        case "holiday":
            return text.upper()
        case "time":
            return text.zfill(5)
        case "nthrange":
            words = re.sub(r"\s*-\s*(?=[A-Za-z])", "-", " ".join(text.split()))
            words = re.sub(r"\s*([\[\]])\s*", r"\1", words)
            words = re.sub(r"(?<= )\d(?!\d)", lambda day: day.group().zfill(2), words)
            return re.sub("[A-Za-z]+", lambda word: word.group().capitalize(), words).replace(
                "Easter", "easter"
            )
        case "comment":
            return text
        case "always":
            return "24/7"
        case _:
            return text.lower()


def _split_rules(tokens: list[_Token], text: str) -> list[_Draft]:
    """Split tokens into rules, and each rule into stages.

    A comma continues a list if the next token is of the same kind. After times, a comma before days or dates
    starts an additional rule. Any other comma is ambiguous and is refused.
    """
    drafts: list[_Draft] = []
    draft = _Draft("")
    in_brackets = False
    for n, token in enumerate(tokens):
        following = tokens[n + 1] if n + 1 < len(tokens) else None
        if token.kind == "end":
            if draft.stage >= 0:
                drafts.append(draft)
            elif token.text == "||" or draft.separator == "||":
                _refuse(text, "lack a rule on one side of `||`")
            draft = _Draft(token.text if drafts else "")
        elif token.text == "," and not in_brackets:
            after = _STAGES.get(following.kind, _TIMES if following.text == "(" else -1) if following else -1
            always = following is not None and following.kind == "always"
            if after == draft.stage and after in (_SELECTOR, _DAYS_OF_WEEK, _TIMES) and not always:
                draft.stages[draft.stage].append(token)
                draft.spaced_times |= after == _TIMES and following is not None and following.after_space
            elif draft.stage >= _TIMES and (after in (_SELECTOR, _DAYS_OF_WEEK) or always):
                drafts.append(draft)
                draft = _Draft(",")
            else:
                _refuse(text, "have an ambiguous comma; separate the rules with `; `")
        else:
            stage = _stage_of(token, following, draft, in_brackets)
            if stage < draft.stage or stage < 0 or (stage == draft.stage and stage >= _MODIFIER):
                remedy = "separate the rules with `; `"
                if token.kind == "number" and following is not None and following.text == "-":
                    remedy = "write hours with their minutes, like `09:00-17:00`"
                _refuse(text, f"have “{token.text}” where it is not allowed; {remedy}")
            draft.stage = stage
            draft.stages[stage].append(token)
            in_brackets = (in_brackets or token.text == "[") and token.text != "]"
    if draft.stage >= 0:
        drafts.append(draft)
    elif draft.separator == "||":
        _refuse(text, "lack a rule on one side of `||`")
    return drafts


def _stage_of(token: _Token, following: _Token | None, draft: _Draft, in_brackets: bool) -> int:
    """Return the stage of the rule that a token belongs to, or -1 if there is none."""
    last = draft.stages[draft.stage][-1].text if draft.stage >= 0 and draft.stages[draft.stage] else ""
    if token.text == "(":
        return _TIMES
    if token.kind == "number" and draft.stage > _SELECTOR:
        of_offset = last in ("+", "-") and following is not None and following.kind == "day"
        of_repetition = draft.stage == _TIMES and last == "/"
        return draft.stage if in_brackets or of_offset or of_repetition else -1
    if token.kind in ("mark", "day"):
        return draft.stage
    return _STAGES[token.kind]


def _rule(draft: _Draft, text: str) -> Rule:
    selector, days, times, modifier, comment = (_written(tokens) for tokens in draft.stages)
    selector, days = selector.rstrip(":"), days.rstrip(":")
    if "24/7" in times:
        if times != "24/7" or days:
            _refuse(
                text, "have `24/7` together with other days or times; write `00:00-24:00` for a whole day"
            )
        times = "00:00-24:00" if selector else times
    if modifier in ("off", "closed") and draft.spaced_times:
        _refuse(text, f"do not say which times are `{modifier}`; write that rule separately after `; `")
    if any(
        int(days_after) > FURTHEST_OFFSET_DAYS for days_after in re.findall(r"[-+](\d+) day", selector + days)
    ):
        _refuse(text, f"have an offset of more than {FURTHEST_OFFSET_DAYS} days")
    meant = _parse_days(days, text) if days else None
    try:
        selector = written_out(selector) if selector else ""
    except DatesRefused as error:
        _refuse(text, str(error))
    if selector and any(
        leaves_its_month(each.nth, each.days_after) for each in (meant.weekdays if meant else ()) if each.nth
    ):
        _refuse(text, "have an offset from a weekday of a month that leads into another month; write dates")
    certain, vague = _certain_and_vague("" if times == "24/7" else times, text)
    return Rule(
        separator=draft.separator,
        selector=selector,
        days_text=days,
        days=meant,
        times=times,
        certain=certain,
        vague=vague,
        modifier=modifier,
        comment=comment,
    )


def _written(tokens: list[_Token]) -> str:
    """Join tokens with the canonical spaces: `2026 Oct 01-07`, `Mo[-1] +2 days`."""
    written = ""
    for n, token in enumerate(tokens):
        before = tokens[n - 1] if n else None
        day_ahead = n + 2 < len(tokens) and tokens[n + 2].kind == "day"
        begins_offset = token.text in ("+", "-") and day_ahead and tokens[n + 1].kind == "number"
        two_words = before is not None and before.kind != "mark" and token.kind != "mark"
        word = token.text
        if token.kind == "number" and before is not None and before.kind in ("month", "week"):
            word = word.zfill(2)
        elif token.kind == "number" and before is not None and before.text in ("-", ",") and len(word) == 1:
            of_offset = n + 1 < len(tokens) and tokens[n + 1].kind == "day"
            word = word if of_offset or "[" in written else word.zfill(2)
        closes = before is not None and before.text == ":" and token.kind != "mark"
        written += (" " if two_words or begins_offset or closes else "") + word
    return written


def _parse_days(days: str, text: str) -> _Days:
    """Parse a selector of days: `PH Mo-Fr` requires both, holidays on those weekdays; commas mean any."""
    entries = _DAYS_ENTRIES.fullmatch(days)
    if entries is None:
        _refuse(text, f"have the days “{days}”, which are not understood; write them like `Mo-Fr,PH`")
    weekdays: list[_Weekdays] = []
    holidays: list[Holiday] = []
    for found in _DAYS_ENTRY.finditer(days):
        days_after = int(found["days_after"] or 0)
        if found["holiday"]:
            holidays.append(Holiday(found["holiday"], days_after))
        else:
            first, last = found["first"], found["last"] or found["first"]
            weekdays.append(
                _Weekdays(_from_to(first, last), _parse_nth(found["nth"] or "", text), days_after)
            )
    return _Days(tuple(weekdays), tuple(holidays), both=entries["both"] is not None)


def _from_to(first: str, last: str) -> frozenset[int]:
    start = _WEEKDAYS.index(first)
    return frozenset((start + n) % 7 for n in range((_WEEKDAYS.index(last) - start) % 7 + 1))


def _parse_nth(nth: str, text: str) -> frozenset[int]:
    meant: set[int] = set()
    for entry in nth.split(",") if nth else ():
        found = _NTH.fullmatch(entry)
        if found is None:
            _refuse(text, f"have “[{nth}]”; write `[1]` to `[5]`, or `[-1]` for the last of a month")
        meant.update(range(int(found[1]), int(found[2] or found[1]) + 1) if found[2] else (int(found[1]),))
    return frozenset(meant)


def _certain_and_vague(times: str, text: str) -> tuple[str, str]:
    """Split times into spans with fixed clock times, and the widest extents of all others."""
    certain: list[str] = []
    vague: list[str] = []
    for span in times.split(",") if times else ():
        fixed = _FIXED_SPAN.fullmatch(span.removesuffix("+"))
        if "24" <= span[:2] <= "99":
            _refuse(text, f"have “{span}”, which begins after the end of the day")
        if fixed is None:
            vague.append(_longest(span))
        elif (fixed[1], fixed[2]) == (fixed[3], fixed[4]):
            _refuse(
                text, f"have “{span}”, which has no duration; write `00:00-24:00` for a whole day, or `off`"
            )
        else:
            certain.append(fixed[0])
            if span.endswith("+"):
                start, end = _minute(fixed[1], fixed[2]), _minute(fixed[3], fixed[4])
                vague.append(_open_end(start, end + 1440 * (end <= start)))
    return ",".join(certain), ",".join(vague)


def _minute(hour: str, minute: str) -> int:
    return int(hour) * 60 + int(minute)


def _open_end(start: int, end: int) -> str:
    """Return the span from `start` to the later of 06:00 the next day and `OPEN_END_HOURS` after `end`."""
    latest = min(48 * 60, max(30 * 60, end + OPEN_END_HOURS * 60))
    return f"{start // 60:02}:{start % 60:02}-{latest // 60:02}:{latest % 60:02}"


def _longest(span: str) -> str:
    """Return the widest extent of a span with a sun event, an open end or a repetition.

    Without coordinates a sun event may be at any time, except that it is light at noon.
    """
    if re.search("dawn|sunrise|sunset|dusk", span):
        light = re.fullmatch(
            r"(?:(0\d:\d\d|1[01]:\d\d)|dawn|sunrise)-(?:sunset|dusk|(1[2-9]:\d\d|2\d:\d\d))", span
        )
        return f"{light[1] or '00:00'}-{light[2] or '24:00'}" if light else "00:00-48:00"
    if span.endswith("+"):
        start = _minute(span[:2], span[3:5])
        return _open_end(start, start)
    return span.partition("/")[0]


def runs_past_midnight(span: str) -> bool:
    start, _, end = span.partition("-")
    return end > "24:00" or end < start
