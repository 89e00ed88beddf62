"""Rounds in words, and as a paper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from markupsafe import Markup

from aed.files.typesetting import pdf_of, qr_svg
from aed.geo import Position
from aed.upkeep.rounds.planning import RoundDevice
from aed.upkeep.rounds.queries import AssignedRound, StopSeen
from aed.upkeep.rounds.rules import NOT_VISITED_WORDS, RoundState
from aed.upkeep.rules import short_number
from aed.web.rounds.route_map import Line, route_map
from aed.web.words import noop

STATES: Final = {
    RoundState.PLANNED: noop("planned"),
    RoundState.TODAY: noop("today"),
    RoundState.OVERDUE: noop("overdue"),
    RoundState.WAITING: noop("waits for approval"),
    RoundState.DONE: noop("done"),
    RoundState.MISSED: noop("missed"),
    RoundState.CANCELLED: noop("cancelled"),
}
type _Words = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class StopLine:
    """A device of a round as shown in the list."""

    number: int
    code: str
    place: _Words
    estate: _Words
    begins: str
    """Local time by the plan, such as 08:05; empty if it is not visited."""
    closes: str
    """Local time at which its hours end; empty if not before midnight."""
    hours_known: bool
    reason: _Words | None
    checked: str
    """Local day and time of its check; empty until there is one."""
    is_passed: bool
    waits_for_approval: bool


def stop_lines(found: AssignedRound) -> list[StopLine]:
    """Return the devices of a round in words, in order."""
    return [_stop_line(each, ZoneInfo(found.time_zone)) for each in found.stops]


def _stop_line(seen: StopSeen, zone: ZoneInfo) -> StopLine:
    reason = None
    if seen.reason is not None:
        en, zh = NOT_VISITED_WORDS[seen.reason]
        reason = {"en": en, "zh": zh}
    place, estate = words_of(seen.device)
    return StopLine(
        number=seen.stop.position,
        code=short_number(seen.device.id),
        place=place,
        estate=estate,
        begins=clock_time(seen.stop.begins_at, zone),
        closes=clock_time(seen.stop.closes_at, zone),
        hours_known=seen.stop.hours_known,
        reason=reason,
        checked=f"{seen.checked_at.astimezone(zone):%m-%d %H:%M}" if seen.checked_at is not None else "",
        is_passed=bool(seen.is_passed),
        waits_for_approval=seen.waits_for_approval,
    )


def words_of(device: RoundDevice) -> tuple[_Words, _Words]:
    """Return a device's place and estate."""
    return (
        {"en": device.place_en, "zh": device.place_zh},
        {"en": device.estate_en, "zh": device.estate_zh},
    )


def clock_time(moment: datetime | None, zone: ZoneInfo) -> str:
    """Return the local time of a moment, such as 08:05, or an empty string."""
    return f"{moment.astimezone(zone):%H:%M}" if moment is not None else ""


def start_of(found: AssignedRound) -> Position | None:
    """Return where a round starts, or None once the inspector's data was erased."""
    row = found.row
    if row.start_lat is None or row.start_lon is None:
        return None
    return Position(row.start_lat, row.start_lon)


def map_of(found: AssignedRound, *, streets: list[Line], outline: list[Line]) -> Markup | None:
    """Return the map of a round, or None if it has no devices."""
    stops = [(each.stop.position, each.device.position, each.is_checked) for each in found.in_order]
    if not stops:
        return None
    return route_map(start_of(found), stops, streets=streets, outline=outline)


def round_pdf(found: AssignedRound, drawing: Markup | None, *, address: str) -> bytes:
    """Return a round as an A4 sheet in Chinese and English, to take along and tick. Raises PaperNotMade."""
    zone = ZoneInfo(found.time_zone)
    estate = found.row.estate
    place = estate if estate is not None else found.row.region
    given = {
        "inspector": found.row.inspector.name,
        "place": {"en": place.name_en, "zh": place.name_zh},
        "day": found.row.day.isoformat(),
        "starts": clock_time(found.row.starts_at, zone),
        "ends": clock_time(found.row.ends_at, zone),
        "ends_by": clock_time(found.row.ends_by, zone),
        "walking_minutes": round(found.row.walking_seconds / 60),
        "map": str(drawing) if drawing is not None else "",
        "stops": [
            {
                "number": str(line.number),
                "code": line.code,
                "qr": qr_svg(f"{address}/d/{line.code}"),
                "place": _either(line.place),
                "estate": _either(line.estate),
                "begins": line.begins or "–",
                "closes": line.closes,
                "hours_known": line.hours_known,
                "reason": line.reason or {"en": "", "zh": ""},
                "checked": line.checked,
                "waits_for_approval": line.waits_for_approval,
            }
            for line in stop_lines(found)
        ],
    }
    return pdf_of("aed.web.rounds", "round.typ", given, made_at=found.row.assigned_at)


def _either(words: _Words) -> dict[str, str]:
    en, zh = words.get("en") or "", words.get("zh") or ""
    return {"en": en if zh else "", "zh": zh or en}
