"""Which devices may be fetched for a patient, and which are out on a call."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    Select,
    and_,
    case,
    column,
    func,
    or_,
    select,
    table,
    true,
)
from sqlalchemy.orm import Session
from sqlalchemy.types import BigInteger

from aed.accounts.permissions import Audience, Viewer
from aed.accounts.visibility import has_audience, visible_to
from aed.database.compiled import inline_ints
from aed.registry.devices.models import Device
from aed.registry.estates.models import Estate
from aed.registry.estates.rules import EstateState


@dataclass(frozen=True, slots=True)
class PatientPlace:
    """The estate of a patient and its neighbours: they decide which devices may be fetched."""

    estate_id: int | None
    """The estate that contains the patient; None: outside of every estate."""
    neighbour_ids: tuple[int, ...] = ()
    """The other estates of its neighbourhood."""


def patient_place(session: Session, estate: Estate | None) -> PatientPlace:
    """Return the place of a patient in that estate (None: in none).

    visibility: ids only, to decide which devices may be fetched.
    """
    if estate is None:
        return PatientPlace(None)
    if estate.neighbourhood is None:
        return PatientPlace(estate.id)
    neighbours = session.scalars(
        select(Estate.id).where(
            Estate.neighbourhood == estate.neighbourhood,
            Estate.id != estate.id,
            Estate.state == EstateState.ACTIVE,
        )
    )
    return PatientPlace(estate.id, tuple(sorted(neighbours)))


def dispatchable_to(place: PatientPlace, *, outside_sharing_hours: bool = False) -> ColumnElement[bool]:
    """Select the devices that may be fetched for a patient there.

    1. Devices with the audience `dispatch` or `public`, and devices of no estate.
    2. All devices of the patient's own estate.
    3. Devices that neighbouring estates share with their neighbours.
    4. All devices with `emergency_override`, and all of estates with it.

    `outside_sharing_hours` selects the devices that may be fetched at every hour.

    visibility: for the plan; responders are only shown the device that they are to fetch.
    """
    has = partial(has_audience, Device, outside_sharing_hours=outside_sharing_hours)
    opened = select(Estate.id).where(Estate.emergency_override.is_(true()))
    allowed: list[ColumnElement[bool]] = [
        Device.estate_id.is_(None),
        has([Audience.DISPATCH, Audience.PUBLIC]),
        Device.emergency_override.is_(true()),
        Device.estate_id.in_(opened),
    ]
    if place.estate_id is not None:
        allowed.append(Device.estate_id.in_(inline_ints([place.estate_id])))
    if place.neighbour_ids:
        theirs = Device.estate_id.in_(inline_ints(place.neighbour_ids))
        allowed.append(and_(has([Audience.NEIGHBOURS]), theirs))
    return or_(*allowed)


def hours_of_sharing(viewer: Viewer, sent_from: PatientPlace | None = None) -> ColumnElement[str | None]:
    """Return the hours within which the viewer may see a device; NULL if they may at every hour.

    For a plan (`sent_from`), the hours within which it may be fetched for the patient.
    """
    always = visible_to(viewer, Device, outside_sharing_hours=True)
    if sent_from is not None:
        always = and_(always, dispatchable_to(sent_from, outside_sharing_hours=True))
    return case((Device.sharing_hours.is_(None), None), (always, None), else_=Device.sharing_hours)


_ALERTS: Final = table(
    "alerts", column("id", BigInteger), column("out_device_id", BigInteger), column("device_settled_at")
)
"""The table of `aed.incidents`, a higher layer, declared here for the lookup's single statement.

`aed.incidents.alerts.rules.is_device_unavailable` defines which alerts make a device unavailable.
"""


def devices_out_on_call() -> Select[int]:
    """Select the ids of all devices that are out for an alert; see `out_on_call`.

    visibility: only that they are out, and nothing about the alerts.
    """
    return select(_ALERTS.c.out_device_id).where(
        _ALERTS.c.out_device_id.is_not(None), _ALERTS.c.device_settled_at.is_(None)
    )


def out_on_call(device_id: ColumnElement[int]) -> ScalarSelect[int | None]:
    """Return a subquery for the latest alert for which the device is out; NULL if there is none.

    visibility: only that it is out, and nothing about the alert.
    """
    return (
        select(func.max(_ALERTS.c.id))
        .where(_ALERTS.c.out_device_id == device_id, _ALERTS.c.device_settled_at.is_(None))
        .scalar_subquery()
    )
