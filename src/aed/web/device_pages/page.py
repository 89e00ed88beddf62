"""What the page of a device shows, in the reader's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from aed.database.geometry import position_of
from aed.geo import in_mainland_china
from aed.hours.evaluation import hours_at
from aed.http.map_links import map_links
from aed.lookup import reasons
from aed.registry.devices.rules import Access, Cabinet, EntryMode, Mark, access_at, mark_of
from aed.registry.storeys import spoken_storey
from aed.upkeep.confirmations.queries import Trusted
from aed.upkeep.faults.schemas import ReadinessOut
from aed.upkeep.models import Photo
from aed.upkeep.rules import Fact, short_number
from aed.web.device_pages.queries import DeviceFacts
from aed.web.signals import Signals, signals_of
from aed.web.week import DayLine, week_of
from aed.web.words import noop

CABINETS: Final = {
    Cabinet.NONE: noop("It hangs without a cabinet."),
    Cabinet.UNLOCKED: noop("The cabinet is not locked: open it and take the AED."),
    Cabinet.ALARMED: noop("An alarm sounds when you open the cabinet. That is right: go on."),
    Cabinet.LOCKED: noop("The cabinet is locked: ask the person on duty to open it."),
}
MAPS: Final = {
    "amap": noop("AMap"),
    "baidu": noop("Baidu Maps"),
    "tencent": noop("Tencent Maps"),
    "apple": noop("Apple Maps"),
    "google": noop("Google Maps"),
    "osm": noop("OpenStreetMap"),
}


class Surety(StrEnum):
    """How sure a registered fact is."""

    SURE = "sure"
    FADING = "fading"
    UNSURE = "unsure"

    @property
    def sentence(self) -> str:
        """The text in English; translate it."""
        return _SURETIES[self]


_SURETIES: Final = {
    Surety.SURE: noop("confirmed recently"),
    Surety.FADING: noop("confirmed some time ago"),
    Surety.UNSURE: noop("not confirmed recently"),
}
SURE_FROM: Final = 0.7
FADING_FROM: Final = 0.3
FACTS: Final = {
    Fact.POSITION: noop("Where it hangs"),
    Fact.HOURS: noop("Opening hours and access"),
    Fact.READINESS: noop("Ready for use"),
}


@dataclass(frozen=True, slots=True)
class FactLine:
    """A fact, when it was last confirmed, and how sure it is."""

    name: str
    """In English; translate it."""
    confirmed_on: date | None
    surety: Surety


@dataclass(frozen=True, slots=True)
class MapLink:
    name: str
    """In English; translate it."""
    href: str


@dataclass(frozen=True, slots=True)
class PhotoShown:
    photo_id: int
    href: str
    width: int
    height: int
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class DeviceCard:
    """A device as its page shows it. Words are {"en", "zh"}."""

    code: str
    mark: Mark
    place: Mapping[str, str | None]
    estate: Mapping[str, str | None]
    storey: Mapping[str, str]
    instructions: Mapping[str, str | None]
    cabinet: str
    """In English; translate it."""
    access: Mapping[str, str]
    is_usable: bool
    readiness: Mapping[str, str]
    unusable: list[Mapping[str, str]]
    guard_phone: str | None
    is_hours_known: bool
    week: list[DayLine]
    now_minute: int
    last_checked_on: date | None
    is_checked_today: bool
    facts: list[FactLine]
    maps: list[MapLink]
    is_public: bool
    emergency_number: str
    photo: PhotoShown | None
    choices: list[PhotoShown]
    """Photos of checks of which the viewer may choose one to show."""
    signals: Signals | None
    """For those who keep it."""
    loaner_code: str
    """The number of the AED that stands in for it while it is away, or nothing."""
    stands_in_for_code: str
    """The number of the AED for which it stands in, or nothing."""


def card_of(found: DeviceFacts, *, at: datetime, is_wechat: bool) -> DeviceCard:
    """Return the card. `is_wechat` puts Tencent's map first, which opens inside WeChat."""
    device, ready, estate = found.device, found.ready, found.device.estate
    zone = (estate.time_zone if estate is not None else None) or device.region.time_zone
    local = at.astimezone(ZoneInfo(zone))
    entry = EntryMode.UNKNOWN if device.access_doubted_at is not None else device.entry
    hours = hours_at(device.opening_hours, at, time_zone=zone, calendar=found.calendar)
    access = access_at(hours, entry)
    needs_guard = access.access is Access.ASSISTED
    storey = spoken_storey(device.floor, counts_ground_as_one=device.region.counts_ground_as_one)
    here = position_of(device.position)
    links = map_links(here, label=device.place_zh or device.place_en or "AED")
    return DeviceCard(
        code=short_number(device.id),
        mark=mark_of(access, ready.readiness),
        place={"en": device.place_en, "zh": device.place_zh},
        estate={
            "en": estate.name_en if estate is not None else None,
            "zh": estate.name_zh if estate is not None else None,
        },
        storey={"en": storey["en"], "zh": storey["zh"]},
        instructions={"en": device.access_instructions_en, "zh": device.access_instructions_zh},
        cabinet=CABINETS.get(device.cabinet, ""),
        access=reasons.access_reason(access, at, zone),
        is_usable=ready.readiness.is_usable,
        readiness=reasons.readiness_reason(ready.readiness),
        unusable=[{"en": each.en, "zh": each.zh} for each in ReadinessOut.of(ready).unusable_reasons],
        guard_phone=estate.guard_phone if estate is not None and needs_guard else None,
        is_hours_known=device.opening_hours is not None,
        week=week_of(device.opening_hours, local.date(), found.calendar),
        now_minute=local.hour * 60 + local.minute,
        last_checked_on=device.last_checked_on,
        is_checked_today=device.last_checked_on == local.date(),
        facts=[_fact(each, zone) for each in found.trust],
        maps=[
            MapLink(MAPS[name], links[name])
            for name in _maps_in_order(is_mainland=in_mainland_china(here), is_wechat=is_wechat)
        ],
        is_public=device.audience == "public",
        emergency_number=device.region.emergency_number,
        photo=_photo_shown(found.photo, f"/v1/devices/{device.id}/place-photo", found)
        if found.photo
        else None,
        choices=[_photo_shown(each, f"/v1/photos/{each.id}", found) for each in found.choices],
        signals=signals_of(found.monitor, at=at),
        loaner_code=short_number(device.loaner_id) if device.loaner_id is not None else "",
        stands_in_for_code=short_number(device.stands_in_for_id)
        if device.stands_in_for_id is not None
        else "",
    )


def _photo_shown(photo: Photo, href: str, found: DeviceFacts) -> PhotoShown:
    is_chosen = found.photo is not None and photo.id == found.photo.id
    return PhotoShown(photo.id, href, photo.width, photo.height, is_chosen)


def _fact(trusted: Trusted, zone: str) -> FactLine:
    surety = Surety.UNSURE
    if trusted.confidence >= SURE_FROM:
        surety = Surety.SURE
    elif trusted.confidence >= FADING_FROM:
        surety = Surety.FADING
    when = trusted.at.astimezone(ZoneInfo(zone)).date() if trusted.at is not None else None
    return FactLine(FACTS[trusted.fact], when, surety)


def _maps_in_order(*, is_mainland: bool, is_wechat: bool) -> list[str]:
    """Return the maps, those that people at this place use first."""
    names = list(MAPS) if is_mainland else ["apple", "google", "osm", "amap", "baidu", "tencent"]
    return sorted(names, key=lambda name: name != "tencent") if is_wechat else names
