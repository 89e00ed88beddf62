"""Commands: `aed security`, sign-ins and attempts, sessions, and lost second factors."""

from __future__ import annotations

from typing import Annotated

import typer

from aed import clock
from aed.accounts.people import queries as people_queries
from aed.accounts.second_factors import actions as second_factors
from aed.accounts.security_log import SecurityEventKind, security_events
from aed.accounts.sessions import active_sessions, end_session, end_sessions
from aed.cli.context import cli_read_session, cli_transaction, operator
from aed.cli.screen import plural, say, table

security = typer.Typer(no_args_is_help=True)

Person = Annotated[int, typer.Argument(min=1, help="The person's id", metavar="PERSON")]


@security.command("events")
def events(
    kind: Annotated[SecurityEventKind | None, typer.Option(help="Only these events")] = None,
    person: Annotated[int | None, typer.Option(min=1, help="Only of this person, by id")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Maximum number of events")] = 50,
) -> None:
    """List the log of security events, newest first."""
    with cli_read_session() as session:
        found = security_events(session, operator(), limit=limit, kind=kind, person_id=person)
        rows = [
            (
                f"{each.at:%Y-%m-%d %H:%M:%S}",
                each.kind,
                each.person_id,
                each.account_key[:12] if each.account_key else None,
                each.address,
                each.detail,
            )
            for each in found
        ]
    table(None, ["at (UTC)", "what", "person", "account", "from", ""], rows)


@security.command("sessions")
def sessions(person_id: Person) -> None:
    """List the browsers in which a person is signed in."""
    with cli_read_session() as session:
        people_queries.person(session, operator(), person_id)
        rows = [
            (
                each.id,
                f"{each.created_at:%Y-%m-%d %H:%M}",
                f"{each.last_seen_at or each.created_at:%Y-%m-%d %H:%M}",
                each.address,
                "waiting for the second factor" if each.is_limited and each.second_factor_at is None else "",
                each.user_agent,
            )
            for each in active_sessions(session, person_id, at=clock.now())
        ]
    table(None, ["id", "since (UTC)", "last seen", "from", "", "browser"], rows)


@security.command("sign-out")
def sign_out(
    person_id: Person,
    only: Annotated[int | None, typer.Option("--session", min=1, help="Only this session, by id")] = None,
) -> None:
    """End a person's sessions. Their live updates stop within seconds."""
    with cli_transaction() as session:
        people_queries.person(session, operator(), person_id)
        if only is not None:
            end_session(session, person_id, only, at=clock.now())
            ended = 1
        else:
            ended = end_sessions(session, person_id, at=clock.now())
    say(f"{plural(ended, 'session')} ended.")


@security.command("remove-factors")
def remove_factors(person_id: Person) -> None:
    """Remove the second factors of a person who has lost them. Verify the person's identity first."""
    with cli_transaction() as session:
        removed = second_factors.remove_all_factors(session, operator(), person_id, at=clock.now())
    say(f"{plural(removed, 'second factor')} removed. Person {person_id} is signed out everywhere.")
