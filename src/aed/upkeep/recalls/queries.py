"""Queries for recalls and the devices they affect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, exists, false, func, not_, or_, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer, require_administrator
from aed.accounts.visibility import managed_by, visible_to
from aed.errors import NotFound
from aed.registry.devices.models import Consumable, Device
from aed.registry.devices.rules import ConsumableState, DeviceState
from aed.registry.estates.models import Estate
from aed.upkeep.models import Quarantine, Recall
from aed.upkeep.rules import RecallState, in_range


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a recall among the devices that a viewer may see."""

    found: int
    dealt_with: int
    without_serial: int


def recall(session: Session, recall_id: int) -> Recall:
    """Return a recall. Recalls are public. Raises NotFound."""
    found = session.get(Recall, recall_id)
    if found is None:
        raise NotFound("Recall {recall_id} does not exist.", field="recall_id", recall_id=recall_id)
    return found


def recalls(session: Session, *, limit: int, after_id: int = 0) -> Sequence[Recall]:
    """Return a page of recalls in order of id, including closed ones."""
    statement = select(Recall).where(Recall.id > after_id).order_by(Recall.id).limit(limit)
    return session.scalars(statement).all()


def open_recalls(session: Session) -> Sequence[Recall]:
    """Return the open recalls in order of id."""
    return session.scalars(select(Recall).where(Recall.state == RecallState.OPEN).order_by(Recall.id)).all()


def progress(session: Session, viewer: Viewer, recall: Recall) -> Progress:
    """Return the progress of a recall among the devices that the viewer may see. Runs two statements."""
    row = session.execute(
        select(func.count(), func.count(Quarantine.lifted_at))
        .select_from(Quarantine)
        .join(Device, Device.id == Quarantine.device_id)
        .where(Quarantine.recall_id == recall.id, visible_to(viewer, Device))
    ).one()
    return Progress(found=row[0], dealt_with=row[1], without_serial=_without_serial(session, viewer, recall))


def _without_serial(session: Session, viewer: Viewer, recall: Recall) -> int:
    """Count the devices that may be affected, but lack a number by which the recall finds them."""
    lacking = [
        column.is_(None)
        for column, wanted in (
            (Device.serial, recall.serial_from),
            (Device.registration_number, recall.registration_number),
            (Device.udi_di, recall.udi_di),
        )
        if wanted is not None
    ]
    if not lacking:
        return 0
    contradicted = [
        column != wanted
        for column, wanted in (
            (Device.registration_number, recall.registration_number),
            (Device.udi_di, recall.udi_di),
        )
        if wanted is not None
    ]
    statement = (
        select(func.count())
        .select_from(Device)
        .where(
            visible_to(viewer, Device),
            *_of_maker_and_model(recall),
            *_with_lots(recall),
            or_(*lacking),
            not_(func.coalesce(or_(false(), *contradicted), false())),
        )
    )
    return session.scalar(statement) or 0


@dataclass(frozen=True, slots=True)
class Recalled:
    """A device affected by a recall, and whether it has been dealt with."""

    quarantine_id: int
    device_id: int
    estate_id: int | None
    estate_en: str | None
    estate_zh: str | None
    place_en: str | None
    place_zh: str | None
    serial: str | None
    since: datetime
    lifted_at: datetime | None


def recalled_devices(
    session: Session, viewer: Viewer, recall: Recall, *, limit: int, after_id: int = 0
) -> list[Recalled]:
    """Return a page of the devices affected by a recall, whether still quarantined or dealt with.

    Covers the devices that the viewer keeps, manages or dispatches.
    """
    rows: Sequence[Row[*tuple[Any, ...]]] = session.execute(
        select(
            Quarantine.id,
            Device.id,
            Device.estate_id,
            Estate.name_en,
            Estate.name_zh,
            Device.place_en,
            Device.place_zh,
            Device.serial,
            Quarantine.since,
            Quarantine.lifted_at,
        )
        .join(Device, Device.id == Quarantine.device_id)
        .outerjoin(Estate, Estate.id == Device.estate_id)
        .where(
            Quarantine.recall_id == recall.id,
            Quarantine.id > after_id,
            visible_to(viewer, Device),
            managed_by(viewer, Device),
        )
        .order_by(Quarantine.id)
        .limit(limit)
    ).all()
    return [Recalled(*row) for row in rows]


MAX_MEANT_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class MeantDevice:
    """A device that a recall would quarantine."""

    device_id: int
    estate_id: int | None
    estate_en: str | None
    estate_zh: str | None
    place_en: str | None
    place_zh: str | None
    model: str | None
    serial: str | None


@dataclass(frozen=True, slots=True)
class RecallPreview:
    """What a recall would do: the number of devices, and the first of them."""

    found: int
    without_serial: int
    devices: list[MeantDevice]


def preview(session: Session, viewer: Viewer, recall: Recall) -> RecallPreview:
    """Return what a recall would do that has not been added. For administrators.

    Raises NotSignedIn and NotAllowed.
    """
    require_administrator(viewer)
    ids = devices_to_recall(session, recall)
    rows: Sequence[Row[*tuple[Any, ...]]] = session.execute(
        select(
            Device.id,
            Device.estate_id,
            Estate.name_en,
            Estate.name_zh,
            Device.place_en,
            Device.place_zh,
            Device.model,
            Device.serial,
        )
        .outerjoin(Estate, Estate.id == Device.estate_id)
        .where(Device.id.in_(ids[:MAX_MEANT_SHOWN]), visible_to(viewer, Device))
        .order_by(Device.id)
    ).all()
    return RecallPreview(
        len(ids), _without_serial(session, viewer, recall), [MeantDevice(*row) for row in rows]
    )


def _of_the_product(recall: Recall) -> list[ColumnElement[bool]]:
    """Return the predicates for active devices of the recalled product.

    With a registration number or UDI-DI it is found by these, because lists write a maker in many ways.
    """
    numbers = [
        column == wanted
        for column, wanted in (
            (Device.registration_number, recall.registration_number),
            (Device.udi_di, recall.udi_di),
        )
        if wanted is not None
    ]
    product = [Device.state != DeviceState.WITHDRAWN, *numbers] if numbers else _of_maker_and_model(recall)
    return [*product, *_with_lots(recall)]


def _of_maker_and_model(recall: Recall) -> list[ColumnElement[bool]]:
    """Return the predicates for active devices of the recalled maker and model, ignoring case."""
    found = [Device.state != DeviceState.WITHDRAWN, func.lower(Device.maker) == recall.maker.lower()]
    if recall.model is not None:
        found.append(func.lower(Device.model) == recall.model.lower())
    return found


def _with_lots(recall: Recall) -> list[ColumnElement[bool]]:
    """Return the predicate for devices in which one of the recalled lots is fitted, if it names any."""
    if recall.lots is None:
        return []
    lots = {lot.lower() for lot in recall.lots}
    return [
        exists().where(
            Consumable.device_id == Device.id,
            Consumable.state == ConsumableState.FITTED,
            func.lower(Consumable.lot).in_(sorted(lots)),
        )
    ]


def devices_to_recall(session: Session, recall: Recall) -> list[int]:
    """Return the ids of devices affected by a recall that have never been quarantined for it.

    visibility: only for quarantining, which applies to every device regardless of the viewer.
    """
    statement = select(Device.id, Device.serial).where(*_of_the_product(recall)).order_by(Device.id)
    if recall.id is not None:
        known = select(Quarantine.device_id).where(Quarantine.recall_id == recall.id)
        statement = statement.where(Device.id.not_in(known))
    rows = session.execute(statement)
    first, last = recall.serial_from, recall.serial_to
    if first is None or last is None:
        return [device_id for device_id, _serial in rows]
    return [device_id for device_id, serial in rows if serial is not None and in_range(serial, first, last)]
