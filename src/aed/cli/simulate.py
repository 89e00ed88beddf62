"""aed simulate: what a way of choosing whom to ask is worth, over thousands of incidents on a real map."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aed.cli.files import write_whole
from aed.cli.lookup import minutes
from aed.cli.screen import counting, heading, say, table, warn
from aed.errors import InvalidInput
from aed.settings import load_settings
from aed.simulation.formats.curves import curves
from aed.simulation.formats.raw import raw
from aed.simulation.queries import read_list_of_devices, read_world
from aed.simulation.rules.assumptions import Assumptions, Numbers
from aed.simulation.rules.figures import (
    Compared,
    Difference,
    Sharing,
    Simulated,
    gained_by_opening,
    summary,
)
from aed.simulation.rules.policies import Way
from aed.simulation.rules.running import simulate as run
from aed.walking.file import load_network

_USUAL = Assumptions()


def simulate(
    map_file: Annotated[
        Path,
        typer.Argument(metavar="MAP", help="An OpenStreetMap extract, .osm.pbf: streets, houses, areas"),
    ],
    devices: Annotated[Path, typer.Argument(help="A list of devices, in any format that can be imported")],
    time_zone: Annotated[str, typer.Option(help="Of that place, such as Europe/Vaduz")],
    incidents: Annotated[int, typer.Option(help="So many")] = 2000,
    responders: Annotated[
        int | None,
        typer.Option(help="So many, spread over residential areas; 10 per km² of them if left out"),
    ] = None,
    private_share: Annotated[
        float | None, typer.Option(help="Share of private devices, 0 to 1, by lot; as the list has it")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed, the same numbers")] = 1,
    network: Annotated[
        Path | None, typer.Option(help="A network that `aed walking build` made, in place of building one")
    ] = None,
    asked: Annotated[int, typer.Option(help="The fixed ways ask so many")] = _USUAL.asked,
    waves: Annotated[int, typer.Option(help="This plan is made so many times at most")] = _USUAL.waves,
    ambulance_minutes: Annotated[
        float, typer.Option(help="Median from the alert to the patient's side")
    ] = round(_USUAL.ambulance_seconds / 60, 1),
    bystander_cpr: Annotated[
        float, typer.Option(help="Share of patients to whom somebody does compressions already")
    ] = _USUAL.share_with_cpr,
    to: Annotated[Path | None, typer.Option("--to", help="Draw the curves: an .svg")] = None,
    json_to: Annotated[Path | None, typer.Option("--json", help="Write every number: a .json")] = None,
) -> None:
    """Compares ways of choosing whom to ask, on the same invented incidents. It reads no database.

    Estimated survival compares them, and is no prognosis.
    """
    if to is not None and to.suffix.lower() != ".svg":
        raise InvalidInput(f"{to.name}: the curves are an .svg.", field="to")
    assumptions = Assumptions(
        asked=asked, waves=waves, ambulance_seconds=60 * ambulance_minutes, share_with_cpr=bystander_cpr
    )
    read = read_list_of_devices(devices)
    if read.bad:
        warn(f"{devices.name}: {read.bad} rows cannot be taken; aed lint says why.")
    saved = load_network(network) if network is not None else None
    world = read_world(map_file, read.devices, time_zone=time_zone, network=saved)
    with counting("incidents") as progress:
        found = run(
            world,
            incidents=incidents,
            seed=seed,
            numbers=Numbers(assumptions, load_settings()),
            responders=responders,
            private_share=private_share,
            progress=progress,
        )
    _show(found)
    if to is not None:
        write_whole(to, curves(found).encode())
        say(f"The curves are in {to}.")
    if json_to is not None:
        write_whole(json_to, raw(found, assumptions, seed=seed))
        say(f"Every number is in {json_to}.")


def _show(found: Simulated) -> None:
    say(
        f"{found.incidents:,} incidents, {found.responders:,} responders, {found.devices:,} devices of which "
        f"{found.private:,} are private."
    )
    for sharing in Sharing:
        heading(f"Private devices {sharing.value} to strangers")
        rows = [_row(found, Compared(way, sharing)) for way in Way]
        table(None, _COLUMNS, rows, right=_COLUMNS[1:])
    opened = gained_by_opening(found, Way.PLAN)
    say(f"Opening the private devices adds {_with_error(opened)} to the survival of the plan in waves.")
    for line in _EXPLAINED:
        say(line)


_COLUMNS = ["asked by", "to CPR", "to shock", "AED first", "alerts", "wasted", "survive", "gain"]
_EXPLAINED = (
    "to CPR, to shock: from the alert, half/nine of ten by then; to CPR where no bystander does it already.",
    "AED first: a device is there before the ambulance. alerts, wasted: per incident; wasted are those who",
    "came after the ambulance, or brought no device that was needed. survive: estimated, in per cent, for",
    "comparing only; gain: in that against 'on foot', with its 95 % confidence interval.",
)


def _row(found: Simulated, which: Compared) -> list[str]:
    line = summary(found, which)
    return [
        which.way.value,
        f"{minutes(line.cpr_median_seconds)}/{minutes(line.cpr_late_seconds)}",
        f"{minutes(line.shock_median_seconds)}/{minutes(line.shock_late_seconds)}",
        f"{line.share_shock_before_ambulance:.0%}".replace("%", " %"),
        f"{line.alerts:.1f}",
        f"{line.wasted:.2f}",
        f"{line.survival:.2f}",
        "" if which.way is Way.WALK else _with_error(line.gains),
    ]


def _with_error(found: Difference) -> str:
    return f"{found.mean:+.2f} ±{found.within:.2f}"
