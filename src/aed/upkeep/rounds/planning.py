"""Plan the inspection rounds of a day from what is due: devices, hours, walks, inspectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from aed.accounts.people.models import Person
from aed.accounts.permissions import Viewer
from aed.accounts.regions.models import Region
from aed.accounts.regions.queries import region_by_code
from aed.accounts.viewers import viewer_of_person
from aed.accounts.visibility import managed_by, visible_to
from aed.database.geometry import position_of
from aed.errors import InvalidInput, NotAllowed, NotFound
from aed.geo import Position
from aed.hours.evaluation import HolidayDates, hours_on
from aed.hours.timetable import StateSpan
from aed.registry.devices.models import Device
from aed.registry.devices.rules import DeviceState
from aed.registry.estates import queries as estate_queries
from aed.registry.estates.models import Estate
from aed.registry.holidays.queries import holiday_calendar
from aed.settings import Settings
from aed.upkeep.device_filter import DeviceFilter
from aed.upkeep.due.queries import duties
from aed.upkeep.permissions import require_check_allowed, require_round_assigner
from aed.upkeep.rounds.routing import (
    MAX_STOPS,
    NotVisitedReason,
    Route,
    Shift,
    Stop,
    order_stops,
)
from aed.upkeep.rounds.rules import (
    DAY_SECONDS,
    MAX_DAYS_AHEAD,
    MINUTE,
    are_hours_known,
    local_moment,
    reachable_windows,
)
from aed.upkeep.rounds.walks import Place, RoundWalks, walks_between
from aed.upkeep.rules import CheckKind, DueKind
from aed.walking.network import WalkingNetwork

DUE_ON_ROUND = tuple(kind for kind in DueKind if kind is not DueKind.GLANCE)
"""What sends an inspector to a device: everything but the daily glance of its keeper."""


@dataclass(frozen=True, slots=True)
class RoundQuestion:
    """Which devices to check on a day, who does so, from where and when. Times are local."""

    estate_id: int | None
    region_id: int
    inspector_ids: tuple[int, ...]
    day: date
    starts: time
    ends_by: time
    start: Position
    end: Position | None
    device_ids: tuple[int, ...] | None
    """None: what is due."""
    due_within_days: int
    check_minutes: int
    every_days: int | None


@dataclass(frozen=True, slots=True)
class RoundDevice:
    """A device of a round, with its place in words."""

    id: int
    position: Position
    place_en: str | None
    place_zh: str | None
    estate_en: str | None
    estate_zh: str | None


@dataclass(frozen=True, slots=True)
class PlannedStop:
    """A device in a planned round; see `RoundStop`."""

    device: RoundDevice
    begins_at: datetime
    closes_at: datetime | None
    hours_known: bool


@dataclass(frozen=True, slots=True)
class PlannedRoute:
    """The planned round of one inspector."""

    inspector_id: int
    inspector: str
    ends_at: datetime
    walking_seconds: int
    stops: tuple[PlannedStop, ...]


@dataclass(frozen=True, slots=True)
class RoundPlan:
    """The rounds of a day as they would be assigned."""

    question: RoundQuestion
    time_zone: str
    country: str
    starts_at: datetime
    ends_by: datetime
    routes: tuple[PlannedRoute, ...]
    """Without those of inspectors who get no device."""
    not_visited: tuple[tuple[RoundDevice, NotVisitedReason], ...]
    is_estimated: bool
    """True if some walks were estimated from straight lines, for lack of streets."""


def region_of_rounds(session: Session, viewer: Viewer, estate_id: int | None, region: str | None) -> int:
    """Return the id of the region of an estate, or with that code. Raises NotFound."""
    if estate_id is not None:
        return estate_queries.estate(session, viewer, estate_id).region_id
    assert region is not None
    return region_by_code(session, region).id


def time_zone_of(session: Session, estate_id: int | None, region_id: int) -> str:
    """Return the time zone of the estate, or of the region.

    visibility: a time zone.
    """
    estate = session.get_one(Estate, estate_id) if estate_id is not None else None
    return (estate.time_zone if estate is not None else None) or session.get_one(Region, region_id).time_zone


def plan_rounds(
    session: Session,
    viewer: Viewer,
    question: RoundQuestion,
    *,
    at: datetime,
    network: WalkingNetwork | None,
    settings: Settings,
) -> RoundPlan:
    """Divide the devices among the inspectors and order them by walks and hours.

    1. Require that the viewer may assign rounds there, and each inspector may check each device.
    2. Take the given devices, or those on which something other than a glance is due.
    3. Evaluate the hours of each on the day; unknown hours are not taken for closed.
    4. Compute the walks between all of them, through gates as they are when the round starts.
    5. Order them (`routing.order_stops`).

    Raises NotSignedIn, NotAllowed; NotFound for a device that the viewer does not manage; InvalidInput for a
    day in the past, a person who may not check the devices, or too many devices.
    """
    require_round_assigner(viewer, question.estate_id, question.region_id)
    region = session.get_one(Region, question.region_id)
    time_zone = time_zone_of(session, question.estate_id, question.region_id)
    today = at.astimezone(ZoneInfo(time_zone)).date()
    if not today <= question.day <= today + timedelta(days=MAX_DAYS_AHEAD):
        raise InvalidInput("Choose a day from today on, within a year.", field="day")
    rows = _devices(session, viewer, region, question, today=today, at=at)
    people = [_inspector(session, person_id, rows) for person_id in question.inspector_ids]
    calendar = holiday_calendar(session, region.holiday_calendar) if region.holiday_calendar else None
    hours = [_hours(row, question.day, calendar) for row in rows]
    starts_at = local_moment(question.day, _seconds(question.starts), time_zone)
    walks = _walks(
        session,
        viewer_of_person(session, question.inspector_ids[0]),
        question,
        rows,
        network=network,
        settings=settings,
        time_zone=time_zone,
        calendar=calendar,
        starts_at=starts_at,
    )
    order = order_stops(
        [Stop(question.check_minutes * MINUTE, reachable_windows(spans)) for spans in hours],
        walks.seconds,
        shift=Shift(_seconds(question.starts), _seconds(question.ends_by), inspectors=len(people)),
        has_end=question.end is not None,
    )
    devices = [device_in_words(row) for row in rows]
    return RoundPlan(
        question=question,
        time_zone=time_zone,
        country=region.country,
        starts_at=starts_at,
        ends_by=local_moment(question.day, _seconds(question.ends_by), time_zone),
        routes=tuple(
            _route(person, route, devices, hours, question.day, time_zone)
            for person, route in zip(people, order.routes, strict=True)
            if route.visits
        ),
        not_visited=tuple((devices[each.stop], each.reason) for each in order.not_visited),
        is_estimated=walks.is_estimated,
    )


def _seconds(moment: time) -> float:
    """Return seconds after midnight."""
    return moment.hour * 3600.0 + moment.minute * 60.0 + moment.second


def _devices(
    session: Session, viewer: Viewer, region: Region, question: RoundQuestion, *, today: date, at: datetime
) -> list[Device]:
    """Return the devices to check, in order of id, with their estates."""
    wanted = question.device_ids
    if wanted is None:
        found = duties(
            session,
            viewer,
            DeviceFilter(
                estate_id=question.estate_id, region=region.code if question.estate_id is None else None
            ),
            at=at,
            within_days=(question.day - today).days + question.due_within_days,
            due_kinds=DUE_ON_ROUND,
        )
        wanted = tuple(sorted({due.device_id for due in found.dues}))
        if len(wanted) > MAX_STOPS:
            raise InvalidInput(
                "{devices} devices are due: choose at most {max_stops} with device_ids.",
                field="device_ids",
                devices=len(wanted),
                max_stops=MAX_STOPS,
            )
    rows = session.scalars(
        select(Device)
        .where(
            visible_to(viewer, Device),
            managed_by(viewer, Device),
            Device.id.in_(wanted),
            Device.state != DeviceState.WITHDRAWN,
        )
        .options(joinedload(Device.estate))
        .order_by(Device.id)
    ).all()
    if question.device_ids is not None and len(rows) < len(wanted):
        missing = min(set(wanted) - {row.id for row in rows})
        raise NotFound("There is no device {device}.", field="device_ids", device=missing)
    for row in rows:
        require_round_assigner(
            viewer, row.estate_id if question.estate_id is not None else None, row.region_id
        )
    return list(rows)


def _inspector(session: Session, person_id: int, rows: Sequence[Device]) -> Person:
    """Return a person who may check all these devices. Raises InvalidInput.

    visibility: for those who may assign rounds there.
    """
    person = session.get(Person, person_id)
    walker = viewer_of_person(session, person_id)
    try:
        for estate_id, region_id in sorted({(row.estate_id or 0, row.region_id) for row in rows}):
            require_check_allowed(walker, CheckKind.CHECK, estate_id or None, region_id)
    except NotAllowed:
        person = None
    if person is None or person.erased_at is not None:
        raise InvalidInput(
            "Person {person} may not check these devices: give them a role there first.",
            field="inspector_ids",
            person=person_id,
        )
    return person


def _hours(row: Device, day: date, calendar: HolidayDates | None) -> tuple[StateSpan, ...]:
    """Return the hours of a device on a day; unknown while its access is in doubt."""
    return hours_on(row.opening_hours if row.access_doubted_at is None else None, day, calendar=calendar)


def _walks(
    session: Session,
    walker: Viewer,
    question: RoundQuestion,
    rows: Sequence[Device],
    *,
    network: WalkingNetwork | None,
    settings: Settings,
    time_zone: str,
    calendar: HolidayDates | None,
    starts_at: datetime,
) -> RoundWalks:
    places = [Place(position_of(row.position), row.floor) for row in rows]
    places.append(Place(question.start, 0))
    if question.end is not None:
        places.append(Place(question.end, 0))
    return walks_between(
        session.connection(),
        walker,
        network,
        places,
        at=starts_at,
        time_zone=time_zone,
        calendar=calendar,
        numbers=settings.arrival,
    )


def device_in_words(row: Device) -> RoundDevice:
    estate = row.estate
    return RoundDevice(
        id=row.id,
        position=position_of(row.position),
        place_en=row.place_en,
        place_zh=row.place_zh,
        estate_en=estate.name_en if estate is not None else None,
        estate_zh=estate.name_zh if estate is not None else None,
    )


def _route(
    person: Person,
    route: Route,
    devices: Sequence[RoundDevice],
    hours: Sequence[Sequence[StateSpan]],
    day: date,
    time_zone: str,
) -> PlannedRoute:
    return PlannedRoute(
        inspector_id=person.id,
        inspector=person.name,
        ends_at=local_moment(day, route.ends_at, time_zone),
        walking_seconds=round(route.walking_seconds),
        stops=tuple(
            PlannedStop(
                device=devices[visit.stop],
                begins_at=local_moment(day, visit.begins, time_zone),
                closes_at=local_moment(day, visit.closes, time_zone) if visit.closes < DAY_SECONDS else None,
                hours_known=are_hours_known(hours[visit.stop], visit.begins, visit.leaves),
            )
            for visit in route.visits
        ),
    )
