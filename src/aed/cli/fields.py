"""NAME=VALUE arguments, with the field names of the API.

`null` empties a field and @FILE reads JSON. A position is lat=… lon=… datum=…, a keeper is keeper_name=…
keeper_phone=…, and a trainer likewise.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo
from pydantic_core import ErrorDetails
from typer.core import TyperCommand

from aed.accounts.fields import Code, Id
from aed.cli.language import either
from aed.cli.screen import table
from aed.errors import InvalidInput

Fields = Annotated[list[str], typer.Argument(help="The fields, listed below", metavar="NAME=VALUE…")]

_FLAT: Final[Mapping[str, Mapping[str, str]]] = {
    "position": {"lat": "lat", "lon": "lon", "datum": "datum"},
    "keeper": {"keeper_name": "name", "keeper_phone": "phone"},
    "trainer": {"trainer_name": "name", "trainer_phone": "phone"},
}
"""Objects whose parts are given as fields of their own: the name on the command line, and the name inside."""


def _instead_of_estate(region: str | None, info: ValidationInfo) -> str | None:
    if "estate" in info.data and (info.data["estate"] is None) == (region is None):
        raise ValueError(either("give either --estate or --region", "请只填写 --estate 或 --region 之一"))
    return region


class EstateOrRegion(BaseModel):
    """The options --estate and --region, of which one is given; validated with the other fields."""

    model_config = ConfigDict(extra="forbid")

    estate: Id | None = None
    region: Annotated[Code | None, Field(validate_default=True), AfterValidator(_instead_of_estate)] = None


# --- Reading ---


def fields_in[SchemaT: BaseModel](schema: type[SchemaT], given: Iterable[str]) -> SchemaT:
    """Return NAME=VALUE words as the schema. Raise InvalidInput that names every wrong field."""
    words = list(given)
    if malformed := [word for word in words if "=" not in word]:
        named = ", ".join(f"'{word}'" for word in malformed)
        are = "is" if len(malformed) == 1 else "are"
        raise InvalidInput(
            either(f"{named} {are} not NAME=VALUE.", f"{named} 应写作“名称=值”。"), field=malformed[0]
        )
    values: dict[str, object] = {}
    for word in words:
        name, _, value = word.partition("=")
        values[name.strip()] = _value(value)
    for into, parts in _FLAT.items():
        found = {inner: values.pop(outer) for outer, inner in parts.items() if outer in values}
        if found:
            values[into] = found
    return validated(schema, values)


def validated[SchemaT: BaseModel](
    schema: type[SchemaT], values: Mapping[str, object], *, context: Mapping[str, object] | None = None
) -> SchemaT:
    """Return the values as the schema. Raise InvalidInput that names every wrong field."""
    try:
        return schema.model_validate(values, context=context)
    except ValidationError as error:
        raise invalid_fields(error, schema) from None


def invalid_fields(error: ValidationError, schema: type[BaseModel]) -> InvalidInput:
    """Return one error that names every wrong field and says what would be right."""
    wrong: dict[str, str] = {}
    # Report unknown names first: a misspelled name explains why the intended field is missing.
    for each in sorted(error.errors(include_url=False), key=lambda each: each["type"] != "extra_forbidden"):
        wrong.setdefault(_name(each), _problem(each, schema))
    sentence = "; ".join(f"{name}: {message}" if name else message for name, message in wrong.items()).rstrip(
        ".。"
    )
    if any(each["type"] == "extra_forbidden" for each in error.errors()):
        known = ", ".join(_names(schema))
        sentence += either(f". Available fields: {known}", f"。可用的字段：{known}")
    invalid = InvalidInput(sentence + either(".", "。"), field=next(iter(wrong)))
    invalid.errors = [{"field": name, "detail": message} for name, message in wrong.items()]
    return invalid


def _value(text: str) -> object:
    if text == "null":
        return None
    if text.startswith("@"):
        try:
            return json.loads(Path(text[1:]).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:  # ValueError: no UTF-8, or no JSON
            raise InvalidInput(
                either(
                    f"{text[1:]} cannot be read as JSON: {error}.", f"{text[1:]} 无法按 JSON 读取：{error}。"
                ),
                field=text,
            ) from None
    return text


# --- Errors ---

_PROBLEMS: Final[Mapping[str, tuple[str, str]]] = {
    "missing": ("is required", "必填"),
    "float_parsing": ("must be a number", "必须是数字"),
    "float_type": ("must be a number", "必须是数字"),
    "finite_number": ("must be a finite number", "必须是有限的数字"),
    "int_parsing": ("must be a whole number", "必须是整数"),
    "int_type": ("must be a whole number", "必须是整数"),
    "int_from_float": ("must be a whole number", "必须是整数"),
    "bool_parsing": ("must be true or false", "必须是 true 或 false"),
    "bool_type": ("must be true or false", "必须是 true 或 false"),
    "string_type": ("must be text", "必须是文字"),
    "uuid_parsing": ("must be a UUID (uuidgen prints one)", "必须是 UUID（可用 uuidgen 生成）"),
    "date_parsing": ("must be a date such as 2027-05-31", "必须是日期，如 2027-05-31"),
    "date_from_datetime_parsing": ("must be a date such as 2027-05-31", "必须是日期，如 2027-05-31"),
    "time_parsing": ("must be a time such as 08:00", "必须是时间，如 08:00"),
    "datetime_parsing": (
        "must be a date and time with an offset, such as 2026-12-31T00:00:00+08:00",
        "必须是带时区的时间，如 2026-12-31T00:00:00+08:00",
    ),
    "datetime_from_date_parsing": (
        "must be a date and time with an offset, such as 2026-12-31T00:00:00+08:00",
        "必须是带时区的时间，如 2026-12-31T00:00:00+08:00",
    ),
    "timezone_aware": (
        "needs a UTC offset, as in 2026-12-31T00:00:00+08:00",
        "缺少时区，例如 2026-12-31T00:00:00+08:00",
    ),
    "list_type": ("must be a list, given as a JSON file: @FILE", "必须是列表，请用 @文件 给出 JSON"),
    "dict_type": ("must be an object, given as a JSON file: @FILE", "必须是对象，请用 @文件 给出 JSON"),
    "model_type": ("must be an object, given as a JSON file: @FILE", "必须是对象，请用 @文件 给出 JSON"),
}
_WITH_LIMIT: Final[Mapping[str, tuple[str, str, str]]] = {
    "string_too_long": ("max_length", "must have at most {} characters", "最多 {} 个字符"),
    "string_too_short": ("min_length", "must have at least {} characters", "至少 {} 个字符"),
    "too_long": ("max_length", "must have at most {} items", "最多 {} 项"),
    "too_short": ("min_length", "must have at least {} items", "至少 {} 项"),
    "greater_than": ("gt", "must be more than {}", "必须大于 {}"),
    "greater_than_equal": ("ge", "must be at least {}", "不得小于 {}"),
    "less_than": ("lt", "must be less than {}", "必须小于 {}"),
    "less_than_equal": ("le", "must be at most {}", "不得大于 {}"),
}


def _name(wrong: ErrorDetails) -> str:
    """Return the field as it is written on the command line: keeper_phone for (keeper, phone)."""
    where = [str(part) for part in wrong["loc"]]
    flat = _FLAT.get(where[0], {}) if len(where) > 1 else {}
    return next((outer for outer, inner in flat.items() if inner == where[1]), ".".join(where))


def _problem(wrong: ErrorDetails, schema: type[BaseModel]) -> str:
    kind, context = wrong["type"], wrong.get("ctx", {})
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(_name(wrong), _names(schema), n=1)
        if near:
            return either(f"unknown field; did you mean {near[0]}?", f"没有这个字段，您是否要写 {near[0]}？")
        return either("unknown field", "没有这个字段")
    if kind in ("enum", "literal_error"):
        expected = str(context.get("expected", "")).replace("'", "")
        return either(f"must be {expected}", f"必须是 {expected.replace(' or ', '、').replace(', ', '、')}")
    if kind in _WITH_LIMIT:
        limit, en, zh = _WITH_LIMIT[kind]
        if limit == "min_length" and context.get(limit) == 1:
            return either("must not be empty", "不能为空")
        return either(en, zh).format(context.get(limit))
    if kind == "value_error":
        return str(context.get("error", wrong["msg"])).rstrip(".")
    return either(*_PROBLEMS.get(kind, (wrong["msg"], wrong["msg"])))


# --- Help ---


def taking[SchemaT: BaseModel](schema: type[SchemaT]) -> type[TyperCommand]:
    """Return a class of commands (`cls=`) whose help lists the schema's fields with units and examples."""

    class CommandWithFields(TyperCommand):
        def format_help(self, ctx: Any, formatter: Any) -> None:  # Any: Typer keeps these types to itself
            super().format_help(ctx, formatter)
            table(
                either(
                    "Fields (null clears a field, @FILE reads JSON)", "字段（null 表示清空，@文件 读取 JSON）"
                ),
                (either("field", "字段"), either("value", "值"), either("example", "示例")),
                described(schema),
            )

    return CommandWithFields


def described(schema: type[BaseModel]) -> list[tuple[str, str, str]]:
    """Return name, meaning and example of each field, flattened as they are given on the command line."""
    document = schema.model_json_schema()
    examples: dict[str, object] = {}
    for example in document.get("examples", []):
        examples = {**example, **examples}
    required = set(document.get("required", []))
    rows: list[tuple[str, str, str]] = []
    for name, part in document["properties"].items():
        if name in _FLAT:
            inner = _resolved(part, document)
            given = examples.get(name)
            for outer, inside in _FLAT[name].items():
                if inside in inner.get("properties", {}):
                    needed = name in required and inside in inner.get("required", [])
                    example = given.get(inside) if isinstance(given, dict) else None
                    rows.append(_row(outer, inner["properties"][inside], document, example, needed=needed))
        else:
            rows.append(_row(name, part, document, examples.get(name), needed=name in required))
    return rows


def _names(schema: type[BaseModel]) -> list[str]:
    return [flat for name in schema.model_fields for flat in _FLAT.get(name, {name: name})]


def _row(
    name: str, part: dict[str, Any], document: dict[str, Any], example: object, *, needed: bool
) -> tuple[str, str, str]:
    kind, wanted = _kind(part, document)
    wanted = part.get("default") or wanted
    words = [part.get("description", ""), kind, either("required", "必填") if needed else ""]
    value = wanted if example is None else example
    if isinstance(value, dict | list):
        value = "@FILE"
    shown = str(value).lower() if isinstance(value, bool) else str(value)
    return name, "; ".join(word for word in words if word), f"{name}={shown}" if shown else ""


def _resolved(part: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """Return the definition behind a reference, without the choice of null."""
    choices = [each for each in part.get("anyOf", []) if each.get("type") != "null"]
    if choices:
        part = {**choices[0], **{name: value for name, value in part.items() if name != "anyOf"}}
    if "$ref" in part:
        part = {**document["$defs"][part["$ref"].rpartition("/")[2]], **part}
    return part


def _kind(part: dict[str, Any], document: dict[str, Any]) -> tuple[str, object]:
    """Return what a value looks like, and one that could be given."""
    found = _resolved(part, document)
    if "enum" in found:
        return ", ".join(map(str, found["enum"])), found["enum"][0]
    if "const" in found:
        return str(found["const"]), found["const"]
    match found.get("type"), found.get("format"):
        case "boolean", _:
            return either("true or false", "true 或 false"), "true"
        case "integer" | "number" as kind, _:
            low, high = found.get("minimum"), found.get("maximum")
            number = either("whole number", "整数") if kind == "integer" else either("number", "数字")
            if low is not None and high is not None and high < 10**12:
                number += either(f" from {low} to {high}", f"，{low} 至 {high}")
            return number, low if low is not None else 1
        case "string", "date":
            return either("date", "日期"), "2027-05-31"
        case "string", "date-time":
            return either("date and time with an offset", "带时区的时间"), "2026-12-31T08:00:00+08:00"
        case "string", "uuid":
            return either("UUID, the same when the command is repeated", "UUID，重复提交时相同"), ""
        case "array" | "object", _:
            return either("JSON, given as @FILE", "JSON，用 @文件 给出"), "@FILE"
        case _:
            longest = found.get("maxLength")
            return either(
                f"text, at most {longest} characters", f"文字，最多 {longest} 字"
            ) if longest else "", ""
