"""What the desk of an estate says about its devices, and what its forms send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

from shapely.geometry import mapping

from aed.accounts.permissions import Role
from aed.database.geometry import position_of, shape_of
from aed.errors import InvalidInput
from aed.geo import Datum, Position, from_wgs84
from aed.hours.evaluation import hours_at
from aed.lookup import reasons
from aed.registry.changes import RegistryChange
from aed.registry.devices.models import Device
from aed.registry.devices.rules import DeviceState, EntryMode, Mark, access_at, mark_of
from aed.registry.estates.models import Estate
from aed.registry.storeys import spoken_storey
from aed.upkeep.due.rules import DUE_WORDS, Due
from aed.upkeep.faults.queries import DeviceReadiness
from aed.upkeep.faults.schemas import ReadinessOut
from aed.upkeep.rules import ApprovalState, short_number
from aed.web.estate_desk import rules
from aed.web.estate_desk.queries import ListedDevice, ReadDevices
from aed.web.estate_desk.rules import EMPTY, WeeklyHours
from aed.web.signals import warnings_of
from aed.web.words import noop


class Shown(StrEnum):
    """Which devices the desk lists."""

    ALL = "all"
    NOT_READY = "not-ready"
    OVERDUE = "overdue"
    DUE = "due"

    @property
    def sentence(self) -> str:
        """The text in English; translate it."""
        return _SHOWN[self]


MAX_VALUE: Final = 8_000
"""Characters of a field."""
_SHOWN: Final = {
    Shown.ALL: noop("All"),
    Shown.NOT_READY: noop("Not ready"),
    Shown.OVERDUE: noop("Overdue"),
    Shown.DUE: noop("Due within 30 days"),
}
ROLES: Final = {
    Role.ESTATE_MANAGER: noop("Manager of the estate"),
    Role.KEEPER: noop("Keeper of its AEDs"),
    Role.RESPONDER: noop("Volunteer"),
    Role.TRAINING_OFFICER: noop("Training officer"),
    Role.RESIDENT: noop("Resident"),
}
"""Roles on an estate except the lead's, which a setting names; in English, translate them."""
STATES: Final = {
    DeviceState.IN_SERVICE: noop("In service"),
    DeviceState.OUT_OF_SERVICE: noop("Out of service: nobody is sent to it"),
}
NOT_KNOWN: Final = noop("Not known")
FIELD_NAMES: Final = {
    "place_zh": noop("Place, in Chinese"),
    "place_en": noop("Place, in English"),
    "hours": noop("When it can be reached"),
    "entry": noop("Way in"),
    "access_instructions_zh": noop("How to get to it, in Chinese"),
    "access_instructions_en": noop("How to get to it, in English"),
    "keeper_name": noop("Keeper"),
    "keeper_phone": noop("Keeper's phone"),
    "state": noop("State"),
    "out_of_service_reason": noop("Why it is out of service"),
    "maker": noop("Maker"),
    "model": noop("Model"),
    "serial": noop("Serial number"),
    "registration_number": noop("Registration number"),
    "udi_di": noop("UDI-DI"),
    "manufactured_on": noop("Date of manufacture"),
    "end_of_life_on": noop("End of service life"),
}
"""Names of what the form holds, in English; translate them."""
ENTRIES: Final = {
    EntryMode.FREE: noop("Anyone can take it"),
    EntryMode.ASSISTED: noop("Someone lets you in"),
    EntryMode.UNKNOWN: NOT_KNOWN,
}


class HoursKind(StrEnum):
    """How opening hours are entered."""

    ALWAYS = "always"
    OFFICE = "office"
    DAYS = "days"
    TEXT = "text"
    UNKNOWN = "unknown"


ALWAYS: Final = "24/7"
OTHER_HOURS: Final = noop("You entered hours that are not the ones chosen. Choose which of them apply.")


@dataclass(frozen=True, slots=True)
class DueLine:
    """A task on a device. `words` are {"en", "zh"}."""

    words: Mapping[str, str]
    due_on: date
    overdue_days: int


@dataclass(frozen=True, slots=True)
class DeviceLine:
    """A row of the desk. Words are {"en", "zh"}."""

    id: int
    version: int
    code: str
    mark: Mark
    place: Mapping[str, str | None]
    storey: Mapping[str, str]
    access: Mapping[str, str]
    is_ready: bool
    unready: list[Mapping[str, str]]
    dues: list[DueLine]
    keeper: str
    last_checked_on: date | None
    warnings: list[str]
    """Of its monitor; translate them."""
    second_person: str
    """Who approved the last check that needed it."""
    awaits_approval: bool
    loaner_code: str
    """The number of the AED that stands in for it, or nothing."""
    stands_in_for_code: str
    """The number of the AED for which it stands in, or nothing."""
    here: Position

    @property
    def is_overdue(self) -> bool:
        return any(each.overdue_days for each in self.dues)

    @property
    def first_due(self) -> date | None:
        return min((each.due_on for each in self.dues), default=None)


@dataclass(frozen=True, slots=True)
class Summary:
    """The line on top of the desk: counts of devices, and of what waits for the manager."""

    devices: int
    not_ready: int
    expires_soon: int
    """Devices whose pads or battery expire within a week."""
    overdue: int
    waiting: int


def lines_of(read: ReadDevices, *, at: datetime) -> list[DeviceLine]:
    """Return a row for each device, in the order in which they were read."""
    dues: dict[int, list[Due]] = {}
    for each in read.duties.dues:
        dues.setdefault(each.device_id, []).append(each)
    return [_line(each, dues.get(each.device.id, []), read, at=at) for each in read.devices]


def _line(found: DeviceReadiness, dues: list[Due], read: ReadDevices, *, at: datetime) -> DeviceLine:
    device, zone = found.device, time_zone_of(found.device)
    entry = EntryMode.UNKNOWN if device.access_doubted_at is not None else device.entry
    access = access_at(hours_at(device.opening_hours, at, time_zone=zone, calendar=read.calendar), entry)
    storey = spoken_storey(device.floor, counts_ground_as_one=device.region.counts_ground_as_one)
    today = at.astimezone(ZoneInfo(zone)).date()
    approval = read.approvals.get(device.id)
    return DeviceLine(
        id=device.id,
        version=device.version,
        code=short_number(device.id),
        mark=mark_of(access, found.readiness),
        place={"en": device.place_en, "zh": device.place_zh},
        storey={"en": storey["en"], "zh": storey["zh"]},
        access=reasons.access_reason(access, at, zone),
        is_ready=found.readiness.is_usable,
        unready=[{"en": each.en, "zh": each.zh} for each in ReadinessOut.of(found).unusable_reasons],
        dues=[
            DueLine(
                dict(zip(("en", "zh"), DUE_WORDS[each.due_kind], strict=True)),
                each.due_on,
                each.overdue_days(today),
            )
            for each in dues
        ],
        keeper=device.keeper.name if device.keeper is not None else "",
        last_checked_on=device.last_checked_on,
        warnings=warnings_of(read.monitors.get(device.id)),
        second_person=read.second_people.get(approval.decided_by_id or 0, "") if approval is not None else "",
        awaits_approval=approval is not None and approval.state is ApprovalState.WAITING,
        loaner_code=number_or_nothing(device.loaner_id),
        stands_in_for_code=number_or_nothing(device.stands_in_for_id),
        here=position_of(device.position),
    )


def outline_of(estate: Estate, datum: Datum) -> dict[str, Any]:
    """Return the boundary as GeoJSON in the datum of the map."""

    def moved(nested: Any) -> Any:
        if isinstance(nested[0], int | float):
            return _on_map(Position(nested[1], nested[0]), datum)
        return [moved(each) for each in nested]

    shape = mapping(shape_of(estate.boundary))
    return {"type": shape["type"], "coordinates": moved(shape["coordinates"])}


def points_of(rows: Sequence[DeviceLine], datum: Datum) -> list[tuple[int, float, float]]:
    """Return id, longitude and latitude of each device in the datum of the map."""
    return [(row.id, *_on_map(row.here, datum)) for row in rows]


def _on_map(here: Position, datum: Datum) -> tuple[float, float]:
    """Return longitude and latitude in the datum of the map."""
    lat, lon = from_wgs84(here, datum)
    return lon, lat


def number_or_nothing(device_id: int | None) -> str:
    """Return the number of a device's label, or nothing for none."""
    return short_number(device_id) if device_id is not None else ""


def time_zone_of(device: Device) -> str:
    """Return the time zone of the device's estate, or of its region."""
    zone = device.estate.time_zone if device.estate is not None else None
    return zone or device.region.time_zone


def summary_of(devices: Sequence[ListedDevice], *, waiting: int) -> Summary:
    """Return the counts of the line on top."""
    return Summary(
        devices=len(devices),
        not_ready=sum(not each.is_ready for each in devices),
        expires_soon=sum(each.expires_soon for each in devices),
        overdue=sum(each.is_overdue for each in devices),
        waiting=waiting,
    )


def matches_filter(device: ListedDevice, shown: Shown) -> bool:
    """Return whether the filter selects the device."""
    if shown is Shown.NOT_READY:
        return not device.is_ready
    if shown is Shown.OVERDUE:
        return device.is_overdue
    return shown is Shown.ALL or device.is_due


@dataclass(frozen=True, slots=True)
class UndoLine:
    """A change that its author can undo. `names` are field names in English, to be translated."""

    change_id: int
    device_id: int
    code: str
    place: Mapping[str, str | None]
    names: list[str]
    at: datetime


def undo_lines(changes: Sequence[tuple[RegistryChange, Device]]) -> list[UndoLine]:
    """Return a line for each change."""
    return [
        UndoLine(
            change_id=change.id,
            device_id=device.id,
            code=short_number(device.id),
            place={"en": device.place_en, "zh": device.place_zh},
            names=list(dict.fromkeys(FIELD_NAMES[_FORM_NAMES.get(name, name)] for name in change.fields)),
            at=change.at,
        )
        for change, device in changes
    ]


_FORM_NAMES: Final = {"keeper_id": "keeper_name", "opening_hours": "hours", "out_of_service_reason": "state"}


# --- The form of a device -------------------------------------------------------------------------------


def fields_of(device: Device) -> dict[str, str]:
    """Return the device's values as the form holds them."""
    return {
        "place_zh": device.place_zh or "",
        "place_en": device.place_en or "",
        **_hours_fields(device.opening_hours),
        "entry": device.entry.value,
        "access_instructions_zh": device.access_instructions_zh or "",
        "access_instructions_en": device.access_instructions_en or "",
        "keeper_name": device.keeper.name if device.keeper is not None else "",
        "keeper_phone": (device.keeper.phone or "") if device.keeper is not None else "",
        "state": DeviceState.OUT_OF_SERVICE.value
        if device.state is DeviceState.OUT_OF_SERVICE
        else DeviceState.IN_SERVICE.value,
        "out_of_service_reason": device.out_of_service_reason or "",
        "maker": device.maker or "",
        "model": device.model or "",
        "serial": device.serial or "",
        "registration_number": device.registration_number or "",
        "udi_di": device.udi_di or "",
        "manufactured_on": device.manufactured_on.isoformat() if device.manufactured_on is not None else "",
        "end_of_life_on": device.end_of_life_on.isoformat() if device.end_of_life_on is not None else "",
    }


def _hours_fields(hours: str | None) -> dict[str, str]:
    weekly = WeeklyHours.from_expression(hours) if hours is not None else None
    if hours is None or hours == ALWAYS:
        kind = HoursKind.UNKNOWN if hours is None else HoursKind.ALWAYS
    else:
        kind = HoursKind.TEXT if weekly is None else HoursKind.DAYS
    return {
        "hours_kind": kind.value,
        "opens": "08:30",
        "closes": "17:30",
        "hours": hours if hours is not None and kind in (HoursKind.DAYS, HoursKind.TEXT) else "",
        **(weekly or EMPTY).to_form(),
    }


LABELS: Final = FIELD_NAMES | {"opening_hours": FIELD_NAMES["hours"], "keeper": FIELD_NAMES["keeper_name"]}
"""The labels of the form by the names of the fields of a `DeviceAmend`."""


LOAN_LABELS: Final = {
    "loaner_id": noop("Spare AED"),
    "due_back_on": noop("Last day of the loan"),
    "reason": noop("Why it is away"),
}
"""The labels of the form of a loan by the names of its fields."""


@dataclass(frozen=True, slots=True)
class SpareDevice:
    """A spare device to choose from."""

    id: int
    code: str
    model: str
    why: str
    """Why it is out of service, as it was entered."""


def spare_of(device: Device) -> SpareDevice:
    """Return a spare device to choose from."""
    model = " ".join(each for each in (device.maker, device.model) if each)
    return SpareDevice(device.id, short_number(device.id), model, device.out_of_service_reason or "")


def hours_in(fields: Mapping[str, str]) -> str | None:
    """Return the expression that the form means, or None for unknown hours.

    Raises InvalidInput for times of days that are missing or wrong.
    """
    kind = fields.get("hours_kind", "")
    if kind == HoursKind.ALWAYS:
        return ALWAYS
    if kind == HoursKind.OFFICE:
        return f"Mo-Fr {fields.get('opens', '')}-{fields.get('closes', '')}; PH off"
    if kind == HoursKind.DAYS:
        return WeeklyHours.from_form(fields).expression()
    return fields.get("hours", "").strip() or None if kind == HoursKind.TEXT else None


def require_one_kind_of_hours(typed: Mapping[str, str], changed: Set[str]) -> None:
    """Raise InvalidInput if hours were entered beside the kind that is chosen, which would drop them."""
    kind = typed["hours_kind"]
    if "hours_kind" in changed:
        return
    for other, names in _FIELDS_OF_HOURS.items():
        if other != kind and changed & names and not (changed & _FIELDS_OF_HOURS.get(HoursKind(kind), set())):
            raise InvalidInput(OTHER_HOURS, field="hours")


def typed_in(fields: Mapping[str, str], device: Device) -> dict[str, str]:
    """Return all values of the form; those that were not sent are the device's."""
    return {name: fields.get(name, value) for name, value in fields_of(device).items()}


def changed_in(typed: Mapping[str, str], was: Mapping[str, str]) -> dict[str, str]:
    """Return the values that the person changed; `was` is what the form showed when it was opened."""
    return {name: value for name, value in typed.items() if value.strip() != was.get(name, "")}


def amendment_of(typed: Mapping[str, str], changed: Set[str]) -> dict[str, Any]:
    """Return the fields of a `DeviceAmend` for the names of the form that were changed."""
    wanted: dict[str, Any] = {name: typed[name].strip() or None for name in _TEXTS if name in changed}
    if "entry" in changed:
        wanted["entry"] = typed["entry"]
    if changed & _HOURS:
        wanted["opening_hours"] = hours_in(typed)
    if changed & _KEEPER:
        name, phone = typed["keeper_name"].strip(), typed["keeper_phone"].strip()
        wanted["keeper"] = {"name": name, "phone": phone or None} if name else None
    if changed & _STATE:
        is_out = typed["state"] == DeviceState.OUT_OF_SERVICE
        wanted["state"] = typed["state"]
        wanted["out_of_service_reason"] = (typed["out_of_service_reason"].strip() or None) if is_out else None
    return wanted


@dataclass(frozen=True, slots=True)
class Clash:
    """A value that two people changed: what the one typed, and what the other saved."""

    name: str
    """In English; translate it."""
    yours: str
    now: str
    is_in_words: bool
    """Whether the values are sentences in English, to be translated."""


def clashes_of(typed: Mapping[str, str], now: Mapping[str, str], changed: Set[str]) -> list[Clash]:
    """Return the changed values that differ from what is saved now, in the order of the form."""
    found = []
    for field, name in FIELD_NAMES.items():
        if not (changed & _HOURS if field == "hours" else field in changed):
            continue
        yours, theirs = _in_words(field, typed), _in_words(field, now)
        if yours != theirs:
            found.append(Clash(name, yours, theirs, is_in_words=field in ("entry", "state")))
    return found


def _in_words(field: str, values: Mapping[str, str]) -> str:
    if field == "hours":
        return hours_in(values) or "?"
    if field == "entry":
        return ENTRIES[EntryMode(values[field])]
    return STATES[DeviceState(values[field])] if field == "state" else values[field].strip()


_TEXTS: Final = (
    "place_zh",
    "place_en",
    "access_instructions_zh",
    "access_instructions_en",
    "maker",
    "model",
    "serial",
    "registration_number",
    "udi_di",
    "manufactured_on",
    "end_of_life_on",
)
_HOURS: Final = frozenset({"hours_kind", "opens", "closes", "hours", "holidays", *rules.FIELDS})
_FIELDS_OF_HOURS: Final[Mapping[HoursKind, Set[str]]] = {
    HoursKind.OFFICE: {"opens", "closes"},
    HoursKind.DAYS: {"holidays", *rules.FIELDS},
    HoursKind.TEXT: {"hours"},
}
_KEEPER: Final = frozenset({"keeper_name", "keeper_phone"})
_STATE: Final = frozenset({"state", "out_of_service_reason"})
