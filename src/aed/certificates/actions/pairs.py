"""Finding people who may be one, and doing what a person decided about two of them."""

from __future__ import annotations

from datetime import datetime
from itertools import batched, chain

from sqlalchemy import delete, or_
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.certificates.actions.joining import join_people
from aed.certificates.models import PersonPair
from aed.certificates.queries import pairs as queries
from aed.certificates.rules.likeness import LIKELY, PairDecision, likeness
from aed.database.bulk import insert_many
from aed.errors import Conflict, InvalidInput, NotSignedIn

SCORED_AT_ONCE = 500


def find_pairs(session: Session, *, at: datetime) -> int:
    """Likely pairs that nobody has been asked about wait for a person from now on; how many they are.

    1. Candidates: two people who share a number, a certificate, an estate and a name, or a name and the end
       of an identity number.
    2. The likely ones among them, by `rules.likeness`. A pair that was decided is never asked about again.

    visibility: for the timetable, and the network's administrator.
    """
    known = queries.known_pairs(session)
    candidates = (
        set(
            chain(
                queries.by_phone(session),
                queries.by_certificate(session),
                queries.by_name_at_home(session),
                queries.by_holder_id(session),
            )
        )
        - known
    )
    found = 0
    for batch in batched(sorted(candidates), SCORED_AT_ONCE):
        told = queries.told_of_people(session, {each for pair in batch for each in pair})
        rows = []
        for first_id, second_id in batch:
            alike = likeness(told[first_id], told[second_id])
            if alike.score >= LIKELY:
                rows.append(
                    {
                        "first_id": first_id,
                        "second_id": second_id,
                        "score": alike.score,
                        "reasons": list(alike.reasons),
                        "found_at": at,
                    }
                )
        insert_many(session, PersonPair, rows)
        found += len(rows)
    return found


def decide_pair(
    session: Session,
    who: Viewer,
    pair_id: int,
    decision: PairDecision,
    *,
    keep_id: int | None = None,
    at: datetime,
) -> PersonPair:
    """The two are one person, for whom `keep_id` (else the older entry) stands; or they are two, and nobody
    is asked about it again. Deciding the same twice changes nothing.

    Raises NotSignedIn, NotFound, InvalidInput for somebody who is neither, Conflict for a pair that was
    decided otherwise or whose people are no longer two.
    """
    if not who.is_signed_in:
        raise NotSignedIn("This is for who runs the training of both people: send a token, or sign in.")
    pair = queries.pair(session, who, pair_id)
    kept_id = keep_id if keep_id is not None else pair.first_id
    if kept_id not in (pair.first_id, pair.second_id):
        raise InvalidInput(f"keep_id is {pair.first_id} or {pair.second_id}.", field="keep_id")
    if pair.decision is not None:
        is_same = pair.decision is decision and (keep_id is None or keep_id == pair.kept_id)
        if is_same or (decision is PairDecision.DIFFERENT and pair.decision is decision):
            return pair
        raise Conflict(
            f"{pair.decided_by} decided at {pair.decided_at:%Y-%m-%d %H:%M} UTC that they are "
            f"{'one person' if pair.decision is PairDecision.SAME else 'two people'}.",
            field="decision",
        )
    if decision is PairDecision.SAME:
        kept, other = (pair.first, pair.second) if kept_id == pair.first_id else (pair.second, pair.first)
        join_people(session, who, kept, other, at=at)
        pair.kept_id = kept.id
    pair.decision, pair.decided_at, pair.decided_by = decision, at, who.name
    session.flush()
    if decision is PairDecision.SAME:
        gone = pair.second_id if kept_id == pair.first_id else pair.first_id
        session.execute(  # whether the other is a third one is asked of the kept one, when it is found again
            delete(PersonPair).where(
                PersonPair.decision.is_(None), or_(PersonPair.first_id == gone, PersonPair.second_id == gone)
            )
        )
    return pair
