"""Write an incident as a CAP 1.2 message."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from aed.files.xml import xml_text
from aed.incidents.cap.rules import CapMessage, CapMessageType, CapParameter, CapStatus
from aed.incidents.models import Incident

RADIUS_KM: Final = 0.05


@dataclass(frozen=True, slots=True)
class CapPlace:
    """The place in words, and the number to call."""

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
    "Suspected cardiac arrest",
    "Suspected cardiac arrest: responders alerted",
    "Suspected cardiac arrest: over",
    "Not for the public. The emergency number is {number}.",
)
_CHINESE: Final = _Words(
    "zh-CN",
    "疑似心脏骤停",
    "疑似心脏骤停：正在召集急救志愿者",
    "疑似心脏骤停：已结束",
    "不对公众发布。急救电话：{number}。",
)
_MARKS: Final = {
    CapStatus.EXERCISE: ("EXERCISE, no real patient. ", "演练，并无真实患者。"),
    CapStatus.TEST: ("TEST of the connection. ", "线路测试。"),
}


def write_cap(message: CapMessage, place: CapPlace) -> bytes:
    """Return the message as XML in Chinese and English, with scope Restricted (dispatch centres only).

    Elements are in the order of the standard's schema. It contains no names.
    """
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
        lines.append(_element("note", f"{mark_zh} {mark_en}".strip()))
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
    """Return the message of an incident that was read with its region and estate."""
    region, estate = found.region, found.estate
    named = estate if estate is not None else region
    place = CapPlace(named.name_en, named.name_zh, region.name_en, region.emergency_number)
    return write_cap(message, place)


def _info(message: CapMessage, words: _Words, mark: str, where: str, number: str) -> list[str]:
    is_over = message.message is CapMessageType.CANCEL
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


def _parameters_of(message: CapMessage) -> Iterator[tuple[CapParameter, str]]:
    if message.floor is not None:
        yield CapParameter.FLOOR, str(message.floor)
    if message.storey:
        yield CapParameter.STOREY, message.storey
    if message.address:
        yield CapParameter.ADDRESS, message.address
    if message.has_cpr is not None:
        yield CapParameter.HAS_CPR, "true" if message.has_cpr else "false"
    if message.ambulance_seconds is not None:
        yield CapParameter.AMBULANCE_SECONDS, f"{message.ambulance_seconds:.0f}"
    if message.region is not None:
        yield CapParameter.REGION, message.region
    if message.outcome is not None:
        yield CapParameter.OUTCOME, message.outcome


def _element(name: str, text: str) -> str:
    return f"<{name}>{xml_text(text)}</{name}>"


def _quoted(case: str) -> str:
    plain = case.replace('"', "'")
    return f'"{plain}"' if re.search(r"\s", plain) else plain


NAMESPACE: Final = "urn:oasis:names:tc:emergency:cap:1.2"
MEDIA_TYPE: Final = "application/cap+xml"
HEALTH: Final = "Health"

VALUES: Final[Mapping[str, frozenset[str]]] = {
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
ONCE: Final[Mapping[str, frozenset[str]]] = {
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
OFTEN: Final[Mapping[str, frozenset[str]]] = {
    "alert": frozenset({"code", "info"}),
    "info": frozenset({"category", "responseType", "eventCode", "parameter", "resource", "area"}),
    "area": frozenset({"polygon", "circle", "geocode"}),
    "parameter": frozenset(),
}
TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", re.ASCII)


def written(moment: datetime) -> str:
    """Format a moment as CAP requires: UTC to the second, `-00:00` and never `Z`."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}-00:00"
