"""Figures of the worker and the outbox in Prometheus's text format 0.0.4."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from aed.accounts.rules import Viewer
from aed.notifications.queries import standings
from aed.worker import queries


def figures(
    session: Session,
    viewer: Viewer,
    jobs: Sequence[str],
    *,
    calendar_days: Mapping[str, int],
    at: datetime,
) -> str:
    """Raises NotSignedIn, NotAllowed.

    visibility: only for a network administrator; counts and moments.
    """
    lease, last = queries.lease(session), queries.last_runs(session)
    runs = queries.counted_runs(session)
    channels = standings(session, viewer)
    ended = {name: run for name, run in last.items() if run.ended_at is not None and name in jobs}
    lines = [
        *_gauge(
            "aed_worker_alive",
            "Whether a worker holds the lease",
            [({}, float(queries.is_held(lease, at=at)))],
        ),
        *_gauge(
            "aed_job_runs",
            "Runs that are kept, by how they ended",
            [({"job": job, "result": str(result)}, float(count)) for job, result, count in runs],
        ),
        *_gauge(
            "aed_job_last_end_timestamp_seconds",
            "When the last run ended",
            [({"job": name}, run.ended_at.timestamp()) for name, run in ended.items() if run.ended_at],
        ),
        *_gauge(
            "aed_job_last_seconds",
            "How long the last run took",
            [({"job": name}, run.seconds or 0.0) for name, run in ended.items()],
        ),
        *_gauge(
            "aed_job_last_done",
            "Whether the last run did what it was for",
            [({"job": name}, float(run.result == "done")) for name, run in ended.items()],
        ),
        *_gauge(
            "aed_outbox_waiting",
            "Messages that wait to be sent",
            [({"channel": str(each.channel)}, float(each.waiting)) for each in channels],
        ),
        *_gauge(
            "aed_outbox_dead",
            "Messages that were given up",
            [({"channel": str(each.channel)}, float(each.dead)) for each in channels],
        ),
        *_gauge(
            "aed_outbox_overdue_seconds",
            "For how long the message has been due that was due first",
            [
                (
                    {"channel": str(each.channel)},
                    max(0.0, (at - each.oldest_due_at).total_seconds()) if each.oldest_due_at else 0.0,
                )
                for each in channels
            ],
        ),
        *_gauge(
            "aed_outbox_last_sent_timestamp_seconds",
            "When a message was sent last",
            [
                ({"channel": str(each.channel)}, each.last_sent_at.timestamp())
                for each in channels
                if each.last_sent_at
            ],
        ),
        *_gauge(
            "aed_holiday_calendar_days_left",
            "Days until a holiday calendar in use ends; below 0 once it has",
            [({"calendar": name}, float(days)) for name, days in calendar_days.items()],
        ),
    ]
    return "\n".join(lines) + "\n"


def _gauge(name: str, what: str, values: Sequence[tuple[Mapping[str, str], float]]) -> Iterator[str]:
    yield f"# HELP {name} {what}"
    yield f"# TYPE {name} gauge"
    for labels, value in values:
        said = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        yield f"{name}{{{said}}} {value:.15g}" if said else f"{name} {value:.15g}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
