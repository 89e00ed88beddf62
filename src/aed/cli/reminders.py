"""Commands: `aed reminders`, reminders sent to people, and their preferences."""

from __future__ import annotations

from typing import Annotated

import typer

from aed.accounts.people import queries as people_queries
from aed.cli.context import cli_read_session, cli_transaction, operator
from aed.cli.language import either
from aed.cli.rows import After
from aed.cli.screen import say, table
from aed.cli.upkeep import OfEstate, OfRegion
from aed.errors import InvalidInput
from aed.upkeep.device_filter import DeviceFilter
from aed.upkeep.reminders import queries
from aed.upkeep.reminders.actions import set_preference
from aed.upkeep.reminders.message_lines import preference_of
from aed.upkeep.reminders.models import ReminderPreference
from aed.upkeep.reminders.queries import ReminderWithRecipients
from aed.upkeep.reminders.rules import Hours
from aed.upkeep.rules import short_number

SHOWN = 100
reminders = typer.Typer(no_args_is_help=True)


@reminders.command("list")
def list_reminders(
    estate: OfEstate = None,
    region: OfRegion = None,
    closed: Annotated[bool, typer.Option("--all", help="Include closed reminders")] = False,
    after: After = 0,
) -> None:
    """List reminders: what a person was reminded of, at which level, and the answer."""
    with cli_read_session() as session:
        found = queries.reminders(
            session,
            operator(),
            DeviceFilter(estate_id=estate, region=region),
            limit=SHOWN + 1,
            after_id=after,
            also_closed=closed,
        )
        rows = [_row(each) for each in found[:SHOWN]]
        last_id = found[SHOWN - 1].reminder.id if len(found) > SHOWN else None
    if not rows:
        say("There are no open reminders.")
        return
    columns = ["id", "device", "estate", "what", "due on", "days before", "sent"]
    table(None, columns, rows, right=["id", "days before"])
    if last_id is not None:
        say(f"There are more: --after {last_id}")


def _row(each: ReminderWithRecipients) -> tuple[object, ...]:
    recipients = ", ".join(
        f"{one.level}"
        + (f" {one.notified_at:%m-%d}" if one.notified_at is not None else " waits")
        + (f" ({one.answer})" if one.answer is not None else "")
        for one in each.recipients
    )
    reminder, estate = each.reminder, each.estate
    return (
        reminder.id,
        short_number(reminder.device_id),
        (estate.name_zh or estate.name_en) if estate is not None else None,
        reminder.due_kind,
        reminder.due_on,
        reminder.threshold_days,
        "closed" if reminder.closed_at is not None and not recipients else recipients or None,
    )


@reminders.command("preferences")
def preferences(
    person_id: Annotated[int, typer.Argument(min=1)],
    from_hour: Annotated[
        int | None, typer.Option(min=0, max=23, help="The hour from which reminders may be sent")
    ] = None,
    until_hour: Annotated[
        int | None, typer.Option(min=1, max=24, help="The hour until which reminders may be sent")
    ] = None,
    days_before: Annotated[
        int | None, typer.Option(min=0, max=366, help="Send no reminder earlier than this many days before")
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Use the general settings again")] = False,
) -> None:
    """Show how a person is reminded; with options, change it."""
    if (from_hour is None) != (until_hour is None):
        raise InvalidInput(
            either("Give --from-hour and --until-hour together.", "--from-hour 与 --until-hour 须同时给出。"),
            field="until_hour",
        )
    hours = None
    if from_hour is not None and until_hour is not None:
        if from_hour >= until_hour:
            raise InvalidInput(
                either("--from-hour must be before --until-hour.", "--from-hour 须早于 --until-hour。"),
                field="from_hour",
            )
        hours = Hours(from_hour, until_hour)
    with cli_transaction() as session:
        person, _ = people_queries.person(session, operator(), person_id)
        found = preference_of(session, person.id)
        if clear or hours is not None or days_before is not None:
            found = set_preference(session, person.id, hours=hours, days_before=days_before)
        words = _in_words(found)
    say(f"Person {person_id} is reminded {words}.")


def _in_words(found: ReminderPreference | None) -> str:
    parts = []
    if found is not None and found.from_hour is not None:
        parts.append(f"between {found.from_hour:02}:00 and {found.until_hour:02}:00")
    if found is not None and found.days_before is not None:
        parts.append(f"at most {found.days_before} days before")
    return ", ".join(parts) or "with the general settings"
