"""Tables of patient outcomes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from aed.database.encryption.columns import Encrypted
from aed.database.types import BigIntId, Table, Versioned, enum_column
from aed.debrief.outcomes.rules import (
    ArrestLocation,
    BystanderAed,
    BystanderCpr,
    Pathogenesis,
    Rhythm,
    Witnessed,
    YesNo,
)

_HELD = text("age IS NOT NULL OR sex IS NOT NULL")


class PatientOutcome(Versioned, Table):
    """What became of an incident's patient; one row, changed as more is known."""

    __tablename__ = "patient_outcomes"
    __table_args__ = (
        CheckConstraint("cpc BETWEEN 1 AND 5", name="cpc"),
        CheckConstraint("mrs BETWEEN 0 AND 6", name="mrs"),
        CheckConstraint(
            "forgotten_at IS NULL OR (age IS NULL AND sex IS NULL)", name="forgotten_is_forgotten"
        ),
        Index("ix_patient_outcomes_held", "incident_id", postgresql_where=_HELD, sqlite_where=_HELD),
    )

    incident_id: Mapped[int] = mapped_column(
        BigIntId, ForeignKey("incidents.id"), primary_key=True, autoincrement=False
    )
    arrest: Mapped[YesNo] = mapped_column(enum_column(YesNo, name="arrest"))
    resuscitation: Mapped[YesNo] = mapped_column(enum_column(YesNo, name="resuscitation"))
    pathogenesis: Mapped[Pathogenesis] = mapped_column(enum_column(Pathogenesis))
    witnessed: Mapped[Witnessed] = mapped_column(enum_column(Witnessed))
    location: Mapped[ArrestLocation] = mapped_column(enum_column(ArrestLocation, name="location"))
    age: Mapped[str | None] = mapped_column(Encrypted("patient_outcomes.age"))
    """Years, as digits."""
    sex: Mapped[str | None] = mapped_column(Encrypted("patient_outcomes.sex"))
    """None: unknown."""
    bystander_cpr: Mapped[BystanderCpr] = mapped_column(enum_column(BystanderCpr))
    dispatcher_cpr: Mapped[YesNo] = mapped_column(enum_column(YesNo, name="dispatcher_cpr"))
    bystander_aed: Mapped[BystanderAed] = mapped_column(enum_column(BystanderAed))
    first_rhythm: Mapped[Rhythm] = mapped_column(enum_column(Rhythm))
    first_shock_at: Mapped[datetime | None]
    rosc: Mapped[YesNo] = mapped_column(enum_column(YesNo, name="rosc"))
    survived_event: Mapped[YesNo] = mapped_column(enum_column(YesNo, name="survived_event"))
    survived: Mapped[YesNo] = mapped_column(enum_column(YesNo, name="survived"))
    cpc: Mapped[int | None]
    mrs: Mapped[int | None]
    reported_by: Mapped[str] = mapped_column(String(200))
    """Who changed it last."""
    reported_at: Mapped[datetime]
    forgotten_at: Mapped[datetime | None]
    """When age and sex were deleted; they are not accepted again."""
    version: Mapped[int] = mapped_column(server_default=text("1"))
