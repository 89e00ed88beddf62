"""Commands: `aed courses`."""

from __future__ import annotations

from typing import Annotated

import typer

from aed import clock
from aed.cli.context import cli_read_session, cli_transaction, operator
from aed.cli.fields import Fields, fields_in, taking
from aed.cli.rows import Id, Version, show_all, show_history
from aed.cli.screen import say, table
from aed.training.courses import actions as course_actions
from aed.training.courses import queries as course_queries
from aed.training.courses.schemas import CourseAmend, CourseIn, CourseOut

courses = typer.Typer(no_args_is_help=True)

Needs = Annotated[
    list[str] | None,
    typer.Option("--needs", help="A prerequisite course, by code; may be repeated"),
]


@courses.command("add", cls=taking(CourseIn))
def add_course(given: Fields, needs: Needs = None) -> None:
    """Add a course."""
    with cli_transaction() as session:
        new = fields_in(CourseIn, given).model_copy(update={"prerequisites": needs or []})
        course = course_actions.create_course(session, operator(), new, at=clock.now())
        say(f"Course {course.id} is offered as {course.code}.")


@courses.command("amend", cls=taking(CourseAmend))
def amend_course(
    course_id: Id,
    given: Annotated[list[str] | None, typer.Argument(help="NAME=VALUE …", metavar="NAME=VALUE…")] = None,
    needs: Needs = None,
    version: Version = None,
) -> None:
    """Change the given fields of a course; --needs replaces its requirements."""
    with cli_transaction() as session:
        change = fields_in(CourseAmend, given or [])
        if needs is not None:
            change = CourseAmend(**change.model_dump(exclude_unset=True), prerequisites=needs)
        present = course_queries.course(session, course_id).version
        course = course_actions.amend_course(
            session, operator(), course_id, change, version=version or present, at=clock.now()
        )
        say(f"Course {course.code} is at version {course.version}.")


@courses.command("withdraw")
def withdraw_course(course_id: Id, version: Version = None) -> None:
    """Withdraw a course: no new sessions; awarded certificates stay valid."""
    with cli_transaction() as session:
        present = course_queries.course(session, course_id).version
        course_actions.withdraw_course(
            session, operator(), course_id, version=version or present, at=clock.now()
        )
    say(f"Course {course_id} is withdrawn.")


@courses.command("show")
def show_course(course_id: Id) -> None:
    """Show a course."""
    with cli_read_session() as session:
        course = course_queries.course(session, course_id)
        show_all(CourseOut.of(course, course_queries.prerequisite_codes(session, course.id)))


@courses.command("history")
def course_history(course_id: Id) -> None:
    """List the changes of a course, newest first: who, what and when."""
    with cli_read_session() as session:
        show_history(session, "courses", course_queries.course(session, course_id).id)


@courses.command("list")
def list_courses() -> None:
    """List the courses."""
    with cli_read_session() as session:
        found = course_queries.courses(session, limit=1000)
        needed = course_queries.prerequisites(session, [each.id for each in found])
        rows = [
            (
                each.id,
                each.code,
                each.name_en,
                each.name_zh,
                f"{each.hours:g}",
                each.certificate_kind,
                each.validity_months,
                each.refresher_months,
                " ".join(course.code for course in needed.get(each.id, [])),
                each.state,
            )
            for each in found
        ]
    table(
        None,
        ["id", "code", "name", "名称", "hours", "certificate", "months", "refresh", "needs", "state"],
        rows,
        right=["id", "hours", "months", "refresh"],
    )
