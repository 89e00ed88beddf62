"""Reading dispatch centres, and what programs have told."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session, contains_eager, joinedload

from aed.accounts.queries.regions import regions_below
from aed.accounts.rules import Role, Scope, Viewer
from aed.errors import NotAllowed, NotFound, NotSignedIn
from aed.incidents.models import Centre, IncidentMessage
from aed.notifications.models import EndpointRow


def may_see_centres(viewer: Viewer) -> None:
    """Passes for a network administrator, who may only read too. Raises NotSignedIn, NotAllowed."""
    if not viewer.is_signed_in:
        raise NotSignedIn("This is for network administrators: send a token, or sign in.")
    if not viewer.is_administrator:
        raise NotAllowed("Only a network administrator sees which dispatch centres are connected.")


def centres(session: Session, viewer: Viewer) -> Sequence[Centre]:
    """Those that are connected, by name, with their regions; a network has few.

    visibility: only for a network administrator.
    """
    may_see_centres(viewer)
    return session.scalars(
        select(Centre)
        .join(Centre.endpoint)
        .where(EndpointRow.closed_at.is_(None))
        .options(contains_eager(Centre.endpoint), joinedload(Centre.region))
        .order_by(EndpointRow.name)
    ).all()


def centre(session: Session, viewer: Viewer, name: str) -> Centre:
    """Raises NotFound, NotSignedIn, NotAllowed. visibility: only for a network administrator."""
    may_see_centres(viewer)
    found = centre_called(session, name)
    if found is None:
        raise NotFound(f"There is no dispatch centre '{name}'.", field="centre")
    return found


def centre_called(session: Session, name: str) -> Centre | None:
    """With its endpoint and region. visibility: for finding out whether a message is signed by it."""
    return session.scalar(
        select(Centre)
        .join(Centre.endpoint)
        .where(EndpointRow.name == name, EndpointRow.closed_at.is_(None))
        .options(contains_eager(Centre.endpoint), joinedload(Centre.region))
    )


def viewer_of_centre(session: Session, found: Centre) -> Viewer:
    """A dispatcher of its region and all below it, who has proved to be the centre."""
    below = regions_below(session, found.region_id)
    return Viewer(
        role=Role.DISPATCHER,
        name=found.teller,
        scopes=frozenset(Scope),
        region_ids=(found.region_id, *(each for each in below if each != found.region_id)),
    )


def message(session: Session, told_by: str, key: str) -> IncidentMessage | None:
    """visibility: of whoever told it."""
    return session.scalar(
        select(IncidentMessage).where(IncidentMessage.told_by == told_by, IncidentMessage.key == key)
    )
