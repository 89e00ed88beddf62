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
    show_up: Annotated[
        float | None,
        typer.Option(help="Share of those asked who truly come, 0 to 1; as the plan believes if left out"),
    ] = None,
    floors: Annotated[
        int, typer.Option(help="The highest floor that patients and responders live on, evenly; devices on 0")
    ] = _USUAL.floors,
    equal_alerts: Annotated[
        bool,
        typer.Option(help="Compare at equal alerts: rules that ask 5, 9, 15, 30 or everyone, and the plan"),
    ] = False,
    to: Annotated[Path | None, typer.Option("--to", help="Draw the curves: an .svg")] = None,
    json_to: Annotated[Path | None, typer.Option("--json", help="Write every number: a .json")] = None,
) -> None:
    """Compare ways to alert responders, on invented incidents.

    Every way gets the same incidents. No database is used.

    The estimated survival serves to compare them, and is not a prognosis.
    """
    if to is not None and equal_alerts:
        raise InvalidInput(
            either(
                "--to draws the usual comparison: leave out --equal-alerts.",
                "--to 绘制常规比较：请去掉 --equal-alerts。",
            ),
            field="to",
        )
    if to is not None and to.suffix.lower() != ".svg":
        raise InvalidInput(
            either(f"{to.name}: the file name must end in .svg.", f"{to.name}：文件扩展名须为 .svg。"),
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
        warn(f"{devices.name}: {read.bad} rows cannot be taken; aed lint says why.")
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
        _show(found)
    if to is not None:
        write_whole(to, curves(found).encode())
        say(f"The curves are in {to}.")
    if json_to is not None:
        write_whole(json_to, raw(found, assumptions, seed=seed))
        say(f"Every number is in {json_to}.")


def _show(found: Simulated) -> None:
    _show_world(found)
    for sharing in DeviceSharing:
        heading(f"Private devices {sharing.value} to strangers")
        rows = [_row(found, Compared(way, sharing)) for way in Strategy]
        table(None, _COLUMNS, rows, right=_COLUMNS[1:])
    opened = gained_by_opening(found, Strategy.PLAN)
    say(f"Opening the private devices adds {_with_error(opened)} to the survival of the plan in waves.")
    _explain()


def _show_matched(found: Simulated) -> None:
    """Print the rules, each beside the most ambitious plan that alerts at most as many people."""
    _show_world(found)
    for group in matched(found):
        names = [*group.rules, *((group.plan,) if group.plan is not None else ())]
        heading(f"As many as {group.rules[-1]}")
        rows = [_row(found, Compared(name, DeviceSharing.OPEN)) for name in names]
        table(None, _COLUMNS, rows, right=_COLUMNS[1:])
    _explain()
    say("plan 0.9/0.02: its promise, and how much everybody beyond it has to add (in per cent).")


def _show_world(found: Simulated) -> None:
    say(
        f"{found.incidents:,} incidents, {found.responders:,} responders, {found.devices:,} devices of which "
        f"{found.private:,} are private."
    )


def _explain() -> None:
    for line in _EXPLAINED:
        say(line)


_COLUMNS = ["asked by", "CPR 9/10", "AED first", "alerts", "alone", "wasted", "Larsen", "Valenz."]
_EXPLAINED = (
    "CPR 9/10: minutes from the alert by which nine of ten patients have compressions; of those without a",
    "bystander's, as is alone: nobody came before the ambulance. AED first: a device is there before it.",
    "alerts, wasted: per incident; wasted are those who came after the ambulance, or brought no device that",
    "was needed. Larsen 1993, Valenzuela 1997: survival in per cent, of witnessed arrests with a shockable",
    "rhythm, for comparing only: most suspected arrests are neither.",
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
