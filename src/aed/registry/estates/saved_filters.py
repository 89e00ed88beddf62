"""Filters of an estate's list of devices that people save under a name, each for themselves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer, require_estate_manager
from aed.errors import Conflict, InvalidInput, NotSignedIn
from aed.registry.estates import queries as estate_queries
from aed.registry.estates.models import SavedFilter

MAX_FILTERS: Final = 20
MAX_NAME: Final = 40
MAX_QUERY: Final = 500


def saved_filters(session: Session, viewer: Viewer, *, estate_id: int) -> Sequence[SavedFilter]:
    """Return the filters that the viewer saved for an estate, by name.

    visibility: the viewer's own.
    """
    if viewer.person_id is None:
        return []
    return session.scalars(
        select(SavedFilter)
        .where(SavedFilter.person_id == viewer.person_id, SavedFilter.estate_id == estate_id)
        .order_by(SavedFilter.name)
    ).all()


def save_filter(
    session: Session, who: Viewer, estate_id: int, name: str, query: str, *, at: datetime
) -> SavedFilter:
    """Save a filter under a name, in place of the one with that name.

    Raises NotFound, NotSignedIn, NotAllowed, InvalidInput for a name that cannot be stored, and Conflict for
    more than MAX_FILTERS.

    visibility: the person's own.
    """
    estate = estate_queries.estate(session, who, estate_id)
    require_estate_manager(who, estate.id, region_id=estate.region_id)
    if who.person_id is None:
        raise NotSignedIn("Filters are saved for a person: sign in.")
    name = name.strip()
    if not 0 < len(name) <= MAX_NAME or not name.isprintable():
        raise InvalidInput("Give the filter a name of 1 to 40 characters.", field="name")
    if len(query) > MAX_QUERY or not query.isprintable():
        raise InvalidInput("This filter is too long to be saved.", field="query")
    own = (SavedFilter.person_id == who.person_id, SavedFilter.estate_id == estate.id)
    found = session.scalars(select(SavedFilter).where(*own, SavedFilter.name == name)).first()
    if found is None:
        if (session.scalar(select(func.count()).select_from(SavedFilter).where(*own)) or 0) >= MAX_FILTERS:
            raise Conflict("You have saved 20 filters. Delete one first.", field="name")
        found = SavedFilter(person_id=who.person_id, estate_id=estate.id, name=name)
        session.add(found)
    found.query, found.saved_at = query, at
    session.flush()
    return found


def delete_filter(session: Session, who: Viewer, estate_id: int, filter_id: int) -> None:
    """Delete one of the person's own filters; a second time changes nothing.

    visibility: the person's own.
    """
    session.execute(
        delete(SavedFilter).where(
            SavedFilter.id == filter_id,
            SavedFilter.estate_id == estate_id,
            SavedFilter.person_id == who.person_id,
        )
    )
