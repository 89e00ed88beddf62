"""Queries for appeals, votes on them, and the panels of estates."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Select, exists, or_, select
from sqlalchemy.orm import Session, joinedload

from aed.accounts.permissions import Viewer
from aed.errors import NotFound
from aed.registry.holidays.queries import holiday_calendar
from aed.sharing.rules import PartyRole
from aed.volunteering.models import AppealVote, PanelMember, ServiceAppeal, ServiceEvent, ServiceRecord
from aed.volunteering.records.queries import calendar_name_of, service_visible_to, time_zone_of
from aed.volunteering.rules import AppealState, ServiceEventKind, last_day_to_appeal


def panel_of(session: Session, estate_id: int) -> dict[PartyRole, int]:
    """Return the members of an estate's panel by party.

    visibility: of an estate that the viewer manages, or to decide who may vote.
    """
    rows = session.scalars(select(PanelMember).where(PanelMember.estate_id == estate_id))
    return {each.party: each.person_id for each in rows}


def is_on_a_panel(session: Session, viewer: Viewer) -> bool:
    """Return True if the viewer decides appeals of an estate. visibility: the viewer's own."""
    seat = exists().where(PanelMember.person_id == viewer.person_id)
    return viewer.person_id is not None and bool(session.scalar(select(seat)))


def appeals(
    session: Session,
    viewer: Viewer,
    *,
    limit: int,
    after_id: int = 0,
    state: AppealState | None = None,
) -> Sequence[ServiceAppeal]:
    """Return a page of appeals with their records: the viewer's, those of their panels, and managed ones."""
    statement = _appeals_visible_to(viewer).where(ServiceAppeal.id > after_id)
    if state is not None:
        statement = statement.where(ServiceAppeal.state == state)
    return session.scalars(statement.order_by(ServiceAppeal.id).limit(limit)).all()


def _appeals_visible_to(viewer: Viewer) -> Select[ServiceAppeal]:
    """visibility: it is a predicate itself."""
    seen = service_visible_to(viewer)
    if viewer.person_id is not None:
        panels = select(PanelMember.estate_id).where(PanelMember.person_id == viewer.person_id)
        seen = or_(seen, ServiceRecord.estate_id.in_(panels))
    return (
        select(ServiceAppeal)
        .join(ServiceRecord, ServiceRecord.id == ServiceAppeal.record_id)
        .where(seen)
        .options(joinedload(ServiceAppeal.record).joinedload(ServiceRecord.person))
        .execution_options(populate_existing=True)
    )


def appeal(session: Session, viewer: Viewer, appeal_id: int, *, for_update: bool = False) -> ServiceAppeal:
    """Return an appeal with its record. Raises NotFound if the viewer may not see it."""
    statement = _appeals_visible_to(viewer).where(ServiceAppeal.id == appeal_id)
    if for_update:
        statement = statement.with_for_update(of=ServiceAppeal)
    found = session.scalar(statement)
    if found is None:
        raise NotFound(
            "There is no appeal {appeal_id}, or you may not see it.", field="appeal_id", appeal_id=appeal_id
        )
    return found


def votes_on(session: Session, appeal_ids: Collection[int]) -> dict[int, list[AppealVote]]:
    """Return the votes on appeals. visibility: of appeals that the caller has found."""
    found: dict[int, list[AppealVote]] = {each: [] for each in appeal_ids}
    for vote in session.scalars(
        select(AppealVote).where(AppealVote.appeal_id.in_(appeal_ids)).order_by(AppealVote.party)
    ):
        found[vote.appeal_id].append(vote)
    return found


def appeal_day(session: Session, estate_id: int, *, after: datetime) -> date:
    """Return the day until which a decision can be appealed, or an appeal should be decided.

    visibility: it reveals nothing.
    """
    zone = ZoneInfo(time_zone_of(session, estate_id))
    name = calendar_name_of(session, estate_id)
    calendar = holiday_calendar(session, name) if name is not None else None
    return last_day_to_appeal(after.astimezone(zone).date(), calendar)


def is_appealed(session: Session, record_id: int) -> bool:
    """Return True if there is an appeal about the record. visibility: of a record of the viewer."""
    return session.scalar(select(ServiceAppeal.id).where(ServiceAppeal.record_id == record_id)) is not None


def people_who_rejected(session: Session, record_id: int) -> set[str]:
    """Return who disputed or voided a record, as named in its history.

    visibility: to decide who may vote.
    """
    kinds = (ServiceEventKind.DISPUTED, ServiceEventKind.VOIDED)
    return set(
        session.scalars(
            select(ServiceEvent.by).where(ServiceEvent.record_id == record_id, ServiceEvent.kind.in_(kinds))
        )
    )
