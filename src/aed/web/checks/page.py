"""The check form in words: each question with the registered value beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from aed.registry.devices.models import Device
from aed.registry.devices.rules import ConsumableKind
from aed.registry.storeys import spoken_storey
from aed.upkeep.checks.rules import QUESTION_WORDS
from aed.upkeep.faults.schemas import ReadinessOut
from aed.upkeep.rules import CheckKind, Question, short_number
from aed.web.checks.queries import DeviceToCheck
from aed.web.checks.rules import CONSUMABLE_OF, CONSUMABLE_OF_CARTRIDGE

type Words = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class RegisteredConsumable:
    expires_on: date
    lot: str | None


@dataclass(frozen=True, slots=True)
class QuestionLine:
    """A question of the form; `consumable` is the kind whose date is shown beside it."""

    question: Question
    words: Words
    consumable: ConsumableKind | None = None
    registered: RegisteredConsumable | None = None


@dataclass(frozen=True, slots=True)
class DeviceForm:
    """What the form shows."""

    code: str
    name: Words
    estate: Words
    place: Words
    counts_ground_as_one: bool
    storey: Words
    hours: str | None
    instructions: Words
    is_usable: bool
    unusable: list[Words]
    last_checked_on: date | None
    kinds: tuple[CheckKind, ...]
    lines: list[QuestionLine]
    child_pads: RegisteredConsumable | None
    has_cartridge: bool
    """Whether pads and battery are one combined cartridge, with one date."""
    asks_about_recall: bool
    needs_new_pads: bool
    asks_for_photo: bool
    checked_at: datetime | None
    """Local time of a check within the last day."""
    today: date
    emergency_number: str


def form_of(found: DeviceToCheck, *, at: datetime) -> DeviceForm:
    """Return the form of a device."""
    device, estate = found.device, found.device.estate
    zone = ZoneInfo((estate.time_zone if estate is not None else None) or device.region.time_zone)
    storey = spoken_storey(device.floor, counts_ground_as_one=device.region.counts_ground_as_one)
    names = {
        "en": estate.name_en if estate is not None else None,
        "zh": estate.name_zh if estate is not None else None,
    }
    place = {"en": device.place_en, "zh": device.place_zh}
    last = found.last_check
    return DeviceForm(
        code=short_number(device.id),
        name=place if any(place.values()) else names,
        estate=names,
        place=place,
        counts_ground_as_one=device.region.counts_ground_as_one,
        storey={"en": storey["en"], "zh": storey["zh"]},
        hours=device.opening_hours or device.opening_hours_raw,
        instructions={"en": device.access_instructions_en, "zh": device.access_instructions_zh},
        is_usable=found.ready.readiness.is_usable,
        unusable=[{"en": each.en, "zh": each.zh} for each in ReadinessOut.of(found.ready).unusable_reasons],
        last_checked_on=device.last_checked_on,
        kinds=found.kinds,
        lines=lines_of(found.asks, device),
        child_pads=_registered(device, ConsumableKind.CHILD_PADS),
        has_cartridge=has_cartridge(device),
        asks_about_recall=found.asks_about_recall,
        needs_new_pads=found.needs_new_pads,
        asks_for_photo=Question.PHOTO in found.asks,
        checked_at=last.answered_at.astimezone(zone) if last is not None else None,
        today=at.astimezone(zone).date(),
        emergency_number=device.region.emergency_number,
    )


def lines_of(asks: tuple[Question, ...], device: Device | None) -> list[QuestionLine]:
    """Return the questions in words, without the one for a photo."""
    lines = []
    kinds = CONSUMABLE_OF_CARTRIDGE if device is not None and has_cartridge(device) else CONSUMABLE_OF
    for question in asks:
        if question is Question.PHOTO:
            continue
        en, zh = QUESTION_WORDS[question]
        kind = kinds.get(question)
        registered = _registered(device, kind) if device is not None and kind is not None else None
        lines.append(QuestionLine(question, {"en": en, "zh": zh}, kind, registered))
    return lines


def has_cartridge(device: Device) -> bool:
    """Return whether a combined cartridge of pads and battery is fitted."""
    return any(item.kind is ConsumableKind.CARTRIDGE for item in device.consumables)


def _registered(device: Device, kind: ConsumableKind) -> RegisteredConsumable | None:
    """Return the fitted consumable of that kind that expires first, or None."""
    for item in device.consumables:  # in order of expiry
        if item.kind is kind:
            return RegisteredConsumable(item.expires_on, item.lot)
    return None
