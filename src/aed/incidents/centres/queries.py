"""Read dispatch centres, and the messages that programs have sent."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session, contains_eager, joinedload

from aed.accounts.permissions import TokenRole, TokenScope, Viewer
from aed.accounts.regions.queries import regions_below
from aed.errors import NotAllowed, NotFound, NotSignedIn
from aed.incidents.models import DispatchCentre, IncidentMessage
from aed.notifications.models import EndpointRow


def require_network_administrator(viewer: Viewer) -> None:
    """Require a network administrator, read-only ones included. Raises NotSignedIn, NotAllowed."""
    if not viewer.is_signed_in:
        raise NotSignedIn("This is for network administrators: send a token, or sign in.")
    if not viewer.is_administrator:
        raise NotAllowed("Only a network administrator can see which dispatch centres are connected.")


def centres(session: Session, viewer: Viewer) -> Sequence[DispatchCentre]:
    """List the connected centres by name, with their regions. A network has few.

    visibility: only for a network administrator.
    """
    require_network_administrator(viewer)
    return session.scalars(
        select(DispatchCentre)
        .join(DispatchCentre.endpoint)
        .where(EndpointRow.closed_at.is_(None))
        .options(contains_eager(DispatchCentre.endpoint), joinedload(DispatchCentre.region))
        .order_by(EndpointRow.name)
    ).all()


def centre(session: Session, viewer: Viewer, name: str) -> DispatchCentre:
    """Return a dispatch centre by name. Raises NotFound, NotSignedIn, NotAllowed.

    visibility: only for a network administrator.
    """
    require_network_administrator(viewer)
    found = centre_by_name(session, name)
    if found is None:
        raise NotFound("Dispatch centre '{name}' does not exist.", field="centre", name=name)
    return found


def centre_by_name(session: Session, name: str) -> DispatchCentre | None:
    """Return a centre with its endpoint and region. visibility: for checking whether it signed a message."""
    return session.scalar(
        select(DispatchCentre)
        .join(DispatchCentre.endpoint)
        .where(EndpointRow.name == name, EndpointRow.closed_at.is_(None))
        .options(contains_eager(DispatchCentre.endpoint), joinedload(DispatchCentre.region))
    )


def viewer_of_centre(session: Session, found: DispatchCentre) -> Viewer:
    """Return the viewer that a centre acts as: a dispatcher of its region and all regions below."""
    below = regions_below(session, found.region_id)
    return Viewer(
        role=TokenRole.DISPATCHER,
        name=found.teller,
        scopes=frozenset(TokenScope),
        region_ids=(found.region_id, *(each for each in below if each != found.region_id)),
    )


def message_by_key(session: Session, reported_by: str, key: str) -> IncidentMessage | None:
    """visibility: of the sender."""
    return session.scalar(
        select(IncidentMessage).where(IncidentMessage.reported_by == reported_by, IncidentMessage.key == key)
    )
