"""Commands: `aed outbox` and `aed endpoints`, outgoing messages."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric import ec
from py_vapid.utils import b64urlencode

from aed import clock
from aed.accounts.masking import mask_recipient
from aed.accounts.people.rules import Language
from aed.cli.context import cli_database, cli_read_session, cli_transaction, operator
from aed.cli.language import either
from aed.cli.screen import plural, say, table
from aed.database.session import database_now, read_session
from aed.errors import Conflict, InvalidInput
from aed.notifications import queries
from aed.notifications.claims import cancel_waiting, send_now
from aed.notifications.endpoints import EndpointInput, remove_endpoint, save_endpoint
from aed.notifications.outbox import send_test
from aed.notifications.rules import Channel, OutboxState, WaitingFor
from aed.notifications.schemas import state_of
from aed.settings import load_settings

outbox = typer.Typer(no_args_is_help=True)
endpoints = typer.Typer(no_args_is_help=True)

After = Annotated[int, typer.Option(help="Only those with a larger id", min=0)]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="Maximum number of messages")]


@outbox.command("status")
def status() -> None:
    """Show the state of each channel."""
    with cli_read_session() as session:
        found = queries.outbox_backlogs(session, operator())
    rows = [
        (each.channel, each.waiting, each.dead, _moment(each.oldest_due_at), _moment(each.last_sent_at))
        for each in found
    ]
    columns = ["channel", "waiting", "dead", "first due (UTC)", "last sent"]
    table(None, columns, rows, right=("waiting", "dead"))


@outbox.command("list")
def show_all(
    state: Annotated[OutboxState | None, typer.Option(help="Only in this state")] = None,
    channel: Annotated[Channel | None, typer.Option(help="Only on this channel")] = None,
    after: After = 0,
    limit: Limit = 100,
) -> None:
    """List messages in order of id, without their texts."""
    with cli_read_session() as session:
        found = queries.messages(
            session, operator(), state=state, channel=channel, limit=limit + 1, after_id=after
        )
        waits = queries.waiting_reasons(session, found, at=database_now(session))
        rows = [
            (
                row.id,
                row.channel,
                mask_recipient(row.recipient),
                state_of(row),
                row.tries,
                _moment(row.sent_at or row.given_up_at or row.due_at),
                _why(row.reason, waits.get(row.id)),
            )
            for row in found[:limit]
        ]
    table(
        None,
        ["id", "channel", "to", "", "tries", "sent, failed or due (UTC)", "reason"],
        rows,
        right=("id", "tries"),
    )
    if len(found) > limit:
        say(f"There are more: --after {rows[-1][0]}")


def _why(reason: str | None, wait: WaitingFor | None) -> str:
    """Return why a message is waiting, and the error of its last attempt."""
    return ". ".join(each for each in (str(wait).capitalize() if wait is not None else None, reason) if each)


@outbox.command("cancel")
def cancel_messages(
    ids: Annotated[list[int], typer.Argument(help="Ids of messages, from `aed outbox list --state waiting`")],
) -> None:
    """Cancel waiting messages. Messages behind them go on."""
    with cli_transaction() as session:
        for each in ids:
            cancel_waiting(session, operator(), each, at=database_now(session))
    say(f"{plural(len(ids), 'message')} cancelled.")


@outbox.command("resend")
def resend(
    ids: Annotated[
        list[int] | None, typer.Argument(help="Ids of messages, from `aed outbox list --state dead`")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All messages that failed for good")] = False,
    channel: Annotated[Channel | None, typer.Option(help="With --all: only on this channel")] = None,
) -> None:
    """Retry dead messages, with the same keys."""
    if bool(ids) == everything:
        raise InvalidInput(either("Give ids or --all.", "请给出消息编号，或使用 --all。"))
    done, kept = 0, []
    with cli_transaction() as session:
        wanted = ids or []
        if everything:
            found = queries.messages(
                session, operator(), state=OutboxState.DEAD, channel=channel, limit=100_000
            )
            wanted = [row.id for row in found]
        for each in wanted:
            try:
                send_now(session, operator(), each, at=clock.now())
                done += 1
            except Conflict as error:
                if not everything:
                    raise
                kept.append(f"{each}: {error.detail}")
    say(
        f"{plural(done, 'message')} will be sent again."
        + (f" {len(kept)} cannot be sent again:" if kept else "")
    )
    for line in kept[:20]:
        say(f"  {line}")


@outbox.command("send")
def send() -> None:
    """Send all due messages now, even without a worker; messages claimed by a worker are left to it."""
    from aed.notifications.channels import channels_of  # here: the other commands send nothing
    from aed.notifications.jobs import send_waiting

    settings = load_settings()
    with cli_database(settings) as database:

        def now() -> datetime:
            with read_session(database) as session:
                return database_now(session)

        sent = send_waiting(database, now, channels=channels_of(settings))
    say(f"{sent.sent} sent, {sent.postponed} postponed, {sent.refused} refused.")


# --- Endpoints ------------------------------------------------------------------------------------------


@endpoints.command("add")
def add(
    name: Annotated[str, typer.Argument(help="A name, such as gate-group")],
    channel: Annotated[Channel, typer.Argument(help="Its kind")],
    address: Annotated[
        str, typer.Argument(help="An e-mail address, a URL or an Apprise URL; - reads it from standard input")
    ] = "-",
    signed: Annotated[
        bool, typer.Option("--secret", help="Also read a secret, which signs messages, from standard input")
    ] = False,
    language: Annotated[Language, typer.Option(help="Language of its messages")] = Language.ZH,
    person: Annotated[int | None, typer.Option(min=1, help="The person who owns it, by id")] = None,
) -> None:
    """Add an endpoint.

    A bot's address is a secret: `-` reads it from standard input, which keeps it out of the shell history.
    """
    given = EndpointInput(
        name=name,
        channel=channel,
        address=_line("address") if address == "-" else address,
        secret=_line("secret") if signed else None,
        language=language,
        person_id=person,
    )
    settings = load_settings()
    with cli_transaction(settings) as session:
        save_endpoint(
            session, operator(), given, at=clock.now(), is_private_allowed=settings.notify_allow_private
        )
    say(f"Endpoint {name} is stored. To test it: aed endpoints test {name}")


def _line(what: str) -> str:
    if sys.stdin.isatty():
        line: str = typer.prompt(what.capitalize(), hide_input=True)
        return line.strip()
    return sys.stdin.readline().strip()


@endpoints.command("list")
def show_endpoints(after: After = 0, limit: Limit = 100) -> None:
    """List the endpoints, without their addresses."""
    with cli_read_session() as session:
        rows = [
            (row.id, row.name, row.channel, row.language, row.person_id, _moment(row.created_at))
            for row in queries.endpoints(session, operator(), limit=limit, after_id=after)
        ]
    table(None, ["id", "name", "channel", "language", "person", "since"], rows, right=("id",))


@endpoints.command("remove")
def remove(name: Annotated[str, typer.Argument(help="The endpoint's name")]) -> None:
    """Remove an endpoint; its waiting messages are cancelled."""
    with cli_transaction() as session:
        remove_endpoint(session, operator(), name, at=clock.now())
    say(f"Endpoint {name} is removed.")


@endpoints.command("test")
def test(name: Annotated[str, typer.Argument(help="The endpoint's name")]) -> None:
    """Enqueue a test message for an endpoint. `aed outbox list` shows the result."""
    with cli_transaction() as session:
        outgoing = send_test(session, operator(), name, at=clock.now())
        message = (
            f"Message {outgoing.id} to {name} is in the outbox. The worker sends it, or `aed outbox send`."
        )
    say(message)


@endpoints.command("push-key")
def push_key() -> None:
    """Create a key for push messages. With another key, browsers must subscribe again."""
    key = ec.generate_private_key(ec.SECP256R1())
    number = key.private_numbers().private_value.to_bytes(32, "big")
    say(f"AED_WEB_PUSH__PRIVATE_KEY={b64urlencode(number)}")


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment is not None else ""
