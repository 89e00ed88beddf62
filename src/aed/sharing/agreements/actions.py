"""Draft, amend, propose, confirm, withdraw and suspend agreements.

Every step is an entry of the audit log, in which each entry is signed with the one before.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from aed.accounts.audit_log import AuditSubject, add_audit_entry
from aed.accounts.people.actions import find_or_add_person
from aed.accounts.permissions import Audience, Viewer, require_administrator, require_estate_manager
from aed.database.locks import exclusive_lock
from aed.database.types import require_version
from aed.errors import Conflict, InvalidInput, NotFound
from aed.sharing import rules
from aed.sharing.agreements import queries
from aed.sharing.agreements.schemas import AgreementDraft, AgreementIn
from aed.sharing.agreements.validation import require_consistent, require_preview, require_usable_devices
from aed.sharing.models import Agreement, AgreementParty, DeviceShare, PartyLink
from aed.sharing.regional_rules.queries import rules_of_region, rules_of_version
from aed.sharing.rules import AgreementKind, AgreementState, end_of, rung, start_of
from aed.sharing.shares.actions import refresh_devices
from aed.sharing.shares.queries import time_zone_of


def draft_agreement(session: Session, who: Viewer, new: AgreementDraft, *, at: datetime) -> Agreement:
    """Create the draft of an agreement. For the estate's manager.

    Raises InvalidInput for parties, periods or devices that do not fit.
    """
    estate = queries.estate_row(session, new.estate_id)
    require_estate_manager(who, new.estate_id, region_id=estate.region_id if estate is not None else None)
    if estate is None or estate.state != "active":
        raise NotFound("There is no active estate {estate_id}.", field="estate_id", estate_id=new.estate_id)
    made = Agreement(
        estate_id=estate.id,
        region_id=estate.region_id,
        state=AgreementState.DRAFT,
        rules_version=rules_of_region(session, estate.region_id).version,
        created_at=at,
        created_by=who.name,
        text_hash="",
    )
    _put_text(session, made, new)
    session.add(made)
    session.flush()
    _put_parties_and_shares(session, made, new, at=at)
    add_audit_entry(
        session, who.name, AuditSubject.AGREEMENT, made.id, "drafted", at=at, text_hash=made.text_hash
    )
    return queries.agreement(session, who, made.id)


def amend_agreement(
    session: Session, who: Viewer, agreement_id: int, new: AgreementIn, *, version: int, at: datetime
) -> Agreement:
    """Replace the text of an agreement that is not confirmed yet.

    If the text changes, all decisions on the earlier text are void.
    """
    found = _managed(session, who, agreement_id)
    require_version(found, version)
    if found.state not in (AgreementState.DRAFT, AgreementState.PROPOSED):
        raise Conflict(
            "Agreement {agreement_id} is {state}. Draft a new one that supersedes it.",
            agreement_id=agreement_id,
            state=found.state,
        )
    before = found.text_hash
    _put_text(session, found, new)
    _put_parties_and_shares(session, found, new, at=at)
    add_audit_entry(
        session,
        who.name,
        AuditSubject.AGREEMENT,
        found.id,
        "amended",
        at=at,
        text_hash=found.text_hash,
        before=before,
    )
    return queries.agreement(session, who, found.id)


def propose_agreement(session: Session, who: Viewer, agreement_id: int, *, at: datetime) -> Agreement:
    """Put a draft before its parties."""
    found = _managed(session, who, agreement_id)
    if found.state is not AgreementState.DRAFT:
        raise Conflict(
            "Only a draft can be proposed; agreement {agreement_id} is {state}.",
            agreement_id=agreement_id,
            state=found.state,
        )
    found.state = AgreementState.PROPOSED
    _record(session, who.name, found, "proposed", at=at, text_hash=found.text_hash)
    return found


def confirm_agreement(
    session: Session, who: Viewer, agreement_id: int, *, text_hash: str, at: datetime
) -> Agreement:
    """Bring an agreement into force. For the region's administrator.

    1. Every party has consented to the present text, and the period of a public notice is over.
    2. No other agreement governs one of its devices in its period, except the one that it supersedes. The
       preview that it names is of this step.
    3. Compute the moments at which its shares start and end, in the estate's time zone.
    4. End the shares that it supersedes: those of the register, and those of the agreement that it names.
    5. Derive the audiences of all devices concerned.
    """
    exclusive_lock(session, "confirming agreements")
    found = queries.agreement(session, who, agreement_id, for_update=True)
    require_administrator(who, region_id=found.region_id)
    if found.state is not AgreementState.PROPOSED:
        raise Conflict(
            "Only a proposed agreement can be confirmed; agreement {agreement_id} is {state}.",
            agreement_id=agreement_id,
            state=found.state,
        )
    if text_hash != found.text_hash:
        raise Conflict("The text was changed after you read it. Read it again.", field="text_hash")
    waiting = queries.waits_for(found, queries.decisions_of(session, [found.id])[found.id])
    if waiting != ["region"]:
        raise Conflict(
            "These parties have not consented to the present text: {parties}.", parties=", ".join(waiting)
        )
    zone = time_zone_of(session, found.estate_id)
    today = at.astimezone(ZoneInfo(zone)).date()
    if found.notice_until is not None and found.notice_until >= today:
        raise Conflict(
            "The public notice lasts until {notice_until}. Confirm the agreement after that day.",
            field="notice_until",
            notice_until=found.notice_until,
        )
    if found.ends_on is not None and found.ends_on < today:
        raise Conflict("The agreement ended on {ends_on}.", field="ends_on", ends_on=found.ends_on)
    require_usable_devices(session, found.estate_id, [each.device_id for each in found.shares])
    require_preview(session, found.estate_id, found.preview_id, found.preview_hash, found.shares)
    for share in found.shares:
        starts_at = max(start_of(share.from_on or found.starts_on, zone), at)
        ends_at = end_of(share.until_on or found.ends_on, zone)
        if ends_at is not None and ends_at <= starts_at:
            raise Conflict(
                "The share of device {device_id} is over already.",
                field="shares",
                device_id=share.device_id,
            )
        share.starts_at, share.ends_at = starts_at, ends_at
    concerned = _supersede(session, found)
    found.state, found.confirmed_at, found.confirmed_by = AgreementState.CONFIRMED, at, who.name
    _record(session, who.name, found, "confirmed", at=at, text_hash=found.text_hash)
    refresh_devices(session, concerned, at=at)
    return queries.agreement(session, who, found.id)


def withdraw_agreement(session: Session, found: Agreement, *, by: str, reason: str, at: datetime) -> None:
    """Withdraw an agreement at once: its devices are for the estate alone again.

    The caller has checked that `by` may. A device that is out on a call stays until that is settled.
    """
    if found.kind is AgreementKind.REGISTER:
        raise Conflict("An agreement by the register cannot be withdrawn. Amend its devices.")
    if found.state is AgreementState.WITHDRAWN:
        raise Conflict("Agreement {agreement_id} is withdrawn already.", agreement_id=found.id)
    found.state, found.withdrawn_at, found.withdrawn_by = AgreementState.WITHDRAWN, at, by
    found.withdrawal_reason = reason
    _record(session, by, found, "withdrawn", at=at)
    if found.confirmed_at is not None:
        concerned = _restore(session, found, at=at) | {each.device_id for each in found.shares}
        refresh_devices(session, concerned, at=at)


def suspend_agreement(session: Session, found: Agreement, *, by: str, reason: str, at: datetime) -> None:
    """Suspend an agreement in force: its devices are for the estate and, by override, for dispatch."""
    _require_confirmed(found)
    if found.suspended_at is not None:
        raise Conflict("Agreement {agreement_id} is suspended already.", agreement_id=found.id)
    found.suspended_at, found.suspended_by, found.suspension_reason = at, by, reason
    _record(session, by, found, "suspended", at=at)
    refresh_devices(session, [each.device_id for each in found.shares], at=at)


def resume_agreement(session: Session, found: Agreement, *, by: str, is_region: bool, at: datetime) -> None:
    """End a suspension. For the person who suspended the agreement, and for the region."""
    _require_confirmed(found)
    if found.suspended_at is None:
        raise Conflict("Agreement {agreement_id} is not suspended.", agreement_id=found.id)
    if by != found.suspended_by and not is_region:
        raise Conflict("Only the party that suspended the agreement, or the region, can resume it.")
    found.suspended_at, found.suspended_by, found.suspension_reason = None, None, None
    _record(session, by, found, "resumed", at=at)
    refresh_devices(session, [each.device_id for each in found.shares], at=at)


def step_down(
    session: Session, found: Agreement, *, device_id: int, step: Audience, by: str, at: datetime
) -> None:
    """Lower the step of one device at once. Raises InvalidInput for a step that is not lower."""
    _require_confirmed(found)
    share = next((each for each in found.shares if each.device_id == device_id), None)
    if share is None:
        raise NotFound(
            "Device {device_id} is not part of this agreement.", field="device_id", device_id=device_id
        )
    present = share.lowered_to or share.step
    if rung(step) >= rung(present):
        raise InvalidInput(
            "{step} is not below {present}. A step up needs a new agreement.",
            field="step",
            step=step,
            present=present,
        )
    share.lowered_to = step
    _record(session, by, found, "lowered", at=at, device=device_id, to=str(step))
    refresh_devices(session, [device_id], at=at)


# --- Checks ---------------------------------------------------------------------------------------------


def _managed(session: Session, who: Viewer, agreement_id: int) -> Agreement:
    found = queries.agreement(session, who, agreement_id, for_update=True)
    require_estate_manager(who, found.estate_id, region_id=found.region_id)
    return found


def _require_confirmed(found: Agreement) -> None:
    if found.state is not AgreementState.CONFIRMED or found.kind is AgreementKind.REGISTER:
        raise Conflict(
            "Agreement {agreement_id} is {state}, not confirmed by its parties.",
            agreement_id=found.id,
            state=found.state,
        )


# --- Writing --------------------------------------------------------------------------------------------


def _put_text(session: Session, found: Agreement, new: AgreementIn) -> None:
    """Check the text, complete it by the rules of the agreement, and set its fields and its hash."""
    by = rules_of_version(session, found.rules_version)
    require_consistent(session, found, new, by)
    if new.terms.check_interval_days is None:
        terms = new.terms.model_copy(update={"check_interval_days": by.check_interval_days})
        new = new.model_copy(update={"terms": terms})
    for name in (
        "kind",
        "owner",
        "legal_basis",
        "legal_reference",
        "notice_from",
        "notice_until",
        "method",
        "starts_on",
        "ends_on",
        "supersedes_id",
        "preview_id",
        "preview_hash",
    ):
        setattr(found, name, getattr(new, name))
    found.terms = new.terms.model_dump(mode="json")
    text = new.model_dump(mode="json", exclude={"parties": {"__all__": {"representative"}}})
    text.pop("estate_id", None)
    text["parties"].sort(key=lambda each: str(each["role"]))
    text["shares"].sort(key=lambda each: int(each["device_id"]))
    found.text_hash = rules.text_hash(text | {"estate": found.estate_id})


def _put_parties_and_shares(session: Session, found: Agreement, new: AgreementIn, *, at: datetime) -> None:
    """Store the parties, by role, and the shares of an agreement that is not confirmed.

    The links of a party that another person decides for now stop working.

    visibility: for the estate's manager, whom the caller has checked.
    """
    known = {
        each.role: each
        for each in session.scalars(select(AgreementParty).where(AgreementParty.agreement_id == found.id))
    }
    for given in new.parties:
        party = known.get(given.role)
        if party is None:
            party = AgreementParty(agreement_id=found.id, role=given.role)
            session.add(party)
        party.legal_name, party.credit_code = given.legal_name, given.credit_code
        if given.representative is not None:
            person = find_or_add_person(
                session, name=given.representative.name, phone=given.representative.phone
            )
            if party.id is not None and party.representative_id != person.id:
                revoke_links(session, party, at=at)
            party.representative_id = person.id
    for share in session.scalars(select(DeviceShare).where(DeviceShare.agreement_id == found.id)):
        session.delete(share)
    session.flush()
    zone = time_zone_of(session, found.estate_id)
    for new_share in new.shares:
        fields = new_share.model_dump(exclude={"step_outside_hours"})
        session.add(
            DeviceShare(
                agreement_id=found.id,
                **fields,
                step_outside_hours=new_share.outside(),
                starts_at=start_of(new_share.from_on or new.starts_on, zone),
                ends_at=end_of(new_share.until_on or new.ends_on, zone),
            )
        )
    session.flush()


def revoke_links(session: Session, party: AgreementParty, *, at: datetime) -> None:
    """Let the links of a party stop working."""
    session.execute(
        update(PartyLink)
        .where(PartyLink.party_id == party.id, PartyLink.revoked_at.is_(None))
        .values(revoked_at=at)
        .execution_options(synchronize_session=False)
    )


def _supersede(session: Session, found: Agreement) -> set[int]:
    """End the shares that an agreement replaces; return all devices concerned.

    A device of the superseded agreement that the new one leaves out ends on the day the new one starts, and
    so falls back to dispatch. Raises Conflict if another agreement governs a device at the same time.
    visibility: for the region's administrator, whom the caller has checked.
    """
    mine = {each.device_id: each for each in found.shares}
    others = session.execute(
        select(DeviceShare, Agreement)
        .join(Agreement, Agreement.id == DeviceShare.agreement_id)
        .where(
            Agreement.state == AgreementState.CONFIRMED,
            Agreement.id != found.id,
            DeviceShare.superseded_at.is_(None),
            DeviceShare.device_id.in_(list(mine)) | (Agreement.id == found.supersedes_id),
        )
    ).all()
    concerned = set(mine)
    for share, agreement in others:
        concerned.add(share.device_id)
        new = mine.get(share.device_id)
        is_replaced = agreement.kind is AgreementKind.REGISTER or agreement.id == found.supersedes_id
        if new is None:
            starts_at = min(each.starts_at for each in found.shares)
            if starts_at <= share.starts_at:
                share.superseded_at = starts_at
            elif share.ends_at is None or share.ends_at > starts_at:
                share.ends_at = starts_at
        elif is_replaced:
            share.superseded_at = new.starts_at
        elif (share.ends_at is None or share.ends_at > new.starts_at) and (
            new.ends_at is None or new.ends_at > share.starts_at
        ):
            raise Conflict(
                "Device {device_id} is part of agreement {agreement_id} at the same time. Supersede or "
                "withdraw that one first.",
                field="shares",
                device_id=share.device_id,
                agreement_id=agreement.id,
            )
    return concerned


def _restore(session: Session, found: Agreement, *, at: datetime) -> set[int]:
    """Let the shares that an agreement would have superseded go on if it was withdrawn before it started.

    visibility: for a viewer who may withdraw the agreement, which the caller has checked.
    """
    planned = {each.device_id: each.starts_at for each in found.shares if each.starts_at > at}
    if not planned:
        return set()
    first = min(planned.values())
    zone = time_zone_of(session, found.estate_id)
    earlier = session.execute(
        select(DeviceShare, Agreement)
        .join(Agreement, Agreement.id == DeviceShare.agreement_id)
        .where(
            Agreement.id != found.id,
            Agreement.confirmed_at.is_not(None),
            DeviceShare.device_id.in_(list(planned)) | (Agreement.id == found.supersedes_id),
        )
    ).all()
    concerned = set()
    for share, agreement in earlier:
        if share.superseded_at is not None and share.superseded_at == planned.get(share.device_id, first):
            share.superseded_at = None
            concerned.add(share.device_id)
        if share.device_id not in planned and share.ends_at == first:
            share.ends_at = end_of(share.until_on or agreement.ends_on, zone)
            concerned.add(share.device_id)
    return concerned


def _record(
    session: Session, by: str, found: Agreement, action: str, *, at: datetime, **details: Any
) -> None:
    add_audit_entry(session, by, AuditSubject.AGREEMENT, found.id, action, at=at, **details)
