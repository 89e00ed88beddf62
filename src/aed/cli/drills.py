"""Commands: `aed drills`, timed fetches of devices, and the pace at an estate derived from them."""

from __future__ import annotations

import uuid
from typing import Annotated

import typer

from aed import clock
from aed.accounts.people.queries import names_by_actor
from aed.accounts.regions.models import Region
from aed.cli.context import cli_read_session, cli_transaction, operator
from aed.cli.fields import validated
from aed.cli.nearest import network_if_any
from aed.cli.rows import After, Id
from aed.cli.screen import plural, say, table, warn
from aed.geo import Datum
from aed.incidents.drills import queries
from aed.incidents.drills.actions import estimate_estate_pace, report_drill, withdraw_drill
from aed.incidents.drills.schemas import DrillIn
from aed.lookup.pace import Between
from aed.lookup.question import parse_moment
from aed.registry.devices import queries as device_queries
from aed.registry.storeys import storey_label
from aed.settings import load_settings
from aed.walking.travel import estate_pace

SHOWN = 100

drills = typer.Typer(no_args_is_help=True)


@drills.command("add", context_settings={"ignore_unknown_options": True})
def add(
    device_id: Id,
    lat: Annotated[float, typer.Argument(help="Latitude of the start in degrees")],
    lon: Annotated[float, typer.Argument(help="Longitude of the start in degrees")],
    seconds: Annotated[
        float, typer.Argument(help="Duration from leaving the start until back there with the device")
    ],
    datum: Annotated[Datum, typer.Option(help="Datum of lat and lon")] = Datum.WGS84,
    floor: Annotated[
        int, typer.Option(min=-20, max=200, help="Floor of the start, 0 is the ground floor")
    ] = 0,
    at: Annotated[
        str | None,
        typer.Option(help="When the drill took place, such as 2026-10-01T10:00:00+08:00; default: now"),
    ] = None,
    note: Annotated[str | None, typer.Option(help="A remark")] = None,
    key: Annotated[
        str | None, typer.Option(help="A UUID; repeating it does not record the drill twice")
    ] = None,
) -> None:
    """Record a drill: a timed fetch of a device."""
    new = validated(
        DrillIn,
        {
            "key": key or uuid.uuid4(),
            "start": {"lat": lat, "lon": lon, "datum": datum},
            "floor": floor,
            "seconds": seconds,
            "ran_at": parse_moment(at) if at is not None else None,
            "note": note,
        },
    )
    settings = load_settings()
    network, missing_reason = network_if_any(settings)
    with cli_transaction() as session:
        drill = report_drill(
            session, operator(), device_id, new, network=network, settings=settings, at=clock.now()
        )
        estate_id = drill.estate_id
        message = (
            f"Drill {drill.id}: {drill.walk_metres:.0f} m one way, {drill.seconds:.0f} s there and back."
        )
    if missing_reason is not None:
        warn(f"{missing_reason} The walk is estimated from the straight line.")
    say(message)
    show_pace(estate_id)


@drills.command("list")
def list_drills(device_id: Id, before: After = 0) -> None:
    """List the valid drills of a device, the most recently recorded first."""
    with cli_read_session() as session:
        found = queries.drills(session, operator(), device_id, limit=SHOWN + 1, before_id=before or None)
        names = names_by_actor(session, [each.by_name for each in found])
        region_id = device_queries.device(session, operator(), device_id).region_id
        counts = session.get_one(Region, region_id).counts_ground_as_one
    rows = [
        (
            each.id,
            f"{each.ran_at:%Y-%m-%d}",
            f"{each.seconds:.0f} s",
            f"{each.walk_metres:.0f} m",
            each.basis,
            storey_label(each.start_floor, counts_ground_as_one=counts),
            names.get(each.by_name, each.by_name),
        )
        for each in found[:SHOWN]
    ]
    if not rows:
        say("There are no drills with this device.")
        return
    columns = ["id", "ran", "took", "one way", "measured on", "from storey", "by"]
    table(None, columns, rows, right=["id", "took", "one way"])
    if len(found) > SHOWN:
        say(f"There are more: --after {found[SHOWN - 1].id}")


@drills.command("withdraw")
def withdraw(drill_id: Id) -> None:
    """Withdraw a drill, so that it no longer counts."""
    with cli_transaction() as session:
        withdraw_drill(session, operator(), drill_id, settings=load_settings(), at=clock.now())
    say(f"Drill {drill_id} is deleted.")


@drills.command("pace")
def show_pace(estate_id: Id) -> None:
    """Show the pace of fetching a device at an estate, from its drills, and whether the lookup uses it."""
    settings = load_settings()
    with cli_read_session() as session:
        estate = queries.estate_of_insider(session, operator(), estate_id)
        found, name = estimate_estate_pace(session, estate.id, settings), estate.name_en
    say(f"{name}: {plural(found.drills, 'drill')}; the walks differ by {found.spread_metres:.0f} m.")
    usual = estate_pace(settings.arrival)
    if found.seconds_per_metre is not None and found.pick_up_seconds is not None:
        rows = [
            (
                "per metre",
                *_figures(found.seconds_per_metre, 3),
                f"{usual.seconds_per_metre:.3f} s",
            ),
            (
                "besides walking",
                *_figures(found.pick_up_seconds, 0),
                f"{usual.pick_up_seconds:.0f} s",
            ),
        ]
        columns = ["what", "its own", "at least", "at most", "in estates"]
        table(None, columns, rows, right=columns[1:])
    if found.is_enough:
        say("The lookup uses the pace of this estate.")
    else:
        numbers = settings.drills
        say(
            f"The lookup uses the general pace until there are {numbers.min_drills} drills "
            f"whose walks differ by at least {numbers.spread_metres:.0f} m."
        )


def _figures(found: Between, digits: int) -> tuple[str, str, str]:
    return f"{found.value:.{digits}f} s", f"{found.low:.{digits}f} s", f"{found.high:.{digits}f} s"
