"""Examples in the OpenAPI document: one for each JSON body and JSON answer, from the examples of fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

JSON: Final = "application/json"
MAX_DEPTH: Final = 8
"""Schemas that contain themselves end at this depth."""
BY_FORMAT: Final[Mapping[str, str]] = {
    "date": "2026-09-22",
    "date-time": "2026-09-22T08:30:00Z",
    "uri": "https://aed.example.org/",
    "binary": "…",
}
BY_NAME: Final[Mapping[str, str]] = {
    "building": "3",
    "by": "person:12",
    "code": "CN-33",
    "country": "CN",
    "detail": "Nothing is wrong.",
    "email": "wang.fang@example.org",
    "emergency_number": "120",
    "en": "Beside the lift in the lobby",
    "estate": "Lake Court",
    "field": "opening_hours",
    "href": "https://aed.example.org/ogc",
    "issuer": "lake-rc",
    "key": "5f0c9a7be1d24c4f",
    "language": "zh",
    "name": "Wang Fang",
    "name_en": "Lake Court",
    "name_zh": "湖畔苑",
    "next": "120",
    "note": "Seen beside the lift.",
    "number": "RC-2026-0017",
    "phone": "+8613800138000",
    "place": "Beside the lift in the lobby",
    "place_en": "Beside the lift in the lobby",
    "place_zh": "大堂电梯旁",
    "region": "CN-33",
    "source": "town",
    "source_id": "17",
    "title": "AEDs",
    "trainer": "Chen Jie",
    "url": "https://aed.example.org/",
    "who": "person:12",
    "zh": "大堂电梯旁",
}
"""Texts of fields without an example of their own."""
WORDS_OF: Final[Mapping[str, tuple[str, str]]] = {
    "access_instructions": ("Ask the guard to open the gate.", "请门岗开门。"),
    "bring": ("Call the guard, who brings it.", "请致电门岗，由其送来。"),
    "emergency": ("Call 120", "拨打120"),
    "estate": ("Lake Court", "湖畔苑"),
    "first_aid": ("Call 120 first, then start compressions.", "先拨打120，并立即开始胸外按压。"),
    "reason": ("85 m on foot", "步行85米"),
    "storey": ("1F", "1楼"),
}
"""Texts in both languages, by the field that holds them."""
NUMBERS_BY_NAME: Final[Mapping[str, float]] = {
    "expected_seconds": 215,
    "fetch_seconds": 200,
    "floor": 0,
    "lat": 30.2901,
    "lon": 120.1003,
    "probability_usable": 0.93,
    "seconds": 150,
    "straight_metres": 62,
    "walk_metres": 85,
    "walk_seconds": 95,
}


def add_examples(document: dict[str, Any]) -> None:
    """Add an example to each JSON body and each JSON answer of success that has none."""
    for content in json_contents(document):
        schema = content.get("schema", {})
        has_own = {"example", "examples"} & content.keys() or "examples" in _whole(schema, document)
        if not has_own:
            content["example"] = example_of(schema, document)


def json_contents(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the JSON bodies, and the JSON answers of success, of all operations."""
    for item in document["paths"].values():
        for operation in item.values():
            if not isinstance(operation, dict):
                continue
            if JSON in (body := operation.get("requestBody", {}).get("content", {})):
                yield body[JSON]
            for status, answer in operation["responses"].items():
                if status.startswith("2") and JSON in answer.get("content", {}):
                    yield answer["content"][JSON]


def example_of(schema: Mapping[str, Any], document: Mapping[str, Any], name: str = "", depth: int = 0) -> Any:
    """Return an example of a schema: its own, or one of its parts. `name`: the field whose schema it is."""
    schema = _whole(schema, document)
    if schema.get("examples"):
        return schema["examples"][0]
    if "example" in schema:
        return schema["example"]
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    for options in ("anyOf", "oneOf"):
        if options in schema:
            known = [each for each in schema[options] if each.get("type") != "null"]
            return example_of(known[0], document, name, depth) if known and depth < MAX_DEPTH else None
    if schema.get("default") is not None:
        return schema["default"]
    match schema.get("type"):
        case "object":
            return _object(schema, document, name, depth)
        case "array":
            return _array(schema, document, name, depth)
        case "integer" | "number":
            return _number(schema, name)
        case "boolean":
            return True
        case "string":
            return BY_FORMAT.get(schema.get("format", "")) or _text(schema, name)
        case "null":
            return None
        case _:
            return {}


def _whole(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a schema with its references resolved; what stands beside a reference wins."""
    while "$ref" in schema:
        beside = {name: value for name, value in schema.items() if name != "$ref"}
        found = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
        schema = {**found, **beside}
    return schema


def _object(schema: Mapping[str, Any], document: Mapping[str, Any], name: str, depth: int) -> dict[str, Any]:
    if depth >= MAX_DEPTH:
        return {}
    fields = schema.get("properties", {})
    found = {each: example_of(field, document, each, depth + 1) for each, field in fields.items()}
    if name in WORDS_OF and {"en", "zh"} <= fields.keys():
        found["en"], found["zh"] = WORDS_OF[name]
    more = schema.get("additionalProperties")
    if not fields and isinstance(more, dict):
        key = example_of(schema.get("propertyNames", {"type": "string"}), document, "name", depth + 1)
        found[key] = example_of(more, document, "", depth + 1)
    return found


def _array(schema: Mapping[str, Any], document: Mapping[str, Any], name: str, depth: int) -> list[Any]:
    if depth >= MAX_DEPTH:
        return []
    singular = name.removesuffix("s")
    if "prefixItems" in schema:
        return [example_of(each, document, singular, depth + 1) for each in schema["prefixItems"]]
    one = [example_of(schema.get("items", {}), document, singular, depth + 1)]
    count: int = max(min(1, schema.get("maxItems", 1)), schema.get("minItems", 0))
    return one * count


def _number(schema: Mapping[str, Any], name: str) -> float:
    if name in NUMBERS_BY_NAME:
        return NUMBERS_BY_NAME[name]
    least: float = schema.get("minimum", schema.get("exclusiveMinimum", 0))
    most: float | None = schema.get("maximum", schema.get("exclusiveMaximum"))
    number = max(1, least + 1) if "exclusiveMinimum" in schema else max(1, least)
    return number if most is None or number <= most else (least + most) / 2


def _text(schema: Mapping[str, Any], name: str) -> str:
    known = BY_NAME.get(name)
    if known is None:
        known = next((BY_NAME[each] for each in BY_NAME if name.endswith(f"_{each}")), name or "text")
    least, most = schema.get("minLength", 0), schema.get("maxLength", len(known))
    return known[:most].ljust(least, "0")
