"""Commands: `aed work` and `aed jobs`, scheduled jobs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from aed import schedule
from aed.cli.context import cli_database, cli_read_session, operator
from aed.cli.language import either
from aed.cli.process import share_heaps
from aed.cli.screen import say, table
from aed.database.session import database_now, read_session
from aed.errors import Conflict, InvalidInput
from aed.logs import set_up_logs
from aed.settings import load_settings
from aed.worker import queries
from aed.worker.jobs import dry_run_job, run_by_hand
from aed.worker.models import JobRun
from aed.worker.rules import PATIENT_MS, RunState, next_due, schedule_words

jobs = typer.Typer(help="List scheduled jobs, show their runs, run one now. Without a command: the list.")

Name = Annotated[str, typer.Argument(help="The job's name, from `aed jobs list`")]


def work() -> None:
    """Run scheduled jobs and send messages until SIGTERM; one worker acts at a time."""
    settings = load_settings()
    set_up_logs(settings)
    share_heaps()
    schedule.work_until_stopped(settings)


@jobs.callback(invoke_without_command=True)
def without_a_command(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        show_all()


@jobs.command("list")
def show_all() -> None:
    """List the jobs: when each is due next, how its last run ended, and which worker is active."""
    with cli_read_session() as session:
        now, last, lease = database_now(session), queries.last_runs(session), queries.lease(session)
        rows = [
            (
                job.name,
                schedule_words(job.when),
                _moment(next_due(job.when, now)),
                *_last(last.get(job.name)),
                job.what,
            )
            for job in schedule.TIMETABLE
        ]
        is_alive = queries.is_held(lease, at=now)
        holder = lease.holder if lease is not None else None
    table(None, ["job", "when", "next (UTC)", "last", "took", "", "what"], rows)
    if holder is not None and is_alive:
        say(f"The active worker is {holder}.")
    else:
        say("No worker is active. Start `aed work`, or `aed serve` with AED_RUN_JOBS=true.")


def _last(run: JobRun | None) -> tuple[str, str, str]:
    if run is None:
        return "", "", "not run yet"
    counted = ", ".join(f"{count} {name}" for name, count in (run.counts or {}).items())
    message = " ".join(part for part in (run.result.replace("_", " "), counted, run.error) if part)
    return _moment(run.started_at), _took(run.seconds), message


@jobs.command("runs")
def show_runs(name: Name, limit: Annotated[int, typer.Option(min=1, max=1000)] = 20) -> None:
    """List the last runs of a job, the newest first."""
    schedule.job_called(name)
    with cli_read_session() as session:
        rows = [
            (
                run.id,
                _moment(run.due_at),
                "by hand" if run.is_by_hand else "",
                run.tries,
                *_last(run),
                run.worker,
            )
            for run in queries.runs(session, name, limit=limit)
        ]
    table(None, ["id", "due (UTC)", "", "tries", "started", "took", "", "by"], rows, right=("id", "tries"))


@jobs.command("run")
def run(
    name: Name,
    at: Annotated[
        str | None,
        typer.Option(
            help="Run as on that day or at that time, such as 2027-03-01 or "
            "2027-03-01T08:00+08:00; UTC without an offset. A run in the future is rolled "
            "back"
        ),
    ] = None,
    for_real: Annotated[
        bool,
        typer.Option(
            "--for-real", help="With --at in the future: keep the changes, and send the messages now"
        ),
    ] = False,
) -> None:
    """Run a job now, regardless of its schedule.

    Its effects are real, except with --at in the future: then it is a dry run, unless --for-real is given.
    """
    import aed.jobs  # noqa: F401 - before the database is opened, see `schedule.working`

    job = schedule.job_called(name)
    moment = _moment_in(at) if at is not None else None
    settings = load_settings()
    patient = {"lock_timeout_ms": PATIENT_MS, "statement_timeout_ms": PATIENT_MS}
    with cli_database(settings.model_copy(update=patient)) as database:
        with read_session(database) as session:
            is_to_come = moment is not None and moment > database_now(session)
        if for_real and not is_to_come:
            raise InvalidInput(
                either(
                    "--for-real needs --at with a day in the future.",
                    "--for-real 须与将来日期的 --at 一起使用。",
                ),
                field="for_real",
            )
        if moment is not None and is_to_come and not for_real:
            ended, seconds = dry_run_job(job, database, settings, at=moment), None
        else:
            ended, seconds = run_by_hand(job, database, settings, at=moment, who=operator().name)
    if ended.result is not RunState.DONE:
        raise Conflict(f"{name}: {ended.error or ended.result}")
    counted = ", ".join(f"{count} {what}" for what, count in (ended.counts or {}).items())
    done = f"{name}: tried; nothing was kept." if seconds is None else f"{name}: done in {_took(seconds)}."
    say(done + (f" {counted}." if counted else ""))


def _moment_in(text: str) -> datetime:
    """Parse a date (its first moment) or a date-time; without an offset, it is UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(
            either(
                "--at must be a day or a time, such as 2027-03-01 or 2027-03-01T08:00:00+08:00.",
                "--at 须为日期或时间，如 2027-03-01 或 2027-03-01T08:00:00+08:00。",
            ),
            field="at",
        ) from None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    if not 1970 <= moment.year <= 2199:
        raise InvalidInput(
            either("--at must be between 1970 and 2199.", "--at 须在 1970 至 2199 年之间。"), field="at"
        )
    return moment.astimezone(UTC)


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment is not None else ""


def _took(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
