"""Estates, for whoever runs their training."""

from __future__ import annotations

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.visibility import estate_visible_to
from aed.errors import NotFound
from aed.registry.estates.models import Estate
from aed.training.queries.seen import run_by


def estate(session: Session, viewer: Viewer, estate_id: int) -> Estate:
    """One estate that the viewer knows, or whose training the viewer runs: an officer of a region all there.

    Raises NotFound when there is none, or none for this viewer.
    """
    found = session.scalar(
        select(Estate).where(
            Estate.id == estate_id,
            or_(
                estate_visible_to(
                    viewer, estate_id=Estate.id, region_id=Estate.region_id, state=Estate.state
                ),
                run_by(viewer, estate_id=Estate.id, region_id=Estate.region_id),
            ),
        )
    )
    if found is None:
        raise NotFound(f"There is no estate {estate_id} that you may see.", field="estate_id")
    return found
