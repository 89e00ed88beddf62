"""Tables of apps of estates, and of the views that they open for a person."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from aed.database.types import BigIntId, Table


class ClientApp(Table):
    """An app of an estate or region that shows people their time bank in a web view."""

    __tablename__ = "client_apps"

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    client_id: Mapped[str] = mapped_column(String(32), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    secret_hash: Mapped[str] = mapped_column(String(64))
    """SHA-256 in hexadecimal of a secret of 256 random bits."""
    origins: Mapped[list[str]]
    """Sites that may show the view in a frame, such as `https://app.example.org`."""
    region_id: Mapped[int] = mapped_column(ForeignKey("regions.id"), index=True)
    """The region itself, or that of the estate."""
    estate_id: Mapped[int | None] = mapped_column(ForeignKey("estates.id"), index=True)
    """None: of the whole region."""
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(200))
    removed_at: Mapped[datetime | None]


class EmbeddedView(Table):
    """A read-only view of one person's time bank in an app, by the hash of the key in its address.

    It is made with the key of a link that opens it once; then the key becomes that of the open view.
    """

    __tablename__ = "embedded_views"

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    app_id: Mapped[int] = mapped_column(ForeignKey("client_apps.id"), index=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    opened_at: Mapped[datetime | None]
    expires_at: Mapped[datetime] = mapped_column(index=True)

    app: Mapped[ClientApp] = relationship(lazy="raise")
