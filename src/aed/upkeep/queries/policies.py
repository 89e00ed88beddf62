"""Reading policies."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.visibility import estate_visible_to
from aed.errors import NotFound
from aed.registry.devices.models import Device
from aed.registry.estates.models import Estate
from aed.upkeep.models import Policy
from aed.upkeep.rules.policy import DEFAULT, Question, Scope, Terms, closest
from aed.upkeep.rules.states import PolicyState


def _told_to(viewer: Viewer) -> ColumnElement[bool]:
    """Policies of makers and models are for everyone to read, an estate's for whoever knows the estate."""
    known = estate_visible_to(viewer, estate_id=Estate.id, region_id=Estate.region_id, state=Estate.state)
    return or_(Policy.estate_id.is_(None), Policy.estate_id.in_(select(Estate.id).where(known)))


def policy(session: Session, viewer: Viewer, policy_id: int) -> Policy:
    """Raises NotFound."""
    found = session.scalar(select(Policy).where(Policy.id == policy_id, _told_to(viewer)))
    if found is None:
        raise NotFound(f"There is no policy {policy_id} that you may see.", field="policy_id")
    return found


def policies(session: Session, viewer: Viewer, *, limit: int, after_id: int = 0) -> Sequence[Policy]:
    """A page of policies in order of id, withdrawn ones too."""
    statement = select(Policy).where(_told_to(viewer), Policy.id > after_id).order_by(Policy.id)
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
