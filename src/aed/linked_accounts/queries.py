"""Read the links of a person, and those of which the other cell has not been notified."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from aed.linked_accounts.models import LinkedAccount

if TYPE_CHECKING:
    from aed.worker.rules import GaugeValue


def links_of(session: Session, person_id: int) -> Sequence[LinkedAccount]:
    """Return the links of a person that have not ended, oldest first.

    visibility: the caller shows them to the person alone.
    """
    return session.scalars(
        select(LinkedAccount)
        .where(LinkedAccount.person_id == person_id, LinkedAccount.ended_at.is_(None))
        .order_by(LinkedAccount.id)
    ).all()


def unconfirmed_invitation(session: Session, person_id: int, *, cell: str) -> LinkedAccount | None:
    """Return the person's invitation to a cell that was never confirmed, also if it has ended.

    visibility: the caller shows it to the person alone.
    """
    return session.scalar(
        select(LinkedAccount)
        .where(
            LinkedAccount.person_id == person_id,
            LinkedAccount.cell == cell,
            LinkedAccount.is_home,
            LinkedAccount.confirmed_at.is_(None),
            LinkedAccount.is_erasure.is_(False),
        )
        .order_by(LinkedAccount.id)
        .limit(1)
    )


def link_with_key(
    session: Session, key: str, *, cell: str, is_home: bool | None = None
) -> LinkedAccount | None:
    """Return the link with this key to a cell, locked. A key is that of one cell alone.

    visibility: for a cell or a person who knows the key.
    """
    asked = select(LinkedAccount).where(LinkedAccount.key == key, LinkedAccount.cell == cell)
    if is_home is not None:
        asked = asked.where(LinkedAccount.is_home.is_(is_home))
    return session.scalar(asked.with_for_update())


def waiting_erasure_gauges(session: Session, *, at: datetime) -> list[GaugeValue]:
    """Return for each cell the age of the oldest erasure that it has not confirmed; nothing if it has all.

    visibility: for the operator; codes of cells and times.
    """
    from aed.worker.rules import GaugeValue  # imported here so that commands do not load the scheduler

    oldest = session.execute(
        select(LinkedAccount.cell, func.min(LinkedAccount.ended_at))
        .where(LinkedAccount.is_erasure, LinkedAccount.settled_at.is_(None))
        .group_by(LinkedAccount.cell)
    )
    return [
        GaugeValue(
            "aed_linked_account_erasure_waiting_seconds",
            "Age of the oldest erasure of a person that the other cell has not confirmed",
            {"cell": cell},
            (at - since).total_seconds(),
        )
        for cell, since in oldest
        if since is not None
    ]


def pending_links(session: Session, *, per_cell: int) -> Sequence[LinkedAccount]:
    """Return the links of which the other cells have not been notified, up to `per_cell` for each of them.

    Those that were never tried come first, then those whose last try is longest ago: neither a cell that is
    down nor a link that is refused keeps others waiting.

    visibility: for a job; only the key crosses.
    """
    is_new = and_(
        LinkedAccount.is_home.is_(False),
        LinkedAccount.confirmed_at.is_(None),
        LinkedAccount.ended_at.is_(None),
    )
    is_over = and_(LinkedAccount.ended_at.is_not(None), LinkedAccount.settled_at.is_(None))
    in_turn = (LinkedAccount.tried_at.asc().nulls_first(), LinkedAccount.id)
    place = func.row_number().over(partition_by=LinkedAccount.cell, order_by=in_turn).label("place")
    pending = select(LinkedAccount.id, place).where(or_(is_new, is_over)).subquery()
    return session.scalars(
        select(LinkedAccount)
        .join(pending, pending.c.id == LinkedAccount.id)
        .where(pending.c.place <= per_cell)
        .order_by(LinkedAccount.cell, pending.c.place)
    ).all()
