"""Link accounts of one person in two cells, and end the link."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.audit_log import AuditSubject, add_audit_entry
from aed.accounts.people.models import Person
from aed.accounts.permissions import Viewer
from aed.cells.rules import Cell
from aed.cells.table import CellTable
from aed.database.locks import exclusive_lock
from aed.errors import Conflict, InvalidInput, NotFound, NotSignedIn
from aed.linked_accounts.models import LinkedAccount
from aed.linked_accounts.queries import link_with_key, links_of, unconfirmed_invitation
from aed.linked_accounts.schemas import Invitation, LinkMessage, LinkState
from aed.notifications.outbox import Notice, notify_person

INVITATION_LASTS: Final = timedelta(minutes=30)
MIN_AGE_OF_ERASED_LINK: Final = timedelta(days=1)
"""How old a link is before the home cell may erase this account: until then the person can end the link.

Otherwise a link that someone has talked the person into confirming would cost them the account at once.
"""


def invite(session: Session, who: Viewer, *, table: CellTable, to: str, at: datetime) -> LinkedAccount:
    """Prepare a link from this home account to the person's account in the cell `to`.

    A new invitation to the same cell replaces an earlier one that was not confirmed, in the same row: a
    person cannot fill the table with invitations. Raises NotSignedIn, InvalidInput for a cell that is not
    in the table, and Conflict if they are linked already or if this account is a reference itself.
    """
    person_id = _lock_person(session, who)
    if table.other(to) is None:
        raise InvalidInput("Choose one of the provinces of the list.", field="cell")
    for each in links_of(session, person_id):
        if not each.is_home:
            raise Conflict(
                "Your home account is in another province. Link further provinces from your page there."
            )
        if each.cell == to and each.confirmed_at is not None:
            raise Conflict("Your account in this province is linked already.")
    made = unconfirmed_invitation(session, person_id, cell=to)
    if made is None:
        made = LinkedAccount(person_id=person_id, cell=to, is_home=True, is_erasure=False)
        session.add(made)
    made.key = secrets.token_hex(12)
    made.created_at, made.expires_at = at, at + INVITATION_LASTS
    made.ended_at = made.settled_at = None
    session.flush()
    return made


def accept(
    session: Session, who: Viewer, home: Cell, invitation: Invitation, *, at: datetime
) -> LinkedAccount:
    """Make this account a reference to the person's home account, and send the person a message.

    The same person may repeat it.

    Invitations that the person has made here, and that were not confirmed, end. Raises NotSignedIn, and
    Conflict if the invitation was used by someone else, if the link has ended, or if this account has a
    home already, or is the home of another account.
    """
    person_id = _lock_person(session, who)
    exclusive_lock(session, f"account link {home.code} {invitation.key}")
    used = link_with_key(session, invitation.key, cell=home.code)
    if used is not None:
        if used.person_id == person_id and used.ended_at is None and not used.is_home:
            return used
        raise Conflict("This link was used already. Make a new one on your page in your home province.")
    links = links_of(session, person_id)
    if any(not each.is_home for each in links):
        raise Conflict("This account is linked to a home province already. End that link first.")
    if any(each.confirmed_at is not None for each in links):
        raise Conflict(
            "Other accounts are linked to this one, so it cannot have a home in another province. "
            "End these links first."
        )
    for each in links:
        _end(each, is_erasure=False, at=at)
    made = LinkedAccount(
        person_id=person_id,
        cell=home.code,
        key=invitation.key,
        is_home=False,
        created_at=at,
        is_erasure=False,
    )
    session.add(made)
    _log(session, who, person_id, "linked to home cell", cell=home.code, at=at)
    session.flush()
    notice = Notice(
        text_en=(
            f"Your AED account was linked to one in {home.name_en}, and will be erased with it. "
            "Not you? End the link on My page within 24 hours."
        ),
        text_zh=(
            f"您的AED账号已关联到{home.name_zh}的主账号，主账号注销后，本账号也将注销。"
            "如非本人操作，请24小时内在“我的”页面解除关联。"
        ),
    )
    notify_person(session, person_id, notice, at)
    return made


def end(session: Session, who: Viewer, linked_account_id: int, *, at: datetime) -> None:
    """End a link of the person's own; the other cell is notified after commit, until it confirms.

    Repeating it changes nothing. Raises NotSignedIn, NotFound.
    """
    person_id = _lock_person(session, who)
    # visibility: the person's own
    found = session.scalar(
        select(LinkedAccount).where(
            LinkedAccount.id == linked_account_id, LinkedAccount.person_id == person_id
        )
    )
    if found is None:
        raise NotFound("You have no such link.", field="linked_account_id")
    if found.ended_at is None:
        _end(found, is_erasure=False, at=at)
        _log(session, who, person_id, "link to cell ended", cell=found.cell, at=at)
    session.flush()


def end_links_of_erased(session: Session, person_ids: Collection[int], *, at: datetime) -> None:
    """End the links of a person whose data is erased here.

    Cells with a reference to this home account erase the person too. From a reference, only the link ends.

    visibility: the caller may erase the person.
    """
    found = session.scalars(
        select(LinkedAccount)
        .where(LinkedAccount.person_id.in_(person_ids), LinkedAccount.ended_at.is_(None))
        .order_by(LinkedAccount.id)
    ).all()
    for each in found:
        _end(each, is_erasure=each.is_home, at=at)
    session.flush()


def end_links_of_merged(session: Session, who: Viewer, *, kept_id: int, other_id: int, at: datetime) -> None:
    """End the links of two entries of one person that contradict each other, before they are merged.

    An account has at most one home, and one that is a home has none. The links of the kept entry stay; a
    link of the other one that contradicts them ends, and so do invitations that nobody has confirmed.

    visibility: for those responsible for both people.
    """
    found = session.scalars(
        select(LinkedAccount)
        .where(LinkedAccount.person_id.in_([kept_id, other_id]), LinkedAccount.ended_at.is_(None))
        .order_by(LinkedAccount.id)
        .with_for_update()
    ).all()
    links = [each for each in found if not each.is_home or each.confirmed_at is not None]
    kept = [each for each in links if each.person_id == kept_id]
    moved = [each for each in links if each.person_id == other_id]
    if any(not each.is_home for each in kept):
        moved = []
    elif kept:
        moved = [each for each in moved if each.is_home]
    for each in found:
        if each not in kept and each not in moved:
            _end(each, is_erasure=False, at=at)
            _log(session, who, each.person_id, "link to cell ended", cell=each.cell, at=at)
    session.flush()


def receive(session: Session, cell: Cell, key: str, message: LinkMessage, *, at: datetime) -> LinkState:
    """Apply the message of another cell about a link; return the link's state here.

    A repeated message changes nothing. A key that is not known is that of a link that has ended.

    visibility: the other cell knows the key.
    """
    link = link_with_key(session, key, cell=cell.code)
    if link is None or link.ended_at is not None:
        if link is not None and message is LinkMessage.ENDED and not link.is_erasure:
            link.settled_at = link.settled_at or at
        return LinkState.ENDED
    if message is LinkMessage.ENDED:
        link.ended_at = link.settled_at = at
        session.flush()
        return LinkState.ENDED
    if not link.is_home:
        return LinkState.ENDED
    link.confirmed_at = link.confirmed_at or at
    session.flush()
    return LinkState.LINKED


def _end(link: LinkedAccount, *, is_erasure: bool, at: datetime) -> None:
    link.ended_at, link.failure = at, None
    link.is_erasure = is_erasure
    if link.is_home and link.confirmed_at is None and not is_erasure:
        link.settled_at = at  # the other cell learns it when it asks for a confirmation, if ever


def _log(session: Session, who: Viewer, person_id: int, action: str, *, cell: str, at: datetime) -> None:
    add_audit_entry(session, who.name, AuditSubject.PERSON, person_id, action, at=at, cell=cell)


def _lock_person(session: Session, who: Viewer) -> int:
    """Lock the viewer's person, so that links of one person are made one after the other.

    visibility: the person's own.
    """
    if who.person_id is None:
        raise NotSignedIn("Only the person may link their accounts. Sign in.")
    session.scalar(select(Person.id).where(Person.id == who.person_id).with_for_update())
    return who.person_id
