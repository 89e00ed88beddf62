"""Erase a person's data. Rows that the history or the law requires stay, without identifying the person."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import flag_modified

from aed.accounts.audit_log import AuditSubject, add_audit_entry
from aed.accounts.masking import mask_name
from aed.accounts.people import queries as people_queries
from aed.accounts.people.models import Person, PersonChange
from aed.accounts.people.rules import Language, PhoneChannel
from aed.accounts.permissions import SCHEDULER, TokenRole, TokenScope, Viewer
from aed.accounts.role_grants import RoleGrant
from aed.accounts.security_log import SecurityEvent
from aed.accounts.sign_in.models import SignInAttempts, SignInCode
from aed.accounts.sign_in.throttling import account_keys
from aed.cells.rules import Cell
from aed.database.encryption.columns import keyring_of
from aed.database.types import Table
from aed.errors import Conflict
from aed.imports.devices.models import SourceRecord
from aed.linked_accounts.actions import MIN_AGE_OF_ERASED_LINK, end_links_of_erased
from aed.linked_accounts.queries import link_with_key
from aed.linked_accounts.schemas import LinkState
from aed.notifications.models import OutboxMessage
from aed.personal_data.queries import (
    belongs_to_person,
    entries_of,
    mentions_by_issuers,
    mentions_in_lists,
    table_of,
)
from aed.personal_data.rules.erasure import MASKED, Erasure, PersonalTable, masked_number
from aed.personal_data.rules.personal_tables import PERSONAL_TABLES
from aed.registry.changes import RegistryChange, record_amendment
from aed.registry.devices.models import Device
from aed.responders.actions import consents
from aed.training.enrolments import actions as enrolment_actions
from aed.training.models import Enrolment, TrainingSession
from aed.training.rules import ACTIVE_STATES, SessionState


def erase(session: Session, who: Viewer, person_id: int, *, at: datetime) -> bool:
    """Erase a person's data; return False if it was erased before.

    1. Cancel enrolments in future sessions, withdraw consents, revoke roles, and remove the person as keeper
       of devices and as trainer of planned sessions.
    2. Remove the person as a keeper from imported lists and reviews.
    3. Delete the entries of issuers' rosters that match the person's certificates.
    4. Delete or blank the rows of each table as `rules/personal_tables.py` says, and blank the same columns
       in the history.
    5. Delete sign-in codes and attempts, which are stored by phone number.
    6. Mask the name and delete the phone number.
    7. End links to accounts in other cells; those of which this account is the home are erased there too.

    Raises the errors of `people.queries.require_self_or_administrator`.
    """
    person = people_queries.require_self_or_administrator(session, who, person_id)
    if person.erased_at is not None:
        return False
    office = dataclasses.replace(who, role=TokenRole.ADMINISTRATOR, scopes=frozenset(TokenScope))
    entries = entries_of(session, person)
    ids = [each.id for each in entries]
    for each in entries:
        _leave_rosters(session, office, each.id, at=at)
        consents.withdraw_all_consents(session, office, each, at=at)
        _give_back(session, office, each.id, at=at)
        _out_of_lists(session, each)
        _forget_sign_ins(session, each)
    for entry in mentions_by_issuers(session, ids):
        session.delete(entry)
    session.flush()
    for held in _tables_by_reference():
        if held.erasure is Erasure.DELETED:
            session.execute(delete(table_of(held.table)).where(belongs_to_person(held, ids)))
        elif held.blank and held.table != Device.__tablename__:
            _blank(session, held, ids)
    end_links_of_erased(session, ids, at=at)
    session.expire_all()
    for each in entries:
        _blank_history(session, each.id)
        each.name = mask_name(each.name)
        each.phone, each.erased_at = None, at
        each.language, each.channel = Language.ZH, PhoneChannel.SMS
        session.add(PersonChange(person_id=each.id, at=at, who=who.name, fields={"erased": [None, "all"]}))
        add_audit_entry(session, who.name, AuditSubject.PERSON, each.id, "erased", at=at)
    session.flush()
    return True


def erase_for_home_cell(session: Session, home: Cell, key: str, *, at: datetime) -> LinkState:
    """Erase the person whose home account in another cell was erased, if the link is a day old.

    Before, nothing changes, and the home cell asks again. Repeating it after the erasure changes nothing.

    A key that is not known is that of a link that the person never confirmed here. If the person has ended
    the link, their account here is one of its own and stays.

    visibility: the home cell knows the key.
    """
    link = link_with_key(session, key, cell=home.code, is_home=False)
    if link is None or link.ended_at is not None:
        return LinkState.ERASED
    if at < link.created_at + MIN_AGE_OF_ERASED_LINK:
        return LinkState.LINKED
    link.ended_at = link.settled_at = at
    session.flush()
    office = dataclasses.replace(SCHEDULER, name=f"cell:{home.code}")
    erase(session, office, link.person_id, at=at)
    return LinkState.ERASED


def _tables_by_reference() -> list[PersonalTable]:
    """Return the tables in an order in which rows are deleted before the rows that they refer to."""
    order = {table.name: number for number, table in enumerate(Table.metadata.sorted_tables)}
    return sorted(PERSONAL_TABLES, key=lambda held: -order[held.table])


def _leave_rosters(session: Session, office: Viewer, person_id: int, *, at: datetime) -> None:
    upcoming = session.execute(
        # visibility: the person's own
        select(Enrolment.id, Enrolment.version)
        .join(TrainingSession, TrainingSession.id == Enrolment.session_id)
        .where(
            Enrolment.person_id == person_id,
            Enrolment.state.in_(ACTIVE_STATES),
            TrainingSession.starts_at > at,
        )
        .order_by(Enrolment.session_id)
    ).all()
    for enrolment_id, version in upcoming:
        try:
            enrolment_actions.withdraw(session, office, enrolment_id, version=version, at=at)
        except Conflict:
            continue  # Attendance was marked before the session began, so the enrolment stays.


def _give_back(session: Session, office: Viewer, person_id: int, *, at: datetime) -> None:
    """Revoke the person's roles, and remove them from their devices and planned sessions."""
    held = select(RoleGrant.id).where(RoleGrant.person_id == person_id, RoleGrant.revoked_at.is_(None))
    for grant_id in session.scalars(held.order_by(RoleGrant.id)).all():  # visibility: the person's own
        add_audit_entry(session, office.name, AuditSubject.ROLE, grant_id, "revoked", at=at)
    session.execute(
        update(RoleGrant)
        .where(RoleGrant.person_id == person_id, RoleGrant.revoked_at.is_(None))
        .values(revoked_at=at, revoked_by=office.name)
    )
    # visibility: the person's own
    for device in session.scalars(select(Device).where(Device.keeper_id == person_id)):
        device.keeper_id = None
        record_amendment(session, office, device, at=at)
    # visibility: the person's own
    planned = select(TrainingSession).where(
        TrainingSession.trainer_id == person_id, TrainingSession.state == SessionState.PLANNED
    )
    for training in session.scalars(planned):
        training.trainer_id = None
        record_amendment(session, office, training, at=at)


def _out_of_lists(session: Session, person: Person) -> None:
    """Remove the person from lists; record digests stay, so that a repeated import changes nothing."""
    for each in mentions_in_lists(session, person):
        if isinstance(each.row, SourceRecord):
            each.row.fields = each.without
        else:
            each.row.evidence = each.without


def _forget_sign_ins(session: Session, person: Person) -> None:
    """Delete what is kept by phone number: codes, attempts, and codes sent before the account was opened.

    visibility: the caller may erase the person; only rows with their number are deleted.
    """
    account = people_queries.account_of(session, person.id)
    ring = keyring_of(session.get_bind().dialect)
    for phone in {each for each in (person.phone, account.phone if account else None) if each is not None}:
        keys = account_keys(ring, phone)
        session.execute(delete(SignInCode).where(SignInCode.account_key.in_(keys)))
        tried = update(SecurityEvent).where(SecurityEvent.account_key.in_(keys))
        session.execute(tried.values(account_key=None, address=None))
        counted = or_(*(SignInAttempts.what.endswith(f":{key}") for key in keys))
        session.execute(delete(SignInAttempts).where(counted))
        to_numbers = select(OutboxMessage.id, OutboxMessage.recipient).where(
            OutboxMessage.person_id.is_(None), OutboxMessage.endpoint_id.is_(None)
        )
        ids = [each.id for each in session.execute(to_numbers) if each.recipient == phone]
        session.execute(delete(OutboxMessage).where(OutboxMessage.id.in_(ids)))


def _blank(session: Session, held: PersonalTable, person_ids: Collection[int]) -> None:
    """Blank columns of the rows of these people, and the same columns in the history."""
    table = table_of(held.table)
    keys = list(table.primary_key.columns)
    columns = [table.c[name] for name in held.blank]
    rows = session.execute(
        select(*keys, *columns).where(belongs_to_person(held, person_ids))  # visibility: the person's own
    ).all()
    for row in rows:
        row_id, values = row[0], row[len(keys) :]
        session.execute(
            update(table)
            .where(*(key == value for key, value in zip(keys, row, strict=False)))
            .values(
                {
                    name: _erased_value(becomes, value, row_id)
                    for (name, becomes), value in zip(held.blank.items(), values, strict=True)
                }
            )
        )
        _blank_changes(session, held, row_id)


def _erased_value(becomes: object, value: Any, row_id: int) -> Any:
    if becomes is MASKED:
        return None if value is None else masked_number(str(value), row_id)
    return becomes


def _blank_changes(session: Session, held: PersonalTable, row_id: int) -> None:
    # visibility: the person's own
    kept = select(RegistryChange).where(
        RegistryChange.subject == held.table, RegistryChange.subject_id == str(row_id)
    )
    for change in session.scalars(kept):
        for name in held.blank.keys() & change.fields.keys():
            change.fields[name] = [
                _erased_value(held.blank[name], value, row_id) for value in change.fields[name]
            ]
            flag_modified(change, "fields")
    session.flush()


def _blank_history(session: Session, person_id: int) -> None:
    """Keep who changed which field of the person and when, but delete the values."""
    # visibility: the person's own
    for change in session.scalars(select(PersonChange).where(PersonChange.person_id == person_id)):
        change.fields = {name: [None, None] for name in change.fields}
    session.flush()
