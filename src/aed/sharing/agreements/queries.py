"""Queries for agreements that the viewer may see, and for the decisions on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, or_, select
from sqlalchemy.orm import Session, selectinload

from aed.accounts.permissions import Viewer
from aed.accounts.visibility import managed_by
from aed.errors import NotFound
from aed.sharing.higher_tables import DEVICES, ESTATES, PREVIEWS
from aed.sharing.models import Agreement, AgreementParty, PartyDecision
from aed.sharing.rules import AgreementKind, AgreementState, ConsentGiven, missing_consents


def agreement_visible_to(viewer: Viewer) -> ColumnElement[bool]:
    """Select the agreements of the viewer's estates and regions, and those that they decide on."""
    theirs = managed_by(viewer, Agreement)
    if viewer.person_id is None:
        return theirs
    decided = select(AgreementParty.agreement_id).where(AgreementParty.representative_id == viewer.person_id)
    return or_(theirs, Agreement.id.in_(decided))


def agreement(session: Session, viewer: Viewer, agreement_id: int, *, for_update: bool = False) -> Agreement:
    """Return an agreement with its parties and shares. Raises NotFound if the viewer may not see it."""
    return _loaded(session, agreement_id, agreement_visible_to(viewer), for_update=for_update)


def agreement_of_party(session: Session, party: AgreementParty, *, for_update: bool = False) -> Agreement:
    """Return the agreement of a party with its parties and shares.

    visibility: for the person who decides for the party, which the caller has checked.
    """
    mine = Agreement.id == party.agreement_id
    return _loaded(session, party.agreement_id, mine, for_update=for_update)


def _loaded(
    session: Session, agreement_id: int, condition: ColumnElement[bool], *, for_update: bool
) -> Agreement:
    """Return the agreement, read again from the database.

    visibility: the condition is the viewer's.
    """
    statement = (
        select(Agreement)
        .where(Agreement.id == agreement_id, condition)
        .options(
            selectinload(Agreement.parties).joinedload(AgreementParty.representative),
            selectinload(Agreement.shares),
        )
        .execution_options(populate_existing=True)
    )
    if for_update:
        statement = statement.with_for_update(of=Agreement)
    found = session.scalar(statement)
    if found is None:
        raise NotFound(
            "Agreement {agreement_id} does not exist, or you may not see it.",
            field="agreement_id",
            agreement_id=agreement_id,
        )
    return found


def agreements_with_text(session: Session, text_hash: str) -> Sequence[Agreement]:
    """Return the agreements of parties with the text of that hash, with their parties, the newest first.

    visibility: for a viewer who has the hash, which is on the paper and follows from the whole text.
    """
    return session.scalars(
        select(Agreement)
        .where(Agreement.text_hash == text_hash, Agreement.kind != AgreementKind.REGISTER)
        .options(selectinload(Agreement.parties))
        .order_by(Agreement.id.desc())
        .limit(20)
    ).all()


def agreements(
    session: Session, viewer: Viewer, *, estate_id: int | None, limit: int, after_id: int = 0
) -> Sequence[Agreement]:
    """Return a page of agreements in order of id."""
    statement = select(Agreement).where(Agreement.id > after_id, agreement_visible_to(viewer))
    if estate_id is not None:
        statement = statement.where(Agreement.estate_id == estate_id)
    return session.scalars(
        statement.options(selectinload(Agreement.parties)).order_by(Agreement.id).limit(limit)
    ).all()


def decisions_of(session: Session, agreement_ids: Sequence[int]) -> dict[int, list[PartyDecision]]:
    """Return the decisions on these agreements in order of time, by agreement id.

    visibility: of agreements that the viewer may see.
    """
    found: dict[int, list[PartyDecision]] = {each: [] for each in agreement_ids}
    for decision in session.scalars(
        select(PartyDecision).where(PartyDecision.agreement_id.in_(agreement_ids)).order_by(PartyDecision.id)
    ):
        found[decision.agreement_id].append(decision)
    return found


def latest_decisions(found: Agreement, decisions: Sequence[PartyDecision]) -> dict[int, PartyDecision]:
    """Return the latest decision of each party on the present text, by party id."""
    return {each.party_id: each for each in decisions if each.text_hash == found.text_hash}


def waits_for(found: Agreement, decisions: Sequence[PartyDecision]) -> list[str]:
    """Return who must act next: roles of parties, `estate_manager`, `region`, or nobody.

    The agreement's parties must be loaded.
    """
    if found.state is AgreementState.DRAFT:
        return ["estate_manager"]
    if found.state is not AgreementState.PROPOSED:
        return []
    roles = {each.id: each.role for each in found.parties}
    given = [ConsentGiven(roles[each.party_id], each.kind, each.text_hash) for each in decisions]
    missing = missing_consents(given, text=found.text_hash, parties=[*roles.values()])
    return [str(role) for role in missing] or ["region"]


def estate_row(session: Session, estate_id: int) -> Row[*tuple[Any, ...]] | None:
    """Return the region, time zone, names and state of an estate.

    visibility: for managers of the estate, which the caller checks, and in the texts of agreements.
    """
    return session.execute(select(*ESTATES.c).where(ESTATES.c.id == estate_id)).first()


def places_of(session: Session, device_ids: Sequence[int]) -> dict[int, dict[str, str | None]]:
    """Return where devices are, as {"en": …, "zh": …}, by id.

    visibility: in the text of an agreement, for those who may read it.
    """
    statement = select(DEVICES.c.id, DEVICES.c.place_en, DEVICES.c.place_zh).where(
        DEVICES.c.id.in_(device_ids)
    )
    return {row.id: {"en": row.place_en, "zh": row.place_zh} for row in session.execute(statement)}


def device_rows(session: Session, device_ids: Sequence[int]) -> dict[int, Row[*tuple[Any, ...]]]:
    """Return the estate, state and opening hours of devices, by id.

    visibility: for managers of their estate, which the caller checks.
    """
    statement = select(
        DEVICES.c.id, DEVICES.c.estate_id, DEVICES.c.state, DEVICES.c.opening_hours, DEVICES.c.audience
    ).where(DEVICES.c.id.in_(device_ids))
    return {row.id: row for row in session.execute(statement)}


def preview_row(session: Session, preview_id: int) -> Row[*tuple[Any, ...]] | None:
    """Return the estate, hash, inputs and result of a preview of what opening gives.

    visibility: compared with the text of an agreement; nothing of it is shown.
    """
    return session.execute(select(*PREVIEWS.c).where(PREVIEWS.c.id == preview_id)).first()
