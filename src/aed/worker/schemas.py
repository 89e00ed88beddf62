"""Jobs and runs in responses."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from aed.worker.models import JobRun
from aed.worker.rules import RunState


class RunOut(BaseModel):
    """One run of a job."""

    id: int
    due_at: datetime = Field(description="The moment it is for")
    is_by_hand: bool
    worker: str
    tries: int
    started_at: datetime
    ended_at: datetime | None
    seconds: float | None
    result: RunState
    error: str | None
    counts: dict[str, int] | None

    @classmethod
    def of(cls, run: JobRun) -> Self:
        return cls(
            id=run.id,
            due_at=run.due_at,
            is_by_hand=run.is_by_hand,
            worker=run.worker,
            tries=run.tries,
            started_at=run.started_at,
            ended_at=run.ended_at,
            seconds=run.seconds,
            result=run.result,
            error=run.error,
            counts=run.counts,
        )


class JobOut(BaseModel):
    """A scheduled job and its last run."""

    name: str
    what: str
    when: str
    next_due_at: datetime | None
    last: RunOut | None


class WorkerOut(BaseModel):
    """The active worker."""

    holder: str
    taken_at: datetime
    expires_at: datetime
    is_alive: bool


class JobsOut(BaseModel):
    worker: WorkerOut | None
    jobs: list[JobOut]


class RunsPage(BaseModel):
    runs: list[RunOut]
    next: str | None = Field(None, description="The cursor of the next page")
