"""What may be done: sites to buy for, steps to open existing devices, moves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from aed.accounts.permissions import Audience
from aed.errors import InvalidInput
from aed.geo import Position
from aed.hours.evaluation import HolidayDates, Opening, hours_at
from aed.planning.bands import (
    BANDS,
)
from aed.planning.placement.rules.problem import (
    Action,
    Lock,
    Option,
)
from aed.planning.placement.schemas import Candidate, PlacementIn
from aed.planning.queries import (
    HoursOfDevices,
    PlannedBuilding,
    PlannedDevice,
    device_pace,
)
from aed.settings import Settings
from aed.walking.travel import (
    Pace,
    estate_pace,
    general_pace,
)

MAX_OPTIONS: Final = 20_000


@dataclass(frozen=True, slots=True)
class PlacedThing:
    """What an option is about, for the answer."""

    name_en: str
    name_zh: str
    position: Position
    estate_id: int | None = None
    device_id: int | None = None
    site: Candidate | None = None


@dataclass(slots=True)
class Choice:
    """An option under construction: where it is, who may fetch it, and when."""

    option: Option
    thing: PlacedThing
    pace: Pace
    floor: int
    audience: Audience
    neighbourhood: str | None


def choices(
    question: PlacementIn,
    buildings: Sequence[PlannedBuilding],
    devices: Sequence[PlannedDevice],
    hours_of: HoursOfDevices,
    moments: Sequence[datetime],
    calendar: HolidayDates | None,
    settings: Settings,
) -> list[Choice]:
    """Return every option: sites to buy for, steps to open, moves. Raises InvalidInput for wrong keys."""
    found: list[Choice] = []
    names = [each.name for each in question.candidates]
    if len(set(names)) < len(names):
        raise InvalidInput("Each candidate needs a name of its own.", field="candidates")
    for each in question.candidates:
        if not lacks(each, question):
            found.append(_site(each, question, moments, calendar, settings))
    if question.every_building and not question.site_needs:
        found.extend(_door(building, question, settings) for building in buildings)
    movable = set(question.movable)
    if unknown := sorted(movable - {each.id for each in devices}):
        raise InvalidInput(
            "The region has no device {device_id} in service.", field="movable", device_id=unknown[0]
        )
    for device in devices:
        hours = tuple(hours_of.accessible(device).tolist())
        if device.id in movable:
            found.extend(_moves(device, hours, question, buildings, settings))
        elif question.open_existing:
            found.extend(_steps(device, hours, question, settings))
    if len(found) > MAX_OPTIONS:
        raise InvalidInput(
            "There are {options} options; at most {max_options} can be compared. Choose a smaller region, "
            "or send candidates.",
            field="candidates",
            options=len(found),
            max_options=MAX_OPTIONS,
        )
    return _locked(found, question)


def lacks(site: Candidate, question: PlacementIn) -> list[str]:
    """Return what a site lacks: the owner's consent, and needs that it has not or that are unknown."""
    needs = {need.value: getattr(site, need.value) for need in question.site_needs}
    return [name for name, has in {"consent": site.consent, **needs}.items() if not has]


def lacking_sites(question: PlacementIn) -> dict[str, int]:
    """Return how many sites were left out, by what they lack; one may lack several things."""
    return dict(Counter(name for each in question.candidates for name in lacks(each, question)))


def _locked(found: Sequence[Choice], question: PlacementIn) -> list[Choice]:
    inside, outside = set(question.locked_in), set(question.locked_out)
    known = {each.option.key for each in found}
    for key in (*question.locked_in, *question.locked_out):
        if key not in known:
            raise InvalidInput("There is no option {key}.", field="locked_in", key=key)
    if both := sorted(inside & outside):
        raise InvalidInput("{key} is locked in and locked out.", field="locked_in", key=both[0])
    for each in found:
        if each.option.key in inside | outside:
            lock = Lock.IN if each.option.key in inside else Lock.OUT
            each.option = replace(each.option, lock=lock)
    return list(found)


def _site(
    each: Candidate,
    question: PlacementIn,
    moments: Sequence[datetime],
    calendar: HolidayDates | None,
    settings: Settings,
) -> Choice:
    position = each.position.position()
    price = each.price if each.price is not None else _price_of_new(question)
    bands = tuple(
        each.opening_hours is None
        or hours_at(each.opening_hours, at, time_zone=str(at.tzinfo), calendar=calendar).state is Opening.OPEN
        for at in moments
    )
    estate = None if each.estate_id is None else str(each.estate_id)
    key = f"buy:{each.name}"
    numbers = settings.arrival
    return Choice(
        Option(key, key, Action.BUY, price, bands, estate),
        PlacedThing(each.name, each.name, position, each.estate_id, site=each),
        estate_pace(numbers) if each.estate_id is not None else general_pace(numbers),
        0,
        Audience.PUBLIC,
        None,
    )


def _door(building: PlannedBuilding, question: PlacementIn, settings: Settings) -> Choice:
    key = f"buy:building-{building.id}"
    return Choice(
        Option(key, key, Action.BUY, _price_of_new(question), (True,) * len(BANDS), str(building.estate_id)),
        PlacedThing(
            building.name_en, building.name_zh, Position(building.lat, building.lon), building.estate_id
        ),
        estate_pace(settings.arrival),
        0,
        Audience.PUBLIC,
        building.neighbourhood,
    )


def _price_of_new(question: PlacementIn) -> float:
    return question.prices.buy + question.prices.years * question.prices.upkeep_per_year


def _steps(
    device: PlannedDevice, hours: tuple[bool, ...], question: PlacementIn, settings: Settings
) -> Iterable[Choice]:
    """Yield the steps by which a device can be opened: to whom, at its own hours or at all."""
    prices, always = question.prices, (True,) * len(BANDS)
    once = {Audience.NEIGHBOURS: prices.open_to_neighbours, Audience.PUBLIC: prices.open_to_everyone}
    for audience in (Audience.NEIGHBOURS, Audience.PUBLIC):
        if audience is Audience.NEIGHBOURS and (
            device.neighbourhood is None or device.audience is Audience.PUBLIC
        ):
            continue
        widened = _widens(device.audience, audience)
        for name, bands in (("hours", hours), ("always", always)):
            if (name == "hours" and not widened) or (name == "always" and hours == always):
                continue
            price = prices.years * prices.open_per_year
            price += once[audience] if widened else 0.0
            price += prices.open_at_night if name == "always" else 0.0
            yield Choice(
                Option(
                    f"open:device-{device.id}:{audience.value}:{name}",
                    f"device-{device.id}",
                    Action.OPEN,
                    price,
                    bands,
                    None if device.estate_id is None else str(device.estate_id),
                ),
                _thing(device),
                device_pace(device, settings.arrival),
                device.floor,
                audience,
                device.neighbourhood,
            )


def _moves(
    device: PlannedDevice,
    hours: tuple[bool, ...],
    question: PlacementIn,
    buildings: Sequence[PlannedBuilding],
    settings: Settings,
) -> Iterable[Choice]:
    site = f"device-{device.id}"
    estate = None if device.estate_id is None else str(device.estate_id)
    pace = device_pace(device, settings.arrival)
    yield Choice(
        Option(f"keep:{site}", site, Action.KEEP, 0.0, hours, estate),
        _thing(device),
        pace,
        device.floor,
        device.audience,
        device.neighbourhood,
    )
    for building in buildings:
        if building.estate_id == device.estate_id:
            yield Choice(
                Option(
                    f"move:{site}:building-{building.id}",
                    site,
                    Action.MOVE,
                    question.prices.move,
                    hours,
                    estate,
                ),
                PlacedThing(
                    building.name_en,
                    building.name_zh,
                    Position(building.lat, building.lon),
                    device.estate_id,
                    device.id,
                ),
                pace,
                0,
                device.audience,
                device.neighbourhood,
            )


_STEPS: Final = {step: number for number, step in enumerate(Audience)}


def _widens(now: Audience, then: Audience) -> bool:
    return _STEPS[then] > _STEPS[now]


def _thing(device: PlannedDevice) -> PlacedThing:
    name = f"Device {device.id}", f"AED {device.id}"
    return PlacedThing(
        device.name_en or device.name_zh or name[0],
        device.name_zh or device.name_en or name[1],
        device.position,
        device.estate_id,
        device.id,
    )
