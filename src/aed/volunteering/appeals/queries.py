"""Queries for appeals, votes on them, and the panels of estates."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, joinedload

from aed.accounts.permissions import Viewer
from aed.errors import NotFound
from aed.sharing.rules import PartyRole
from aed.volunteering.models import AppealVote, PanelMember, ServiceAppeal, ServiceEvent, ServiceRecord
from aed.volunteering.records.queries import service_visible_to
from aed.volunteering.rules import ServiceEventKind


def panel_of(session: Session, estate_id: int) -> dict[PartyRole, int]:
    """Return the members of an estate's panel by party.

    visibility: of an estate that the viewer manages, or to decide who may vote.
    """
    rows = session.scalars(select(PanelMember).where(PanelMember.estate_id == estate_id))
    return {each.party: each.person_id for each in rows}


def appeals(
    session: Session, viewer: Viewer, *, limit: int, after_id: int = 0, appeal_id: int | None = None
) -> Sequence[ServiceAppeal]:
    """Return a page of appeals with their records: the viewer's, those of their panels, and managed ones."""
    seen = service_visible_to(viewer)
    if viewer.person_id is not None:
        panels = select(PanelMember.estate_id).where(PanelMember.person_id == viewer.person_id)
        seen = or_(seen, ServiceRecord.estate_id.in_(panels))
    statement = (
        select(ServiceAppeal)
        .join(ServiceRecord, ServiceRecord.id == ServiceAppeal.record_id)
        .where(ServiceAppeal.id > after_id, seen)
        .options(joinedload(ServiceAppeal.record).joinedload(ServiceRecord.person))
        .order_by(ServiceAppeal.id)
        .limit(limit)
        .execution_options(populate_existing=True)
    )
    if appeal_id is not None:
        statement = statement.where(ServiceAppeal.id == appeal_id).with_for_update(of=ServiceAppeal)
    return session.scalars(statement).all()


def appeal(session: Session, viewer: Viewer, appeal_id: int) -> ServiceAppeal:
    """Return an appeal with its record, locked. Raises NotFound."""
    found = appeals(session, viewer, limit=1, appeal_id=appeal_id)
    if not found:
        raise NotFound(
            "There is no appeal {appeal_id}, or you may not see it.", field="appeal_id", appeal_id=appeal_id
        )
    return found[0]


def votes_on(session: Session, appeal_ids: Collection[int]) -> dict[int, list[AppealVote]]:
    """Return the votes on appeals. visibility: of appeals that the caller has found."""
    found: dict[int, list[AppealVote]] = {each: [] for each in appeal_ids}
    for vote in session.scalars(
        select(AppealVote).where(AppealVote.appeal_id.in_(appeal_ids)).order_by(AppealVote.party)
    ):
        found[vote.appeal_id].append(vote)
    return found


def is_appealed(session: Session, record_id: int) -> bool:
    """Return True if there is an appeal about the record. visibility: of a record of the viewer."""
    return session.scalar(select(ServiceAppeal.id).where(ServiceAppeal.record_id == record_id)) is not None


def deciders_of(session: Session, record_id: int) -> set[str]:
    """Return who disputed or voided a record, as named in its history.

    visibility: to decide who may vote.
    """
    kinds = (ServiceEventKind.DISPUTED, ServiceEventKind.VOIDED)
    return set(
        session.scalars(
            select(ServiceEvent.by).where(ServiceEvent.record_id == record_id, ServiceEvent.kind.in_(kinds))
        )
    )
