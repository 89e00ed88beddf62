"""Reading dispatch centres, and what programs have told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session, contains_eager, joinedload

from aed.accounts.models import Region
from aed.accounts.queries.regions import regions_below
from aed.accounts.rules import Role, Scope, Viewer
from aed.errors import NotAllowed, NotFound, NotSignedIn
from aed.incidents.models import Alert, Centre, IncidentMessage, IncidentReport
from aed.incidents.rules.incident import AlertState
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


def endpoints_of_centres(session: Session, region_id: int) -> Sequence[EndpointRow]:
    """Where the centres of a region and of those above it are told; asked once in a transaction.

    visibility: they dispatch there, and see its incidents.
    """
    transaction = session.get_transaction()
    when, known = session.info.get(_TOLD, (None, {}))
    if when is not transaction:
        when, known = session.info[_TOLD] = transaction, {}
    if region_id not in known:
        known[region_id] = _endpoints_of_centres(session, region_id)
    found: Sequence[EndpointRow] = known[region_id]
    return found


_TOLD: Final = "centres that are told"


def forget_who_is_told(session: Session) -> None:
    """A centre was connected or withdrawn in this transaction."""
    session.info.pop(_TOLD, None)


def _endpoints_of_centres(session: Session, region_id: int) -> Sequence[EndpointRow]:
    """visibility: as `endpoints_of_centres`."""
    above = select(Region.id, Region.parent_id).where(Region.id == region_id).cte("above", recursive=True)
    above = above.union_all(select(Region.id, Region.parent_id).join(above, Region.id == above.c.parent_id))
    return session.scalars(
        select(EndpointRow)
        .join(Centre, Centre.endpoint_id == EndpointRow.id)
        .where(Centre.region_id.in_(select(above.c.id)), EndpointRow.closed_at.is_(None))
        .order_by(Centre.id)
    ).all()


def alert_states(session: Session, incident_id: int) -> Sequence[AlertState]:
    """How those who were called stand. visibility: counts, for the centres of its region."""
    return session.scalars(select(Alert.state).where(Alert.incident_id == incident_id)).all()


def case_numbers(session: Session, incident_id: int) -> list[str]:
    """The centres' own, the first first. visibility: for the centres of its region."""
    rows = session.scalars(
        select(IncidentReport.case_number)
        .where(IncidentReport.incident_id == incident_id, IncidentReport.case_number.is_not(None))
        .order_by(IncidentReport.id)
    )
    return list(dict.fromkeys(each for each in rows if each is not None))


def message(session: Session, told_by: str, key: str) -> IncidentMessage | None:
    """visibility: of whoever told it."""
    return session.scalar(
        select(IncidentMessage).where(IncidentMessage.told_by == told_by, IncidentMessage.key == key)
    )
