"""Whose certificate expires, as jobs need it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.accounts.regions.models import Region
from aed.responders.models import Certificate, Responder
from aed.responders.rules import CertificateKind


class Expiring(NamedTuple):
    """A person's last certificate of one kind, which expires soon."""

    person_id: int
    kind: CertificateKind
    valid_until: date


def expiring(session: Session, *, today: date, within_days: int) -> Sequence[Expiring]:
    """Return the last certificates of a kind that expire within that many days, soonest first.

    visibility: for the scheduler, which notifies each person of their own.
    """
    last = func.max(Certificate.valid_until)
    found = session.execute(
        select(Responder.person_id, Certificate.kind, last)
        .join(Responder, Responder.id == Certificate.responder_id)
        .where(Certificate.revoked_at.is_(None), Responder.joined_into_id.is_(None))
        .group_by(Responder.person_id, Certificate.kind)
        .having(last.between(today, today + timedelta(days=within_days)))
        .order_by(last, Responder.person_id)
    )
    return [Expiring(*row) for row in found]


def countries(session: Session, person_ids: Sequence[int]) -> dict[int, str]:
    """Return the country of the region in which each person is a responder.

    visibility: for the scheduler, which needs it to complete phone numbers.
    """
    found = session.execute(
        select(Responder.person_id, Region.country)
        .join(Region, Region.id == Responder.region_id)
        .where(Responder.person_id.in_(person_ids))
    )
    return {each.person_id: each.country for each in found}
