"""Which devices may be fetched for a patient, and which are out on a call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, ScalarSelect, and_, column, func, or_, select, table, true
from sqlalchemy.orm import Session
from sqlalchemy.types import BigInteger

from aed.accounts.permissions import Audience
from aed.database.compiled import inline_ints, inline_text
from aed.registry.devices.models import Device
from aed.registry.estates.models import Estate
from aed.registry.estates.rules import EstateState


@dataclass(frozen=True, slots=True)
class PatientPlace:
    """Where a patient is, as far as it decides which devices may be sent for."""

    estate_id: int | None
    """The estate within whose boundary the patient is; None: none."""
    neighbour_ids: tuple[int, ...] = ()
    """The other estates of its neighbourhood."""


def patient_place(session: Session, estate: Estate | None) -> PatientPlace:
    """Return the place of a patient in that estate.

    visibility: numbers, for which devices may be sent for.
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


def dispatchable_to(place: PatientPlace) -> ColumnElement[bool]:
    """Select the devices that somebody may be sent for, for a patient there.

    1. What is shared with dispatch or with everyone, and what belongs to no estate.
    2. Everything of the patient's own estate.
    3. What an estate shares with its neighbours, for a patient of theirs.
    4. Everything of an estate that has opened its devices to emergencies (`emergency_override`).

    visibility: for the plan; people are only told of the device that they are to fetch.
    """
    shared = [inline_text(step) for step in (Audience.DISPATCH, Audience.PUBLIC)]
    opened = select(Estate.id).where(Estate.emergency_override.is_(true()))
    allowed: list[ColumnElement[bool]] = [
        Device.estate_id.is_(None),
        Device.audience.in_(shared),
        Device.estate_id.in_(opened),
    ]
    if place.estate_id is not None:
        allowed.append(Device.estate_id.in_(inline_ints([place.estate_id])))
    if place.neighbour_ids:
        with_neighbours = Device.audience == inline_text(Audience.NEIGHBOURS)
        allowed.append(and_(with_neighbours, Device.estate_id.in_(inline_ints(place.neighbour_ids))))
    return or_(*allowed)


_ALERTS: Final = table(
    "alerts", column("id", BigInteger), column("out_device_id", BigInteger), column("device_settled_at")
)
"""The table of `aed.incidents`, which is above the register: named here so that the lookup's one statement
can ask it. `aed.incidents.alerts.rules.is_device_unavailable` says which alerts take a device out."""


def out_on_call(device_id: ColumnElement[int]) -> ScalarSelect[int | None]:
    """The latest alert because of which the device is not offered; NULL when there is none.

    visibility: that it is out; of the call nothing else is told.
    """
    return (
        select(func.max(_ALERTS.c.id))
        .where(_ALERTS.c.out_device_id == device_id, _ALERTS.c.device_settled_at.is_(None))
        .scalar_subquery()
    )
