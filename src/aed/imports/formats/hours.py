"""The hours of a row, from the columns in which a list says them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aed.hours.columns import hours_of_geodae, hours_of_japan, hours_of_taiwan, hours_of_week
from aed.hours.text import UnderstoodHours, understand_hours
from aed.imports.formats import values
from aed.imports.formats.mapping import HoursRule, Names
from aed.imports.rules.finding import FindingKind, Severity
from aed.imports.rules.reasons import printable

type Cell = Callable[[Names | None], str]

_TAIWAN = {"Mo-Fr", "Sa", "Su"}


@dataclass(frozen=True, slots=True)
class SaidHours:
    """What was understood, beside what was written."""

    expression: str | None
    written: str | None
    rest: str | None = None
    """The words that were not understood, or that made it uncertain."""

    def doubt(self) -> tuple[FindingKind, Severity, str] | None:
        """What is to be said of them; None where all that was written is in the expression."""
        if self.written is None:
            return None
        if self.expression is None:
            why = "The hours are not understood and count as unknown; the words are kept."
            return FindingKind.HOURS_NOT_UNDERSTOOD, Severity.WARNING, why
        if self.rest is not None:
            why = (
                f"Not all of the hours is certain; what is not counts as unknown: {printable(self.rest, 150)}"
            )
            return FindingKind.HOURS_AMBIGUOUS, Severity.NOTE, why
        return None


def hours_of(rule: HoursRule, cell: Cell, *, language: str | None) -> SaidHours:
    """The hours that a row gives, by the way its list says them."""
    notes = _notes(rule, cell)
    match rule.how:
        case "text":
            return understood(notes, language)
        case "weekly":
            return _weekly(rule, cell, notes, language)
        case "days_and_times":
            days, opens, closes = cell(rule.which_days), cell(rule.start), cell(rule.end)
            times = f"{opens}-{closes}" if opens or closes else ""
            if language in (None, "ja"):
                found = hours_of_japan(days=days, opens=opens, closes=closes, note=notes)
            else:
                found = understand_hours(_written(" ", days, times, notes), language=language)
            return _said(found, _written(" ", days, times, notes))
        case "days_and_words":
            days, hours = cell(rule.which_days), cell(rule.which_hours)
            found = hours_of_geodae(days=days, hours=hours, note=notes)
            items = [", ".join(values.array_items(text)) for text in (days, hours)]
            return _said(found, _written(" · ", *items, notes))


def understood(text: str, language: str | None = None) -> SaidHours:
    """Hours in words, in a language or in any."""
    return _said(understand_hours(text, language=language), text.strip())


def _weekly(rule: HoursRule, cell: Cell, notes: str, language: str | None) -> SaidHours:
    times = {days: (cell(span.start), cell(span.end)) for days, span in rule.days.items()}
    always = cell(rule.always)
    is_always = values.plain(always) in set(map(values.plain, rule.always_words)) if always else False
    if set(times) == _TAIWAN and rule.always is not None:
        found = hours_of_taiwan(
            weekdays=times["Mo-Fr"],
            saturday=times["Sa"],
            sunday=times["Su"],
            always="Y" if is_always else always,
            note=notes,
        )
    else:
        found = hours_of_week(times, note=notes, language=language)
        if is_always and found.expression != "24/7":
            given = any(part for span in times.values() for part in span) or notes
            found = UnderstoodHours(None if given else "24/7", None)
    written = [f"{days} {opens}-{closes}" for days, (opens, closes) in times.items() if opens or closes]
    said_always = f"{rule.always[0]}: {always}" if rule.always and is_always else ""
    return _said(found, _written("; ", said_always, *written, notes))


def _said(found: UnderstoodHours, written: str) -> SaidHours:
    return SaidHours(found.expression, written or None, found.rest)


def _written(between: str, *parts: str) -> str:
    return between.join(part for part in parts if part)


def _notes(rule: HoursRule, cell: Cell) -> str:
    texts: Sequence[str] = [text for names in rule.text or [] if (text := cell(names))]
    if rule.html:
        texts = [values.without_tags(text) for text in texts]
    return re.sub(r"\n{2,}", "\n", "\n".join(texts)).strip()
