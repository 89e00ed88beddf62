"""Declare relatives, and share points in a family account."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.errors import Conflict, InvalidInput, NotAllowed, NotFound
from aed.notifications.short_links import KEY_IN_PATH, short_link
from aed.timebank.families.queries import are_relatives, family_account_id, members_of
from aed.timebank.ledger.actions import merged_person
from aed.timebank.ledger.posting import (
    Posting,
    PostingContext,
    lock_ledger,
    open_account,
    own_points_account,
    post_once,
    require_balance,
)
from aed.timebank.models import FamilyMember, LedgerAccount, LedgerEntry, NamedHeir, Relative
from aed.timebank.permissions import require_person
from aed.timebank.regional_rules.queries import rules_at
from aed.timebank.rules import AccountKind, Currency, LedgerKind, Relation

INVITATION_DAYS: Final = 7


def declare_relative(
    session: Session, viewer: Viewer, *, relative_id: int, relation: Relation, at: datetime
) -> Relative:
    """Declare a relative, who then confirms it. Declaring again returns the first declaration.

    Raises NotSignedIn, NotAllowed; NotFound for an unknown person; InvalidInput for oneself.

    visibility: one's own declarations.
    """
    person_id = require_person(viewer)
    lock_ledger(session)
    relative_id = merged_person(session, relative_id)
    if relative_id == person_id:
        raise InvalidInput("Name another person as your relative.", field="relative_id")
    found = session.scalar(
        select(Relative).where(
            Relative.person_id == person_id, Relative.relative_id == relative_id, Relative.ended_at.is_(None)
        )
    )
    if found is None:
        found = Relative(person_id=person_id, relative_id=relative_id, relation=relation, declared_at=at)
        session.add(found)
        session.flush()
    return found


def confirm_relative(session: Session, viewer: Viewer, declaration_id: int, *, at: datetime) -> Relative:
    """Confirm that one is the relative whom another person declared. Raises NotSignedIn, NotFound."""
    found = _declaration(session, viewer, declaration_id)
    if found.relative_id != viewer.person_id:
        raise NotAllowed("The person who was declared as a relative confirms it.")
    found.confirmed_at = found.confirmed_at or at
    session.flush()
    return found


def end_relative(session: Session, viewer: Viewer, declaration_id: int, *, at: datetime) -> None:
    """End a declaration, as either of the two; neither is the other's heir any more.

    Raises NotSignedIn, NotFound.
    """
    found = _declaration(session, viewer, declaration_id)
    found.ended_at = at
    pair = (found.person_id, found.relative_id)
    session.execute(delete(NamedHeir).where(NamedHeir.person_id.in_(pair), NamedHeir.heir_id.in_(pair)))
    session.flush()


def name_heir(session: Session, viewer: Viewer, *, heir_id: int | None, at: datetime) -> None:
    """Name a confirmed relative as the heir of one's points, instead of an earlier one; None: nobody.

    Raises NotSignedIn; NotAllowed for anyone else.
    """
    person_id = require_person(viewer)
    lock_ledger(session)
    if heir_id is not None:
        heir_id = merged_person(session, heir_id)
        if not are_relatives(session, person_id, heir_id, confirmed_only=True):
            raise NotAllowed("Only a spouse, parent or child who has confirmed it can be named as heir.")
    session.execute(delete(NamedHeir).where(NamedHeir.person_id == person_id))
    if heir_id is not None:
        session.add(NamedHeir(person_id=person_id, heir_id=heir_id, named_at=at))
    session.flush()


def _declaration(session: Session, viewer: Viewer, declaration_id: int) -> Relative:
    """visibility: one's own declarations."""
    person_id = require_person(viewer)
    found = session.scalar(
        select(Relative)
        .where(
            Relative.id == declaration_id,
            Relative.ended_at.is_(None),
            or_(Relative.person_id == person_id, Relative.relative_id == person_id),
        )
        .with_for_update()
    )
    if found is None:
        raise NotFound("There is no declaration {id} of yours.", field="declaration_id", id=declaration_id)
    return found


def open_family(session: Session, viewer: Viewer, *, name: str, at: datetime) -> LedgerAccount:
    """Open a family account with oneself as the first member. Raises Conflict if one is in a family."""
    person_id = require_person(viewer)
    lock_ledger(session)
    own = own_points_account(session, person_id)
    if family_account_id(session, person_id) is not None:
        raise Conflict("You are a member of a family account already. Leave it first.")
    account = open_account(
        session, AccountKind.FAMILY, region_id=own.region_id, estate_id=own.estate_id, name=name, at=at
    )
    session.add(FamilyMember(account_id=account.id, person_id=person_id, joined_at=at))
    session.flush()
    return account


def invitation_path(kind: str, inviter_id: int, link_key: str) -> str:
    """Return the path of the page on which a person accepts an invitation (see `aed.web.time_bank`)."""
    return f"/time-bank/invitations/{kind}/{inviter_id}/{link_key}"


def invite_to_family(session: Session, viewer: Viewer, *, person_id: int, at: datetime) -> str:
    """Invite a confirmed relative to one's family account; return the path of a link that they open.

    Raises NotSignedIn, NotFound; Conflict if they are a member of a family, NotAllowed if they are no
    confirmed relative.
    """
    account_id = require_family(session, viewer)
    _require_can_join(session, account_id, merged_person(session, person_id))
    path = invitation_path("family", require_person(viewer), KEY_IN_PATH)
    return short_link(session, path, at + timedelta(days=INVITATION_DAYS))


def add_family_member(session: Session, viewer: Viewer, *, person_id: int, at: datetime) -> Sequence[int]:
    """Add a confirmed relative, who has accepted the invitation, to one's family account.

    Returns the members; adding again changes nothing. Raises Conflict if they are a member of another family,
    NotAllowed if they are no confirmed relative.
    """
    account_id = require_family(session, viewer)
    lock_ledger(session)
    person_id = merged_person(session, person_id)
    if family_account_id(session, person_id) == account_id:
        return members_of(session, account_id)
    _require_can_join(session, account_id, person_id)
    session.add(FamilyMember(account_id=account_id, person_id=person_id, joined_at=at))
    session.flush()
    return members_of(session, account_id)


def _require_can_join(session: Session, account_id: int, person_id: int) -> None:
    """Require a confirmed relative of a member who is in no family account. Raises Conflict, NotAllowed."""
    if family_account_id(session, person_id) is not None:
        raise Conflict("This person is a member of a family account already.", field="person_id")
    if not any(
        are_relatives(session, member, person_id, confirmed_only=True)
        for member in members_of(session, account_id)
    ):
        raise NotAllowed("Only relatives who confirmed it can join a family account.")


def leave_family(session: Session, viewer: Viewer, *, at: datetime) -> None:
    """Leave one's family account, to which the points then belong without oneself.

    The last member cannot leave while there are points on it. Raises NotSignedIn, NotFound, Conflict.
    """
    account_id = require_family(session, viewer)
    lock_ledger(session)
    balance = session.execute(
        select(LedgerAccount.balance).where(LedgerAccount.id == account_id)  # visibility: the own family's
    ).scalar_one()
    if balance != 0 and len(members_of(session, account_id)) == 1:
        raise Conflict("Spend or donate the points of the family account before its last member leaves it.")
    session.execute(
        update(FamilyMember)
        .where(FamilyMember.person_id == viewer.person_id, FamilyMember.left_at.is_(None))
        .values(left_at=at)
        .execution_options(synchronize_session=False)
    )


def pay_into_family(session: Session, viewer: Viewer, *, units: int, key: str, at: datetime) -> LedgerEntry:
    """Move own points into one's family account, once for each `key`."""
    account_id = require_family(session, viewer)
    lock_ledger(session)
    own = own_points_account(session, require_person(viewer))
    record = f"family:{own.id}:{key}"
    context = PostingContext(at, viewer.name, rules_at(session, own.region_id, at).version)
    posting = Posting(LedgerKind.TRANSFER, Currency.POINTS, own.id, account_id, units, record)
    entry, _ = post_once(session, context, posting, check=lambda: require_balance(session, own.id, units))
    return entry


def require_family(session: Session, viewer: Viewer) -> int:
    """Return the family account of the person who asks. Raises NotSignedIn, NotAllowed, NotFound."""
    account_id = family_account_id(session, require_person(viewer))
    if account_id is None:
        raise NotFound("You are not a member of a family account.")
    return account_id
