"""Queries for checks, photos and policies.

Checks and photos are visible to people who have a role at the device and to dispatchers of its region.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, case, exists, false, func, not_, or_, select
from sqlalchemy.orm import Session, joinedload

from aed.accounts.people.models import Person
from aed.accounts.permissions import Viewer, is_insider
from aed.accounts.visibility import estate_visible_to, managed_by, visible_to
from aed.errors import NotAllowed, NotFound, NotSignedIn
from aed.registry.devices import queries as device_queries
from aed.registry.devices.models import Device
from aed.registry.devices.rules import DeviceState
from aed.registry.estates.models import Estate
from aed.upkeep.checks.rules import DEFAULT, Terms
from aed.upkeep.device_filter import DeviceFilter, filter_conditions
from aed.upkeep.models import Check, CheckApproval, Photo, PlacePhoto, Policy
from aed.upkeep.rules import ApprovalState, CheckKind, PolicyScope, PolicyState, Question, closest


def managed_device(session: Session, viewer: Viewer, device_id: int) -> Device:
    """Return a device that the viewer keeps, manages or dispatches.

    Raises NotFound if the viewer may not see it at all, else NotSignedIn or NotAllowed.
    """
    device = device_queries.device(session, viewer, device_id)
    if not is_insider(viewer, device.estate_id, device.region_id):
        if not viewer.is_signed_in:
            raise NotSignedIn(
                "The upkeep of a device is visible only to its own people: send a token, or sign in."
            )
        raise NotAllowed(
            "The upkeep of a device is visible only to its own estate and its region's dispatchers."
        )
    return device


# --- checks ---------------------------------------------------------------------------------------------


def check_by_key(session: Session, key: str) -> Check | None:
    """Return the check with that key, or None.

    visibility: the key is known only to the client that generated it.
    """
    return session.scalar(select(Check).where(Check.key == key))


def check(session: Session, viewer: Viewer, check_id: int) -> Check:
    """Return a check.

    Raises NotFound if it does not exist or the viewer does not keep, manage or dispatch its device.
    """
    found = session.scalar(
        select(Check)
        .join(Device, Device.id == Check.device_id)
        .where(Check.id == check_id, visible_to(viewer, Device), managed_by(viewer, Device))
    )
    if found is None:
        raise NotFound(
            "Check {check_id} does not exist, or you may not see it.", field="check_id", check_id=check_id
        )
    return found


def checks(
    session: Session, viewer: Viewer, device_id: int, *, limit: int, before_id: int | None = None
) -> Sequence[Check]:
    """Return a page of the checks of a device, the last received first.

    visibility: through `managed_device`.
    """
    device = managed_device(session, viewer, device_id)
    statement = select(Check).where(Check.device_id == device.id)
    if before_id is not None:
        statement = statement.where(Check.id < before_id)
    return session.scalars(statement.order_by(Check.id.desc()).limit(limit)).all()


def last_checks(session: Session, device_id: int, *, limit: int) -> Sequence[Check]:
    """Return the last checks of a device, the last received first.

    visibility: for viewers who may check the device.
    """
    statement = select(Check).where(Check.device_id == device_id).order_by(Check.id.desc())
    return session.scalars(statement.limit(limit)).all()


def later_checks(session: Session, device_id: int, *, answered_at: datetime) -> Sequence[Check]:
    """Return the device's checks and services (not glances) answered after `answered_at`.

    visibility: for a check of a device that the viewer may check.
    """
    return session.scalars(
        select(Check).where(
            Check.device_id == device_id,
            Check.kind.in_([CheckKind.CHECK, CheckKind.SERVICE]),
            Check.answered_at > answered_at,
        )
    ).all()


def count_checks(
    session: Session, viewer: Viewer, device_filter: DeviceFilter, *, bounds: Sequence[datetime]
) -> list[tuple[int, int]]:
    """Return how many checks passed and failed between each two of the moments `bounds`, without glances.

    Of those that need a second person, checks that wait or are refused are not counted, and the others as
    that person decided. Covers the devices that the viewer keeps, manages or dispatches. Runs one statement.
    """
    period = case(*((Check.answered_at < end, number) for number, end in enumerate(bounds[1:])))
    state = CheckApproval.state
    passed = case((state == ApprovalState.FAILED, false()), else_=Check.is_passed)
    rows = session.execute(
        select(period.label("period"), passed, func.count())
        .join(Device, Device.id == Check.device_id)
        .outerjoin(CheckApproval, CheckApproval.check_id == Check.id)
        .where(
            visible_to(viewer, Device),
            managed_by(viewer, Device),
            *filter_conditions(session, device_filter),
            Check.kind != CheckKind.GLANCE,
            Check.answered_at >= bounds[0],
            Check.answered_at < bounds[-1],
            or_(state.is_(None), state.not_in([ApprovalState.WAITING, ApprovalState.REFUSED])),
        )
        .group_by(period, passed)
    )
    counts = {(number, bool(is_passed)): count for number, is_passed, count in rows}
    return [
        (counts.get((number, True), 0), counts.get((number, False), 0)) for number in range(len(bounds) - 1)
    ]


# --- approvals ------------------------------------------------------------------------------------------


def approvals_of(session: Session, checks: Sequence[Check]) -> dict[int, CheckApproval]:
    """Return the approvals that these checks need or have, by check id.

    visibility: of checks that the viewer may see.
    """
    found = session.scalars(
        select(CheckApproval).where(CheckApproval.check_id.in_([each.id for each in checks]))
    )
    return {each.check_id: each for each in found}


def waiting_approvals(
    session: Session, viewer: Viewer, device_filter: DeviceFilter, *, limit: int, after_id: int = 0
) -> Sequence[CheckApproval]:
    """Return a page of the approvals that wait for a second person, with their checks, in order of check id.

    Covers the devices that the viewer keeps, manages or dispatches, but for withdrawn ones. Raises NotFound
    for an unknown region.
    """
    return session.scalars(
        select(CheckApproval)
        .join(Device, Device.id == CheckApproval.device_id)
        .where(
            visible_to(viewer, Device),
            managed_by(viewer, Device),
            *filter_conditions(session, device_filter),
            Device.state != DeviceState.WITHDRAWN,
            CheckApproval.state == ApprovalState.WAITING,
            CheckApproval.check_id > after_id,
        )
        .options(joinedload(CheckApproval.check))
        .order_by(CheckApproval.check_id)
        .limit(limit)
    ).all()


def names_of_people(session: Session, ids: Iterable[int | None]) -> dict[int, str]:
    """Return the names of those who checked devices or approved checks, by person id.

    visibility: for keepers and managers of the devices.
    """
    wanted = {each for each in ids if each is not None}
    rows = session.execute(select(Person.id, Person.name).where(Person.id.in_(wanted)))
    return dict(rows.all())


def last_approvals(session: Session, device_ids: Sequence[int]) -> dict[int, CheckApproval]:
    """Return the approval of the last check of each device that a second person approved or has to.

    visibility: of devices that the viewer keeps, manages or dispatches.
    """
    last = (
        select(func.max(CheckApproval.check_id))
        .where(
            CheckApproval.device_id.in_(device_ids),
            CheckApproval.state.in_([ApprovalState.WAITING, ApprovalState.APPROVED]),
        )
        .group_by(CheckApproval.device_id)
    )
    found = session.scalars(select(CheckApproval).where(CheckApproval.check_id.in_(last)))
    return {each.device_id: each for each in found}


def has_no_approval(*states: ApprovalState) -> ColumnElement[bool]:
    """Return the condition that a check has no approval by a second person in one of these states.

    visibility: a condition of statements that choose the devices.
    """
    return not_(exists().where(CheckApproval.check_id == Check.id, CheckApproval.state.in_(states)))


# --- photos ---------------------------------------------------------------------------------------------


def photos_of(session: Session, check_id: int) -> Sequence[Photo]:
    """Return the photos of a check, without the image data.

    visibility: of a check that the viewer may see.
    """
    return session.scalars(select(Photo).where(Photo.check_id == check_id).order_by(Photo.id)).all()


def photo(session: Session, viewer: Viewer, photo_id: int) -> tuple[Photo, bytes]:
    """Return a photo and its JPEG data.

    Raises NotFound if it does not exist or the viewer does not keep, manage or dispatch its device.
    """
    row = session.execute(
        select(Photo, Photo.jpeg)
        .join(Check, Check.id == Photo.check_id)
        .join(Device, Device.id == Check.device_id)
        .where(Photo.id == photo_id, visible_to(viewer, Device), managed_by(viewer, Device))
    ).first()
    if row is None:
        raise NotFound(
            "Photo {photo_id} does not exist, or you may not see it.", field="photo_id", photo_id=photo_id
        )
    return row[0], row[1]


def is_photo_of(session: Session, photo_id: int, device_id: int) -> bool:
    """Return whether a photo is of a check of the device.

    visibility: for viewers who may check the device.
    """
    statement = select(Photo.id).join(Check, Check.id == Photo.check_id)
    return session.scalar(statement.where(Photo.id == photo_id, Check.device_id == device_id)) is not None


def photos_of_device(session: Session, device_id: int, *, limit: int) -> Sequence[Photo]:
    """Return the latest photos of the checks of a device, without the image data.

    visibility: for viewers who may check the device.
    """
    statement = select(Photo).join(Check, Check.id == Photo.check_id).where(Check.device_id == device_id)
    return session.scalars(statement.order_by(Photo.id.desc()).limit(limit)).all()


def place_photo(session: Session, viewer: Viewer, device_id: int) -> Photo | None:
    """Return the photo that shows where a device hangs, without the image data.

    None if there is none, or the viewer may not see the device.
    """
    return session.scalar(
        select(Photo)
        .join(PlacePhoto, PlacePhoto.photo_id == Photo.id)
        .join(Device, Device.id == PlacePhoto.device_id)
        .where(PlacePhoto.device_id == device_id, visible_to(viewer, Device))
    )


def _readable_by(viewer: Viewer) -> ColumnElement[bool]:
    """Return the predicate for policies that the viewer may read.

    Policies without an estate are public; those of an estate are for viewers who may see the estate.
    """
    known = estate_visible_to(viewer, estate_id=Estate.id, region_id=Estate.region_id, state=Estate.state)
    return or_(Policy.estate_id.is_(None), Policy.estate_id.in_(select(Estate.id).where(known)))


def policy(session: Session, viewer: Viewer, policy_id: int) -> Policy:
    """Return a policy. Raises NotFound if it does not exist or the viewer may not read it."""
    found = session.scalar(select(Policy).where(Policy.id == policy_id, _readable_by(viewer)))
    if found is None:
        raise NotFound(
            "Policy {policy_id} does not exist, or you may not see it.",
            field="policy_id",
            policy_id=policy_id,
        )
    return found


def policies(session: Session, viewer: Viewer, *, limit: int, after_id: int = 0) -> Sequence[Policy]:
    """Return a page of policies in order of id, including withdrawn ones."""
    statement = select(Policy).where(_readable_by(viewer), Policy.id > after_id).order_by(Policy.id)
    return session.scalars(statement.limit(limit)).all()


def policy_for(session: Session, device: Device) -> Policy | None:
    """Return the policy in force for a device, or None if the default applies.

    visibility: of a device that the caller may see.
    """
    return policy_in_scope(session, PolicyScope(device.estate_id, device.maker, device.model))


def policy_in_scope(session: Session, scope: PolicyScope) -> Policy | None:
    """Return the policy in force for devices of an estate, maker and model, or None if the default applies.

    visibility: of a device that the caller may see.
    """
    in_force = session.scalars(
        select(Policy).where(
            Policy.state == PolicyState.IN_FORCE,
            or_(Policy.estate_id.is_(None), Policy.estate_id == scope.estate_id),
        )
    )
    return closest([(scope_of(each), each) for each in in_force], scope)


def scope_of(policy: Policy) -> PolicyScope:
    """Return the estate, maker and model that a policy applies to."""
    return PolicyScope(policy.estate_id, policy.maker, policy.model)


def terms_of(policy: Policy | None) -> Terms:
    """Return the terms of a policy, or the default terms without one."""
    if policy is None:
        return DEFAULT
    return Terms(
        glance_days=policy.glance_days,
        check_days=policy.check_days,
        service_months=policy.service_months,
        asks=tuple(Question(each) for each in policy.asks),
        pads_months=policy.pads_months,
        battery_months=policy.battery_months,
        life_years=policy.life_years,
        approval_days=policy.approval_days,
    )


def all_in_force(session: Session) -> list[tuple[PolicyScope, Terms]]:
    """Return the scope and terms of every policy in force.

    visibility: for computing what is due, which is shown only for devices that the viewer may see.
    """
    found = session.scalars(select(Policy).where(Policy.state == PolicyState.IN_FORCE))
    return [(scope_of(each), terms_of(each)) for each in found]
