"""Add and amend people, open their accounts, and find the people that a list names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import batched
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from aed.accounts.audit_log import AuditSubject, add_audit_entry
from aed.accounts.masking import mask_email, mask_phone
from aed.accounts.people import queries as people_queries
from aed.accounts.people.models import Account, Identity, Person, PersonChange
from aed.accounts.people.rules import Language, e164, plain_email
from aed.accounts.people.schemas import PersonAmend, PersonIn
from aed.accounts.permissions import TokenScope, Viewer, require_administrator
from aed.accounts.regions.queries import region_by_code
from aed.accounts.role_grants import role_assignments_of
from aed.accounts.roles.actions import grant_role, require_can_grant
from aed.accounts.roles.schemas import RoleIn
from aed.accounts.sessions import end_sessions
from aed.database.bulk import insert_many
from aed.database.encryption.columns import blind_index, keyring_of
from aed.database.encryption.keyring import EncryptedKind, normalized
from aed.database.locks import exclusive_lock
from aed.errors import ChangedMeanwhile, Conflict, InvalidInput, NotAllowed, NotSignedIn


def add_person(session: Session, who: Viewer, new: PersonIn, *, country: str, at: datetime) -> Person:
    """Add a person with an account and, if given, a role.

    `country`: the country of a number without a country code, if no region is given. Raises Conflict for a
    number that is taken, NotAllowed if the viewer may not grant the role.
    """
    if new.role is not None:
        require_can_grant(session, who, new.role)
    else:
        require_administrator(who)
    phone = _e164(session, new.phone, region=new.region, country=country)
    person = Person(name=new.name, phone=phone, language=new.language.value, channel=new.channel)
    session.add(person)
    session.flush()
    account = _open_account(session, person, phone, at=at)
    fields: dict[str, Any] = {
        "name": [None, new.name],
        "phone": [None, mask_phone(phone)],
        "language": [None, new.language.value],
        "channel": [None, new.channel.value],
    }
    if new.email is not None:
        require_administrator(who)
        _set_email(session, account, new.email, fields)
    _save_amendment(session, who, person, fields, at=at)
    session.flush()
    if new.role is not None:
        grant_role(session, who, person.id, new.role, at=at)
    return person


def grant_role_to_known(
    session: Session, who: Viewer, person: Person, phone: str, role: RoleIn, *, at: datetime
) -> None:
    """Grant a role to a registered person with that E.164 number; open their account if they have none.

    A list may have assigned roles to a name with a number that was never verified; an account would give
    these roles to the holder of the number. Raises Conflict for such a person, and for one who holds the
    role already; NotAllowed if the viewer may not grant the role.
    """
    require_can_grant(session, who, role)
    if people_queries.account_of(session, person.id) is None:
        if role_assignments_of(session, person.id):
            raise Conflict(
                "This person holds roles already but has no account. Ask an administrator to open it.",
                field="phone",
            )
        _open_account(session, person, phone, at=at)
        _save_amendment(session, who, person, {"account": [None, mask_phone(phone)]}, at=at)
    grant_role(session, who, person.id, role, at=at)


def amend_person(
    session: Session,
    who: Viewer,
    person_id: int,
    change: PersonAmend,
    *,
    version: int,
    country: str,
    at: datetime,
) -> tuple[Person, Account | None]:
    """Amend a person with the given fields; a phone number opens an account if there is none.

    Everyone may change their own name, language and channel. Only a network administrator may change the
    phone number and the e-mail address, since they are used to sign in. Such a change ends all sessions.
    """
    if not who.is_signed_in:
        raise NotSignedIn(
            "Changing a person requires a token or a session. Send Authorization: Bearer …, or sign in."
        )
    person, account = people_queries.person(session, who, person_id)
    is_office = who.is_administrator and TokenScope.WRITE in who.scopes
    if not is_office and (who.person_id != person_id or {"phone", "email"} & change.model_fields_set):
        raise NotAllowed(
            "Only a network administrator may change this. People may change their own name, "
            "language and channel."
        )
    if person.erased_at is not None:
        raise Conflict("The data of this person was erased. Add the person again.", field="person_id")
    if person.version != version:
        raise ChangedMeanwhile(
            "The person has changed and is now at version {version}. Read it again, and "
            "send its ETag in If-Match.",
            version=person.version,
        )
    fields: dict[str, Any] = {}
    for name in ("name", "language", "channel"):
        if name not in change.model_fields_set:
            continue
        now = getattr(change, name)
        if now is None:
            raise InvalidInput("{name} cannot be null.", field=name, name=name)
        before = getattr(person, name)
        if before != now:
            fields[name] = [before, str(now)]
            setattr(person, name, now if name == "channel" else str(now))
    if "phone" in change.model_fields_set:
        if change.phone is None:
            raise InvalidInput("phone cannot be null.", field="phone")
        phone = _e164(session, change.phone, region=change.region, country=country)
        if account is None or account.phone != phone or person.phone != phone:
            fields["phone"] = [mask_phone(person.phone) if person.phone else None, mask_phone(phone)]
            person.phone = phone
            if account is None:
                account = _open_account(session, person, phone, at=at)
            else:
                if account.phone != phone:
                    _require_free_number(session, phone)
                account.phone = phone
                _flush(session)
                end_sessions(session, person_id, at=at)
    if "email" in change.model_fields_set:
        if account is None:
            raise Conflict("The person has no account yet. Give a phone number too.", field="email")
        if _set_email(session, account, change.email, fields):
            person.version = person.version + 1  # the ETag also covers the account
            end_sessions(session, person_id, at=at)
    if fields:
        _save_amendment(session, who, person, fields, at=at)
    _flush(session)
    return person, account


def _set_email(session: Session, account: Account, written: str | None, fields: dict[str, Any]) -> bool:
    """Set the e-mail address; return True if it changed. Raises Conflict if it is taken."""
    email = plain_email(written) if written is not None else None
    if email == account.email:
        return False
    taken = people_queries.account_by_email(session, email) if email is not None else None
    if taken is not None:
        raise Conflict("Another person already has this e-mail address.", field="email")
    fields["email"] = [mask_email(account.email), mask_email(email)]
    account.email = email
    return True


@dataclass(frozen=True, slots=True)
class OpenedAccounts:
    """How many accounts were opened, and why others were not."""

    opened: int
    shared: int
    """Numbers of several people, or of an existing account: these must be assigned by hand."""
    unusable: int
    """No valid phone number."""


def open_accounts(session: Session, who: Viewer, *, country: str, at: datetime) -> OpenedAccounts:
    """Open accounts for all imported people with a valid phone number that no one else has.

    visibility: for a network administrator.
    """
    require_administrator(who)
    _one_at_a_time(session)
    taken = set(session.scalars(select(Account.phone)))
    without = select(Person.id, Person.phone).outerjoin(Account, Account.person_id == Person.id)
    people_of: dict[str, list[int]] = {}
    unusable = 0
    for person_id, written in session.execute(without.where(Account.person_id.is_(None))).yield_per(10_000):
        try:
            people_of.setdefault(e164(written or "", country=country), []).append(person_id)
        except InvalidInput:
            unusable += 1
    owner_by_phone = {
        phone: ids[0] for phone, ids in people_of.items() if len(ids) == 1 and phone not in taken
    }
    for batch in batched(owner_by_phone.items(), 10_000):
        insert_many(
            session,
            Account,
            [{"person_id": person_id, "phone": phone, "opened_at": at} for phone, person_id in batch],
        )
        insert_many(
            session,
            PersonChange,
            [
                {
                    "person_id": id_,
                    "at": at,
                    "who": who.name,
                    "fields": {"account": [None, mask_phone(phone)]},
                }
                for phone, id_ in batch
            ],
        )
    if owner_by_phone:
        add_audit_entry(
            session,
            who.name,
            AuditSubject.PERSON,
            "many",
            "accounts opened",
            at=at,
            count=len(owner_by_phone),
        )
    counted = sum(len(ids) for ids in people_of.values())
    return OpenedAccounts(opened=len(owner_by_phone), shared=counted - len(owner_by_phone), unusable=unusable)


def open_proved_account(session: Session, person: Person, phone: str, *, at: datetime) -> Account:
    """Open the account of a person who has just proved the E.164 number by a code.

    Raises Conflict if the number or the person has an account.
    """
    account = _open_account(session, person, phone, at=at)
    fields = {"account": [None, mask_phone(phone)]}
    _save_amendment(session, Viewer(name=f"person:{person.id}", person_id=person.id), person, fields, at=at)
    session.flush()
    return account


def sign_up(
    session: Session, *, phone: str, name: str, language: Language, country: str, at: datetime
) -> tuple[Account, Person]:
    """Open an account for an E.164 number that its holder has proved by a code.

    1. If a list brought one person with this number, the account is theirs: the number, not the name, is what
       was proved. Of several people who share it, the one of that name. People with a role are left out: a
       code must not give the roles that were granted to a name.
    2. Otherwise add a person of that name.

    `country`: the country of numbers in lists without a country code.
    """
    _one_at_a_time(session)
    known = [
        each
        for each in people_queries.people_by_phone(session, phone, country=country)
        if people_queries.account_of(session, each.id) is None and not role_assignments_of(session, each.id)
    ]
    if len(known) > 1:
        known = [each for each in known if each.name.casefold() == name.casefold()]
    if len(known) == 1:
        person = known[0]
        person.phone = phone
    else:
        person = Person(name=name, phone=phone, language=language.value)
        session.add(person)
    session.flush()
    return open_proved_account(session, person, phone, at=at), person


def link_identity(
    session: Session,
    person: Person,
    *,
    provider: str,
    subject: str,
    claim: str,
    at: datetime,
    fields: Mapping[str, Any] | None = None,
) -> None:
    """Link a person to their identity at a provider, by which they sign in from then on.

    `claim`: what proved that it is the same person. `fields`: what else changes with it.
    """
    session.add(
        Identity(provider=provider, subject=subject, person_id=person.id, linked_at=at, linked_by=claim)
    )
    changed = {**(fields or {}), "identity": [None, provider]}
    by = f"provider:{claim}"
    session.add(PersonChange(person_id=person.id, at=at, who=by, fields=changed))
    add_audit_entry(
        session, by, AuditSubject.PERSON, person.id, "identity linked", at=at, fields=sorted(changed)
    )
    session.flush()


def _open_account(session: Session, person: Person, phone: str, *, at: datetime) -> Account:
    _require_free_number(session, phone)
    account = Account(person_id=person.id, phone=phone, opened_at=at)
    session.add(account)
    _flush(session)
    return account


def _require_free_number(session: Session, phone: str) -> None:
    """Require that no account has the number. Raises Conflict.

    During a key rotation, the unique index alone would miss a number encrypted with another key.
    """
    _one_at_a_time(session)
    if people_queries.account_by_phone(session, phone) is not None:
        raise Conflict("Another person already signs in with this phone number.", field="phone")


def _one_at_a_time(session: Session) -> None:
    exclusive_lock(session, "opening of accounts")


def _flush(session: Session) -> None:
    try:
        session.flush()
    except StaleDataError:
        raise ChangedMeanwhile("The person is being changed by someone else. Read it again.") from None
    except IntegrityError:
        raise Conflict("Another person already signs in with this phone number.", field="phone") from None


def _e164(session: Session, written: str, *, region: str | None, country: str) -> str:
    at_home = region_by_code(session, region).country if region is not None else country
    return e164(written, country=at_home)


def _save_amendment(
    session: Session, who: Viewer, person: Person, fields: Mapping[str, Any], *, at: datetime
) -> None:
    session.add(PersonChange(person_id=person.id, at=at, who=who.name, fields=dict(fields)))
    add_audit_entry(
        session, who.name, AuditSubject.PERSON, person.id, "amended", at=at, fields=sorted(fields)
    )


def find_or_add_people(
    session: Session, wanted: Iterable[tuple[str, str | None]]
) -> dict[tuple[str, str | None], Person]:
    """Find people by (name, phone) and add the unknown ones, in few statements.

    visibility: a caller who gives a name and a phone number knows both already.
    """
    missing = dict.fromkeys(wanted)
    if not missing:
        return {}
    found: dict[tuple[str, str | None], Person] = {}
    ring = keyring_of(session.get_bind().dialect)
    phones = {phone for _, phone in missing if phone is not None}
    sealed = sorted(
        each for phone in phones for each in ring.blind_index_prefixes(phone, kind=EncryptedKind.PHONE)
    )
    for condition in (
        blind_index(Person.phone).in_(sealed),
        Person.phone.is_(None) & Person.name.in_(sorted({name for name, phone in missing if phone is None})),
    ):
        known_people = select(Person).where(condition, Person.erased_at.is_(None)).order_by(Person.id)
        for known in session.scalars(known_people).all():
            if _as_known(known.name, known.phone) not in found:
                found[_as_known(known.name, known.phone)] = _merged_person(session, known)
    made: dict[tuple[str, str | None], Person] = {}
    for name, phone in missing:
        if _as_known(name, phone) not in found:
            made.setdefault(_as_known(name, phone), Person(name=name, phone=phone, language="zh"))
    session.add_all(made.values())
    session.flush()
    found |= made
    return {(name, phone): found[_as_known(name, phone)] for name, phone in missing}


def _as_known(name: str, phone: str | None) -> tuple[str, str | None]:
    """Return the key by which people are compared: the name, and the number in canonical form."""
    return name, normalized(phone, EncryptedKind.PHONE) if phone is not None else None


def find_or_add_person(session: Session, *, name: str, phone: str | None, language: str = "zh") -> Person:
    """Find a person by name and phone, or add them.

    visibility: a caller who gives a name and a phone number knows both already.
    """
    known = select(Person).where(Person.name == name, Person.erased_at.is_(None))
    known = known.where(Person.phone == phone) if phone is not None else known.where(Person.phone.is_(None))
    found = session.scalars(known.limit(1)).first()
    if found is None:
        found = Person(name=name, phone=phone, language=language)
        session.add(found)
        session.flush()
    return _merged_person(session, found)


def _merged_person(session: Session, person: Person) -> Person:
    """Return the person, or the person that this entry was merged into.

    visibility: a caller who gives a name and a phone number knows both already.
    """
    return person if person.joined_into_id is None else session.get_one(Person, person.joined_into_id)
