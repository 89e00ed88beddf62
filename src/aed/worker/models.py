"""The worker's lease, and the runs of jobs."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, CheckConstraint, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from aed.database.types import BigIntId, Table, enum_column
from aed.worker.rules import RunState


class Lease(Table):
    """A lease held by one worker at a time. All times are by the database's clock."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    token: Mapped[str] = mapped_column(String(64))
    """A new one each time the lease is taken."""
    holder: Mapped[str] = mapped_column(String(200))
    """Machine and process, for display."""
    taken_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class JobRun(Table):
    """One run of a job for one due time."""

    __tablename__ = "job_runs"
    __table_args__ = (
        CheckConstraint("(ended_at IS NULL) = (result = 'running')", name="ended"),
        Index(
            "uq_job_runs_due",
            "job",
            "due_at",
            unique=True,
            postgresql_where=text("NOT is_by_hand"),
            sqlite_where=text("NOT is_by_hand"),
        ),
        Index(
            "uq_job_runs_running",
            "job",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
            sqlite_where=text("ended_at IS NULL"),
        ),
        Index("ix_job_runs_job", "job", "id"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    job: Mapped[str] = mapped_column(String(64))
    due_at: Mapped[datetime]
    is_by_hand: Mapped[bool]
    worker: Mapped[str] = mapped_column(String(200))
    token: Mapped[str] = mapped_column(String(64))
    """Identifies the worker that runs it: only that one may record its end."""
    tries: Mapped[int]
    started_at: Mapped[datetime]
    held_until: Mapped[datetime]
    """A running run whose hold has expired was interrupted."""
    ended_at: Mapped[datetime | None]
    result: Mapped[RunState] = mapped_column(enum_column(RunState))
    error: Mapped[str | None] = mapped_column(Text)
    counts: Mapped[dict[str, int] | None] = mapped_column(JSON)

    @property
    def seconds(self) -> float | None:
        return None if self.ended_at is None else (self.ended_at - self.started_at).total_seconds()
