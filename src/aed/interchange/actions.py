"""Importing files: idempotent by source and id, whole or not at all, bad rows set aside with their reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, TypeAdapter, ValidationError
from sqlalchemy.orm import Session

from aed.accounts import actions as accounts
from aed.accounts import queries as accounts_queries
from aed.accounts.rules import Viewer, may_administer
from aed.accounts.schemas import RegionIn
from aed.errors import AedError, InvalidInput
from aed.geo import position_from
from aed.interchange.formats.geojson import read_own
from aed.interchange.formats.recognise import DeviceFormat, is_json, read_devices
from aed.interchange.formats.records import Record
from aed.interchange.formats.table import read_table, with_boundary
from aed.interchange.schemas import (
    DeviceRow,
    EstateRow,
    EstatesFileRow,
    GateRow,
    RegionRow,
    ResponderRow,
)
from aed.registry import queries as registry
from aed.registry.actions import devices as device_actions
from aed.registry.actions import estates as estate_actions
from aed.registry.actions.record import Outcome
from aed.registry.rules.device import ConsumableKind, DeviceState
from aed.registry.schemas.devices import DeviceIn, KeeperIn
from aed.registry.schemas.estates import EstateIn, GateIn
from aed.registry.schemas.fields import PositionIn
from aed.responders.actions import CertificateGiven, PlaceGiven, ResponderGiven, put_responder

type Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was set aside: where it stands and what is wrong with it."""

    where: str
    reason: str


@dataclass(slots=True)
class ImportReport:
    """What an import did."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    hours_not_understood: int = 0
    """Devices whose hours are kept as written and count as unknown."""
    bad: list[BadRow] = field(default_factory=list)

    @property
    def taken(self) -> int:
        return self.new + self.changed + self.unchanged

    def count(self, outcome: Outcome) -> None:
        match outcome:
            case Outcome.NEW:
                self.new += 1
            case Outcome.CHANGED:
                self.changed += 1
            case Outcome.UNCHANGED:
                self.unchanged += 1


def import_devices(
    session: Session,
    who: Viewer,
    path: Path,
    *,
    at: datetime,
    form: DeviceFormat | None = None,
    region: str | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Devices from a file. `region` is for rows that name neither an estate nor a region.

    All good rows or, when this raises, none: the caller's transaction is the border.
    """
    may_administer(who)
    report = ImportReport()
    estates = _Estates(session)

    def take(row: DeviceRow) -> Outcome:
        outcome = _put_device(session, who, row, estates, region=region, at=at)
        report.hours_not_understood += row.opening_hours is None and row.hours_as_written is not None
        return outcome

    _take_each(session, read_devices(path, form), TypeAdapter(DeviceRow), take, report, progress)
    return _taken(report, path)


def import_estates(
    session: Session, who: Viewer, path: Path, *, at: datetime, progress: Progress | None = None
) -> ImportReport:
    """Regions, estates and gates from a file; a gate may stand before its estate in it."""
    may_administer(who)
    report = ImportReport()
    estates = _Estates(session)

    def take(row: RegionRow | EstateRow | GateRow) -> Outcome:
        match row:
            case RegionRow():
                return _put_region(session, row)
            case EstateRow():
                given = EstateIn.model_validate(row.model_dump(exclude={"kind"}, exclude_unset=True))
                return estate_actions.put_estate(session, who, given, at=at)[1]
            case GateRow():
                return _put_gate(session, who, row, estates, at=at)

    order = {"region": 0, "estate": 1, "gate": 2}
    records = sorted(_estate_records(path), key=lambda record: order.get(str(record.fields.get("kind")), 3))
    _take_each(session, records, TypeAdapter(EstatesFileRow), take, report, progress)
    return _taken(report, path)


def import_responders(
    session: Session, who: Viewer, path: Path, *, at: datetime, progress: Progress | None = None
) -> ImportReport:
    """People who may be called; the rows of one person are taken together or set aside together."""
    may_administer(who)
    report = ImportReport()
    estates = _Estates(session)
    people: dict[tuple[str, str], list[tuple[Record, ResponderRow]]] = {}
    spoilt: set[tuple[object, object]] = set()
    records = read_own(path) if is_json(path) else read_table(path, **_columns(ResponderRow))
    for record in records:
        row = _validated(record, TypeAdapter(ResponderRow), report)
        if row is None:
            spoilt.add((record.fields.get("source"), record.fields.get("source_id")))
        else:
            people.setdefault((row.source, row.source_id), []).append((record, row))
    for number, (identity, rows) in enumerate(people.items(), start=1):
        where = rows[0][0].where
        if identity in spoilt:
            report.bad.append(BadRow(where, "another row of this person cannot be taken"))
        elif len({row.person() for _, row in rows}) > 1:
            report.bad.append(BadRow(where, "the rows of this person do not agree"))
        else:
            with _setting_aside(session, where, report):
                report.count(_put_responder(session, who, [row for _, row in rows], estates))
        if progress is not None:
            progress(number)
    return _taken(report, path)


# --- one row --------------------------------------------------------------------------------------------


class _Estates:
    """The estates of a source by its own id, asked once each."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[tuple[str, str], int] = {}

    def id_of(self, source: str, source_id: str) -> int:
        found = self._known.get((source, source_id))
        if found is None:
            found = registry.estate_id_of(self._session, source=source, source_id=source_id)
            if found is None:
                raise InvalidInput(
                    f"The source '{source}' has no estate '{source_id}': import its estates first.",
                    field="estate",
                )
            self._known[source, source_id] = found
        return found


def _put_device(
    session: Session, who: Viewer, row: DeviceRow, estates: _Estates, *, region: str | None, at: datetime
) -> Outcome:
    given = row.model_dump(
        exclude_unset=True,
        exclude={
            "lat",
            "lon",
            "datum",
            "estate",
            "region",
            "state",
            "out_of_service_reason",
            "keeper_name",
            "keeper_phone",
            "pads_expire_on",
            "battery_expires_on",
        },
    )
    given["position"] = PositionIn(lat=row.lat, lon=row.lon, datum=row.datum)
    if row.estate is not None:
        given["estate_id"] = estates.id_of(row.source, row.estate)
    else:
        given["region"] = row.region or region
    if row.keeper_name is not None:
        given["keeper"] = KeeperIn(name=row.keeper_name, phone=row.keeper_phone)
    if row.state is not DeviceState.WITHDRAWN and "state" in row.model_fields_set:
        given |= {"state": row.state, "out_of_service_reason": row.out_of_service_reason}
    expiry = {
        ConsumableKind.PADS: row.pads_expire_on,
        ConsumableKind.BATTERY: row.battery_expires_on,
    }
    return device_actions.put_device(
        session,
        who,
        DeviceIn.model_validate(given),
        expiry={kind: day for kind, day in expiry.items() if day is not None},
        is_withdrawn=row.state is DeviceState.WITHDRAWN,
        at=at,
    )


def _put_region(session: Session, row: RegionRow) -> Outcome:
    given = RegionIn.model_validate(row.model_dump(exclude={"kind"}))
    return Outcome.of(accounts.put_region(session, given)[1])


def _put_gate(session: Session, who: Viewer, row: GateRow, estates: _Estates, *, at: datetime) -> Outcome:
    given = GateIn.model_validate(
        {
            **row.model_dump(exclude={"kind", "estate", "lat", "lon", "datum"}, exclude_unset=True),
            "position": PositionIn(lat=row.lat, lon=row.lon, datum=row.datum),
        }
    )
    return estate_actions.put_gate(session, who, estates.id_of(row.source, row.estate), given, at=at)


def _put_responder(session: Session, who: Viewer, rows: list[ResponderRow], estates: _Estates) -> Outcome:
    person = rows[0]
    given = ResponderGiven(
        source=person.source,
        source_id=person.source_id,
        name=person.name,
        phone=person.phone,
        language=person.language,
        region_id=accounts_queries.region_by_code(session, person.region).id,
        estate_id=estates.id_of(person.source, person.estate) if person.estate is not None else None,
        availability=person.availability,
        paused_until=person.paused_until,
        certificate=CertificateGiven(
            person.certificate_kind,
            person.certificate_issuer,
            person.certificate_number,
            person.certificate_issued_on,
            person.certificate_valid_until,
        ),
        places=tuple(
            PlaceGiven(row.place, position_from(row.lat, row.lon, row.datum), row.floor, row.place_hours)
            for row in rows
        ),
    )
    return Outcome.of(put_responder(session, who, given))


# --- a file ---------------------------------------------------------------------------------------------


def _estate_records(path: Path) -> Iterator[Record]:
    if is_json(path):
        yield from read_own(path)
        return
    known = {name for row in (RegionRow, EstateRow, GateRow) for name in row.model_fields}
    for record in read_table(path, known=known, needed=["kind"]):
        yield with_boundary(record)


def _columns(row: type[BaseModel]) -> dict[str, list[str]]:
    needed = [name for name, field in row.model_fields.items() if field.is_required()]
    return {"known": list(row.model_fields), "needed": needed}


def _take_each[RowT: BaseModel](
    session: Session,
    records: Iterable[Record],
    shape: TypeAdapter[RowT],
    take: Callable[[RowT], Outcome],
    report: ImportReport,
    progress: Progress | None,
) -> None:
    """Takes each row by itself; what cannot be taken is set aside and leaves no trace."""
    for number, record in enumerate(records, start=1):
        row = _validated(record, shape, report)
        if row is not None:
            with _setting_aside(session, record.where, report):
                report.count(take(row))
        if progress is not None:
            progress(number)


def _validated[RowT](record: Record, shape: TypeAdapter[RowT], report: ImportReport) -> RowT | None:
    if "" in record.fields:
        report.bad.append(BadRow(record.where, str(record.fields[""])))
        return None
    try:
        return shape.validate_python(dict(record.fields))
    except ValidationError as error:
        report.bad.append(BadRow(record.where, _reason(error)))
        return None


def _reason(error: ValidationError) -> str:
    said = [
        f"{'.'.join(str(part) for part in each['loc']) or 'row'}: {each['msg']}"
        for each in error.errors()[:3]
    ]
    return "; ".join(said)


@contextmanager
def _setting_aside(session: Session, where: str, report: ImportReport) -> Iterator[None]:
    try:
        with session.begin_nested():
            yield
    except ValidationError as error:
        report.bad.append(BadRow(where, _reason(error)))
    except AedError as error:
        named = f"{error.field}: " if error.field else ""
        report.bad.append(BadRow(where, named + error.detail))


def _taken(report: ImportReport, path: Path) -> ImportReport:
    """The report, unless there was nothing in the file that could be taken."""
    if report.taken == 0:
        why = f" {report.bad[0].where}: {report.bad[0].reason}" if report.bad else ""
        raise InvalidInput(f"{path.name} holds no row that can be taken.{why}", field="file")
    return report
