"""Plan inspection rounds from what is due, and read assigned ones with the checks that have arrived."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, false, or_, select, true
from sqlalchemy.orm import Session, aliased, joinedload

from aed.accounts.authentication import viewer_of_person
from aed.accounts.people.models import Person
from aed.accounts.permissions import Viewer
from aed.accounts.regions.models import Region
from aed.accounts.regions.queries import region_by_code
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
from aed.upkeep.models import Check, InspectionRound, RoundStop
from aed.upkeep.permissions import assigned_places, require_check_allowed, require_round_assigner
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
    RoundState,
    are_hours_known,
    counts_until,
    reachable_windows,
    repeat_day,
    round_state,
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
    starts_at = _moment(question.day, _seconds(question.starts), time_zone)
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
    devices = [_in_words(row) for row in rows]
    return RoundPlan(
        question=question,
        time_zone=time_zone,
        country=region.country,
        starts_at=starts_at,
        ends_by=_moment(question.day, _seconds(question.ends_by), time_zone),
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


def _moment(day: date, seconds: float, time_zone: str) -> datetime:
    """Return the moment of a local wall clock, in UTC."""
    local = datetime.combine(day, time(), ZoneInfo(time_zone)) + timedelta(seconds=round(seconds))
    return local.astimezone(UTC)


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

    visibility: for whoever may assign rounds there.
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


def _in_words(row: Device) -> RoundDevice:
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
        ends_at=_moment(day, route.ends_at, time_zone),
        walking_seconds=round(route.walking_seconds),
        stops=tuple(
            PlannedStop(
                device=devices[visit.stop],
                begins_at=_moment(day, visit.begins, time_zone),
                closes_at=_moment(day, visit.closes, time_zone) if visit.closes < DAY_SECONDS else None,
                hours_known=are_hours_known(hours[visit.stop], visit.begins, visit.leaves),
            )
            for visit in route.visits
        ),
    )


# --- assigned rounds --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StopSeen:
    """A device of an assigned round, with the check that has arrived."""

    stop: RoundStop
    device: RoundDevice
    checked_at: datetime | None
    is_passed: bool | None

    @property
    def reason(self) -> NotVisitedReason | None:
        """Why the device is not in the order; None if it is."""
        given = self.stop.not_visited_reason
        return NotVisitedReason(given) if given is not None else None


@dataclass(frozen=True, slots=True)
class AssignedRound:
    """An assigned round with its devices and state. Withdrawn devices are left out."""

    row: InspectionRound
    time_zone: str
    stops: tuple[StopSeen, ...]
    state: RoundState

    @property
    def in_order(self) -> tuple[StopSeen, ...]:
        """The devices that are visited, in order."""
        return tuple(each for each in self.stops if each.reason is None)

    @property
    def checked(self) -> int:
        return sum(each.checked_at is not None for each in self.in_order)

    @property
    def next_stop(self) -> StopSeen | None:
        """The first device in the order that is not checked."""
        return next((each for each in self.in_order if each.checked_at is None), None)


def assigned_by_viewer(viewer: Viewer) -> ColumnElement[bool]:
    """Select the rounds of the estates and regions where the viewer assigns rounds."""
    if viewer.is_administrator:
        return true()
    places = assigned_places(viewer)
    return or_(
        InspectionRound.estate_id.in_(places.estate_ids),
        InspectionRound.region_id.in_(places.region_ids),
        InspectionRound.region_id.in_(places.managed_region_ids) & InspectionRound.estate_id.is_not(None),
    )


def _known_to(viewer: Viewer) -> ColumnElement[bool]:
    """Select the viewer's own rounds, and those that they assign."""
    own = InspectionRound.inspector_id == viewer.person_id if viewer.person_id is not None else false()
    return or_(own, assigned_by_viewer(viewer))


def rounds(
    session: Session,
    viewer: Viewer,
    *,
    at: datetime,
    limit: int,
    before_id: int | None = None,
    estate_id: int | None = None,
    is_own: bool = False,
    since: date | None = None,
) -> list[AssignedRound]:
    """Return rounds that the viewer walks or assigns, the last assigned first. Runs three statements."""
    statement = (
        select(InspectionRound)
        .where(_known_to(viewer))
        .options(
            joinedload(InspectionRound.inspector),
            joinedload(InspectionRound.region),
            joinedload(InspectionRound.estate),
        )
        .order_by(InspectionRound.id.desc())
        .limit(limit)
    )
    if before_id is not None:
        statement = statement.where(InspectionRound.id < before_id)
    if estate_id is not None:
        statement = statement.where(InspectionRound.estate_id == estate_id)
    if is_own:
        statement = statement.where(InspectionRound.inspector_id == viewer.person_id)
    if since is not None:
        statement = statement.where(InspectionRound.day >= since)
    return _with_stops(session, viewer, session.scalars(statement).all(), at=at)


def round_by_id(session: Session, viewer: Viewer, round_id: int, *, at: datetime) -> AssignedRound:
    """Return a round that the viewer walks or assigns. Raises NotFound."""
    row = session.scalar(
        select(InspectionRound)
        .where(InspectionRound.id == round_id, _known_to(viewer))
        .options(
            joinedload(InspectionRound.inspector),
            joinedload(InspectionRound.region),
            joinedload(InspectionRound.estate),
        )
    )
    if row is None:
        raise NotFound("There is no round {round_id}.", field="round_id", round_id=round_id)
    return _with_stops(session, viewer, [row], at=at)[0]


def _with_stops(
    session: Session, viewer: Viewer, rows: Sequence[InspectionRound], *, at: datetime
) -> list[AssignedRound]:
    """Return rounds with their devices and the checks that count for them."""
    if not rows:
        return []
    stops: dict[int, list[tuple[RoundStop, Device]]] = defaultdict(list)
    for stop, device in session.execute(
        select(RoundStop, Device)
        .join(Device, Device.id == RoundStop.device_id)
        .where(
            RoundStop.round_id.in_([row.id for row in rows]),
            visible_to(viewer, Device),
            Device.state != DeviceState.WITHDRAWN,
        )
        .options(joinedload(Device.estate))
        .order_by(RoundStop.round_id, RoundStop.position)
    ):
        stops[stop.round_id].append((stop, device))
    checks: dict[int, list[tuple[datetime, bool]]] = defaultdict(list)
    first_day = _moment(min(row.day for row in rows) - timedelta(days=1), 0, "UTC")
    for device_id, answered_at, is_passed in session.execute(
        select(Check.device_id, Check.answered_at, Check.is_passed)
        .where(  # visibility: of devices that the statement above has found
            Check.device_id.in_({device.id for pairs in stops.values() for _, device in pairs}),
            Check.kind != CheckKind.GLANCE,
            Check.answered_at >= first_day,
        )
        .order_by(Check.answered_at)
    ):
        checks[device_id].append((answered_at, is_passed))
    return [_seen(row, stops[row.id], checks, at=at) for row in rows]


def _seen(
    row: InspectionRound,
    pairs: Sequence[tuple[RoundStop, Device]],
    checks: dict[int, list[tuple[datetime, bool]]],
    *,
    at: datetime,
) -> AssignedRound:
    """Return a round with the last check of each device that counts for it."""
    time_zone = (row.estate.time_zone if row.estate is not None else None) or row.region.time_zone
    first = _moment(row.day, 0, time_zone)
    last = _moment(counts_until(row.day, row.every_days), 0, time_zone)
    seen = []
    for stop, device in pairs:
        counting = [each for each in checks[device.id] if first <= each[0] < last]
        checked_at, is_passed = counting[-1] if counting else (None, None)
        seen.append(StopSeen(stop, _in_words(device), checked_at, is_passed))
    left = sum(each.reason is None and each.checked_at is None for each in seen)
    state = round_state(
        row.day,
        today=at.astimezone(ZoneInfo(time_zone)).date(),
        left=left,
        every_days=row.every_days,
        is_cancelled=row.cancelled_at is not None,
    )
    return AssignedRound(row, time_zone, tuple(seen), state)


def rounds_to_repeat(session: Session, *, at: datetime) -> list[tuple[int, RoundQuestion]]:
    """Return the rounds whose next turn is today or tomorrow and not assigned yet, with its question.

    visibility: for the scheduler.
    """
    following = aliased(InspectionRound)
    rows = session.scalars(
        select(InspectionRound)
        .where(
            InspectionRound.every_days.is_not(None),
            InspectionRound.cancelled_at.is_(None),
            InspectionRound.start_lat.is_not(None),
            InspectionRound.day <= at.date() + timedelta(days=1),
            ~select(following.id).where(following.repeats_id == InspectionRound.id).exists(),
        )
        .options(joinedload(InspectionRound.region), joinedload(InspectionRound.estate))
        .order_by(InspectionRound.id)
    )
    found = []
    for row in rows:
        zone = ZoneInfo((row.estate.time_zone if row.estate is not None else None) or row.region.time_zone)
        today = at.astimezone(zone).date()
        assert row.every_days is not None
        assert row.start_lat is not None
        assert row.start_lon is not None
        day = repeat_day(row.day, row.every_days, today=today)
        if day > today + timedelta(days=1):
            continue
        device_ids = session.scalars(
            select(RoundStop.device_id)
            .join(Device, Device.id == RoundStop.device_id)
            .where(RoundStop.round_id == row.id, Device.state != DeviceState.WITHDRAWN)
            .order_by(RoundStop.position)
        )
        question = RoundQuestion(
            estate_id=row.estate_id,
            region_id=row.region_id,
            inspector_ids=(row.inspector_id,),
            day=day,
            starts=row.starts_at.astimezone(zone).time(),
            ends_by=row.ends_by.astimezone(zone).time(),
            start=Position(row.start_lat, row.start_lon),
            end=Position(row.end_lat, row.end_lon)
            if row.end_lat is not None and row.end_lon is not None
            else None,
            device_ids=tuple(device_ids),
            due_within_days=0,
            check_minutes=row.check_minutes,
            every_days=row.every_days,
        )
        found.append((row.id, question))
    return found
