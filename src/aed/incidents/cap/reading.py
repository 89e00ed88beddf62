"""Parse CAP 1.2 messages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from shapely import Polygon

from aed.errors import InvalidInput
from aed.files.xml import Element, xml_tree
from aed.geo import Position, distance_metres
from aed.incidents.cap.rules import (
    MAX_AREA_RADIUS_METRES,
    CapMessage,
    CapMessageType,
    CapParameter,
    CapReference,
    CapStatus,
)
from aed.incidents.cap.writing import HEALTH, NAMESPACE, OFTEN, ONCE, TIME, VALUES
from aed.incidents.rules import IncidentOutcome

MAX_NAME_LENGTH: Final = 200
MAX_REFERENCES: Final = 1000
_NAME: Final = re.compile(r"[^\s,<&]+")
_NUMBER: Final = r"[+-]?\d{1,3}(?:\.\d{1,15})?"
_PAIR: Final = re.compile(rf"({_NUMBER}),({_NUMBER})", re.ASCII)
_CIRCLE: Final = re.compile(rf"({_NUMBER}),({_NUMBER}) +(\d{{1,6}}(?:\.\d{{1,15}})?)", re.ASCII)
_CASE: Final = re.compile(r'"([^"]*)"|(\S+)')


@dataclass(frozen=True, slots=True)
class _CapElement:
    """A CAP element; its children must be those of the standard, none more often than it allows."""

    element: Element
    path: str

    def __post_init__(self) -> None:
        kind, seen = self.element.name, set[str]()
        for each in self.element.children:
            if each.namespace != NAMESPACE:
                continue  # a signature
            if each.name not in ONCE[kind] | OFTEN[kind]:
                raise InvalidInput(
                    "CAP 1.2 does not allow {name} in {kind}.",
                    field=self.field(each.name),
                    name=each.name,
                    kind=kind,
                )
            if each.name in seen and each.name in ONCE[kind]:
                raise InvalidInput(
                    "{name} may occur only once in {kind}.",
                    field=self.field(each.name),
                    name=each.name,
                    kind=kind,
                )
            seen.add(each.name)

    def field(self, name: str) -> str:
        return f"{self.path}.{name}".removeprefix("alert.")

    def maybe(self, name: str) -> str | None:
        return next((text for text in self.texts(name) if text), None)

    def text(self, name: str) -> str:
        found = self.maybe(name)
        if found is None:
            raise InvalidInput(
                "{name} must contain {name_2}.", field=self.field(name), name=self.element.name, name_2=name
            )
        return found

    def texts(self, name: str) -> list[str]:
        return [each.text for each in self._all(name)]

    def parts(self, name: str) -> list[_CapElement]:
        return [_CapElement(each, self.field(name)) for each in self._all(name)]

    def _all(self, name: str) -> list[Element]:
        return [e for e in self.element.children if e.name == name and e.namespace == NAMESPACE]

    def one_of(self, name: str) -> None:
        """Require that every value of the element is one that the standard allows, and that there is one."""
        for value in self.texts(name) or [self.text(name)]:
            _value(value, sorted(VALUES[name]), self.field(name))

    def chosen[T: StrEnum](self, name: str, values: type[T]) -> T:
        return values(_value(self.text(name), [each.value for each in values], self.field(name)))

    def time(self, name: str) -> datetime | None:
        text = self.maybe(name)
        return None if text is None else _time(text, self.field(name))


def read_cap(content: bytes) -> CapMessage:
    """Parse a message. What CAP has no element for is read from parameters (`CapParameter`).

    Raises InvalidInput, which names the element that is missing or wrong; TooLarge.
    """
    root = xml_tree(content)
    if root.name != "alert" or root.namespace != NAMESPACE:
        version = root.namespace.removeprefix("urn:oasis:names:tc:emergency:cap:") or "without a namespace"
        raise InvalidInput(
            'The root element is <{name}> ({version}); it must be <alert xmlns="{namespace}">.',
            field="alert",
            name=root.name,
            version=version,
            namespace=NAMESPACE,
        )
    alert = _CapElement(root, "alert")
    identifier, sender = _name(alert, "identifier"), _name(alert, "sender")
    sent = _time(alert.text("sent"), "sent")
    status, message = alert.chosen("status", CapStatus), alert.chosen("msgType", CapMessageType)
    alert.one_of("scope")
    for scope, needed in (("Restricted", "restriction"), ("Private", "addresses")):
        if alert.text("scope") == scope:
            alert.text(needed)
    references = tuple(_references(alert.maybe("references") or ""))
    if message in (CapMessageType.UPDATE, CapMessageType.CANCEL) and not references:
        raise InvalidInput(
            "{message} must name the earlier message in references.", field="references", message=message
        )
    infos = alert.parts("info")
    for info in infos:
        _check(info)
    parameters = _parameters(infos)
    position = _place([area for info in infos for area in info.parts("area")])
    if message is CapMessageType.ALERT:
        _needs_a_patient(infos, position)
    return CapMessage(
        identifier=identifier,
        sender=sender,
        sent=sent,
        status=status,
        message=message,
        references=references,
        cases=tuple(quoted or bare for quoted, bare in _CASE.findall(alert.maybe("incidents") or "")),
        position=position,
        floor=_whole_number(parameters.get(CapParameter.FLOOR)),
        storey=parameters.get(CapParameter.STOREY),
        address=parameters.get(CapParameter.ADDRESS),
        has_cpr=_boolean(parameters.get(CapParameter.HAS_CPR)),
        ambulance_seconds=_seconds(parameters.get(CapParameter.AMBULANCE_SECONDS)),
        region=parameters.get(CapParameter.REGION),
        outcome=_outcome(parameters.get(CapParameter.OUTCOME)),
        onset=next((onset for info in infos if (onset := info.time("onset"))), None),
        expires=next((expires for info in infos if (expires := info.time("expires"))), None),
        words=_words(alert, infos),
    )


def _check(info: _CapElement) -> None:
    info.text("event")
    for name in ("category", "urgency", "severity", "certainty"):
        info.one_of(name)
    if info.texts("responseType"):
        info.one_of("responseType")
    info.time("effective")
    for area in info.parts("area"):
        area.text("areaDesc")


def _needs_a_patient(infos: list[_CapElement], position: Position | None) -> None:
    if not infos:
        raise InvalidInput("An Alert must contain info, with an area where the patient is.", field="info")
    if not any(HEALTH in info.texts("category") for info in infos):
        raise InvalidInput(
            "Only alerts of category {health} are accepted.", field="info.category", health=HEALTH
        )
    if position is None:
        raise InvalidInput("An Alert must contain an area with a circle or a polygon.", field="info.area")


def _words(alert: _CapElement, infos: list[_CapElement]) -> str | None:
    texts = (info.maybe(name) for name in ("description", "headline") for info in infos)
    return next((each for each in texts if each), alert.maybe("note"))


def _value(value: str, values: list[str], field: str) -> str:
    if value not in values:
        raise InvalidInput(
            "{name} must be one of {names}, not {value!r}.",
            field=field,
            name=field,
            names=", ".join(values),
            value=value[:40],
        )
    return value


def _name(alert: _CapElement, name: str) -> str:
    value = alert.text(name)
    if len(value) > MAX_NAME_LENGTH or not _NAME.fullmatch(value):
        raise InvalidInput(
            "{name} must have at most {max_name_length} characters, and no space, comma, < or &.",
            field=name,
            name=name,
            max_name_length=MAX_NAME_LENGTH,
        )
    return value


def _time(text: str, field: str) -> datetime:
    if not TIME.fullmatch(text):
        raise InvalidInput(
            "{name} must be written like 2026-11-27T08:00:00+08:00; write UTC as -00:00, not Z.",
            field=field,
            name=field,
        )
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(
            "{name} is not a valid time: {text}.", field=field, name=field, text=text
        ) from None


def _references(text: str) -> Iterator[CapReference]:
    named = text.split()
    if len(named) > MAX_REFERENCES:
        raise InvalidInput(
            "references must name at most {max_references} messages.",
            field="references",
            max_references=MAX_REFERENCES,
        )
    for each in named:
        parts = each.split(",")
        if len(parts) != 3 or not all(parts):
            raise InvalidInput(
                "references must be written as sender,identifier,sent with spaces between references.",
                field="references",
            )
        yield CapReference(parts[0], parts[1], _time(parts[2], "references"))


def _parameters(infos: list[_CapElement]) -> dict[CapParameter, str]:
    """Return the known parameters; they must be the same in each language."""
    found: dict[CapParameter, str] = {}
    known = {each.value: each for each in CapParameter}
    for info in infos:
        for part in info.parts("parameter"):
            name, value = part.text("valueName"), part.text("value")
            if (parameter := known.get(name)) is None:
                continue
            if found.setdefault(parameter, value) != value:
                raise InvalidInput(
                    "The parameter {name} is given twice with different values.", field=name, name=name
                )
    return found


def _whole_number(text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"[+-]?\d{1,3}", text, re.ASCII):
        raise InvalidInput("floor must be a whole number; 0 is the ground floor.", field=CapParameter.FLOOR)
    return int(text)


def _boolean(text: str | None) -> bool | None:
    if text not in (None, "true", "false"):
        raise InvalidInput("has_cpr must be true or false.", field=CapParameter.HAS_CPR)
    return None if text is None else text == "true"


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    if not re.fullmatch(r"\d{1,5}(\.\d{1,6})?", text, re.ASCII):
        raise InvalidInput(
            "ambulance_seconds must be a number from 0 to 14400; 0 if the ambulance has arrived.",
            field=CapParameter.AMBULANCE_SECONDS,
        )
    return float(text)


def _outcome(text: str | None) -> IncidentOutcome | None:
    if text is None:
        return None
    return IncidentOutcome(_value(text, [each.value for each in IncidentOutcome], CapParameter.OUTCOME))


def _place(areas: list[_CapElement]) -> Position | None:
    """Return the one place of the areas: of their circles, otherwise their polygons.

    Raises InvalidInput for several places, and for one that is too large.
    """
    circles = [_centre(text, area.field("circle")) for area in areas for text in area.texts("circle")]
    polygons = [
        _point_in_polygon(text, area.field("polygon")) for area in areas for text in area.texts("polygon")
    ]
    found = circles or polygons
    if any(distance_metres(found[0], each) > 1 for each in found):
        raise InvalidInput(
            "An alert is about one patient, but its areas are at different places.", field="info.area"
        )
    return found[0] if found else None


def _centre(text: str, field: str) -> Position:
    match = _CIRCLE.fullmatch(text)
    if match is None:
        raise InvalidInput(
            "A circle must be written as lat,lon, a space and the radius in kilometres.", field=field
        )
    if float(match[3]) * 1000 > MAX_AREA_RADIUS_METRES:
        raise _too_large(field)
    return _position(match[1], match[2], field)


def _point_in_polygon(text: str, field: str) -> Position:
    """Return a point in the polygon."""
    pairs = [_PAIR.fullmatch(each) for each in text.split()]
    corners = [_position(pair[1], pair[2], field) for pair in pairs if pair is not None]
    if len(corners) < max(4, len(pairs)) or corners[0] != corners[-1]:
        raise InvalidInput(
            "A polygon must have at least four lat,lon pairs, the last equal to the first.", field=field
        )
    polygon = Polygon([(each.lon, each.lat) for each in corners])
    if not polygon.is_valid or polygon.area == 0:
        raise InvalidInput("The polygon crosses itself or has no area.", field=field)
    point = polygon.representative_point()
    here = Position(point.y, point.x)
    if any(distance_metres(here, each) > MAX_AREA_RADIUS_METRES for each in corners):
        raise _too_large(field)
    return here


def _too_large(field: str) -> InvalidInput:
    return InvalidInput(
        "The area is too large: its radius must be at most {max_area_radius_metres:.0f} m.",
        field=field,
        max_area_radius_metres=MAX_AREA_RADIUS_METRES,
    )


def _position(lat: str, lon: str, field: str) -> Position:
    here = Position(float(lat), float(lon))
    if abs(here.lat) > 90 or abs(here.lon) > 180:
        raise InvalidInput(
            "Give latitude first, from -90 to 90, then longitude, from -180 to 180.", field=field
        )
    return here
