"""What a person must decide: asked once, and asked again only when what is asked has changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from aed.imports import queries
from aed.imports.models import Review
from aed.imports.rules.likeness import Likeness
from aed.imports.rules.merge import Conflict, Said, Settled
from aed.imports.rules.review import Decision, ReviewKind


def ask(
    session: Session,
    kind: ReviewKind,
    *,
    source: str,
    source_id: str = "",
    device_id: int | None = None,
    attribute: str = "",
    evidence: Mapping[str, Any],
    among: Sequence[Review],
    at: datetime,
) -> Review:
    """The question is open, with this evidence. `among` are those that were asked before."""
    for known in among:
        if (known.source, known.source_id, known.device_id, known.attribute) == (
            source,
            source_id,
            device_id,
            attribute,
        ):
            if known.decision is not None:
                known.decision, known.decided_at, known.decided_by = None, None, None
                known.opened_at = at
            if known.evidence != evidence:
                known.evidence = dict(evidence)
            return known
    asked = Review(
        kind=kind,
        source=source,
        source_id=source_id,
        device_id=device_id,
        attribute=attribute,
        evidence=dict(evidence),
        opened_at=at,
    )
    session.add(asked)
    return asked


# --- Conflicts ------------------------------------------------------------------------------------------


def ask_about_conflicts(
    session: Session, conflicts: Mapping[int, Sequence[Conflict]], *, at: datetime
) -> None:
    """These are the open conflicts of these devices: what is no longer one is not asked any more."""
    known = queries.reviews_of_devices(session, list(conflicts), ReviewKind.CONFLICT)
    still_open: set[int] = set()
    for device_id, found in conflicts.items():
        for conflict in found:
            asked = ask(
                session,
                ReviewKind.CONFLICT,
                source=conflict.offered.source,
                source_id=conflict.offered.source_id,
                device_id=device_id,
                attribute=conflict.attribute,
                evidence={"present": _as_json(conflict.present), "offered": _as_json(conflict.offered)},
                among=known,
                at=at,
            )
            still_open.add(id(asked))
    for review in known:
        if review.decision is None and id(review) not in still_open:
            session.delete(review)
    session.flush()


def settled_of(session: Session, device_ids: Collection[int]) -> dict[int, list[Settled]]:
    """What people have decided about the attributes of these devices."""
    found: dict[int, list[Settled]] = {}
    for review in queries.reviews_of_devices(session, device_ids, ReviewKind.CONFLICT):
        if review.decision is None:
            continue
        present, offered = _said(review.evidence["present"]), _said(review.evidence["offered"])
        right, wrong = (offered, present) if review.decision is Decision.TAKE else (present, offered)
        found.setdefault(review.device_id or 0, []).append(Settled(review.attribute, right, wrong))
    return found


def _as_json(said: Said) -> dict[str, Any]:
    return {"source": said.source, "source_id": said.source_id, "value": said.value}


def _said(evidence: Mapping[str, Any]) -> Said:
    return Said(evidence["source"], evidence["source_id"], evidence["value"])


# --- Likeness -------------------------------------------------------------------------------------------


def likeness_as_json(found: Likeness, record: Mapping[str, Any]) -> dict[str, Any]:
    """The evidence for a duplicate; `record` is what the list says."""
    return {
        "score": found.score,
        "signs": [{"what": sign.what, "weight": sign.weight, "said": sign.said} for sign in found.signs],
        "record": dict(record),
    }
