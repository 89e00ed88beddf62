"""Command: `aed placement`, where the next device belongs, and which to open first."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from aed import clock
from aed.cli.context import cli_read_session, operator
from aed.cli.files import write_whole
from aed.cli.language import either
from aed.cli.nearest import network_if_any
from aed.cli.screen import say, table, warn
from aed.errors import InvalidInput
from aed.planning.placement.formats import PlacementFormat, out_of, written
from aed.planning.placement.queries import place
from aed.planning.placement.schemas import (
    Candidate,
    DemandSource,
    Objective,
    PastArrestIn,
    PlacementIn,
    PlacementOut,
    Prices,
    SiteNeed,
)
from aed.settings import load_settings

SHOWN = 30
_YES = frozenset({"yes", "true", "1", "是", "有"})


def placement(
    region: Annotated[str, typer.Argument(help="Code of the region, with all below it")],
    budget: Annotated[float, typer.Option(min=0, help="Money for all years together")],
    objective: Annotated[Objective, typer.Option(help="What counts")] = Objective.PEOPLE,
    minutes: Annotated[
        float, typer.Option(min=2, max=15, help="There and back, for the objective people")
    ] = 5,
    candidates: Annotated[
        Path | None,
        typer.Option(
            help="Sites as .csv: name, lat, lon; also price, opening_hours, estate_id, consent, "
            "power, camera, signal, staff"
        ),
    ] = None,
    every_building: Annotated[
        bool, typer.Option("--every-building", help="Every building's door is a site too")
    ] = False,
    need: Annotated[
        list[SiteNeed] | None, typer.Option(help="What each site must have; unknown is not enough")
    ] = None,
    min_responders: Annotated[
        int,
        typer.Option(min=0, max=50, help="Count demand only in hours with so many responders nearby"),
    ] = 0,
    open_existing: Annotated[
        bool, typer.Option(help="Existing devices may be opened to more people and hours")
    ] = True,
    move: Annotated[list[int] | None, typer.Option(help="Ids of devices that may be moved")] = None,
    arrests: Annotated[
        Path | None,
        typer.Option(
            help="Past arrests as .csv: lat, lon, year; also ambulance_minutes. Scored year by year"
        ),
    ] = None,
    past: Annotated[
        bool, typer.Option("--past-arrests", help="Demand is the region's own real incidents")
    ] = False,
    max_per_estate: Annotated[int | None, typer.Option(min=0, help="At most this many an estate")] = None,
    max_devices: Annotated[int | None, typer.Option(min=0, help="At most this many lines")] = None,
    floor_minutes: Annotated[
        float | None, typer.Option(min=2, max=30, help="Serve every building within this, there and back")
    ] = None,
    price: Annotated[
        list[str] | None, typer.Option(metavar="NAME=MONEY", help="A price, such as buy=13000 or move=1500")
    ] = None,
    lock_in: Annotated[list[str] | None, typer.Option(help="Keys that must be taken")] = None,
    lock_out: Annotated[list[str] | None, typer.Option(help="Keys that must not be taken")] = None,
    to: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write to this .xlsx, .geojson or .json file")
    ] = None,
) -> None:
    """Rank what to open, buy and move in a region, within a budget.

    The choice is optimal, or the gap is stated. Estimates compare choices and promise nothing.
    """
    form = _form_of(to) if to is not None else None
    given: dict[str, Any] = {
        "region": region,
        "objective": objective,
        "demand": DemandSource.PAST_ARRESTS if past or arrests is not None else DemandSource.RESIDENTS,
        "arrests": _rows(arrests, PastArrestIn) if arrests is not None else [],
        "minutes": minutes,
        "budget": budget,
        "prices": _prices(price or []),
        "candidates": [_candidate(row) for row in _read(candidates)] if candidates is not None else [],
        "every_building": every_building,
        "site_needs": need or [],
        "min_responders": min_responders,
        "open_existing": open_existing,
        "movable": move or [],
        "max_per_estate": max_per_estate,
        "max_devices": max_devices,
        "locked_in": lock_in or [],
        "locked_out": lock_out or [],
        "floor_minutes": floor_minutes,
    }
    question = _checked(PlacementIn, given)
    settings = load_settings()
    network, reason = network_if_any(settings)
    if network is None:
        warn(f"Walks are estimated from straight lines: {reason}")
    with cli_read_session(settings.model_copy(update={"statement_timeout_ms": 600_000})) as session:
        answer = place(
            session, operator(), question, network=network, settings=settings, today=clock.now().date()
        )
        out = out_of(answer)
    if to is not None and form is not None:
        write_whole(to, written(out, form))
        warn(f"{to}: {len(out.lines) - 1} lines.")
        return
    _show(out)


def _show(out: PlacementOut) -> None:
    columns = ["rank", "what", "where", "adds", "covered", "cost", "spent", "each"]
    rows = [
        [
            line.rank,
            line.action,
            line.name_zh if line.name_zh == line.name_en else f"{line.name_zh} {line.name_en}",
            f"{line.gain:,.4g}",
            f"{line.covered_percent:.1f} %",
            f"{line.cost:,.0f}",
            f"{line.spent:,.0f}",
            "" if line.cost_per_unit is None else f"{line.cost_per_unit:,.0f}",
        ]
        for line in out.lines[: SHOWN + 1]
    ]
    table(f"{out.unit_en}: {out.total:,.4g} in all", columns, rows, right=columns[3:])
    if len(out.lines) > SHOWN + 1:
        say(f"… and {len(out.lines) - SHOWN - 1} more: write them to a file with --output.")
    say(
        f"Covered {out.value:,.4g}; no choice within the limits covers more than {out.bound:,.4g} "
        f"(gap {out.gap_percent} %). Greedy: {'none' if out.greedy is None else f'{out.greedy:,.4g}'}. "
        f"{out.options} options, {out.seconds} s."
    )
    for year in out.held_out:
        say(
            f"{year.year}, chosen on the other years: {year.nothing_percent} % with nothing, "
            f"{year.chosen_percent} % (greedy {year.greedy_percent} %) of {year.arrests} arrests."
        )
    if out.buildings_out_of_reach:
        warn(f"{out.buildings_out_of_reach} buildings cannot be served within the floor by any option.")
    for note in out.notes_en:
        say(note)


def _read(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise InvalidInput("There is no file {path}.", field="path", path=path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [
            {name: value.strip() for name, value in row.items() if name and value and value.strip()}
            for row in csv.DictReader(file)
        ]


def _candidate(row: dict[str, str]) -> dict[str, Any]:
    given: dict[str, Any] = dict(row)
    given["position"] = {name: given.pop(name) for name in ("lat", "lon", "datum") if name in given}
    for name in ("power", "camera", "signal", "staff", "consent"):
        if name in given:
            given[name] = given[name].casefold() in _YES
    return _checked(Candidate, given).model_dump()


def _rows(path: Path, model: type[PastArrestIn]) -> list[dict[str, Any]]:
    return [_checked(model, row).model_dump() for row in _read(path)]


def _prices(given: list[str]) -> dict[str, Any]:
    prices = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals or name not in Prices.model_fields:
            raise InvalidInput(
                either(
                    f"Write a price as NAME=MONEY, with one of: {', '.join(Prices.model_fields)}.",
                    f"价格请写作“名称=金额”，名称可为：{'、'.join(Prices.model_fields)}。",
                ),
                field="price",
            )
        prices[name] = value
    return prices


def _checked[Model: (PlacementIn, Candidate, PastArrestIn)](
    model: type[Model], given: dict[str, Any]
) -> Model:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(
            either(f"{name}: {first['msg']}.", f"{name}：{first['msg']}。"), field=name or "budget"
        ) from None


def _form_of(to: Path) -> PlacementFormat:
    try:
        return PlacementFormat(to.suffix.removeprefix(".").casefold())
    except ValueError:
        raise InvalidInput(
            either(
                f"{to}: the file name must end in .xlsx, .geojson or .json.",
                f"{to}：文件扩展名须为 .xlsx、.geojson 或 .json。",
            ),
            field="output",
        ) from None
