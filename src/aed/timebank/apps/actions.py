"""Register apps of estates, and open a person's time bank in them for a short while, to be read only."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.tokens import hash_key
from aed.errors import NotSignedIn
from aed.timebank.apps import queries
from aed.timebank.models import ClientApp, EmbeddedView
from aed.timebank.permissions import require_account_manager, require_manager_at, require_person

LINK_LIFETIME: Final = timedelta(seconds=60)
"""How long a link can be opened, once."""
VIEW_LIFETIME: Final = timedelta(minutes=15)
"""How long an open view can be read. Then the app asks for a new link."""
KEY_PREFIX: Final = "aedv_"
"""Begins the keys of links and views, for secret scanners. No other route accepts them."""


def register_app(
    session: Session,
    viewer: Viewer,
    *,
    name: str,
    estate_id: int | None,
    region: str | None,
    origins: Collection[str],
    at: datetime,
) -> tuple[ClientApp, str]:
    """Register an app of an estate or region; return it with its secret, which is not shown again.

    For the estate's manager or the region's administrator. Raises NotSignedIn, NotAllowed, NotFound.
    """
    region_id = require_manager_at(session, viewer, estate_id=estate_id, region=region)
    secret = secrets.token_urlsafe(32)
    made = ClientApp(
        client_id=secrets.token_hex(12),
        name=name,
        secret_hash=hash_key(secret),
        origins=sorted(set(origins)),
        region_id=region_id,
        estate_id=estate_id,
        created_at=at,
        created_by=viewer.name,
    )
    session.add(made)
    session.flush()
    return made, secret


def change_secret(session: Session, viewer: Viewer, client_id: str) -> str:
    """Replace the secret of an app at once; return the new one. Raises NotSignedIn, NotAllowed, NotFound."""
    found = _managed(session, viewer, client_id)
    secret = secrets.token_urlsafe(32)
    found.secret_hash = hash_key(secret)
    session.flush()
    return secret


def remove_app(session: Session, viewer: Viewer, client_id: str, *, at: datetime) -> None:
    """Remove an app: its links and open views end. Raises NotSignedIn, NotAllowed, NotFound."""
    _managed(session, viewer, client_id).removed_at = at
    session.flush()


def _managed(session: Session, viewer: Viewer, client_id: str) -> ClientApp:
    found = queries.app(session, viewer, client_id)
    require_account_manager(viewer, estate_id=found.estate_id, region_id=found.region_id)
    return found


# --- Links and views ------------------------------------------------------------------------------------


def create_link(session: Session, viewer: Viewer, *, client_id: str, client_secret: str, at: datetime) -> str:
    """Return the key of a link that opens the viewer's time bank in an app, once, for LINK_LIFETIME.

    The app proves itself with its secret, and the person with their session. Raises NotSignedIn, also for a
    wrong secret; NotAllowed for a token, which is no person.

    visibility: the viewer's own.
    """
    person_id = require_person(viewer)
    app = queries.app_by_client_id(session, client_id)
    known = app.secret_hash if app is not None else hash_key("")
    is_right = hmac.compare_digest(known, hash_key(client_secret))
    if app is None or not is_right:
        raise NotSignedIn("client_id or client_secret is wrong, or the app was removed.")
    session.execute(delete(EmbeddedView).where(EmbeddedView.expires_at <= at - timedelta(days=1)))
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    session.add(
        EmbeddedView(
            app_id=app.id,
            person_id=person_id,
            key_hash=hash_key(key),
            created_at=at,
            expires_at=at + LINK_LIFETIME,
        )
    )
    session.flush()
    return key


def open_view(session: Session, key: str, *, at: datetime) -> str | None:
    """Open a link; return the key of the view, which replaces that of the link. None if it cannot be opened.

    The conditional UPDATE is the claim: of two requests with the same link, one opens it.

    visibility: the key is secret, and only the person's app has it.
    """
    view_key = KEY_PREFIX + secrets.token_urlsafe(32)
    opened = session.execute(
        update(EmbeddedView)
        .where(
            EmbeddedView.key_hash == hash_key(key),
            EmbeddedView.opened_at.is_(None),
            EmbeddedView.expires_at > at,
        )
        .values(key_hash=hash_key(view_key), opened_at=at, expires_at=at + VIEW_LIFETIME)
        .returning(EmbeddedView.id),
        execution_options={"synchronize_session": False},
    ).first()
    return view_key if opened is not None else None
