"""Commands: `aed webhooks`, the programs that are notified of the time bank."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer
from pydantic import AfterValidator, ValidationInfo

from aed import clock
from aed.cli.context import cli_read_session, cli_transaction, operator
from aed.cli.fields import EstateOrRegion, validated
from aed.cli.language import in_own_language
from aed.cli.screen import say, table
from aed.errors import InvalidInput
from aed.notifications.endpoints import require_webhook_address
from aed.notifications.queries import backlog
from aed.settings import load_settings
from aed.timebank.models import WebhookEventType
from aed.timebank.webhooks import actions, queries

webhooks = typer.Typer(no_args_is_help=True)

WebhookId = Annotated[int, typer.Argument(help="The webhook's id: see aed webhooks list", metavar="ID")]


def _check_address(address: str, info: ValidationInfo) -> str:
    """Return an address to which a webhook may send. Raises ValueError, reported with all other errors."""
    try:
        require_webhook_address(address, is_private_allowed=(info.context or {})["is_private_allowed"])
    except InvalidInput as error:
        raise ValueError(in_own_language(error)) from None
    return address


class WebhookOnCommandLine(EstateOrRegion):
    """A webhook to add."""

    address: Annotated[str, AfterValidator(_check_address)]


@webhooks.command("add")
def add(
    address: Annotated[str, typer.Argument(help="The URL that receives the events: https://…")],
    events: Annotated[list[WebhookEventType], typer.Argument(help="The events to send")],
    estate: Annotated[int | None, typer.Option(help="The id of an estate")] = None,
    region: Annotated[str | None, typer.Option(help="A region's code, in place of an estate")] = None,
) -> None:
    """Notify a program of service, points and orders of an estate or region.

    Prints the secret that signs the messages; it is not shown again.
    """
    settings = load_settings()
    new = validated(
        WebhookOnCommandLine,
        {"address": address, "estate": estate, "region": region},
        context={"is_private_allowed": settings.notify_allow_private},
    )
    with cli_transaction(settings) as session:
        _, secret = actions.add_subscription(
            session,
            operator(),
            estate_id=new.estate,
            region=new.region,
            address=new.address,
            events=events,
            at=clock.now(),
            is_private_allowed=settings.notify_allow_private,
        )
    say(secret)


@webhooks.command("list")
def show_all() -> None:
    """List the webhooks, without addresses and secrets, and the messages that they have not received."""
    with cli_read_session() as session:
        found = queries.subscriptions(session, operator(), limit=10_000, after_id=0)
        waiting = backlog(session, [each.endpoint_id for each in found])
        rows = [
            (
                each.id,
                f"estate {each.estate_id}" if each.estate_id is not None else f"region {each.region_id}",
                ", ".join(each.events),
                "active" if each.is_active else "stopped",
                *waiting.get(each.endpoint_id, (0, 0)),
            )
            for each in found
        ]
    table(None, ["id", "of", "events", "state", "waiting", "dead"], rows, right=("id", "waiting", "dead"))


@webhooks.command("test")
def test(webhook_id: WebhookId) -> None:
    """Send a signed test message to a webhook."""
    with cli_transaction() as session:
        actions.send_test(session, operator(), webhook_id, at=clock.now())
    say("A test message is in the outbox.")


@webhooks.command("rotate-secret")
def rotate(
    webhook_id: WebhookId,
    overlap_hours: Annotated[
        float, typer.Option(min=0, max=720, help="How long the previous secret signs too")
    ] = 24,
) -> None:
    """Make a new secret and print it; it is not shown again."""
    with cli_transaction() as session:
        overlap = timedelta(hours=overlap_hours)
        secret = actions.rotate_secret(session, operator(), webhook_id, at=clock.now(), overlap=overlap)
    say(secret)


@webhooks.command("stop")
def stop(webhook_id: WebhookId) -> None:
    """Stop a webhook: delete its address and secret, and cancel its messages."""
    with cli_transaction() as session:
        actions.stop_subscription(session, operator(), webhook_id, at=clock.now())
    say("The webhook is stopped.")
