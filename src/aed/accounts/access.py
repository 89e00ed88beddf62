"""Who is calling: from the Authorization header to a Viewer."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts import queries
from aed.accounts.actions import key_hash
from aed.accounts.models import Token
from aed.accounts.rules import ANYONE, Role, Scope, Viewer
from aed.db import database_of, once_more
from aed.errors import NotSignedIn


def viewer_of(session: Session, token: Token) -> Viewer:
    """The viewer that a valid token stands for."""
    estate_ids: tuple[int, ...] = ()
    region_ids: tuple[int, ...] = ()
    if token.role is Role.MEMBER and token.estate_id is not None:
        estate_ids = queries.estates_sharing(session, token.estate_id)
    if token.role is Role.DISPATCHER and token.region_id is not None:
        region_ids = queries.regions_below(session, token.region_id)
    return Viewer(
        role=token.role,
        name=f"token:{token.name}",
        scopes=frozenset(Scope(scope) for scope in token.scopes),
        estate_id=token.estate_id,
        estate_ids=estate_ids,
        region_ids=region_ids,
    )


def viewer_by_key(session: Session, key: str, *, at: datetime) -> Viewer:
    """Raises NotSignedIn for a key that is unknown, revoked or expired, without telling which."""
    token = queries.valid_token(session, key_hash(key), at=at)
    if token is None:
        raise NotSignedIn("The token is wrong, revoked or expired. A network administrator makes new ones.")
    return viewer_of(session, token)


async def viewer_asking(request: Request) -> Viewer:
    """Who calls, by the Authorization header. Raises NotSignedIn for one that is no valid token.

    Async, so that a caller without a token costs no change of threads.
    """
    header = request.headers.get("authorization")
    if header is None:
        return ANYONE
    kind, _, key = header.partition(" ")
    if kind.lower() != "bearer" or not key.strip():
        raise NotSignedIn("The Authorization header must read: Bearer TOKEN.")
    return await run_in_threadpool(
        once_more,
        lambda session: viewer_by_key(session, key.strip(), at=clock.now()),
        database_of(request),
    )


ViewerDep = Annotated[Viewer, Depends(viewer_asking)]
