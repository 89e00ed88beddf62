"""Command: `aed simulate`, which compares ways to choose whom to alert, over thousands of simulated
incidents."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aed.cli.files import write_whole
from aed.cli.language import either
from aed.cli.nearest import minutes
from aed.cli.screen import counting, heading, say, table, warn
from aed.errors import InvalidInput
from aed.settings import load_settings
from aed.simulation.formats import curves, raw
from aed.simulation.queries import read_list_of_devices, read_world
from aed.simulation.rules.ambition import matched, sweep_policies
from aed.simulation.rules.assumptions import Assumptions, Numbers
from aed.simulation.rules.figures import (
    Compared,
    DeviceSharing,
    Difference,
    Simulated,
    gained_by_opening,
    summary,
)
from aed.simulation.rules.policies import Strategy
from aed.simulation.rules.running import simulate as run
from aed.walking.file import load_network

_USUAL = Assumptions()


def simulate(
    map_file: Annotated[
        Path,
        typer.Argument(
            metavar="MAP", help="An OpenStreetMap extract (.osm.pbf) with streets, buildings and areas"
        ),
    ],
    devices: Annotated[Path, typer.Argument(help="A list of devices, in any format that can be imported")],
    time_zone: Annotated[str, typer.Option(help="The time zone of that place, such as Europe/Vaduz")],
    incidents: Annotated[int, typer.Option(help="Number of simulated incidents")] = 2000,
    responders: Annotated[
        int | None,
        typer.Option(help="Number of responders, spread over residential areas; default: 10 per km² of them"),
    ] = None,
    private_share: Annotated[
        float | None,
        typer.Option(help="Share of private devices, 0 to 1, drawn at random; default: as the list says"),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same numbers")] = 1,
    network: Annotated[
        Path | None, typer.Option(help="A network file made by `aed walking build`, instead of building one")
    ] = None,
    asked: Annotated[
        int, typer.Option(help="Number of people that the fixed strategies alert")
    ] = _USUAL.asked,
    waves: Annotated[int, typer.Option(help="Maximum number of waves of this plan")] = _USUAL.waves,
    ambulance_minutes: Annotated[
        float, typer.Option(help="Median time from the alert to the patient's side")
    ] = round(_USUAL.ambulance_seconds / 60, 1),
    bystander_cpr: Annotated[
        float, typer.Option(help="Share of patients who already receive compressions from a bystander")
    ] = _USUAL.share_with_cpr,
    show_up: Annotated[
        float | None,
        typer.Option(help="Share of those alerted who come, 0 to 1; default: as the plan assumes"),
    ] = None,
    floors: Annotated[
        int,
        typer.Option(
            help="The highest floor of patients and responders, drawn evenly; devices are on floor 0"
        ),
    ] = _USUAL.floors,
    equal_alerts: Annotated[
        bool,
        typer.Option(
            help="Compare at equal numbers of alerts: rules that alert 5, 9, 15, 30 or everyone, and the plan"
        ),
    ] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Draw the curves to this .svg file")
    ] = None,
    json_to: Annotated[
        Path | None, typer.Option("--json", help="Write every number to this .json file")
    ] = None,
) -> None:
    """Compare ways to alert responders, on simulated incidents.

    Every way gets the same incidents. No database is used.

    The estimated survival serves to compare them, and is not a prognosis.
    """
    if output is not None and equal_alerts:
        raise InvalidInput(
            either(
                "--output draws the usual comparison. Leave out --equal-alerts.",
                "--output 绘制常规比较：请去掉 --equal-alerts。",
            ),
            field="to",
        )
    if output is not None and output.suffix.lower() != ".svg":
        raise InvalidInput(
            either(
                f"{output.name}: the file name must end in .svg.", f"{output.name}：文件扩展名须为 .svg。"
            ),
            field="to",
        )
    assumptions = Assumptions(
        asked=asked,
        waves=waves,
        ambulance_seconds=60 * ambulance_minutes,
        share_with_cpr=bystander_cpr,
        show_up=show_up,
        floors=floors,
    )
    numbers = Numbers(assumptions, load_settings())
    read = read_list_of_devices(devices)
    if read.bad:
        warn(f"{devices.name}: {read.bad} rows cannot be read. `aed lint` says why.")
    saved = load_network(network) if network is not None else None
    world = read_world(map_file, read.devices, time_zone=time_zone, network=saved)
    with counting("incidents") as progress:
        found = run(
            world,
            incidents=incidents,
            seed=seed,
            numbers=numbers,
            responders=responders,
            private_share=private_share,
            ways=sweep_policies(numbers) if equal_alerts else None,
            sharings=(DeviceSharing.OPEN,) if equal_alerts else tuple(DeviceSharing),
            progress=progress,
        )
    if equal_alerts:
        _show_matched(found)
    else:
        _print_simulation(found)
    if output is not None:
        write_whole(output, curves(found).encode())
        say(f"The curves are in {output}.")
    if json_to is not None:
        write_whole(json_to, raw(found, assumptions, seed=seed))
        say(f"All numbers are in {json_to}.")


def _print_simulation(found: Simulated) -> None:
    _show_world(found)
    for sharing in DeviceSharing:
        heading(f"Private devices {sharing.value} to strangers")
        rows = [_row(found, Compared(way, sharing)) for way in Strategy]
        table(None, _COLUMNS, rows, right=_COLUMNS[1:])
    opened = gained_by_opening(found, Strategy.PLAN)
    say(
        f"Opening private devices to strangers adds {_with_error(opened)} to the survival "
        "of the plan in waves."
    )
    _explain()


def _show_matched(found: Simulated) -> None:
    """Print the rules, each beside the most ambitious plan that alerts at most as many people."""
    _show_world(found)
    for group in matched(found):
        names = [*group.rules, *((group.plan,) if group.plan is not None else ())]
        heading(f"Strategies that alert about as many as {group.rules[-1]}")
        rows = [_row(found, Compared(name, DeviceSharing.OPEN)) for name in names]
        table(None, _COLUMNS, rows, right=_COLUMNS[1:])
    _explain()
    say(
        "plan 0.9/0.02: its target probability, and the survival in per cent that each "
        "further person must add."
    )


def _show_world(found: Simulated) -> None:
    say(
        f"{found.incidents:,} incidents, {found.responders:,} responders, {found.devices:,} devices of which "
        f"{found.private:,} are private."
    )


def _explain() -> None:
    for line in _EXPLAINED:
        say(line)


_COLUMNS = ["strategy", "CPR 9/10", "AED first", "alerts", "alone", "wasted", "Larsen", "Valenz."]
_EXPLAINED = (
    "CPR 9/10: minutes from the alert until nine of ten patients receive "
    "compressions. This and 'alone' count",
    "patients without bystander CPR. Alone: nobody came before the ambulance. AED "
    "first: a device came before",
    "it. Alerts, wasted: per incident; wasted are people who came after the "
    "ambulance, or whose device was not",
    "needed. Larsen 1993, Valenzuela 1997: survival in per cent after a witnessed arrest with a shockable",
    "rhythm. They only serve to compare: most suspected arrests are neither.",
)


def _row(found: Simulated, which: Compared) -> list[str]:
    line = summary(found, which)
    return [
        str(which.way),
        minutes(line.cpr_late_seconds),
        _percent(line.share_shock_before_ambulance),
        f"{line.alerts:.1f}",
        _percent(line.share_alone),
        f"{line.wasted:.2f}",
        f"{line.survival:.2f}",
        f"{line.valenzuela:.2f}",
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _with_error(found: Difference) -> str:
    return f"{found.mean:+.2f} ±{found.within:.2f}"
