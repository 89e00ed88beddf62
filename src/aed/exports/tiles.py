"""Query the devices of a map tile, and encode it as a Mapbox vector tile."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from shapely.geometry import Point
from sqlalchemy import (
    ColumnElement,
    Double,
    Function,
    Integer,
    LargeBinary,
    Row,
    Select,
    case,
    cast,
    exists,
    func,
    literal_column,
    select,
)
from sqlalchemy.orm import Session
from sqlalchemy.types import NullType

from aed.accounts.permissions import Viewer
from aed.accounts.regions.models import Region
from aed.accounts.visibility import visible_to
from aed.database.compiled import inline_text
from aed.database.types import as_date
from aed.exports.rules import (
    BUFFER,
    CELL,
    CLUSTERED_BELOW_ZOOM,
    EXTENT,
    MAX_SINGLE_DEVICES,
    Squares,
    Tile,
)
from aed.geo import Datum
from aed.hours.evaluation import hours_at, is_open_at
from aed.registry.devices.dispatchable import devices_out_on_call, hours_of_sharing
from aed.registry.devices.models import Consumable, Device
from aed.registry.devices.published import (
    inside_published_box,
    is_approximate,
    published_latitude,
    published_longitude,
    published_to,
)
from aed.registry.devices.queries import first_expiry
from aed.registry.devices.rules import (
    REQUIRED_CONSUMABLES,
    WITH_BATTERY,
    ConsumableState,
    DeviceState,
    EntryMode,
    Mark,
    Readiness,
    access_at,
    mark_of,
    readiness_on,
)
from aed.registry.estates.models import Estate
from aed.registry.holidays.models import HolidayCalendar
from aed.registry.nearby import calendar_of, entry_in_force


def vector_tile(
    session: Session, statement: Select[*tuple[Any, ...]], *, layer: str, extent: int, buffer: int
) -> tuple[int, bytes]:
    """Return the number of points that `statement` selects, and a Mapbox Vector Tile (2.1) with one layer.

    The columns are `id` (may be null), `across` and `down` in units from the tile's north-western corner, and
    the attributes of the points. Without points the tile is empty bytes.
    """
    if session.get_bind().dialect.name == "sqlite":
        return _encoded_tile(session.execute(statement).mappings().all(), layer=layer, extent=extent)
    points = statement.subquery("points")
    columns = [each for each in points.c if each.name not in ("across", "down")]
    box = func.ST_MakeBox2D(func.ST_MakePoint(0, -extent), func.ST_MakePoint(extent, 0), type_=NullType())
    place = func.ST_MakePoint(points.c.across, -points.c.down, type_=NullType())
    # Use plain functions, since those of GeoAlchemy2 would convert the geometry to text.
    geometry = Function("ST_AsMVTGeom", place, box, extent, buffer, True, type_=NullType())
    placed = select(geometry.label("geom"), *columns).subquery("tile")
    whole = Function("ST_AsMVT", literal_column("tile.*"), layer, extent, "geom", "id", type_=LargeBinary())
    number, tile = session.execute(select(func.count(), whole).select_from(placed)).one()
    return number, bytes(tile) if number else b""


def _encoded_tile(rows: Iterable[Mapping[Any, Any]], *, layer: str, extent: int) -> tuple[int, bytes]:
    import mapbox_vector_tile  # imported late, since it takes 2 MB

    features = []
    for row in rows:
        properties = {name: value for name, value in row.items() if value is not None}
        place = Point(properties.pop("across"), properties.pop("down"))
        feature = {"geometry": place, "properties": properties}
        if "id" in properties:
            feature["id"] = properties.pop("id")
        features.append(feature)
    if not features:
        return 0, b""
    options = {"extents": extent, "y_coord_down": True}
    made = mapbox_vector_tile.encode([{"name": layer, "features": features}], default_options=options)
    return len(features), bytes(made)


LAYER = "devices"


def device_tile(
    session: Session, viewer: Viewer, tile: Tile, datum: Datum = Datum.WGS84, *, at: datetime
) -> bytes:
    """Return a tile of the devices that the viewer may see; empty bytes if there are none.

    At low zoom, each grid square has one point at the mean position of its devices, with `count`,
    `in_service`, and the number of devices with each mark at `at` that occurs (and `id` if it is a single
    device). At high zoom, each device has a point with its map fields. The tile is one of a map in `datum`,
    to which the points are moved.
    """
    squares = tile.squares(datum)
    if tile.zoom >= CLUSTERED_BELOW_ZOOM:
        single = _single(session, viewer, tile, squares).limit(MAX_SINGLE_DEVICES + 1)
        number, shown = _points_tile(session, single, tile, datum)
        if number <= MAX_SINGLE_DEVICES:
            return shown
    clusters = _clusters(session, viewer, tile, squares, at)
    return _encoded_tile(_moved(clusters, tile, datum), layer=LAYER, extent=EXTENT)[1]


def _points_tile(
    session: Session, statement: Select[*tuple[Any, ...]], tile: Tile, datum: Datum
) -> tuple[int, bytes]:
    if datum is Datum.WGS84:
        return vector_tile(session, statement, layer=LAYER, extent=EXTENT, buffer=BUFFER)
    rows = _moved(session.execute(statement).mappings(), tile, datum)
    return _encoded_tile(rows, layer=LAYER, extent=EXTENT)


def _moved(rows: Iterable[Mapping[Any, Any]], tile: Tile, datum: Datum) -> list[Mapping[Any, Any]]:
    """Return the points of a tile moved to `datum`; leave out what is then outside of it."""
    if datum is Datum.WGS84:
        return list(rows)
    moved: list[Mapping[Any, Any]] = []
    for row in rows:
        across, down = tile.moved(row["across"], row["down"], datum)
        if -BUFFER <= across < EXTENT + BUFFER and -BUFFER <= down < EXTENT + BUFFER:
            moved.append({**row, "across": across, "down": down})
    return moved


def _single(session: Session, viewer: Viewer, tile: Tile, squares: Squares) -> Select[*tuple[Any, ...]]:
    across, down = _steps(viewer, tile)
    is_exact = ~is_approximate(viewer)
    return (
        select(
            Device.id.label("id"),
            across.label("across"),
            down.label("down"),
            case((is_exact, Device.place_en)).label("place_en"),
            case((is_exact, Device.place_zh)).label("place_zh"),
            case((is_exact, Device.floor)).label("floor"),
            func.coalesce(hours_of_sharing(viewer), Device.opening_hours).label("opening_hours"),
            Device.entry,
            Device.audience,
            Device.state,
        )
        .where(*_conditions(session, viewer, tile, squares))
        .order_by(Device.id)
    )


def _clusters(
    session: Session, viewer: Viewer, tile: Tile, squares: Squares, at: datetime
) -> list[dict[str, Any]]:
    """Return a point for each grid square with devices: where, how many, and how many with each mark.

    1. The database counts the devices of a square that are alike in all that decides their mark.
    2. Each such group gets its mark, and is added to its square.

    A device counts as closed outside the hours within which it is shared with the viewer.
    """
    found: dict[tuple[int, int], dict[str, Any]] = {}
    for group in session.execute(_groups(session, viewer, tile, squares, at)):
        point = found.setdefault(
            (group.row, group.column), {"id": None, "across": 0.0, "down": 0.0, "count": 0, "in_service": 0}
        )
        mark = _mark_of_group(session, group, at).value
        point["id"] = group.first_id if point["count"] == 0 and group.number == 1 else None
        point["across"] += group.across
        point["down"] += group.down
        point["count"] += group.number
        point["in_service"] += group.number if group.state is DeviceState.IN_SERVICE else 0
        point[mark] = point.get(mark, 0) + group.number
    for point in found.values():
        point["across"] /= point["count"]
        point["down"] /= point["count"]
    return [found[square] for square in sorted(found)]


def _groups(
    session: Session, viewer: Viewer, tile: Tile, squares: Squares, at: datetime
) -> Select[*tuple[Any, ...]]:
    across, down = _steps(viewer, tile)
    has_expired = _has_expired_somewhere(at)
    inside = (
        select(
            Device.id.label("id"),
            across.label("across"),
            down.label("down"),
            Device.region_id.label("region_id"),
            select(Estate.time_zone)
            .where(Estate.id == Device.estate_id)
            .scalar_subquery()
            .label("estate_time_zone"),
            Device.state.label("state"),
            Device.opening_hours.label("opening_hours"),
            entry_in_force().label("entry"),
            hours_of_sharing(viewer).label("hours_of_sharing"),
            Device.id.in_(devices_out_on_call()).label("is_out_on_call"),
            case((has_expired, first_expiry(Device.id))).label("first_expiry"),
            case((has_expired, first_expiry(Device.id, WITH_BATTERY))).label("battery_expiry"),
        )
        .where(*_conditions(session, viewer, tile, squares))
        .subquery("inside")
    )
    placed = select(
        _square(inside.c.across).label("column"), _square(inside.c.down).label("row"), *inside.c
    ).subquery("placed")
    alike = [each for each in placed.c if each.name not in ("id", "across", "down")]
    groups = (
        select(
            *alike,
            func.min(placed.c.id).label("first_id"),
            func.sum(placed.c.across).label("across"),
            func.sum(placed.c.down).label("down"),
            func.count().label("number"),
        )
        .where(
            placed.c.column.between(squares.first_column, squares.last_column),
            placed.c.row.between(squares.first_row, squares.last_row),
        )
        .group_by(*alike)
        .subquery("groups")
    )
    return (
        select(
            *groups.c,
            func.coalesce(groups.c.estate_time_zone, Region.time_zone).label("time_zone"),
            Region.holiday_calendar,
            HolidayCalendar.version.label("calendar_version"),
        )
        .join(Region, Region.id == groups.c.region_id)
        .outerjoin(HolidayCalendar, HolidayCalendar.name == Region.holiday_calendar)
    )


def _has_expired_somewhere(at: datetime) -> ColumnElement[bool]:
    """Return the condition that a device's pads or battery have expired, in the time zone furthest ahead.

    visibility: only for devices that the viewer may see.
    """
    return exists().where(
        Consumable.device_id == Device.id,
        Consumable.state == inline_text(ConsumableState.FITTED),
        Consumable.kind.in_([inline_text(kind) for kind in REQUIRED_CONSUMABLES]),
        Consumable.expires_on <= at.astimezone(UTC).date(),  # no place is more than one day ahead
    )


def _mark_of_group(session: Session, group: Row[*tuple[Any, ...]], at: datetime) -> Mark:
    calendar = calendar_of(session.connection(), group.holiday_calendar, group.calendar_version)
    readiness = (
        Readiness.OUT_ON_CALL
        if group.is_out_on_call
        else readiness_on(
            at.astimezone(ZoneInfo(group.time_zone)).date(),
            state=group.state,
            first_expiry=as_date(group.first_expiry),
            battery_expiry=as_date(group.battery_expiry),
            last_checked_on=None,  # has no influence on the mark
            checked_within_days=0,
        )
    )
    shared = group.hours_of_sharing
    if shared is not None and not is_open_at(shared, at, group.time_zone, calendar):
        return Mark.CLOSED
    hours = hours_at(group.opening_hours, at, time_zone=group.time_zone, calendar=calendar)
    return mark_of(access_at(hours, EntryMode(group.entry)), readiness)


def _conditions(session: Session, viewer: Viewer, tile: Tile, squares: Squares) -> list[Any]:
    west, south, east, north = tile.bounds(squares)
    return [
        visible_to(viewer, Device),
        published_to(viewer),
        Device.state != inline_text(DeviceState.WITHDRAWN),
        inside_published_box(session, viewer, west=west, south=south, east=east, north=north),
    ]


def _steps(viewer: Viewer, tile: Tile) -> tuple[Any, Any]:
    """Return SQL expressions of a device's units eastward and southward of the tile's north-west corner."""
    scale = tile.steps_per_degree
    north: ColumnElement[float] = func.ln(
        func.tan(math.pi / 4 + published_latitude(viewer) * (math.pi / 360)), type_=Double()
    )
    across = (published_longitude(viewer) + 180.0) * scale - float(tile.x * EXTENT)
    down = (180.0 - north * (180.0 / math.pi)) * scale - float(tile.y * EXTENT)
    return across, down


def _square(steps: Any) -> Any:
    return cast(func.floor(steps / float(CELL)), Integer)
