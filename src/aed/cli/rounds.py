"""Commands: `aed rounds`, inspection rounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import BeforeValidator

from aed import clock
from aed.cli.context import cli_database, cli_read_session, cli_transaction, operator
from aed.cli.fields import validated
from aed.cli.language import either
from aed.cli.rows import SHOWN, Id, show_all
from aed.cli.screen import plural, say, table
from aed.database.session import transaction
from aed.registry.fields import PositionIn
from aed.settings import load_settings
from aed.upkeep.rounds import queries
from aed.upkeep.rounds.rules import DEFAULT_CHECK_MINUTES
from aed.upkeep.rounds.schemas import RoundOut, RoundsIn

if TYPE_CHECKING:
    from aed.upkeep.rounds.planning import RoundPlan

rounds = typer.Typer(no_args_is_help=True)


def _position_fields(text: str) -> dict[str, str]:
    """Return LATITUDE,LONGITUDE as fields. Raises ValueError, which is reported with all other errors."""
    lat, comma, lon = text.partition(",")
    if not comma:
        raise ValueError(
            either(
                "must be LATITUDE,LONGITUDE, such as 30.2948,120.0982",
                "须为“纬度,经度”(LATITUDE,LONGITUDE)，如 30.2948,120.0982",
            )
        )
    return {"lat": lat.strip(), "lon": lon.strip()}


class RoundsOnCommandLine(RoundsIn):
    """New rounds, in which a place is given as LATITUDE,LONGITUDE."""

    start: Annotated[PositionIn, BeforeValidator(_position_fields)]
    end: Annotated[PositionIn, BeforeValidator(_position_fields)] | None = None


@rounds.command("list")
def list_rounds(
    estate: Annotated[int | None, typer.Option(min=1, help="Only of this estate, by id")] = None,
    before: Annotated[int | None, typer.Option(min=1, help="Only rounds with a lower number")] = None,
) -> None:
    """List the inspection rounds, the last assigned first."""
    with cli_read_session() as session:
        found = queries.rounds(
            session, operator(), at=clock.now(), limit=SHOWN, before_id=before, estate_id=estate
        )
        rows = [
            (
                each.row.id,
                each.row.day,
                each.row.inspector.name,
                each.row.estate_id,
                each.row.region.code,
                f"{each.checked}/{len(each.in_order)}",
                f"{each.row.every_days} d" if each.row.every_days else None,
                each.state,
            )
            for each in found
        ]
    columns = ["id", "day", "inspector", "estate", "region", "checked", "repeats", "state"]
    table(None, columns, rows, right=["id", "estate"])
    if len(rows) == SHOWN:
        say(f"There may be more: --before {rows[-1][0]}")


@rounds.command("show")
def show_round(round_id: Id) -> None:
    """Show a round with its devices in walking order, and the checks that have arrived."""
    with cli_read_session() as session:
        found = queries.round_by_id(session, operator(), round_id, at=clock.now())
        shown = RoundOut.of(found)
    show_all(shown.model_copy(update={"stops": []}))
    rows = [
        (
            each.position,
            each.device.code,
            each.device.place_zh or each.device.place_en,
            f"{each.begins_at:%H:%MZ}" if each.begins_at else each.not_visited_reason,
            f"{each.checked_at:%m-%d %H:%MZ}" if each.checked_at else None,
            "waits for approval"
            if each.waits_for_approval
            else {True: "passed", False: "failed", None: None}[each.is_passed],
        )
        for each in shown.stops
    ]
    table(None, ["#", "device", "where", "planned", "checked", "result"], rows, right=["#"])


@rounds.command("assign")
def assign_rounds(
    inspector: Annotated[list[int], typer.Option(min=1, help="A person, by id; may be repeated")],
    day: Annotated[str, typer.Option(help="The day, such as 2027-05-31")],
    start: Annotated[
        str, typer.Option(help="Where the rounds start: LATITUDE,LONGITUDE, such as 30.2948,120.0982")
    ],
    estate: Annotated[int | None, typer.Option(min=1, help="The estate, by id")] = None,
    region: Annotated[str | None, typer.Option(help="A region, by code, instead of an estate")] = None,
    end: Annotated[
        str | None, typer.Option(help="Where they end: LATITUDE,LONGITUDE; default: at the last device")
    ] = None,
    starts: Annotated[str, typer.Option(help="When the rounds start, in local time")] = "08:00",
    ends_by: Annotated[str, typer.Option(help="When they must have ended, in local time")] = "18:00",
    device: Annotated[
        list[int] | None, typer.Option(min=1, help="A device, by id; may be repeated. Default: what is due")
    ] = None,
    due_within_days: Annotated[int, typer.Option(help="Without --device: due within so many days")] = 7,
    check_minutes: Annotated[
        int, typer.Option(help="How many minutes a check takes")
    ] = DEFAULT_CHECK_MINUTES,
    every_days: Annotated[int | None, typer.Option(help="Repeat after so many days")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan; assign nothing")] = False,
) -> None:
    """Plan rounds in walking order within the hours of each device, and assign them to inspectors."""
    from aed.cli.nearest import network_if_any  # here: `list` needs no walking network
    from aed.upkeep.rounds import actions

    new = validated(
        RoundsOnCommandLine,
        {
            "estate_id": estate,
            "region": region,
            "inspector_ids": inspector,
            "day": day,
            "starts": starts,
            "ends_by": ends_by,
            "start": start,
            "end": end,
            "device_ids": device or None,
            "due_within_days": due_within_days,
            "check_minutes": check_minutes,
            "every_days": every_days,
        },
    )
    settings, at = load_settings(), clock.now()
    network, _ = network_if_any(settings)
    with cli_database(settings) as database:
        plan = actions.plan_in_turn(database, operator(), new, at=at, network=network, settings=settings)
        if dry_run:
            _show_plan(plan)
            return
        with transaction(database) as session:
            made = [each.id for each in actions.assign_rounds(session, operator(), plan, at=at)]
    _show_plan(plan)
    say(f"Assigned: {', '.join(f'round {each}' for each in made) or 'nothing'}.")


def _show_plan(plan: RoundPlan) -> None:
    for route in plan.routes:
        rows = [
            (place, stop.device.id, stop.device.place_zh or stop.device.place_en, f"{stop.begins_at:%H:%MZ}")
            for place, stop in enumerate(route.stops, start=1)
        ]
        title = f"{route.inspector}: {plural(len(rows), 'device')}, {route.walking_seconds // 60} min on foot"
        table(title, ["#", "device", "where", "begins"], rows, right=["#", "device"])
    for device, reason in plan.not_visited:
        say(f"Device {device.id} is in no round: {reason.value}.")


@rounds.command("cancel")
def cancel_round(round_id: Id) -> None:
    """Cancel a round and its repetitions. Checks that were sent stay."""
    from aed.upkeep.rounds import actions

    with cli_transaction() as session:
        actions.cancel_round(session, operator(), round_id, at=clock.now())
    say(f"Round {round_id} is cancelled.")
