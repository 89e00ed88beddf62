"""What the page of the demo shows to the person who plays a part: a device, a party of an agreement."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.visibility import visible_to
from aed.registry.devices.models import Device
from aed.sharing.agreements import queries as agreement_queries
from aed.sharing.models import AgreementParty
from aed.sharing.rules import AgreementKind
from aed.upkeep.rules import short_number


def first_device(session: Session, viewer: Viewer) -> str | None:
    """Return the number of a device of the viewer's estate; of any that they see if they have no estate."""
    of_own = Device.estate_id == viewer.estate_id if viewer.estate_id is not None else Device.id > 0
    found = session.scalar(
        select(Device.id).where(visible_to(viewer, Device), of_own).order_by(Device.id).limit(1)
    )
    return short_number(found) if found is not None else None


def party_to_decide(session: Session, viewer: Viewer) -> AgreementParty | None:
    """Return a party whose decision an agreement waits for; if none does, one of the latest agreement."""
    found = agreement_queries.agreements(session, viewer, estate_id=viewer.estate_id, limit=100)
    found = [each for each in found if each.kind is not AgreementKind.REGISTER]
    decisions = agreement_queries.decisions_of(session, [each.id for each in found])
    for agreement in found:
        waits_for = agreement_queries.waits_for(agreement, decisions[agreement.id])
        waiting = [each for each in agreement.parties if each.role in waits_for]
        if waiting:
            return waiting[0]
    return found[-1].parties[0] if found else None
