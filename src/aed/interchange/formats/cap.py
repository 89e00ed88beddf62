"""CAP 1.2 read and written: the elements, values and forms of OASIS's standard of 1 July 2010."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from shapely import Polygon

from aed.errors import InvalidInput
from aed.geo import Position, distance_metres
from aed.incidents.models import Incident
from aed.incidents.rules.incident import Outcome
from aed.interchange.formats.xml_text import xml_text
from aed.interchange.formats.xml_tree import Element, xml_tree
from aed.interchange.rules.cap import MOST_METRES, CapMessage, MessageType, Parameter, Reference, Status

NAMESPACE: Final = "urn:oasis:names:tc:emergency:cap:1.2"
MEDIA_TYPE: Final = "application/cap+xml"
HEALTH: Final = "Health"
RADIUS_KM: Final = 0.05
LONGEST_NAME: Final = 200

_VALUES: Final[Mapping[str, frozenset[str]]] = {
    "scope": frozenset({"Public", "Restricted", "Private"}),
    "category": frozenset(
        [
            "Geo",
            "Met",
            "Safety",
            "Security",
            "Rescue",
            "Fire",
            "Health",
            "Env",
            "Transport",
            "Infra",
            "CBRNE",
            "Other",
        ]
    ),
    "responseType": frozenset(
        {"Shelter", "Evacuate", "Prepare", "Execute", "Avoid", "Monitor", "Assess", "AllClear", "None"}
    ),
    "urgency": frozenset({"Immediate", "Expected", "Future", "Past", "Unknown"}),
    "severity": frozenset({"Extreme", "Severe", "Moderate", "Minor", "Unknown"}),
    "certainty": frozenset({"Observed", "Likely", "Possible", "Unlikely", "Unknown"}),
}
_ONCE: Final[Mapping[str, frozenset[str]]] = {
    "alert": frozenset(
        [
            "identifier",
            "sender",
            "sent",
            "status",
            "msgType",
            "source",
            "scope",
            "restriction",
            "addresses",
            "note",
            "references",
            "incidents",
        ]
    ),
    "info": frozenset(
        [
            "language",
            "event",
            "urgency",
            "severity",
            "certainty",
            "audience",
            "effective",
            "onset",
            "expires",
            "senderName",
            "headline",
            "description",
            "instruction",
            "web",
            "contact",
        ]
    ),
    "area": frozenset({"areaDesc", "altitude", "ceiling"}),
    "parameter": frozenset({"valueName", "value"}),
}
_OFTEN: Final[Mapping[str, frozenset[str]]] = {
    "alert": frozenset({"code", "info"}),
    "info": frozenset({"category", "responseType", "eventCode", "parameter", "resource", "area"}),
    "area": frozenset({"polygon", "circle", "geocode"}),
    "parameter": frozenset(),
}
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", re.ASCII)
_NAME: Final = re.compile(r"[^\s,<&]+")
_NUMBER: Final = r"[+-]?\d{1,3}(?:\.\d{1,15})?"
_PAIR: Final = re.compile(rf"({_NUMBER}),({_NUMBER})", re.ASCII)
_CIRCLE: Final = re.compile(rf"({_NUMBER}),({_NUMBER}) +(\d{{1,6}}(?:\.\d{{1,15}})?)", re.ASCII)
_CASE: Final = re.compile(r'"([^"]*)"|(\S+)')


# --- reading ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Part:
    """An element of CAP, whose own elements are those that the standard has, none oftener than it says."""

    element: Element
    path: str

    def __post_init__(self) -> None:
        kind, seen = self.element.name, set[str]()
        for each in self.element.children:
            if each.namespace != NAMESPACE:
                continue  # a signature
            if each.name not in _ONCE[kind] | _OFTEN[kind]:
                raise InvalidInput(f"CAP 1.2 has no {each.name} in {kind}.", field=self.field(each.name))
            if each.name in seen and each.name in _ONCE[kind]:
                raise InvalidInput(f"{each.name} stands in {kind} once.", field=self.field(each.name))
            seen.add(each.name)

    def field(self, name: str) -> str:
        return f"{self.path}.{name}".removeprefix("alert.")

    def maybe(self, name: str) -> str | None:
        return next((text for text in self.texts(name) if text), None)

    def text(self, name: str) -> str:
        found = self.maybe(name)
        if found is None:
            raise InvalidInput(f"{self.element.name} needs its {name}.", field=self.field(name))
        return found

    def texts(self, name: str) -> list[str]:
        return [each.text for each in self._all(name)]

    def parts(self, name: str) -> list[_Part]:
        return [_Part(each, self.field(name)) for each in self._all(name)]

    def _all(self, name: str) -> list[Element]:
        return [e for e in self.element.children if e.name == name and e.namespace == NAMESPACE]

    def one_of(self, name: str) -> None:
        """Every value of the element is one that the standard has, and there is one."""
        for value in self.texts(name) or [self.text(name)]:
            _value(value, sorted(_VALUES[name]), self.field(name))

    def chosen[T: StrEnum](self, name: str, values: type[T]) -> T:
        return values(_value(self.text(name), [each.value for each in values], self.field(name)))

    def time(self, name: str) -> datetime | None:
        text = self.maybe(name)
        return None if text is None else _time(text, self.field(name))


def read_cap(content: bytes) -> CapMessage:
    """What the message says. What no element of CAP is for is read from parameters, by `Parameter`.

    Raises InvalidInput, which names the element that is missing or cannot be meant; TooLarge.
    """
    root = xml_tree(content)
    if root.name != "alert" or root.namespace != NAMESPACE:
        version = root.namespace.removeprefix("urn:oasis:names:tc:emergency:cap:") or "without a namespace"
        raise InvalidInput(
            f'This is <{root.name}> ({version}); send <alert xmlns="{NAMESPACE}">.', field="alert"
        )
    alert = _Part(root, "alert")
    identifier, sender = _name(alert, "identifier"), _name(alert, "sender")
    sent = _time(alert.text("sent"), "sent")
    status, message = alert.chosen("status", Status), alert.chosen("msgType", MessageType)
    alert.one_of("scope")
    for scope, needed in (("Restricted", "restriction"), ("Private", "addresses")):
        if alert.text("scope") == scope:
            alert.text(needed)
    references = tuple(_references(alert.maybe("references") or ""))
    if message in (MessageType.UPDATE, MessageType.CANCEL) and not references:
        raise InvalidInput(f"An {message} names in references what it is of.", field="references")
    infos = alert.parts("info")
    for info in infos:
        _check(info)
    said = _parameters(infos)
    position = _place(area for info in infos for area in info.parts("area"))
    if message is MessageType.ALERT:
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
        floor=_whole(said.get(Parameter.FLOOR)),
        address=said.get(Parameter.ADDRESS),
        has_cpr=_truth(said.get(Parameter.HAS_CPR)),
        ambulance_seconds=_seconds(said.get(Parameter.AMBULANCE_SECONDS)),
        region=said.get(Parameter.REGION),
        outcome=_outcome(said.get(Parameter.OUTCOME)),
        onset=next((onset for info in infos if (onset := info.time("onset"))), None),
        expires=next((expires for info in infos if (expires := info.time("expires"))), None),
        words=_words(alert, infos),
    )


def _check(info: _Part) -> None:
    info.text("event")
    for name in ("category", "urgency", "severity", "certainty"):
        info.one_of(name)
    if info.texts("responseType"):
        info.one_of("responseType")
    info.time("effective")
    for area in info.parts("area"):
        area.text("areaDesc")


def _needs_a_patient(infos: list[_Part], position: Position | None) -> None:
    if not infos:
        raise InvalidInput("An Alert needs info, with an area where the patient is.", field="info")
    if not any(HEALTH in info.texts("category") for info in infos):
        raise InvalidInput(f"Only alerts of the category {HEALTH} are taken here.", field="info.category")
    if position is None:
        raise InvalidInput("An Alert needs an area with a circle or polygon.", field="info.area")


def _words(alert: _Part, infos: list[_Part]) -> str | None:
    said = (info.maybe(name) for name in ("description", "headline") for info in infos)
    return next((each for each in said if each), alert.maybe("note"))


def _value(value: str, values: list[str], field: str) -> str:
    if value not in values:
        raise InvalidInput(f"{field} is one of {', '.join(values)}, not {value[:40]!r}.", field=field)
    return value


def _name(alert: _Part, name: str) -> str:
    value = alert.text(name)
    if len(value) > LONGEST_NAME or not _NAME.fullmatch(value):
        raise InvalidInput(
            f"{name} has at most {LONGEST_NAME} characters and no space, comma, < or &.", field=name
        )
    return value


def _time(text: str, field: str) -> datetime:
    if not _TIME.fullmatch(text):
        raise InvalidInput(
            f"{field} is written like 2026-11-27T08:00:00+08:00; UTC as -00:00, not Z.", field=field
        )
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(f"{field} is no time that there is: {text}.", field=field) from None


def _references(text: str) -> Iterator[Reference]:
    for each in text.split():
        parts = each.split(",")
        if len(parts) != 3 or not all(parts):
            raise InvalidInput(
                "references are sender,identifier,sent with spaces between.", field="references"
            )
        yield Reference(parts[0], parts[1], _time(parts[2], "references"))


def _parameters(infos: list[_Part]) -> dict[Parameter, str]:
    """Those that are known here; the same in each language."""
    found: dict[Parameter, str] = {}
    known = {each.value: each for each in Parameter}
    for info in infos:
        for part in info.parts("parameter"):
            name, value = part.text("valueName"), part.text("value")
            if (parameter := known.get(name)) is None:
                continue
            if found.setdefault(parameter, value) != value:
                raise InvalidInput(f"The parameter {name} is given twice, and differs.", field=name)
    return found


def _whole(text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"[+-]?\d{1,3}", text, re.ASCII):
        raise InvalidInput("floor is a whole number; 0 is the ground floor.", field=Parameter.FLOOR)
    return int(text)


def _truth(text: str | None) -> bool | None:
    if text not in (None, "true", "false"):
        raise InvalidInput("has_cpr is true or false.", field=Parameter.HAS_CPR)
    return None if text is None else text == "true"


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    if not re.fullmatch(r"\d{1,5}(\.\d{1,6})?", text, re.ASCII):
        raise InvalidInput(
            "ambulance_seconds is a number from 0 to 14400; 0: it is there.",
            field=Parameter.AMBULANCE_SECONDS,
        )
    return float(text)


def _outcome(text: str | None) -> Outcome | None:
    if text is None:
        return None
    return Outcome(_value(text, [each.value for each in Outcome], Parameter.OUTCOME))


def _place(areas: Iterable[_Part]) -> Position | None:
    """The one place that the areas are of. Raises InvalidInput for several, and for one that is too large."""
    found = [place for area in areas for place in _places(area)]
    if not found:
        return None
    if any(distance_metres(found[0], each) > 1 for each in found):
        raise InvalidInput("One alert is of one patient: its areas are several places.", field="info.area")
    return found[0]


def _places(area: _Part) -> Iterator[Position]:
    field = area.field("circle")
    for text in area.texts("circle"):
        match = _CIRCLE.fullmatch(text)
        if match is None:
            raise InvalidInput("A circle is written: lat,lon and the radius in kilometres.", field=field)
        if float(match[3]) * 1000 > MOST_METRES:
            raise _too_large(field)
        yield _position(match[1], match[2], field)
    field = area.field("polygon")
    for text in area.texts("polygon"):
        yield _within(text, field)


def _within(text: str, field: str) -> Position:
    """A point in the polygon."""
    pairs = [_PAIR.fullmatch(each) for each in text.split()]
    corners = [_position(pair[1], pair[2], field) for pair in pairs if pair is not None]
    if len(corners) < max(4, len(pairs)) or corners[0] != corners[-1]:
        raise InvalidInput("A polygon is at least four lat,lon, the last as the first.", field=field)
    polygon = Polygon([(each.lon, each.lat) for each in corners])
    if not polygon.is_valid or polygon.area == 0:
        raise InvalidInput("The polygon crosses itself, or is a line.", field=field)
    point = polygon.representative_point()
    here = Position(point.y, point.x)
    if any(distance_metres(here, each) > MOST_METRES for each in corners):
        raise _too_large(field)
    return here


def _too_large(field: str) -> InvalidInput:
    return InvalidInput(f"A patient's place is at most {MOST_METRES:.0f} m around.", field=field)


def _position(lat: str, lon: str, field: str) -> Position:
    here = Position(float(lat), float(lon))
    if abs(here.lat) > 90 or abs(here.lon) > 180:
        raise InvalidInput("Latitude first, from -90 to 90; then longitude, from -180 to 180.", field=field)
    return here


# --- writing ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CapPlace:
    """What people are told of where it is, and whom to call."""

    en: str
    zh: str
    region_en: str
    emergency_number: str


@dataclass(frozen=True, slots=True)
class _Words:
    language: str
    event: str
    headline: str
    over: str
    instruction: str


_ENGLISH: Final = _Words(
    "en",
    "Cardiac arrest",
    "Cardiac arrest: help is called",
    "Cardiac arrest: over",
    "Not for the public. The emergency number is {number}.",
)
_CHINESE: Final = _Words(
    "zh-CN",
    "心脏骤停",
    "心脏骤停：正在召集施救者",
    "心脏骤停：已结束",
    "不对公众发布。急救电话：{number}。",
)
_MARKS: Final = {
    Status.EXERCISE: ("EXERCISE, no real patient. ", "演练，并无真实患者。"),
    Status.TEST: ("TEST of the line. ", "线路测试。"),
}


def write_cap(message: CapMessage, place: CapPlace) -> bytes:
    """The message as XML, in Chinese and English; for dispatch centres alone (scope Restricted). Its elements
    stand in the order of the standard's schema. No names are in it."""
    mark_en, mark_zh = _MARKS.get(message.status, ("", ""))
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<alert xmlns="{NAMESPACE}">',
        _element("identifier", message.identifier),
        _element("sender", message.sender),
        _element("sent", written(message.sent)),
        _element("status", message.status),
        _element("msgType", message.message),
        _element("scope", "Restricted"),
        _element("restriction", f"For the dispatch centres and first responders of {place.region_en} only."),
    ]
    if mark_en:
        lines.append(_element("note", f"{mark_zh} {mark_en}"))
    if message.references:
        triples = (f"{each.sender},{each.identifier},{written(each.sent)}" for each in message.references)
        lines.append(_element("references", " ".join(triples)))
    if message.cases:
        lines.append(_element("incidents", " ".join(map(_quoted, message.cases))))
    lines += _info(message, _CHINESE, mark_zh, place.zh, place.emergency_number)
    lines += _info(message, _ENGLISH, mark_en, place.en, place.emergency_number)
    lines.append("</alert>\n")
    return "\n".join(lines).encode()


def cap_of_incident(message: CapMessage, found: Incident) -> bytes:
    """The same for an incident that was read with its region and estate."""
    region, estate = found.region, found.estate
    named = estate if estate is not None else region
    place = CapPlace(named.name_en, named.name_zh, region.name_en, region.emergency_number)
    return write_cap(message, place)


def _info(message: CapMessage, words: _Words, mark: str, where: str, number: str) -> list[str]:
    is_over = message.message is MessageType.CANCEL
    lines = [
        "<info>",
        _element("language", words.language),
        _element("category", HEALTH),
        _element("event", words.event),
        _element("responseType", "AllClear" if is_over else "Execute"),
        _element("urgency", "Past" if is_over else "Immediate"),
        _element("severity", "Extreme"),
        _element("certainty", "Likely"),
    ]
    if message.onset is not None:
        lines.append(_element("onset", written(message.onset)))
    lines += [
        _element("headline", mark + (words.over if is_over else words.headline)),
        _element("instruction", words.instruction.format(number=number)),
    ]
    for name, value in _parameters_of(message):
        lines += ["<parameter>", _element("valueName", name), _element("value", value), "</parameter>"]
    if message.position is not None:
        here = f"{message.position.lat:.6f},{message.position.lon:.6f} {RADIUS_KM}"
        lines += ["<area>", _element("areaDesc", where), _element("circle", here), "</area>"]
    return [*lines, "</info>"]


def _parameters_of(message: CapMessage) -> Iterator[tuple[Parameter, str]]:
    if message.floor is not None:
        yield Parameter.FLOOR, str(message.floor)
    if message.address:
        yield Parameter.ADDRESS, message.address
    if message.has_cpr is not None:
        yield Parameter.HAS_CPR, "true" if message.has_cpr else "false"
    if message.ambulance_seconds is not None:
        yield Parameter.AMBULANCE_SECONDS, f"{message.ambulance_seconds:.0f}"
    if message.region is not None:
        yield Parameter.REGION, message.region
    if message.outcome is not None:
        yield Parameter.OUTCOME, message.outcome


def written(moment: datetime) -> str:
    """UTC, to the second, as CAP has it: -00:00, and never Z."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}-00:00"


def _element(name: str, text: str) -> str:
    return f"<{name}>{xml_text(text)}</{name}>"


def _quoted(case: str) -> str:
    plain = case.replace('"', "'")
    return f'"{plain}"' if re.search(r"\s", plain) else plain
