"""Connecting dispatch centres of a region."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from aed.accounts.queries.regions import region_by_code
from aed.accounts.rules import Viewer, may_administer
from aed.incidents.models import Centre
from aed.incidents.queries import centres as queries
from aed.notifications.actions.endpoints import (
    EndpointGiven,
    change_secret,
    close_endpoint,
    new_secret,
    put_endpoint,
)
from aed.notifications.rules import Channel


def add_centre(
    session: Session,
    who: Viewer,
    name: str,
    *,
    region: str,
    address: str,
    at: datetime,
    is_private_allowed: bool,
) -> tuple[Centre, str]:
    """A centre of that region is connected; with the secret that both sides sign with, which is shown nowhere
    again. `address`: where it is told what happens.

    Raises NotSignedIn, NotAllowed; InvalidInput for a name or an address that cannot be; Conflict for a name
    that is taken; NotFound for a region.
    """
    may_administer(who)
    found, secret = region_by_code(session, region), new_secret()
    given = EndpointGiven(name, Channel.WEBHOOK, address, secret)
    endpoint = put_endpoint(session, who, given, at=at, is_private_allowed=is_private_allowed)
    made = Centre(endpoint=endpoint, region=found)
    session.add(made)
    session.flush()
    queries.forget_who_is_told(session)
    return made, secret


def rotate_secret(session: Session, who: Viewer, name: str, *, at: datetime, overlap: timedelta) -> str:
    """A new secret; the one before is good besides it for as long as `overlap`, both ways.

    Raises NotSignedIn, NotAllowed, NotFound.
    """
    may_administer(who)
    return change_secret(session, queries.centre(session, who, name).endpoint, at=at, overlap=overlap)


def withdraw_centre(session: Session, who: Viewer, name: str, *, at: datetime) -> None:
    """Nothing of it is believed and nothing told to it any longer; its secret is forgotten.

    Raises NotSignedIn, NotAllowed, NotFound.
    """
    may_administer(who)
    endpoint_id = queries.centre(session, who, name).endpoint_id
    close_endpoint(session, endpoint_id, why="The centre was withdrawn.", at=at)
    queries.forget_who_is_told(session)
