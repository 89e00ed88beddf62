"""Queries for cost cases, and for the uses of shared devices that have none yet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, exists, func, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.errors import NotFound
from aed.sharing.agreements.queries import agreement_visible_to
from aed.sharing.higher_tables import QUARANTINES, RETRIEVALS
from aed.sharing.models import Agreement, CostCase, DeviceShare
from aed.sharing.rules import AgreementKind, CostCaseState


def _cases(viewer: Viewer) -> Select[CostCase, Agreement]:
    """Select cost cases with their agreements: those of agreements that the viewer may see."""
    return (
        select(CostCase, Agreement)
        .join(Agreement, Agreement.id == CostCase.agreement_id)
        .where(agreement_visible_to(viewer))
    )


def cost_case(
    session: Session, viewer: Viewer, case_id: int, *, for_update: bool = False
) -> tuple[CostCase, Agreement]:
    """Return a cost case with its agreement. Raises NotFound if the viewer may not see it."""
    statement = _cases(viewer).where(CostCase.id == case_id)
    if for_update:
        statement = statement.with_for_update(of=CostCase)
    row = session.execute(statement).one_or_none()
    if row is None:
        raise NotFound(
            "Cost case {case_id} does not exist, or you may not see it.", field="case_id", case_id=case_id
        )
    return row[0], row[1]


def cost_cases(
    session: Session,
    viewer: Viewer,
    *,
    agreement_id: int | None,
    estate_id: int | None,
    state: CostCaseState | None,
    limit: int,
    after_id: int = 0,
) -> Sequence[CostCase]:
    """Return a page of cost cases in order of id."""
    statement = _cases(viewer).where(CostCase.id > after_id)
    if agreement_id is not None:
        statement = statement.where(CostCase.agreement_id == agreement_id)
    if estate_id is not None:
        statement = statement.where(Agreement.estate_id == estate_id)
    if state is not None:
        statement = statement.where(CostCase.state == state)
    return session.scalars(statement.order_by(CostCase.id).limit(limit)).all()


def uses_without_case(session: Session, *, since: datetime, limit: int) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return uses (use_id, device_id, used_at) of devices with a share of an agreement of parties.

    A use is a quarantine of a device because it was used; it was used when it was fetched, if that is known.
    visibility: for opening cost cases; nothing is shown.
    """
    fetched_at = (
        select(func.min(RETRIEVALS.c.sent_at))
        .where(
            RETRIEVALS.c.device_id == QUARANTINES.c.device_id,
            RETRIEVALS.c.outcome == "used",
            RETRIEVALS.c.closed_at == QUARANTINES.c.since,
        )
        .scalar_subquery()
    )
    is_shared = exists().where(
        DeviceShare.device_id == QUARANTINES.c.device_id,
        DeviceShare.agreement_id == Agreement.id,
        DeviceShare.starts_at <= QUARANTINES.c.since,
        Agreement.kind != AgreementKind.REGISTER,
        Agreement.confirmed_at.is_not(None),
    )
    return session.execute(
        select(
            QUARANTINES.c.id.label("use_id"),
            QUARANTINES.c.device_id,
            func.coalesce(fetched_at, QUARANTINES.c.since).label("used_at"),
        )
        .where(
            QUARANTINES.c.reason == "used",
            QUARANTINES.c.since > since,
            is_shared,
            ~exists().where(CostCase.use_id == QUARANTINES.c.id),
        )
        .order_by(QUARANTINES.c.id)
        .limit(limit)
    ).all()


def share_id(session: Session, agreement_id: int, device_id: int) -> int:
    """Return the share of a device in an agreement.

    visibility: only its id.
    """
    return session.scalars(
        select(DeviceShare.id).where(
            DeviceShare.agreement_id == agreement_id, DeviceShare.device_id == device_id
        )
    ).one()


def claimed_minor(session: Session, agreement_id: int, *, since: datetime, before: datetime) -> int:
    """Return what the uses of an agreement in a period cost together, without those that were waived.

    visibility: for the amount of a further case.
    """
    total = session.scalar(
        select(func.sum(func.coalesce(CostCase.paid_minor, CostCase.amount_minor))).where(
            CostCase.agreement_id == agreement_id,
            CostCase.used_at >= since,
            CostCase.used_at < before,
            CostCase.state != CostCaseState.WAIVED,
        )
    )
    return int(total or 0)  # PostgreSQL sums into a decimal


def open_cases(session: Session) -> Sequence[tuple[CostCase, Agreement]]:
    """Return all unpaid cost cases with their agreements, in order of id.

    visibility: for reminding those who pay.
    """
    rows = session.execute(
        select(CostCase, Agreement)
        .join(Agreement, Agreement.id == CostCase.agreement_id)
        .where(CostCase.state == CostCaseState.OPEN)
        .order_by(CostCase.id)
    ).all()
    return [(row[0], row[1]) for row in rows]
