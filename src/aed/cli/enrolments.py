"""Commands: `aed enrol` and `aed enrolments`."""

from __future__ import annotations

from typing import Annotated

import typer

from aed import clock
from aed.cli.context import cli_read_session, cli_transaction, long_cli_transaction, operator
from aed.cli.fields import Fields, fields_in, taking
from aed.cli.rows import Id, show_all, show_history
from aed.cli.screen import plural, say
from aed.training.enrolments import actions as enrolment_actions
from aed.training.enrolments import queries as enrolment_queries
from aed.training.enrolments.schemas import EnrolmentIn, EnrolmentOut
from aed.training.rules import EnrolmentState

enrolments = typer.Typer(no_args_is_help=True)
enrolling_group = typer.Typer(add_completion=False)
"""The Typer app of the single command `aed enrol`."""


@enrolling_group.command("enrol", cls=taking(EnrolmentIn))
def enrol(session_id: Id, given: Fields) -> None:
    """Enrol a person in a session.

    Example: aed enrol 1 name=王芳 phone=+8613800000000 estate_id=1
    """
    with cli_transaction() as session:
        made = enrolment_actions.enrol(
            session, operator(), session_id, fields_in(EnrolmentIn, given), at=clock.now()
        )
        row = enrolment_queries.roster_row(session, operator(), made.id)
    place = f", place {row.waiting_place} on the waiting list" if row.state is EnrolmentState.WAITING else ""
    say(f"Enrolment {row.id}: {row.name} is {row.state}{place}.")


@enrolments.command("show")
def show_enrolment(enrolment_id: Id) -> None:
    """Show an enrolment."""
    with cli_read_session() as session:
        show_all(EnrolmentOut.of(enrolment_queries.roster_row(session, operator(), enrolment_id)))


@enrolments.command("history")
def enrolment_history(enrolment_id: Id) -> None:
    """List the changes of an enrolment, newest first: who, what and when."""
    with cli_read_session() as session:
        show_history(
            session, "enrolments", enrolment_queries.roster_row(session, operator(), enrolment_id).id
        )


@enrolments.command("accept")
def accept(enrolment_id: Id) -> None:
    """Accept the place that is offered."""
    with cli_transaction() as session:
        version = enrolment_queries.enrolment(session, operator(), enrolment_id).version
        enrolment_actions.accept(session, operator(), enrolment_id, version=version, at=clock.now())
    say(f"Enrolment {enrolment_id} is enrolled.")


@enrolments.command("withdraw")
def withdraw(enrolment_id: Id) -> None:
    """Withdraw an enrolment; its place is offered to the next person."""
    with cli_transaction() as session:
        version = enrolment_queries.enrolment(session, operator(), enrolment_id).version
        enrolment_actions.withdraw(session, operator(), enrolment_id, version=version, at=clock.now())
    say(f"Enrolment {enrolment_id} is withdrawn.")


@enrolments.command("move")
def move(enrolment_id: Id, to: Annotated[int, typer.Option(help="The other session, by id", min=1)]) -> None:
    """Move an enrolment to another session."""
    with cli_transaction() as session:
        version = enrolment_queries.enrolment(session, operator(), enrolment_id).version
        arrived = enrolment_actions.move(
            session, operator(), enrolment_id, to_session_id=to, version=version, at=clock.now()
        )
        say(f"Enrolment {arrived.id} in session {to} is {arrived.state}.")


@enrolments.command("expire")
def expire() -> None:
    """Pass offers that were not accepted in time to the next person, as is done every minute on schedule."""
    with long_cli_transaction() as session:
        say(f"{plural(enrolment_actions.expire_offers(session, clock.now()), 'offer')} expired.")
