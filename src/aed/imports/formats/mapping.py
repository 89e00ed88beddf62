"""Mapping files: how to recognise a list and read its columns, as data.

The built-in formats are mapping files (`*.yaml` beside this module); operators can write their own for other
lists. See `japan.yaml` for a commented example; the classes below define all keys.
"""

from __future__ import annotations

import codecs
from collections.abc import Hashable
from enum import StrEnum
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Final, Literal, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from aed.errors import InvalidInput
from aed.geo import Datum
from aed.imports.findings import FindingKind
from aed.imports.rules import printable
from aed.imports.schemas import DeviceRow
from aed.registry.fields import Source

MAX_MAPPING_BYTES: Final = 200_000
DEEPEST: Final = 12
MAX_NODES: Final = 20_000

WORDS: Final = ("place", "access_instructions")
"""Fields with one variant per language; the mapping's `words` decides which variant is filled."""


class FileKind(StrEnum):
    CSV = "csv"
    XLSX = "xlsx"
    JSON = "json"
    """A list of objects, or GeoJSON."""


class Transform(StrEnum):
    """The conversion applied to the text of a cell."""

    TEXT = "text"
    DATE = "date"
    FLOOR = "floor"
    CHOICE = "choice"
    PHONE = "phone"
    NAME = "name"
    """A name without the telephone number that stands beside it."""


class Looks(StrEnum):
    """The appearance of a column's cells, used for files without a header."""

    COORDINATES = "coordinates"
    HTML = "html"
    LINK = "link"
    HOURS = "hours"
    ADDRESS = "address"
    PHONE = "phone"
    NUMBER = "number"
    DATE = "date"


def _list(given: object) -> object:
    return given if isinstance(given, list) or given is None else [given]


type _Strings = Annotated[list[Annotated[str, Field(max_length=200)]], BeforeValidator(_list)]
Names = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=200)]],
    BeforeValidator(_list),
    Field(min_length=1, max_length=60),
]
"""Synonyms of a column; the first one that the file has is read."""


def _columns(given: object) -> object:
    """Normalise `name`, `[name, synonym]` and `[[name, synonym], [other]]` to the last form."""
    names = _list(given)
    if isinstance(names, list) and not any(isinstance(name, list) for name in names):
        return [names]
    return names


Columns = Annotated[list[Names], BeforeValidator(_columns), Field(min_length=1, max_length=20)]
"""Several columns, each with its synonyms."""


class _MappingModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FieldRule(_MappingModel):
    """The columns that a field is read from, and how their text is converted."""

    columns: Columns
    join: str = " · "
    """Separator between the cells of several columns."""
    transform: Transform = Transform.TEXT
    choices: dict[str, str] = {}
    """For a CHOICE: the meaning of each word."""
    otherwise: str | None = None
    """For a CHOICE: the meaning of unlisted words; if omitted, such words are reported and ignored."""
    empty: str | None = None
    """The meaning of an empty cell; if omitted, none."""
    placeholders: _Strings = []
    """For a DATE: dates that mean "no date"."""
    day_first: bool = True
    """For a DATE: whether 03/04/2026 is 3 April."""
    ground: Annotated[int, Field(ge=0, le=1)] | None = None
    """For a FLOOR: the number of the floor at street level, 0 or 1."""
    among_words: bool = False
    """For a FLOOR: whether the column describes the place in words that may include a floor."""

    @model_validator(mode="after")
    def _check_transform(self) -> Self:
        if self.transform is Transform.CHOICE and not self.choices:
            raise ValueError("a choice requires `choices`: the words in the file, and their meanings")
        if self.transform is Transform.FLOOR and self.ground is None:
            raise ValueError(
                "a floor requires `ground`, the number that the list gives to the floor at "
                "street level: 0 or 1"
            )
        return self


def _field_rule(given: object) -> object:
    return given if isinstance(given, dict) else {"columns": given}


type FieldRuleIn = Annotated[FieldRule, BeforeValidator(_field_rule)]


class PositionRule(_MappingModel):
    """Where to read the position: two columns, or one text with both numbers.

    Examples of such a text are `(121.5,25.0)` and `POINT (121.5 25.0)`. With `lat`, `lon` and `order`, a row
    that has no number in one of the two columns may have both in the other, or in `text`.
    """

    lat: Names | None = None
    lon: Names | None = None
    text: Names | None = None
    order: Literal["lat,lon", "lon,lat"] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.lat is None and self.text is None) or (self.lat is None) != (self.lon is None):
            raise ValueError("give `lat` and `lon`, or `text` and `order`")
        if self.text is not None and self.order is None:
            raise ValueError("`text` requires `order`: lat,lon or lon,lat")
        return self


class IdRule(_MappingModel):
    """How to identify a device.

    The id consists of the cells of `within` and `columns`, joined by "-". `within` names, for example, the
    town if ids restart from 1 in each town. If any of these cells is empty, the id is a hash of the `content`
    columns.
    """

    columns: Columns | None = None
    within: Names | None = None
    content: Columns

    def all_columns(self) -> list[list[str]]:
        return [*(self.columns or []), *([self.within] if self.within else []), *self.content]


class SpanRule(_MappingModel):
    start: Names
    end: Names


class HoursRule(_MappingModel):
    """How to read the opening hours of a row."""

    how: Literal["text", "weekly", "days_and_times", "days_and_words"]
    text: Columns | None = None
    """For `text`: columns with hours in words; the non-empty ones are joined. Otherwise: notes on the
    hours."""
    days: dict[str, SpanRule] = {}
    """For `weekly`: the columns with the opening and closing times, by days such as Mo-Fr."""
    always: Names | None = None
    """For `weekly`: a column that marks places that are always open."""
    always_words: _Strings = []
    which_days: Names | None = None
    """For `days_and_times` and `days_and_words`: the column that names the days."""
    start: Names | None = None
    end: Names | None = None
    which_hours: Names | None = None
    html: bool = False

    @model_validator(mode="after")
    def _check_hours(self) -> Self:
        needed: dict[str, dict[str, object]] = {
            "text": {"text": self.text},
            "weekly": {"days": self.days or None},
            "days_and_times": {"start": self.start, "end": self.end},
            "days_and_words": {"which_days": self.which_days, "which_hours": self.which_hours},
        }
        missing = [name for name, value in needed[self.how].items() if value is None]
        if missing:
            raise ValueError(f"hours of the kind {self.how} require `{missing[0]}`")
        unknown = [days for days in self.days if not _is_days(days)]
        if unknown:
            raise ValueError(f"'{unknown[0]}' must be days such as Mo-Fr, Sa or PH")
        return self

    def all_columns(self) -> list[list[str]]:
        single = [self.always, self.which_days, self.start, self.end, self.which_hours]
        spans = [names for span in self.days.values() for names in (span.start, span.end)]
        return [*(self.text or []), *(names for names in single if names), *spans]


_DAYS: Final = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su", "PH")


def _is_days(text: str) -> bool:
    return all(day in _DAYS for part in text.split(",") for day in part.split("-"))


class FlagRule(_MappingModel):
    """Marks rows for review by a person: those in which a column contains one of the words."""

    columns: Columns
    words: _Strings
    finding: FindingKind = FindingKind.VALUE_NOT_UNDERSTOOD
    says: Annotated[str, Field(max_length=300)]


class HeaderColumn(_MappingModel):
    name: Annotated[str, Field(min_length=1, max_length=200)]
    looks: Looks | None = None
    optional: bool = False
    """Whether a file without such a column is still this list."""


class Mapping(_MappingModel):
    """How to recognise and read one kind of list."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,39}$")]
    title: Annotated[str, Field(min_length=1, max_length=200)]
    kinds: Annotated[list[FileKind], BeforeValidator(_list), Field(min_length=1)] = [
        FileKind.CSV,
        FileKind.XLSX,
    ]
    encodings: Annotated[_Strings, Field(min_length=1, max_length=10)] = ["utf-8"]
    delimiters: Annotated[_Strings, Field(min_length=1, max_length=6)] = [",", ";", "\t"]
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")] | None = None
    language: Annotated[str, Field(pattern="^[a-z]{2}$")] | None = None
    """Language of the free text, used to interpret the opening hours."""
    words: Literal["en", "zh", "by_script"] = "by_script"
    """The register's language in which the free text is stored."""
    source: Source
    datum: Datum = Datum.WGS84
    recognised_by: list[Names] = []
    """Columns, with synonyms, that must all be present for a file to be recognised as this list."""
    no_header: Annotated[list[HeaderColumn], Field(max_length=60)] = []
    """For a file without a header: its columns, in order or by the appearance of their cells."""
    blank_words: _Strings = []
    """Cell values that count as empty."""
    html_entities: bool = False
    """Whether cells contain HTML entities such as &amp;, possibly encoded repeatedly."""
    position: PositionRule
    id: IdRule
    fields: dict[str, FieldRuleIn] = {}
    constants: dict[str, str] = {}
    hours: HoursRule | None = None
    flags: list[FlagRule] = []
    kept_by_hand: bool = False
    """Whether the list is a worksheet that people keep: totals and remarks between its rows are skipped,
    merged cells count for each of their rows, and a device's estate is the one whose boundary contains it."""
    other_columns: Literal["report", "ignore", "keep"] = "report"
    """What to do with unread columns: report them once, ignore them, or keep them in
    `access_instructions`."""
    ignored_columns: _Strings = []

    @model_validator(mode="after")
    def _known(self) -> Self:
        for field in [*self.fields, *self.constants]:
            if field not in FIELDS:
                raise ValueError(
                    f"'{printable(field, 40)}' is not a field; the fields are {', '.join(FIELDS)}"
                )
        for encoding in self.encodings:
            try:
                codecs.lookup(encoding)
            except LookupError:
                raise ValueError(
                    f"'{printable(encoding, 40)}' is not an encoding; examples are utf-8, cp932, "
                    "cp949 and big5"
                ) from None
            if not codecs.lookup(encoding)._is_text_encoding:
                raise ValueError(f"'{printable(encoding, 40)}' is not a text encoding")
        if any(len(delimiter) != 1 or delimiter in '"\r\n' for delimiter in self.delimiters):
            raise ValueError('a delimiter must be one character, such as , or ; or a tab ("\\t")')
        if self.no_header and FileKind.CSV not in self.kinds and FileKind.XLSX not in self.kinds:
            raise ValueError("no_header applies only to csv and xlsx")
        return self

    def read_columns(self) -> list[list[str]]:
        """Return every column that the mapping reads, each with its synonyms."""
        position = [names for names in (self.position.lat, self.position.lon, self.position.text) if names]
        fields = [names for rule in self.fields.values() for names in rule.columns]
        flags = [names for flag in self.flags for names in flag.columns]
        hours = self.hours.all_columns() if self.hours else []
        return [*position, *self.id.all_columns(), *fields, *hours, *flags]


_NOT_FROM_COLUMNS: Final = {
    *("lat", "lon", "datum", "source", "source_id", "opening_hours", "opening_hours_raw"),
    "storey",  # mappings fill storeys through `floor` with `ground`
}
FIELDS: Final = [*WORDS, *(name for name in DeviceRow.model_fields if name not in _NOT_FROM_COLUMNS)]


@cache
def built_in_mappings() -> tuple[Mapping, ...]:
    """Return the built-in mappings, by name."""
    folder = resources.files("aed.imports.formats")
    found = [
        mapping_from(entry.read_text("utf-8"), entry.name)
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml")
    ]
    return tuple(sorted(found, key=lambda mapping: mapping.name))


def mapping_of(path: Path) -> Mapping:
    """Load a mapping from a file. Raises InvalidInput with the wrong key and a correction."""
    return mapping_from(text_of_mapping(path), path.name)


def text_of_mapping(path: Path) -> str:
    """Return the text of a mapping file without validating it."""
    try:
        if not path.is_file():
            raise InvalidInput("There is no mapping file {path}.", field="mapping", path=path)
        if path.stat().st_size > MAX_MAPPING_BYTES:
            raise InvalidInput(
                "{name} is larger than {max_mapping_bytes} kB. It is not a mapping file.",
                field="mapping",
                name=path.name,
                max_mapping_bytes=MAX_MAPPING_BYTES // 1000,
            )
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InvalidInput(
            "{name} cannot be read: {strerror}.", field="mapping", name=path.name, strerror=error.strerror
        ) from None
    except UnicodeDecodeError:
        raise InvalidInput("{name} is not UTF-8.", field="mapping", name=path.name) from None
    except ValueError:  # the name contains a NUL
        raise InvalidInput("This is not a file name.", field="mapping") from None


def mapping_from(text: str, name: str) -> Mapping:
    """Parse a mapping; `name` identifies the text in error messages."""
    try:
        _refuse_bombs(text, name)
        content = yaml.load(text, Loader=_Loader)  # this loader creates lists, dicts and strings only
    except yaml.MarkedYAMLError as error:
        line = f" (line {error.problem_mark.line + 1})" if error.problem_mark is not None else ""
        reason = printable(error.problem or "it cannot be read", 100)
        raise InvalidInput(
            "{name} is not YAML{line}: {reason}.", field="mapping", name=name, line=line, reason=reason
        ) from None
    except yaml.YAMLError as error:
        raise InvalidInput(
            "{name} is not YAML: {printable}.",
            field="mapping",
            name=name,
            printable=printable(str(error), 100),
        ) from None
    if not isinstance(content, dict):
        raise InvalidInput(
            "{name} must consist of keys and values, such as 'name: my-list' in its first line.",
            field="mapping",
            name=name,
        )
    try:
        return Mapping.model_validate(content)
    except ValidationError as error:
        raise _not_a_mapping(error, name) from None


class _Loader(yaml.BaseLoader):
    """A YAML loader that keeps every scalar as text and rejects duplicate keys.

    The country code NO is thus not read as false, and a date stays text.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key must be text", key.start_mark)
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key.value}' occurs twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _refuse_bombs(text: str, name: str) -> None:
    depth = 0
    documents = 0
    for count, event in enumerate(yaml.parse(text, Loader=yaml.BaseLoader)):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            line = f" in line {event.start_mark.line + 1}" if event.start_mark is not None else ""
            raise InvalidInput(
                "{name} has an anchor or alias (& or *){line}. Write the value out, or put the "
                "text in quotation marks.",
                field="mapping",
                name=name,
                line=line,
            )
        documents += isinstance(event, yaml.DocumentStartEvent)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST or count > MAX_NODES or documents > 1:
            raise InvalidInput(
                "{name} is nested too deeply, is too long or has several documents. It is not "
                "a mapping file.",
                field="mapping",
                name=name,
            )


def _not_a_mapping(error: ValidationError, name: str) -> InvalidInput:
    messages = []
    for wrong in error.errors(include_url=False)[:5]:
        key = ".".join(str(part) for part in wrong["loc"] if not str(part).startswith("function-")) or "it"
        given = wrong["input"]
        context = wrong.get("ctx", {})
        match wrong["type"]:
            case "missing":
                reason = "is required"
            case "extra_forbidden":
                reason = "is not a key of mapping files"
            case "value_error":
                reason = str(context.get("error", wrong["msg"]))
            case "enum" | "literal_error":
                reason = f"must be {context.get('expected', '')}"
            case "string_pattern_mismatch":
                reason = f"must match {context.get('pattern', '')}"
            case _:
                reason = wrong["msg"][:1].lower() + wrong["msg"][1:]
        if isinstance(given, str) and wrong["type"] != "value_error":
            reason += f" (it is '{printable(given, 40)}')"
        messages.append(f"{printable(key, 80)}: {reason}")
    return InvalidInput(
        "{name} is not a valid mapping file: {names}.", field="mapping", name=name, names="; ".join(messages)
    )
