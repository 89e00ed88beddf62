"""Commands: `aed sessions`: sessions of courses, their rosters and results.

Fields are given as NAME=VALUE, with the names of the API; a trainer is trainer_name=… trainer_phone=….
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from aed import clock
from aed.cli.context import cli_read_session, cli_transaction, long_cli_transaction, operator
from aed.cli.fields import Fields, fields_in, taking, validated
from aed.cli.files import write_whole
from aed.cli.rows import Id, Version, show_all, show_history
from aed.cli.screen import counting, say, table
from aed.errors import InvalidInput
from aed.imports.formats.files import GB18030
from aed.imports.formats.marked import write_marked
from aed.training import queries as session_queries
from aed.training.assessments.queries import assessments as assessments_of_session
from aed.training.attendance.sheet import SheetOf, sheet_pdf
from aed.training.enrolments import queries as enrolment_queries
from aed.training.models import TrainingSession
from aed.training.rosters.actions import open_for_results, result_of, save_results
from aed.training.rosters.schemas import AssessmentRow
from aed.training.rosters.sheet_actions import export_roster, import_roster
from aed.training.rules import THEORY, MarkedBy
from aed.training.sessions import actions as session_actions
from aed.training.sessions.schemas import SessionAmend, SessionIn, SessionOut
from aed.training.trainers.queries import warnings_for

SHOWN = 100

sessions = typer.Typer(no_args_is_help=True)


@sessions.command("add", cls=taking(SessionIn))
def add_session(given: Fields) -> None:
    """Schedule a session."""
    with cli_transaction() as session:
        training = session_actions.create_session(
            session, operator(), fields_in(SessionIn, given), at=clock.now()
        )
        say(f"Session {training.id} is planned: {_when(training)}.")


@sessions.command("amend", cls=taking(SessionAmend))
def amend_session(session_id: Id, given: Fields, version: Version = None) -> None:
    """Change the given fields of a session. Additional places are offered to the waiting list at once."""
    with cli_transaction() as session:
        change = fields_in(SessionAmend, given)
        present = session_queries.training_session(session, operator(), session_id).version
        training = session_actions.amend_session(
            session, operator(), session_id, change, version=version or present, at=clock.now()
        )
        say(f"Session {training.id} is at version {training.version}.")


@sessions.command("cancel")
def cancel_session(
    session_id: Id,
    reason: Annotated[str, typer.Option(help="The reason, sent to everyone who enrolled")],
    version: Version = None,
) -> None:
    """Cancel a session and all its enrolments."""
    with cli_transaction() as session:
        present = session_queries.training_session(session, operator(), session_id).version
        session_actions.cancel_session(
            session, operator(), session_id, reason=reason, version=version or present, at=clock.now()
        )
    say(f"Session {session_id} is cancelled.")


@sessions.command("show")
def show_session(session_id: Id) -> None:
    """Show a session."""
    with cli_read_session() as session:
        training = session_queries.training_session(session, operator(), session_id)
        places = session_queries.places_of(session, training.id)
        warnings = warnings_for(session, operator(), [training], {training.id: places})
        show_all(SessionOut.of(training, places, operator(), warnings.get(training.id, ())))


@sessions.command("history")
def session_history(session_id: Id) -> None:
    """List the changes of a session, newest first: who, what and when."""
    with cli_read_session() as session:
        found = session_queries.training_session(session, operator(), session_id)
        show_history(session, "training_sessions", found.id)


@sessions.command("list")
def list_sessions(
    past: Annotated[bool, typer.Option("--all", help="Include past sessions")] = False,
    estate: Annotated[int | None, typer.Option(help="Only of this estate, by id")] = None,
    course: Annotated[str | None, typer.Option(help="Only of this course, by code")] = None,
) -> None:
    """List the sessions, the next one first, at most a hundred; * marks those below their minimum."""
    with cli_read_session() as session:
        found = session_queries.training_sessions(
            session,
            operator(),
            limit=SHOWN + 1,
            starts_from=None if past else clock.now(),
            estate_id=estate,
            course=course,
        )
        places = session_queries.places(session, [each.id for each in found])
        rows = [
            (
                each.id,
                _when(each),
                each.course.code,
                each.place_zh,
                each.estate_id,
                each.audience,
                each.language,
                f"{places[each.id].held}/{each.capacity}"
                + ("*" if places[each.id].held < each.minimum else ""),
                places[each.id].waiting,
                each.state,
            )
            for each in found[:SHOWN]
        ]
    table(
        None,
        ["id", "when", "course", "where", "estate", "for", "in", "places", "waiting", "state"],
        rows,
        right=["id", "places", "waiting"],
    )
    if len(found) > SHOWN:
        say("There are more. Narrow the list with --estate or --course.")


@sessions.command("roster")
def roster(
    session_id: Id,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The file to create: .xlsx or .csv")
    ] = None,
) -> None:
    """Show the people of a session, or write them to a sheet to print or fill in."""
    with cli_read_session() as session:
        if output is not None:
            count = export_roster(session, operator(), session_id, output)
            people = "1 person" if count == 1 else f"{count} people"
            say(f"{output}: {people}. Fill it in, then run: aed sessions results {session_id} {output}")
            return
        training = session_queries.training_session(session, operator(), session_id)
        _show_roster(enrolment_queries.roster(session, operator(), training.id))


@sessions.command("sheet")
def sheet(
    session_id: Id,
    output: Annotated[Path, typer.Option("-o", "--output", help="The PDF file to write")],
) -> None:
    """Write the sign-in sheet of a session as a PDF in Chinese and English."""
    with cli_read_session() as session:
        training = session_queries.training_session(session, operator(), session_id)
        people = enrolment_queries.roster(session, operator(), training.id)
        write_whole(output, sheet_pdf(SheetOf(training, people)))
    say(f"{output} contains the attendance sheet of session {session_id}.")


@sessions.command("results")
def take_results(
    session_id: Id,
    file: Annotated[Path, typer.Argument(help="The completed roster, .xlsx or .csv")],
    marked: Annotated[
        Path | None, typer.Option(help="Write the roster to this file, with what is wrong beside each row")
    ] = None,
) -> None:
    """Import attendance and results from a roster. Valid rows are imported even if others are not."""
    with long_cli_transaction() as session, counting("rows") as progress:
        report = import_roster(session, operator(), session_id, file, at=clock.now(), progress=progress)
    if marked is not None and report.first is not None:
        write_marked(file, marked, report.marks(), first=report.first, encodings=(GB18030,))
        say(f"{marked} contains the roster with the findings.")
    say(
        f"{file.name}: {report.new} new, {report.changed} changed, {report.unchanged} "
        f"unchanged, {len(report.bad)} not taken."
    )
    for bad in report.bad:
        say(f"{bad.where}: {bad.reason}")


@sessions.command("assess")
def assess(
    enrolment_id: Id,
    marks: Annotated[
        list[str],
        typer.Argument(help="CODE=MARK …: theory=85, cpr=passed, bandage=failed", metavar="CODE=MARK…"),
    ],
    attempt: Annotated[
        int | None, typer.Option(min=1, help="The number of the attempt; default: the latest")
    ] = None,
    assessor: Annotated[str | None, typer.Option(help="The name of the person who assessed")] = None,
    note: Annotated[str | None, typer.Option(help="Remarks")] = None,
) -> None:
    """Record the marks of a person in the theory test and at the stations of a course."""
    row = _assessment_row(enrolment_id, marks, attempt, note)
    with cli_transaction() as session:
        at = clock.now()
        session_id = enrolment_queries.roster_row(session, operator(), enrolment_id).session_id
        training = open_for_results(session, operator(), session_id, at=at)
        save_results(
            session, operator(), training, [result_of(row)], how=MarkedBy.HAND, at=at, assessor=assessor
        )
        _, found, _ = assessments_of_session(session, operator(), session_id, at=at)
        (one,) = [each for each in found if each.enrolment_id == enrolment_id]
    left = ", ".join(one.parts_to_take)
    result = {True: "passed", False: f"did not pass: {left}", None: f"not assessed yet: {left}"}[one.passed]
    say(f"Enrolment {enrolment_id}: {one.name}, attempt {len(one.attempts)}, {result}.")


def _assessment_row(
    enrolment_id: int, marks: list[str], attempt: int | None, note: str | None
) -> AssessmentRow:
    stations: dict[str, object] = {}
    for word in marks:
        code, sign, mark = word.partition("=")
        value: object = {"passed": True, "failed": False}.get(mark, int(mark) if mark.isdecimal() else None)
        if not sign or value is None:
            raise InvalidInput(
                f"'{word}' is not CODE=MARK. A mark is a score, passed or failed.", field="marks"
            )
        stations[code] = value
    theory = stations.pop(THEORY, None)
    given = {"enrolment_id": enrolment_id, "stations": stations, "theory": theory}
    return validated(AssessmentRow, given | {"attempt": attempt, "note": note})


@sessions.command("assessments")
def list_assessments(session_id: Id) -> None:
    """List the marks of the people of a session, and what they still have to pass."""
    with cli_read_session() as session:
        _, found, names = assessments_of_session(session, operator(), session_id, at=clock.now())
        rows = [
            (
                each.enrolment_id,
                each.name,
                len(each.attempts) or None,
                " ".join(f"{code}={_mark(mark)}" for code, mark in each.marks.items()),
                {True: "passed", False: "failed", None: None}[each.passed],
                " ".join(each.parts_to_take),
                each.retake_until if each.can_retake else None,
                names.get(each.attempts[-1].assessed_by) if each.attempts else None,
            )
            for each in found
        ]
    columns = ["id", "name", "attempt", "marks", "result", "to pass", "retake until", "assessor"]
    table(None, columns, rows, right=["id", "attempt"])


def _mark(mark: int | bool) -> str:
    if isinstance(mark, bool):
        return "passed" if mark else "failed"
    return str(mark)


def _when(training: TrainingSession) -> str:
    """Return the time of a session in its own time zone."""
    zone = ZoneInfo(training.time_zone)
    begins, ends = training.starts_at.astimezone(zone), training.ends_at.astimezone(zone)
    return f"{begins:%Y-%m-%d %H:%M}–{ends:%H:%M}"


def _show_roster(rows: Sequence[enrolment_queries.RosterRow]) -> None:
    shown = [
        (
            row.id,
            row.name,
            row.phone,
            row.state,
            row.waiting_place or (f"{row.offer_expires_at:%m-%d %H:%MZ}" if row.offer_expires_at else None),
            row.attendance,
            {True: "passed", False: "failed", None: None}[row.passed],
            row.certificate,
        )
        for row in rows
    ]
    columns = ["id", "name", "phone", "state", "waits", "attendance", "result", "certificate"]
    table(None, columns, shown, right=["id"])
