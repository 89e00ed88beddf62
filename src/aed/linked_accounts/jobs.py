"""Notify other cells of links that were confirmed, ended or erased here, until they have confirmed it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog
from pydantic import ValidationError

from aed.cells.neighbours import AnswerRefused, NoAnswer, post
from aed.cells.table import CellTable
from aed.database.session import Database, read_session, transaction
from aed.linked_accounts.models import LinkedAccount
from aed.linked_accounts.queries import pending_links
from aed.linked_accounts.schemas import (
    ERASURES_PATH,
    LINKS_PATH,
    ErasureIn,
    LinkMessage,
    LinkMessageIn,
    LinkState,
    LinkStateOut,
)

log = structlog.get_logger("aed")
LINKS_PER_CELL: Final = 100
"""Sent to one cell in one run."""
REQUEST_SECONDS: Final = 10.0
"""Longer than a lookup waits for a neighbour: an erasure is more work, and nobody waits for it."""


def notify_other_cells(
    database: Database, now: Callable[[], datetime], *, table: CellTable, seconds: float = REQUEST_SECONDS
) -> tuple[int, int]:
    """Notify the other cells; return how many links they confirmed, and how many the next run has to send.

    Each request has a deadline of `seconds` and is outside of transactions. A cell that does not answer is
    not asked again in the same run. If it refuses one link, it is still notified of the others.
    """
    with read_session(database) as session:
        links = pending_links(session, per_cell=LINKS_PER_CELL)
        session.expunge_all()
    unreachable, settled = set[str](), 0
    for link in links:
        if link.cell in unreachable:
            continue
        state, reason = None, ""
        try:
            state = _notify(table, link, seconds=seconds)
        except AnswerRefused as error:
            reason = str(error)
            if isinstance(error, NoAnswer):
                unreachable.add(link.cell)
            log.warning(
                "linked account not settled",
                cell=link.cell,
                link=link.id,
                erasure=link.is_erasure,
                since=link.ended_at or link.created_at,
                reason=reason,
            )
        with transaction(database) as session:
            # visibility: for a job
            found = session.get_one(LinkedAccount, link.id, with_for_update=True)
            if state is None:
                found.tried_at, found.failure = now(), reason[:200]
            else:
                _record(found, state, was_new=link.ended_at is None, at=now())
                settled += 1
    return settled, len(links) - settled


def _notify(table: CellTable, link: LinkedAccount, *, seconds: float) -> LinkState:
    """Send one message and return the state there. Raises AnswerRefused."""
    cell = table.other(link.cell)
    if cell is None:
        raise NoAnswer("the table of cells has no such cell")
    if link.is_erasure:
        path, body = ERASURES_PATH, ErasureIn(key=link.key).model_dump_json()
    else:
        message = LinkMessage.CONFIRMED if link.ended_at is None else LinkMessage.ENDED
        path, body = LINKS_PATH, LinkMessageIn(key=link.key, message=message).model_dump_json()
    content = post(table, cell, path, body.encode(), seconds=seconds)
    try:
        state = LinkStateOut.model_validate_json(content).state
    except ValidationError:
        raise AnswerRefused("the answer is not as agreed") from None
    if link.is_erasure and state is LinkState.LINKED:
        raise AnswerRefused("the other cell erases a person when the link is a day old")
    if link.is_erasure and state is not LinkState.ERASED:
        raise AnswerRefused("the other cell has not erased the person")
    return state


def _record(link: LinkedAccount, state: LinkState, *, was_new: bool, at: datetime) -> None:
    link.failure = None
    if not was_new:
        link.settled_at = link.settled_at or at
    elif state is LinkState.LINKED:
        link.confirmed_at = link.confirmed_at or at
    elif link.ended_at is None:
        link.ended_at = link.settled_at = at
