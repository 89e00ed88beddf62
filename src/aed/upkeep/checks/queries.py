"""Reading checks, photos and reports. All of them are the device's own people's, and its dispatchers'."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer, is_insider
from aed.accounts.visibility import estate_visible_to, managed_by, visible_to
from aed.errors import NotAllowed, NotFound, NotSignedIn
from aed.registry.devices import queries as device_queries
from aed.registry.devices.models import Device
from aed.registry.estates.models import Estate
from aed.upkeep.checks.rules import DEFAULT, Scope, Terms, closest
from aed.upkeep.models import Check, Photo, Policy
from aed.upkeep.rules import CheckKind, PolicyState, Question


def managed_device(session: Session, viewer: Viewer, device_id: int) -> Device:
    """A device whose upkeep is the viewer's business.

    Raises NotFound when the viewer may not see it at all, else NotSignedIn or NotAllowed.
    """
    device = device_queries.device(session, viewer, device_id)
    if not is_insider(viewer, device.estate_id, device.region_id):
        if not viewer.is_signed_in:
            raise NotSignedIn("The upkeep of a device is told to its own people: send a token, or sign in.")
        raise NotAllowed("The upkeep of a device is told to its own estate and to its region's dispatchers.")
    return device


# --- checks ---------------------------------------------------------------------------------------------


def check_by_key(session: Session, key: str) -> Check | None:
    """visibility: the key is known to whoever made it up, and to nobody else."""
    return session.scalar(select(Check).where(Check.key == key))


def check(session: Session, viewer: Viewer, check_id: int) -> Check:
    """Raises NotFound when there is none, or none of a device whose upkeep is the viewer's business."""
    found = session.scalar(
        select(Check)
        .join(Device, Device.id == Check.device_id)
        .where(Check.id == check_id, visible_to(viewer, Device), managed_by(viewer, Device))
    )
    if found is None:
        raise NotFound(f"There is no check {check_id} that you may see.", field="check_id")
    return found


def checks(
    session: Session, viewer: Viewer, device_id: int, *, limit: int, before_id: int | None = None
) -> Sequence[Check]:
    """The checks of a device, the last to arrive first.

    visibility: through `device_of_the_house`.
    """
    device = managed_device(session, viewer, device_id)
    statement = select(Check).where(Check.device_id == device.id)
    if before_id is not None:
        statement = statement.where(Check.id < before_id)
    return session.scalars(statement.order_by(Check.id.desc()).limit(limit)).all()


def later_checks(session: Session, device_id: int, *, answered_at: datetime) -> Sequence[Check]:
    """The checks (no mere glances) of the device that were answered after that moment.

    visibility: for a check of a device that the viewer may check.
    """
    return session.scalars(
        select(Check).where(
            Check.device_id == device_id,
            Check.kind.in_([CheckKind.CHECK, CheckKind.SERVICE]),
            Check.answered_at > answered_at,
        )
    ).all()


# --- photos ---------------------------------------------------------------------------------------------


def photos_of(session: Session, check_id: int) -> Sequence[Photo]:
    """Without the pictures themselves.

    visibility: of a check that the viewer may see.
    """
    return session.scalars(select(Photo).where(Photo.check_id == check_id).order_by(Photo.id)).all()


def photo(session: Session, viewer: Viewer, photo_id: int) -> tuple[Photo, bytes]:
    """Raises NotFound when there is none, or none of a device whose upkeep is the viewer's business."""
    row = session.execute(
        select(Photo, Photo.jpeg)
        .join(Check, Check.id == Photo.check_id)
        .join(Device, Device.id == Check.device_id)
        .where(Photo.id == photo_id, visible_to(viewer, Device), managed_by(viewer, Device))
    ).first()
    if row is None:
        raise NotFound(f"There is no photo {photo_id} that you may see.", field="photo_id")
    return row[0], row[1]


def _readable_by(viewer: Viewer) -> ColumnElement[bool]:
    """Policies of makers and models are for everyone to read, an estate's for whoever knows the estate."""
    known = estate_visible_to(viewer, estate_id=Estate.id, region_id=Estate.region_id, state=Estate.state)
    return or_(Policy.estate_id.is_(None), Policy.estate_id.in_(select(Estate.id).where(known)))


def policy(session: Session, viewer: Viewer, policy_id: int) -> Policy:
    """Raises NotFound."""
    found = session.scalar(select(Policy).where(Policy.id == policy_id, _readable_by(viewer)))
    if found is None:
        raise NotFound(f"There is no policy {policy_id} that you may see.", field="policy_id")
    return found


def policies(session: Session, viewer: Viewer, *, limit: int, after_id: int = 0) -> Sequence[Policy]:
    """A page of policies in order of id, withdrawn ones too."""
    statement = select(Policy).where(_readable_by(viewer), Policy.id > after_id).order_by(Policy.id)
    return session.scalars(statement.limit(limit)).all()


def policy_for(session: Session, device: Device) -> Policy | None:
    """The policy in force for a device that the caller may see; None: the default holds.

    visibility: of a device that the caller may see, whose form it is.
    """
    in_force = session.scalars(
        select(Policy).where(
            Policy.state == PolicyState.IN_FORCE,
            or_(Policy.estate_id.is_(None), Policy.estate_id == device.estate_id),
        )
    )
    return closest(
        [(scope_of(each), each) for each in in_force],
        Scope(device.estate_id, device.maker, device.model),
    )


def scope_of(policy: Policy) -> Scope:
    return Scope(policy.estate_id, policy.maker, policy.model)


def terms_of(policy: Policy | None) -> Terms:
    """What a policy says; without one the default."""
    if policy is None:
        return DEFAULT
    return Terms(
        glance_days=policy.glance_days,
        check_days=policy.check_days,
        service_months=policy.service_months,
        asks=tuple(Question(each) for each in policy.asks),
        pads_months=policy.pads_months,
        battery_months=policy.battery_months,
    )


def all_in_force(session: Session) -> list[tuple[Scope, Terms]]:
    """Every policy in force.

    visibility: for what is due, which is told of devices that the viewer may see.
    """
    found = session.scalars(select(Policy).where(Policy.state == PolicyState.IN_FORCE))
    return [(scope_of(each), terms_of(each)) for each in found]
