"""Read apps of estates, and open views."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, contains_eager

from aed.accounts.permissions import Viewer
from aed.accounts.tokens import hash_key
from aed.errors import NotFound
from aed.timebank.models import ClientApp, EmbeddedView
from aed.timebank.permissions import at_managed_place, require_any_manager, require_signed_in


def apps(session: Session, viewer: Viewer, *, limit: int, after_id: int) -> Sequence[ClientApp]:
    """Return the apps that the viewer may see, in order.

    Raises NotSignedIn; NotAllowed for viewers who manage nothing.
    """
    require_any_manager(viewer)
    return session.scalars(
        select(ClientApp)
        .where(ClientApp.id > after_id, ClientApp.removed_at.is_(None), at_managed_place(viewer, ClientApp))
        .order_by(ClientApp.id)
        .limit(limit)
    ).all()


def app(session: Session, viewer: Viewer, client_id: str) -> ClientApp:
    """Return an app. Raises NotSignedIn; NotFound if the viewer may not see it."""
    require_signed_in(viewer)
    found = session.scalar(
        select(ClientApp).where(
            ClientApp.client_id == client_id,
            ClientApp.removed_at.is_(None),
            at_managed_place(viewer, ClientApp),
        )
    )
    if found is None:
        raise NotFound(
            "There is no app {client_id}, or you may not see it.", field="client_id", client_id=client_id
        )
    return found


def app_by_client_id(session: Session, client_id: str) -> ClientApp | None:
    """visibility: for checking its secret."""
    return session.scalar(
        select(ClientApp).where(ClientApp.client_id == client_id, ClientApp.removed_at.is_(None))
    )


def view_by_key(session: Session, key: str) -> EmbeddedView | None:
    """Return the view with this key and its app, also if it has expired; None for a removed app.

    visibility: the key is secret, and only the person's app has it.
    """
    return session.scalar(
        select(EmbeddedView)
        .join(EmbeddedView.app)
        .where(EmbeddedView.key_hash == hash_key(key), ClientApp.removed_at.is_(None))
        .options(contains_eager(EmbeddedView.app))
    )


def is_open(view: EmbeddedView, at: datetime) -> bool:
    """Return True if the view was opened by its link, and has not expired."""
    return view.opened_at is not None and at < view.expires_at
