"""Read one row with a mapping: position, fields, hours and id, and what was not understood."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Map
from dataclasses import dataclass, field
from typing import Any, Final

from aed.errors import InvalidInput
from aed.imports.coordinates import axis_of, written_degrees
from aed.imports.findings import Finding, FindingKind, Severity
from aed.imports.formats import values
from aed.imports.formats.floors import floor_of
from aed.imports.formats.headers import Header
from aed.imports.formats.mapping import WORDS, FieldRule, Mapping, Names, Transform
from aed.imports.formats.values import hours_of
from aed.imports.rules import printable
from aed.registry.devices.rules import EntryMode
from aed.registry.product_numbers import normalise_registration_number, normalise_udi_di

MAX_LENGTHS: Final = {
    "maker": 100,
    "model": 100,
    "serial": 100,
    "keeper_name": 200,
    "estate": 128,
    "region": 32,
}
_PRODUCT_NUMBERS: Final = {
    "registration_number": normalise_registration_number,
    "udi_di": normalise_udi_di,
}
MAX_TEXT_LENGTH: Final = 2_000
MAX_ID_LENGTH: Final = 128

_JANUARY_OR_OCTOBER: Final = re.compile(r"20[0-9]{2}\.1")


@dataclass(slots=True)
class ContentIds:
    """Generates ids from content; rows with identical content get different ids."""

    seen: dict[int, int] = field(default_factory=dict)
    is_reported: bool = False

    def made_from(self, cells: Sequence[str]) -> str:
        content = "\x1f".join(values.plain(cell) for cell in cells)
        digest = hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()[:16]
        key = int(digest, 16)
        self.seen[key] = self.seen.get(key, 0) + 1
        return f"content-{digest}" + (f"-{self.seen[key]}" if self.seen[key] > 1 else "")


class RowReader:
    """The state of reading one row."""

    def __init__(self, where: str, cells: dict[str, str], raw: Map[str, str]) -> None:
        self._where = where
        self.cells = cells
        self._raw = raw
        self.fields: dict[str, Any] = {}
        self.columns: dict[str, str] = {}
        self.findings: list[Finding] = []

    def fill(
        self,
        mapping: Mapping,
        header: Header,
        source: str,
        ids: ContentIds,
        choices: Map[str, Map[str, str]],
    ) -> None:
        self.fields |= {"source": source, **mapping.constants}
        if mapping.datum != "wgs84":
            self.fields["datum"] = mapping.datum
        self._position(mapping, header)
        for name, rule in mapping.fields.items():
            self._field(name, rule, mapping, header, choices[name])
        self._hours(mapping, header)
        self._identity(mapping, header, ids)
        self._flags(mapping, header)
        if mapping.kept_by_hand and "keeper_phone" in self.fields and "keeper_name" not in self.fields:
            self._name_keeper_by_place()
        if "keeper_name" not in self.fields:
            self.fields.pop("keeper_phone", None)

    def _name_keeper_by_place(self) -> None:
        place = self.fields.get("place_zh") or self.fields.get("place_en")
        if place:
            self.fields["keeper_name"] = str(place)[: MAX_LENGTHS["keeper_name"]]

    def find(
        self,
        kind: FindingKind,
        severity: Severity,
        column: str | None,
        wrong: str,
        right: str | None = None,
        *,
        read: str | None = None,
    ) -> None:
        shown = read if read is not None else self._raw.get(column or "")
        self.findings.append(
            Finding(
                kind, severity, self._where, column, printable(shown, 200) if shown else None, wrong, right
            )
        )

    def keep(self, others: Iterable[str], mapping: Mapping) -> None:
        kept = [f"{name}: {self.cells[name]}" for name in others if self.cells.get(name)]
        if kept:
            name = _in_language("access_instructions", "\n".join(kept), mapping)
            before = self.fields.get(name)
            self._put_words(name, "\n".join([before, *kept] if before else kept), None)

    def _cell(self, header: Header, names: Names | None) -> tuple[str, str | None]:
        column = header.column(names) if names else None
        return (self.cells.get(column, ""), column) if column else ("", None)

    def _position(self, mapping: Mapping, header: Header) -> None:
        rule = mapping.position
        written: dict[str, str] = {}
        if rule.lat is not None or rule.lon is not None:
            for name, names in (("lat", rule.lat), ("lon", rule.lon)):
                cell, column = self._cell(header, names)
                if cell:
                    self.fields[name] = (
                        values.degrees_by_hand(cell, language=mapping.language)
                        if mapping.kept_by_hand
                        else values.degrees(cell)
                    )
                    written[name] = cell
                if column:
                    self.columns[name] = column
            if axis_of(written.get("lat", "")) == "lon" and axis_of(written.get("lon", "")) == "lat":
                self.fields["lat"], self.fields["lon"] = self.fields["lon"], self.fields["lat"]
            if rule.order is None or {"lat", "lon"} <= self.fields.keys():
                return
        given = [self._cell(header, names) for names in (rule.text, rule.lon, rule.lat) if names]
        cell, column = next((each for each in given if each[0]), ("", given[0][1]))
        both = values.pair(cell)
        first, second = ("lat", "lon") if rule.order == "lat,lon" else ("lon", "lat")
        if both is not None:
            axes = list(map(axis_of, written_degrees(cell))) if mapping.kept_by_hand else []
            by_number = rule.lat is not None or mapping.kept_by_hand
            if set(axes) == {"lat", "lon"}:
                first, second = ("lon", "lat") if axes[0] == "lon" else ("lat", "lon")
            elif by_number and _is_longitude(both[0]) != _is_longitude(both[1]):
                first, second = ("lon", "lat") if _is_longitude(both[0]) else ("lat", "lon")
            self.fields |= {first: both[0], second: both[1]}
        elif cell and rule.lat is None:
            self.fields |= {first: cell, second: cell}
        if column:
            self.columns |= {"lat": column, "lon": column}

    def _field(
        self, name: str, rule: FieldRule, mapping: Mapping, header: Header, choices: Map[str, str]
    ) -> None:
        found = [self._cell(header, names) for names in rule.columns]
        column = next((column for _, column in found if column), None)
        given = list(dict.fromkeys(cell for cell, _ in found if cell))
        if not given:
            if rule.empty is not None and column is not None:
                self._put(name, rule.empty, column)
            return
        match rule.transform:
            case Transform.TEXT:
                name = _in_language(name, given[0], mapping)
                if name.startswith(WORDS):
                    self._put_words(name, rule.join.join(given), column)
                elif name in _PRODUCT_NUMBERS:
                    self._product_number(name, given[0], column)
                else:
                    self._put(name, self._cut(name, " ".join(given[0].split()), column), column)
            case Transform.DATE:
                self._date(name, given[0], rule, column)
            case Transform.FLOOR:
                self._floor(name, given, rule, column)
            case Transform.CHOICE:
                meant = values.choice_of(given[0], choices)
                meant = rule.otherwise if meant is None else meant
                if meant:
                    self._put(name, meant, column)
                elif meant is None:
                    known = ", ".join(list(rule.choices)[:8])
                    if name == "entry":
                        self.fields[name] = EntryMode.UNKNOWN
                    self.find(
                        FindingKind.VALUE_NOT_UNDERSTOOD,
                        Severity.WARNING,
                        column,
                        f"This is not one of the known words, so {name} is left empty.",
                        known,
                    )
            case Transform.PHONE:
                phones = values.phones_of(given[0])
                if phones:
                    self._put(name, phones[0], column)
                if len(phones) > 1:
                    self.find(
                        FindingKind.VALUE_CUT,
                        Severity.NOTE,
                        column,
                        f"Of {len(phones)} telephone numbers, the first is read.",
                        phones[0],
                    )
                elif not phones and any(map(str.isdigit, given[0])):
                    self.find(
                        FindingKind.VALUE_NOT_UNDERSTOOD,
                        Severity.WARNING,
                        column,
                        "This is not a telephone number. It is left empty.",
                        "A number such as 13800000001, in a cell that is formatted as text.",
                    )
            case Transform.NAME:
                named = next((each for cell in given if (each := values.name_of(cell))), None)
                if named is not None:
                    self._put(name, self._cut(name, named, column), column)

    def _product_number(self, name: str, written: str, column: str | None) -> None:
        try:
            self._put(name, _PRODUCT_NUMBERS[name](written), column)
        except InvalidInput as error:
            wrong = f"{error.detail} It is left empty."
            self.find(FindingKind.VALUE_NOT_UNDERSTOOD, Severity.WARNING, column, wrong)

    def _put(self, name: str, value: object, column: str | None) -> None:
        self.fields[name] = value
        if column is not None:
            self.columns[name] = column

    def _put_words(self, name: str, words: str, column: str | None) -> None:
        text = words if name.startswith("access_instructions") else " ".join(words.split())
        self._put(name, self._cut(name, text, column), column)

    def _cut(self, name: str, text: str, column: str | None) -> str:
        longest = MAX_LENGTHS.get(name, MAX_TEXT_LENGTH)
        if len(text) <= longest:
            return text
        self.find(
            FindingKind.VALUE_CUT,
            Severity.WARNING,
            column,
            f"It is longer than the {longest} characters allowed for {name}, and was truncated.",
        )
        return text[:longest].rstrip()

    def _date(self, name: str, written: str, rule: FieldRule, column: str | None) -> None:
        found = values.date_of(written, day_first=rule.day_first)
        month = values.month_of(written) if found is None else None
        if month is not None and name == "last_checked_on" and values.has_short_year(written):
            month = None  # 3/15 may be a day
        if month is not None and self._where.startswith("row") and _JANUARY_OR_OCTOBER.fullmatch(written):
            self.find(
                FindingKind.DATE_UNREADABLE,
                Severity.WARNING,
                column,
                "This is January or October: a spreadsheet stores the number 2027.10 as 2027.1. "
                "It is left empty.",
                "A date such as 2027-10-31.",
            )
            return
        if (
            month is not None
        ):  # "use by 2027-05" lasts the month; a check in it may have been on its first day
            found = month[0] if name in ("last_checked_on", "manufactured_on") else month[1]
        placeholders = {values.plain(each) for each in rule.placeholders}
        if values.plain(written) in placeholders or (found and found.isoformat() in placeholders):
            self.find(
                FindingKind.DATE_IS_A_PLACEHOLDER,
                Severity.NOTE,
                column,
                "In this list, this date means that there is none. It is left empty.",
            )
        elif found is None:
            stored = values.spreadsheet_date(written)
            wrong = (
                f"This is a number; a spreadsheet stores {stored} so." if stored else "This is not a date."
            )
            self.find(
                FindingKind.DATE_UNREADABLE,
                Severity.WARNING,
                column,
                f"{wrong} It is left empty.",
                stored.isoformat() if stored else "A date such as 2027-05-31.",
            )
        elif not values.EARLIEST <= found <= values.LATEST:
            self.find(
                FindingKind.DATE_IMPOSSIBLE,
                Severity.WARNING,
                column,
                "This date is not plausible. It is left empty.",
                f"A date from {values.EARLIEST} to {values.LATEST}.",
            )
        else:
            self._put(name, found.isoformat(), column)

    def _floor(self, name: str, given: Sequence[str], rule: FieldRule, column: str | None) -> None:
        assert rule.ground is not None
        floors = {found for cell in given if (found := floor_of(cell, ground=rule.ground)) is not None}
        numbers = {floor for floor in floors if isinstance(floor, int)}
        reason = next((floor for floor in floors if isinstance(floor, str)), None)
        if reason is None and len(numbers) > 1:
            reason = "several floors are named"
        if reason is None and not numbers and not rule.among_words:
            reason = "no floor is named"
        if reason is not None:
            self.find(
                FindingKind.FLOOR_NOT_UNDERSTOOD,
                Severity.NOTE,
                column,
                f"The floor is unclear: {reason}.",
                "A whole number: 0 at street level, -1 below it.",
            )
        elif numbers:
            self._put(name, max(-20, min(200, numbers.pop())), column)

    def _hours(self, mapping: Mapping, header: Header) -> None:
        if mapping.hours is None:
            return
        hours = hours_of(mapping.hours, lambda names: self._cell(header, names)[0], language=mapping.language)
        columns = [header.column(names) for names in mapping.hours.all_columns()]
        column = next((name for name in columns if name and self.cells.get(name)), None)
        if hours.written:
            self._put("opening_hours_raw", hours.written[:MAX_TEXT_LENGTH], column)
        if hours.expression is not None:
            self._put("opening_hours", hours.expression, column)
        doubt = hours.doubt()
        if doubt is not None:
            kind, severity, wrong = doubt
            self.find(kind, severity, column, wrong, hours.expression, read=hours.written)

    def _identity(self, mapping: Mapping, header: Header, ids: ContentIds) -> None:
        rule = mapping.id
        found = [self._cell(header, names) for names in rule.columns or []]
        within = [self._cell(header, rule.within)] if rule.within else []
        if found and all(cell for cell, _ in [*found, *within]):
            parts = [" ".join(cell.split()) for cell, _ in [*within, *found]]
            self._put("source_id", "-".join(parts)[:MAX_ID_LENGTH], found[0][1])
            return
        content = [self._cell(header, names)[0] for names in rule.content]
        self.fields["source_id"] = ids.made_from([*(cell for cell, _ in found), *content])
        if not ids.is_reported:
            ids.is_reported = True
            of = ", ".join(dict.fromkeys(names[0] for names in rule.content))
            self.find(
                FindingKind.ID_FROM_CONTENT,
                Severity.NOTE,
                found[0][1] if found else None,
                f"Rows have no id of their own. One is made from {of}, so that an unchanged row "
                "is the same device in the next file. A device whose values there change becomes "
                "a new device.",
            )

    def _flags(self, mapping: Mapping, header: Header) -> None:
        for flag in mapping.flags:
            words = set(map(values.plain, flag.words))
            for names in flag.columns:
                cell, column = self._cell(header, names)
                if cell and values.plain(cell) in words:
                    self.find(flag.finding, Severity.WARNING, column, flag.says)


def _is_longitude(number: str) -> bool:
    return abs(float(number)) > 90.0


def _in_language(name: str, text: str, mapping: Mapping) -> str:
    """Return `place` with the suffix of its language (place_en, place_zh); other field names are
    unchanged."""
    if name not in WORDS:
        return name
    language = mapping.words
    if language == "by_script":
        language = "zh" if values.is_chinese(text) else "en"
    return f"{name}_{language}"
