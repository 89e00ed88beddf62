"""Queries for due upkeep and the consumables to order, derived from policies, checks and consumables."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    String,
    and_,
    case,
    cast,
    exists,
    false,
    func,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.regions.models import Region
from aed.accounts.visibility import managed_by, visible_to
from aed.database.compiled import inline_text
from aed.errors import InvalidInput
from aed.registry.changes import RegistryChange
from aed.registry.devices.models import Consumable, Device, Loan
from aed.registry.devices.rules import ConsumableKind, ConsumableState, DeviceState
from aed.registry.estates.models import Estate
from aed.upkeep.checks.queries import all_in_force, has_no_approval
from aed.upkeep.checks.rules import DEFAULT, Terms
from aed.upkeep.device_filter import DeviceFilter, filter_conditions
from aed.upkeep.due.rules import Due, end_of_life, first_not_due, in_one_line, next_by_days, next_by_months
from aed.upkeep.models import Check, Quarantine
from aed.upkeep.rules import ApprovalState, CheckKind, DueKind, PolicyScope, closest

MAX_DEVICES = 20_000
"""Maximum number of devices in one list."""
MATTERS = {
    ConsumableKind.PADS: DueKind.PADS,
    ConsumableKind.CHILD_PADS: DueKind.CHILD_PADS,
    ConsumableKind.BATTERY: DueKind.BATTERY,
    ConsumableKind.CARTRIDGE: DueKind.CARTRIDGE,
}


@dataclass(frozen=True, slots=True)
class DueDevice:
    """A device in a list of due upkeep, with its estate and place in words."""

    id: int
    region: str
    estate_id: int | None
    estate_en: str | None
    estate_zh: str | None
    place_en: str | None
    place_zh: str | None
    maker: str | None
    model: str | None
    serial: str | None
    keeper_id: int | None
    last_checked_on: date | None
    manufactured_on: date | None
    end_of_life_on: date | None
    loan_ends_on: date | None
    """The last day of the loan of a loaner."""
    is_away: bool
    """Whether a loaner stands in for it: then there is nothing to check until it is back."""
    time_zone: str


@dataclass(frozen=True, slots=True)
class Duties:
    """Due upkeep, the longest overdue first, with the devices by id and the local date at each device."""

    dues: list[Due]
    devices: dict[int, DueDevice]
    today: dict[int, date]

    @property
    def line(self) -> tuple[str, str]:
        """A one-line summary: English, Chinese."""
        late = Counter(due.due_kind for due in self.dues if self._is_late(due))
        return in_one_line(late, Counter(due.due_kind for due in self.dues) - late)

    @property
    def overdue(self) -> int:
        """The number of overdue items."""
        return sum(map(self._is_late, self.dues))

    def _is_late(self, due: Due) -> bool:
        return due.overdue_days(self.today[due.device_id]) > 0


def duties(
    session: Session,
    viewer: Viewer,
    device_filter: DeviceFilter,
    *,
    at: datetime,
    within_days: int,
    due_kinds: Iterable[DueKind] = tuple(DueKind),
) -> Duties:
    """Return what is overdue, or due within `within_days`.

    Covers the devices that the viewer keeps, manages or dispatches. Dates are local to each device. Raises
    InvalidInput for more than MAX_DEVICES devices.
    """
    chosen = _chosen(session, viewer, device_filter)
    return duties_of(session, viewer, chosen, at=at, within_days=within_days, due_kinds=due_kinds)


def duties_of(
    session: Session,
    viewer: Viewer,
    chosen: Select[int],
    *,
    at: datetime,
    within_days: int,
    due_kinds: Iterable[DueKind] = tuple(DueKind),
) -> Duties:
    """Return the duties of the devices whose ids the statement `chosen` selects.

    Runs six statements, whatever the number of devices.
    """
    devices = _devices(session, viewer, chosen)
    if not devices:
        return Duties([], {}, {})
    days = {
        zone: at.astimezone(ZoneInfo(zone)).date() for zone in {each.time_zone for each in devices.values()}
    }
    today = {device.id: days[device.time_zone] for device in devices.values()}
    done, registered = _last_done(session, devices, chosen), _registered(session, devices, chosen)
    policies = all_in_force(session)

    @cache
    def terms_of(estate_id: int | None, maker: str | None, model: str | None) -> Terms:
        return closest(policies, PolicyScope(estate_id, maker, model)) or DEFAULT

    found: list[Due] = []
    for device in devices.values():
        terms = terms_of(device.estate_id, device.maker, device.model)
        since = registered.get(device.id, today[device.id])
        if not device.is_away:
            found += _due_checks(device.id, terms, done[device.id], since)
        ends_on = end_of_life(
            device.end_of_life_on, manufactured_on=device.manufactured_on, life_years=terms.life_years
        )
        if ends_on is not None:
            found.append(Due(device.id, DueKind.END_OF_LIFE, ends_on))
        if device.loan_ends_on is not None:
            found.append(Due(device.id, DueKind.LOAN, device.loan_ends_on))
    found += _expiring(session, chosen)
    found += _to_be_brought_back(session, devices, chosen)
    wanted = frozenset(due_kinds)
    soon = [
        due
        for due in found
        if due.due_kind in wanted and (due.due_on - today[due.device_id]).days <= within_days
    ]
    soon.sort(key=lambda due: (due.due_on, due.device_id, due.due_kind))
    return Duties(soon, devices, today)


def is_due_before(
    session: Session, day: date, *, estate_id: int, time_zone: str, today: date
) -> ColumnElement[bool]:
    """Return the condition that something but a glance is due before `day` on a device of the estate.

    It agrees with `duties`, but the database can count and sort by it without reading the devices.

    visibility: a condition of statements that choose the devices.
    """

    def starts(of: date) -> datetime:
        return datetime.combine(of, time(), ZoneInfo(time_zone)).astimezone(UTC)

    def done_since(of: date, *kinds: CheckKind) -> ColumnElement[bool]:
        return or_(
            *(
                exists().where(
                    Check.device_id == Device.id,
                    Check.kind == kind,
                    Check.answered_at >= starts(of),
                    has_no_approval(ApprovalState.REFUSED),
                )
                for kind in kinds
            )
        )

    def known_before(of: date, *kinds: CheckKind) -> ColumnElement[bool]:
        """Whether a check was ever made or, for none, whether the device was registered before that day."""
        if of > today:
            return true()
        made = [
            exists().where(
                Check.device_id == Device.id, Check.kind == kind, has_no_approval(ApprovalState.REFUSED)
            )
            for kind in kinds
        ]
        registered = exists().where(
            RegistryChange.subject == "devices",
            RegistryChange.subject_id == cast(Device.id, String),
            RegistryChange.at < starts(of),
        )
        return or_(*made, registered)

    is_here = Device.loaner_id.is_(None)

    def by_terms(terms: Terms) -> ColumnElement[bool]:
        found: list[ColumnElement[bool]] = []
        if terms.check_days is not None:
            last = day - timedelta(days=terms.check_days)
            kinds = (CheckKind.CHECK, CheckKind.SERVICE)
            listed = func.coalesce(Device.last_checked_on >= last, false())
            known = or_(Device.last_checked_on.is_not(None), known_before(day, *kinds))
            found.append(and_(is_here, not_(listed), not_(done_since(last, *kinds)), known))
        if terms.service_months is not None:
            last = first_not_due(day, terms.service_months)
            kind = CheckKind.SERVICE
            found.append(and_(is_here, not_(done_since(last, kind)), known_before(last, kind)))
        if terms.life_years is not None:
            made_before = first_not_due(day, 12 * terms.life_years)
            was_made = func.coalesce(Device.manufactured_on < made_before, false())
            found.append(and_(Device.end_of_life_on.is_(None), was_made))
        return or_(*found) if found else false()

    scopes = [
        (scope, terms) for scope, terms in all_in_force(session) if scope.estate_id in (None, estate_id)
    ]
    scopes.sort(key=lambda pair: -pair[0].closeness)
    checks = case(
        *((_is_within(scope), by_terms(terms)) for scope, terms in scopes),
        (true(), by_terms(DEFAULT)),
        else_=false(),
    )
    return or_(
        exists().where(
            Consumable.device_id == Device.id,
            Consumable.state == inline_text(ConsumableState.FITTED),
            Consumable.expires_on < day,
        ),
        func.coalesce(Device.end_of_life_on < day, false()),
        and_(
            Device.stands_in_for_id.is_not(None),
            exists().where(Loan.loaner_id == Device.id, Loan.returned_at.is_(None), Loan.due_back_on < day),
        ),
        and_(
            Device.is_quarantined,
            exists().where(
                Quarantine.device_id == Device.id,
                Quarantine.lifted_at.is_(None),
                Quarantine.since < starts(day),
            ),
        ),
        checks,
    )


def _is_within(scope: PolicyScope) -> ColumnElement[bool]:
    """Return whether the policy is for the maker and model of a device of its estate."""
    conditions: list[ColumnElement[bool]] = []
    if scope.maker is not None:
        conditions.append(func.lower(Device.maker) == func.lower(scope.maker))
    if scope.model is not None:
        conditions.append(func.lower(Device.model) == func.lower(scope.model))
    return and_(true(), *conditions)


def _due_checks(device_id: int, terms: Terms, last: dict[CheckKind, date], since: date) -> list[Due]:
    """Return when the next glance, check and service of a device are due.

    A check also counts as a glance, and a service as a check.
    """
    found = []
    if terms.glance_days is not None:
        seen = max(last.values(), default=None)
        found.append(Due(device_id, DueKind.GLANCE, next_by_days(seen, terms.glance_days, since=since)))
    if terms.check_days is not None:
        checked = max((day for kind, day in last.items() if kind is not CheckKind.GLANCE), default=None)
        found.append(Due(device_id, DueKind.CHECK, next_by_days(checked, terms.check_days, since=since)))
    if terms.service_months is not None:
        serviced = last.get(CheckKind.SERVICE)
        due_on = next_by_months(serviced, terms.service_months, since=since)
        found.append(Due(device_id, DueKind.SERVICE, due_on))
    return found


def _chosen(session: Session, viewer: Viewer, device_filter: DeviceFilter) -> Select[int]:
    """Return a statement for the ids of the requested devices, for use in other statements."""
    return select(Device.id).where(
        visible_to(viewer, Device),
        managed_by(viewer, Device),
        Device.state != DeviceState.WITHDRAWN,
        *filter_conditions(session, device_filter),
    )


def _devices(session: Session, viewer: Viewer, chosen: Select[int]) -> dict[int, DueDevice]:
    """Return the chosen devices by id. Raises InvalidInput for more than MAX_DEVICES."""
    loan_ends_on = (
        select(Loan.due_back_on)
        .where(Loan.loaner_id == Device.id, Loan.returned_at.is_(None))
        .correlate(Device)
        .scalar_subquery()
    )
    rows: Sequence[Row[*tuple[Any, ...]]] = session.execute(
        select(
            Device.id,
            Region.code,
            Device.estate_id,
            Estate.name_en,
            Estate.name_zh,
            Device.place_en,
            Device.place_zh,
            Device.maker,
            Device.model,
            Device.serial,
            Device.keeper_id,
            Device.last_checked_on,
            Device.manufactured_on,
            Device.end_of_life_on,
            case((Device.stands_in_for_id.is_not(None), loan_ends_on)),
            Device.loaner_id.is_not(None),
            func.coalesce(Estate.time_zone, Region.time_zone),
        )
        .join(Region, Region.id == Device.region_id)
        .outerjoin(Estate, Estate.id == Device.estate_id)
        .where(visible_to(viewer, Device), Device.id.in_(chosen))
        .order_by(Device.id)
        .limit(MAX_DEVICES + 1)
    ).all()
    if len(rows) > MAX_DEVICES:
        raise InvalidInput(
            "There are more than {max_devices} devices: limit the list with region or estate_id.",
            field="region",
            max_devices=MAX_DEVICES,
        )
    return {row[0]: DueDevice(*row) for row in rows}


def _last_done(
    session: Session, devices: dict[int, DueDevice], chosen: Select[int]
) -> dict[int, dict[CheckKind, date]]:
    """Return the last day of each kind of check, by device and kind.

    A check counts whether or not it passed, unless a second person refused it. `last_checked_on`, which may
    come from an imported list, counts too.

    visibility: through `chosen`, which applies the viewer's predicates.
    """
    done: dict[int, dict[CheckKind, date]] = defaultdict(dict)
    rows = session.execute(
        select(Check.device_id, Check.kind, func.max(Check.answered_at))
        .where(Check.device_id.in_(chosen), has_no_approval(ApprovalState.REFUSED))
        .group_by(Check.device_id, Check.kind)
    )
    for device_id, kind, answered_at in rows:
        done[device_id][kind] = _local_day(answered_at, devices[device_id])
    for device in devices.values():
        if device.last_checked_on is not None:
            last = done[device.id].get(CheckKind.CHECK, device.last_checked_on)
            done[device.id][CheckKind.CHECK] = max(last, device.last_checked_on)
    return done


def _registered(session: Session, devices: dict[int, DueDevice], chosen: Select[int]) -> dict[int, date]:
    """Return the local date on which each device was first registered, by device id.

    visibility: through `chosen`, which applies the viewer's predicates.
    """
    written = select(cast(Device.id, String)).where(Device.id.in_(chosen))
    rows = session.execute(
        select(RegistryChange.subject_id, func.min(RegistryChange.at))
        .where(RegistryChange.subject == "devices", RegistryChange.subject_id.in_(written))
        .group_by(RegistryChange.subject_id)
    )
    return {int(id_): _local_day(at, devices[int(id_)]) for id_, at in rows}


def _local_day(at: datetime, device: DueDevice) -> date:
    return at.astimezone(ZoneInfo(device.time_zone)).date()


def _expiring(session: Session, chosen: Select[int]) -> list[Due]:
    """Return the replacement of each kind of fitted consumable, due on its earliest expiry date.

    visibility: through `chosen`, which applies the viewer's predicates.
    """
    rows = session.execute(
        select(Consumable.device_id, Consumable.kind, func.min(Consumable.expires_on))
        .where(Consumable.device_id.in_(chosen), Consumable.state == ConsumableState.FITTED)
        .group_by(Consumable.device_id, Consumable.kind)
    )
    return [Due(device_id, MATTERS[kind], expires_on) for device_id, kind, expires_on in rows]


def _to_be_brought_back(session: Session, devices: dict[int, DueDevice], chosen: Select[int]) -> list[Due]:
    """Return the return to service of each quarantined device, due since the day it was quarantined.

    visibility: through `chosen`, which applies the viewer's predicates.
    """
    rows = session.execute(
        select(Quarantine.device_id, func.min(Quarantine.since))
        .where(Quarantine.device_id.in_(chosen), Quarantine.lifted_at.is_(None))
        .group_by(Quarantine.device_id)
    )
    return [
        Due(device_id, DueKind.RETURN, _local_day(since, devices[device_id])) for device_id, since in rows
    ]


# --- replacements ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, order=True)
class Replacement:
    """The number of consumables of a kind that the devices of one model need in a month."""

    month: date
    """The first day of the month. Items that have already expired count for the current month."""
    maker: str
    model: str
    kind: ConsumableKind
    quantity: int


def replacements(
    session: Session, viewer: Viewer, device_filter: DeviceFilter, *, today: date, months: int
) -> list[Replacement]:
    """Return the consumables to order for `months` months, starting with the current one.

    Counts fitted items by the month in which they expire, by model and kind. Different capitalisations of a
    maker and model are counted together, under the most common one. Runs one statement.
    """
    last = _first_of_month(today, months)
    rows = session.execute(
        select(Device.maker, Device.model, Consumable.kind, Consumable.expires_on, func.count())
        .join(Device, Device.id == Consumable.device_id)
        .where(
            visible_to(viewer, Device),
            Device.id.in_(_chosen(session, viewer, device_filter)),
            Consumable.state == ConsumableState.FITTED,
            Consumable.expires_on < last,
        )
        .group_by(Device.maker, Device.model, Consumable.kind, Consumable.expires_on)
    )
    counts: Counter[tuple[date, str, str, ConsumableKind]] = Counter()
    written: dict[tuple[str, str], Counter[tuple[str, str]]] = defaultdict(Counter)
    first = today.replace(day=1)
    for maker, model, kind, expires_on, quantity in rows:
        name = (maker or "", model or "")
        key = (name[0].casefold(), name[1].casefold())
        written[key][name] += quantity
        counts[max(expires_on.replace(day=1), first), *key, kind] += quantity
    names = {key: ways.most_common(1)[0][0] for key, ways in written.items()}
    return sorted(
        Replacement(month, *names[maker, model], kind, quantity)
        for (month, maker, model, kind), quantity in counts.items()
    )


def _first_of_month(day: date, months: int) -> date:
    """Return the first day of the month that is `months` months after `day`."""
    years, month = divmod(day.month - 1 + months, 12)
    return date(day.year + years, month + 1, 1)
