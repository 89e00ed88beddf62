"""Dispatch centres, and what programs have told under an id of their own."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from aed.accounts.models import Region
from aed.database.session import Key, Table
from aed.notifications.models import EndpointRow


class Centre(Table):
    """A dispatch centre of a region: its signed messages are believed, and it is told what happens there.

    Its name, address and secrets are its endpoint's; it is one as long as that is open.
    """

    __tablename__ = "centres"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    endpoint_id: Mapped[int] = mapped_column(ForeignKey("endpoints.id"), unique=True)
    region_id: Mapped[int] = mapped_column(ForeignKey("regions.id"), index=True)

    endpoint: Mapped[EndpointRow] = relationship(lazy="raise")
    region: Mapped[Region] = relationship(lazy="raise")

    @property
    def teller(self) -> str:
        """Who it is in records."""
        return f"centre:{self.endpoint.name}"


class IncidentMessage(Table):
    """What a program has told of an incident under an id of its own. The same again is answered the same."""

    __tablename__ = "incident_messages"
    __table_args__ = (UniqueConstraint("told_by", "key"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    incident_id: Mapped[int] = mapped_column(ForeignKey("incidents.id"), index=True)
    told_by: Mapped[str] = mapped_column(String(200))
    key: Mapped[str] = mapped_column(String(64))
    """SHA-256 of what the program calls it."""
    digest: Mapped[str] = mapped_column(String(64))
    """Of what it said."""
    answer: Mapped[str] = mapped_column(Text)
    """JSON: the incident as it stood afterwards."""
    told_at: Mapped[datetime]
