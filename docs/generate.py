"""Generate the reference pages from the program: settings, commands, routes, formats, jobs, tables.

Sphinx calls `write_pages` before it reads the sources (see `conf.py`). The pages are not committed:
they cannot be out of date. `python docs/generate.py` writes them without building the site.
"""

from __future__ import annotations

import ast
import inspect
import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Final, get_args

import sqlalchemy
import typer.main
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.interval import IntervalTrigger
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from aed import cli, schedule
from aed.app import create_app
from aed.database.types import Table
from aed.exports.formats.writing import FORMS
from aed.exports.rules import ExportFormat
from aed.imports import schemas as rows
from aed.imports.formats.mapping import built_in_mappings
from aed.imports.formats.recognise import DeviceFormat
from aed.settings import Settings

DOCS: Final = Path(__file__).parent
GENERATED: Final = "> Generated from the program when this site is built."
NO_DATABASE: Final = "postgresql+psycopg://nobody@127.0.0.1:1/none"
"""The app is made to be asked for its routes; nothing connects."""
NO_KEY: Final = SecretStr("aedkey-dGhlIG9uZSBrZXkgb2YgdGVzdHM6IDMyIGJ5dGVzLi4")
UNITS: Final = {
    "metres_per_second": "m/s",
    "seconds_per_metre": "s/m",
    "seconds_per_floor": "s per floor",
    "per_minute": "% per minute",
    "per_hour": "per hour",
    "seconds": "s",
    "minutes": "min",
    "hours": "h",
    "days": "days",
    "metres": "m",
    "bytes": "bytes",
    "percent": "%",
    "people": "people",
    "ms": "ms",
    "hour": "hour of the day",
    "probability": "probability",
}
"""Units by the words in a setting's name, the longest first."""


def write_pages(docs: Path = DOCS) -> None:
    """Write each generated page, leaving those that have not changed alone (Sphinx rebuilds by time)."""
    for name, render in PAGES.items():
        path = docs / name
        text = render()
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def page(title: str, *parts: str) -> str:
    """A page of Markdown with its title and the note that it is generated."""
    return "\n\n".join([f"# {title}", GENERATED, *(part for part in parts if part)]) + "\n"


def table(headings: Iterable[str], body: Iterable[Iterable[object]]) -> str:
    """A Markdown table. Cells are taken as Markdown; use `plain` for other text."""
    head = list(headings)
    lines = [f"| {' | '.join(head)} |", "|" + " --- |" * len(head)]
    for row in body:
        cells = [str(cell).replace("|", "\\|").replace("\n", " ").strip() for cell in row]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def plain(text: str) -> str:
    """Text as it is, outside of `code`: no emphasis, tags, links or substitutions by accident."""
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()))
    return "".join(
        part if part.startswith("`") else re.sub(r"([\\*_<>\[\]{}$#~])", r"\\\1", part) for part in parts
    )


def code(text: object) -> str:
    return f"`{text}`" if str(text) else ""


# --- settings -------------------------------------------------------------------------------------------


def settings_page() -> str:
    """Every setting with its unit, its default, what it means and where the number comes from."""
    groups = dict(_settings(Settings, "AED_"))
    intro = (
        "Settings are environment variables with the prefix `AED_`; the name of a nested setting has two "
        "underscores. The source or reason of a default is in italics. An invalid value stops the start with "
        "one sentence that names the setting."
    )
    sections = [
        f"## {title}\n\n" + table(["setting", "default", "meaning"], body) for title, body in groups.items()
    ]
    return page("Settings", intro, *sections)


def _settings(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, list[list[str]]]]:
    own = []
    nested = []
    sources = _comments_of(model)
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            nested.append((kind, f"{prefix}{name.upper()}__"))
            continue
        default = _default(field)
        unit = next((unit for word, unit in UNITS.items() if _has_word(name, word)), "")
        meaning = plain(field.description or "")
        default = f"{code(default)} {unit}" if default else ""
        if source := sources.get(name):
            meaning += f"<br>*{plain(source)}*"
        own.append([code(prefix + name.upper()), default, meaning])
    yield (f"`{prefix}…`: {plain((model.__doc__ or '').strip().split(chr(10) * 2)[0])}", own)
    for kind, deeper in nested:
        yield from _settings(kind, deeper)


def _has_word(name: str, word: str) -> bool:
    return f"_{word}_" in f"_{name}_"


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value is None:
        return ""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value.value if isinstance(value, Enum) else value)


def _comments_of(model: type[BaseModel]) -> Mapping[str, str]:
    """The comments of each field: beside it, or between it and the next one."""
    source = Path(inspect.getfile(model)).read_text(encoding="utf-8")
    comments = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    cls = next(
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ClassDef) and node.name == model.__name__
    )
    found: dict[str, str] = {}
    for here, after in zip(cls.body, [*cls.body[1:], None], strict=True):
        if isinstance(here, ast.AnnAssign) and isinstance(here.target, ast.Name):
            end = after.lineno if after is not None else (cls.end_lineno or 0) + 2
            found[here.target.id] = " ".join(comments[n] for n in range(here.lineno, end) if n in comments)
    return found


# --- commands -------------------------------------------------------------------------------------------


def commands_page() -> str:
    """Every command with its arguments and options, as `aed COMMAND --help` explains them."""
    root = typer.main.get_command(cli.app)
    parts = ["`aed --help` and `aed COMMAND --help` print the same."]
    for name in sorted(root.commands):  # type: ignore[attr-defined]  # the root is a group
        parts.append(f"## aed {name}")
        if not root.commands[name].help:  # type: ignore[attr-defined]  # as above
            parts.append(plain(cli.COMMANDS[name][1]))
        parts.extend(_command(f"aed {name}", root.commands[name]))  # type: ignore[attr-defined]  # as above
    return page("Commands", *parts)


def _command(path: str, command: Any) -> Iterator[str]:
    text = command.help or command.short_help or ""
    yield "\n\n".join(plain(paragraph) for paragraph in text.split("\n\n"))
    parameters = [each for each in command.params if not getattr(each, "hidden", False)]
    body = [
        [
            code(", ".join(each.opts) if each.param_type_name == "option" else each.name.upper()),
            plain(getattr(each, "help", None) or ""),
            _default_of(each),
        ]
        for each in parameters
        if each.name != "help"
    ]
    if body:
        yield table(["argument or option", "meaning", "default"], body)
    for name in sorted(getattr(command, "commands", {})):
        yield f"### {path} {name}" if path.count(" ") == 1 else f"#### {path} {name}"
        yield from _command(f"{path} {name}", command.commands[name])


def _default_of(parameter: Any) -> str:
    if parameter.required:
        return "required"
    default = parameter.default
    if default is None or callable(default) or default in ((), [], "", False):
        return ""
    return code(default.value if isinstance(default, Enum) else default)


# --- routes ---------------------------------------------------------------------------------------------


def openapi_document() -> dict[str, Any]:
    """The OpenAPI document of the program, without asking a database."""
    return create_app(Settings(database_url=NO_DATABASE, encryption_keys=NO_KEY)).openapi()


def routes_page() -> str:
    """Every route of the OpenAPI document, by its tag."""
    document = openapi_document()
    by_tag: defaultdict[str, list[list[str]]] = defaultdict(list)
    for path, item in document["paths"].items():
        for method, operation in item.items():
            tag = (operation.get("tags") or [path.split("/")[2] if path.startswith("/v1/") else "other"])[0]
            by_tag[tag].append(
                [
                    code(f"{method.upper()} {path}"),
                    plain(operation.get("summary") or ""),
                    code(operation.get("operationId", "")),
                ]
            )
    intro = (
        "The running server shows the same with all fields at `/docs`; the OpenAPI document is at "
        "`/v1/openapi.json`. Errors are problem documents (RFC 9457)."
    )
    sections = [
        f"## {tag}\n\n" + table(["route", "summary", "operation id"], body)
        for tag, body in sorted(by_tag.items())
    ]
    return page("Routes", intro, *sections)


# --- formats --------------------------------------------------------------------------------------------


def formats_page() -> str:
    """The formats of device lists that are read and written, and the columns of the project's own."""
    titles = {
        "csv": "The project's own CSV",
        "xlsx": "The project's own workbook",
        "geojson": "The project's own GeoJSON",
        "kml": "The project's own KML",
        "gpkg": "The project's own GeoPackage",
        "osm-geojson": "OpenStreetMap, GeoJSON",
        "osm-csv": "OpenStreetMap, CSV of tags",
        "osm-pbf": "OpenStreetMap, extract",
        "overpass": "OpenStreetMap, Overpass JSON",
    }
    titles |= {each.name: each.title for each in built_in_mappings()}
    read = table(
        ["name", "what it is"],
        [[code(each.value), plain(titles.get(each.value, ""))] for each in DeviceFormat],
    )
    written = table(
        ["name", "media type"],
        [[code(each.value), code(FORMS[each].media_type.partition(";")[0])] for each in ExportFormat],
    )
    own = [
        f"### {title}\n\n" + table(["column", "values", "required"], _columns(model))
        for title, model in (
            ("Devices", rows.DeviceRow),
            ("Regions", rows.RegionRow),
            ("Estates", rows.EstateRow),
            ("Gates", rows.GateRow),
            ("Buildings", rows.BuildingRow),
            ("Responders", rows.ResponderRow),
        )
    ]
    return page(
        "Formats",
        "The columns are explained in [Import formats](../connect/import-formats.md).",
        f"## Device lists that are read\n\n{read}",
        f"## Device lists that are written\n\n{written}",
        "## Columns of the project's own formats",
        *own,
    )


def _columns(model: type[BaseModel]) -> Iterator[list[str]]:
    for name, field in model.model_fields.items():
        yield [code(name), _kind_of(field.annotation), "yes" if field.is_required() else ""]


def _kind_of(annotation: Any) -> str:
    kinds = [each for each in get_args(annotation) or (annotation,) if each is not type(None)]
    shown = []
    for kind in kinds:
        kind = getattr(kind, "__value__", kind)
        if isinstance(kind, type) and issubclass(kind, Enum):
            shown.append(", ".join(code(member.value) for member in kind))
        elif isinstance(kind, type):
            names = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false"}
            shown.append(names.get(kind.__name__, kind.__name__))
        elif isinstance(kind, str):
            shown.append(code(kind))
        elif get_args(kind):
            shown.append(_kind_of(get_args(kind)[0]))
    return ", ".join(shown)


# --- jobs -----------------------------------------------------------------------------------------------


def jobs_page() -> str:
    """The jobs of the worker, and when each is due."""
    body = [[code(job.name), _when(job.when), plain(job.what)] for job in schedule.TIMETABLE]
    intro = (
        "The worker runs these (`aed work`, or `aed serve` on SpatiaLite). Times are UTC. `aed jobs list` "
        "shows when each ran last and is due next; `aed jobs run NAME` runs one now."
    )
    return page("Jobs", intro, table(["job", "when", "what it does"], body))


def _when(trigger: BaseTrigger) -> str:
    if isinstance(trigger, IntervalTrigger):
        minutes = round(trigger.interval.total_seconds() / 60)
        return f"every {minutes // 60} h" if minutes % 60 == 0 else f"every {minutes} min"
    fields = {field.name: str(field) for field in trigger.fields if not field.is_default}
    return f"daily at {int(fields['hour']):02}:{int(fields['minute']):02}"


# --- tables ---------------------------------------------------------------------------------------------


def tables_page() -> str:
    """Every table with its columns, in the order of the alphabet."""
    purposes = {
        mapper.class_.__tablename__: (mapper.class_.__doc__ or "").strip()
        for mapper in Table.registry.mappers
    }
    sections = []
    for name, each in sorted(Table.metadata.tables.items()):
        body = [
            [
                code(column.name),
                _column_type(column.type),
                "" if column.nullable else "not null",
                ", ".join(code(key.target_fullname) for key in column.foreign_keys),
            ]
            for column in each.columns
        ]
        sections += [
            f"## {name}",
            plain(purposes.get(name, "")),
            table(["column", "type", "", "refers to"], body),
        ]
    return page("Tables", "One model serves SpatiaLite and PostGIS.", *sections)


def index_page() -> str:
    """The reference's table of contents."""
    names = [Path(name).stem for name in PAGES if name != "reference/index.md"]
    return page("Reference", "```{toctree}\n" + "\n".join(names) + "\n```")


def _column_type(kind: Any) -> str:
    if isinstance(kind, sqlalchemy.Enum):
        return ", ".join(code(value) for value in kind.enums)
    return plain(repr(kind).split("(")[0])


PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "reference/index.md": index_page,
    "reference/settings.md": settings_page,
    "reference/commands.md": commands_page,
    "reference/routes.md": routes_page,
    "reference/formats.md": formats_page,
    "reference/jobs.md": jobs_page,
    "reference/tables.md": tables_page,
}

if __name__ == "__main__":
    write_pages()
