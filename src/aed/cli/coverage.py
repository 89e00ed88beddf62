"""Commands: `aed coverage` and `aed coverage-region`, what a proposed step buys."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from pydantic import BaseModel, ValidationError

from aed import clock
from aed.accounts.permissions import Audience
from aed.accounts.regions.queries import region_by_code, regions_below
from aed.cli.context import cli_database, cli_transaction, operator
from aed.cli.files import write_whole
from aed.cli.language import either
from aed.cli.nearest import network_if_any
from aed.cli.screen import counting, say, table, warn
from aed.database.session import read_session
from aed.errors import InvalidInput
from aed.planning.bands import next_monday
from aed.planning.coverage.actions import make_preview, preview, preview_out
from aed.planning.coverage.formats import BAND_LABELS, interval, preview_pdf
from aed.planning.coverage.regional import preview_region
from aed.planning.coverage.schemas import PreviewOut, RegionStepIn, StepIn
from aed.planning.queries import estates_in
from aed.settings import load_settings


def coverage(
    estate_id: Annotated[int, typer.Argument(min=1, metavar="ESTATE", help="The estate's id")],
    audience: Annotated[Audience, typer.Option(help="neighbours, dispatch or public")] = Audience.NEIGHBOURS,
    hours: Annotated[
        str | None, typer.Option(help="Hours of the step, such as 20:00-08:00; default: the devices' own")
    ] = None,
    device: Annotated[list[int] | None, typer.Option(help="Ids of devices; default: all in service")] = None,
    open_gate: Annotated[
        list[int] | None, typer.Option(help="Ids of gates that outsiders could pass after a wait")
    ] = None,
    residents: Annotated[
        Path | None, typer.Option(help="Own count of residents as .csv: building_id, residents")
    ] = None,
    to: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write to this .pdf (one page) or .json file")
    ] = None,
) -> None:
    """Preview what a proposed step of an estate gives and gets, and keep the preview.

    Intervals, never a promise.
    """
    if to is not None and to.suffix.casefold() not in (".pdf", ".json"):
        raise InvalidInput(
            either(
                f"{to}: the file name must end in .pdf or .json.", f"{to}：文件扩展名须为 .pdf 或 .json。"
            ),
            field="output",
        )
    given: dict[str, Any] = {
        "audience": audience,
        "hours": hours,
        "device_ids": device or [],
        "gates": [{"gate_id": gate, "passage": "guarded"} for gate in open_gate or []],
        "residents": _residents(residents) if residents is not None else {},
    }
    step = _checked(StepIn, given)
    settings = load_settings()
    network, reason = network_if_any(settings)
    if network is None:
        warn(f"Walks are estimated from straight lines: {reason}")
    with cli_transaction(settings) as session:
        made = make_preview(
            session, operator(), estate_id, step, network=network, settings=settings, at=clock.now()
        )
        out = preview_out(*preview(session, operator(), made.id))
    if to is None:
        _show(out)
        return
    is_pdf = to.suffix.casefold() == ".pdf"
    write_whole(to, preview_pdf(out) if is_pdf else out.model_dump_json().encode())
    warn(f"{to}: preview {out.id}.")


def _checked[Step: BaseModel](model: type[Step], given: dict[str, Any]) -> Step:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "audience"
        raise InvalidInput(
            either(f"{name}: {first['msg']}.", f"{name}：{first['msg']}。"), field=name
        ) from None


def _show(out: PreviewOut) -> None:
    columns = ["hours", "residents 3 min", "5 min", "outsiders 3 min", "5 min ", "arrests a year"]
    rows = [
        [
            " ".join(BAND_LABELS[each.band]),
            *(f"{gain.residents:,.0f}" for gain in each.gains),
            *(f"{gain.outsiders:,.0f}" for gain in each.gains),
            interval(each.arrests),
        ]
        for each in out.result.bands
    ]
    table(f"Preview {out.id}: people who gain a device, there and back", columns, rows, right=columns[1:])
    year, mutual = out.result.year, out.result.reciprocity
    say(
        f"A year: {interval(year.device_first)} devices first; survivors {interval(year.survivors_larsen)} "
        f"(Larsen), {interval(year.survivors_valenzuela)} (Valenzuela), to compare only; "
        f"{interval(year.uses)} uses; money {interval(year.money, money=True)}."
    )
    say(
        f"Own residents: {mutual.by_own:,.0f} served by own devices, {mutual.by_others_today:,.0f} more by "
        f"what others opened, {mutual.if_neighbours_follow:,.0f} more if {mutual.neighbours} neighbours "
        "followed."
    )
    for note in out.result.notes_en:
        say(note)


def coverage_region(
    region: Annotated[str, typer.Argument(metavar="REGION", help="Code of the region")],
    audience: Annotated[Audience, typer.Option(help="neighbours, dispatch or public")] = Audience.NEIGHBOURS,
    hours: Annotated[
        str | None, typer.Option(help="Hours of the step, such as 20:00-08:00; default: the devices' own")
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="Estates to print, those that give most first")] = 20,
    to: Annotated[Path | None, typer.Option("-o", "--output", help="Write all to this .json file")] = None,
) -> None:
    """Preview the same step for every estate of a region.

    Each estate is computed as if it alone took the step. Intervals, never a promise.
    """
    step = _checked(RegionStepIn, {"region": region, "audience": audience, "hours": hours})
    settings = load_settings()
    network, reason = network_if_any(settings)
    if network is None:
        warn(f"Walks are estimated from straight lines: {reason}")
    with cli_database(settings) as database, read_session(database) as session:
        found = region_by_code(session, step.region)
        count = len(estates_in(session, regions_below(session, found.id)))
        with counting(f"previewing {count:,} estates") as progress:
            result = preview_region(
                session,
                found,
                step,
                network=network,
                settings=settings,
                monday=next_monday(clock.now().astimezone(ZoneInfo(found.time_zone)).date()),
                progress=lambda done, _total: progress(done),
            )
    columns = [
        "estate",
        "devices",
        "day",
        "evening",
        "night",
        "weekend",
        "own if all follow",
        "arrests a year",
    ]
    lines = [
        [
            f"{each.name_zh} {each.name_en}",
            each.devices,
            *(f"{count:,}" for count in each.outsiders),
            f"{each.if_neighbours_follow:,}",
            interval(each.arrests),
        ]
        for each in result.estates[:rows]
    ]
    table(
        f"{len(result.estates)} estates: outsiders who gain a device within 5 minutes, there and back",
        columns,
        lines,
        right=columns[1:],
    )
    say(
        f"{result.if_all_follow:,} residents gain a device if all follow; {result.left_out} estates left out."
    )
    if to is not None:
        write_whole(to, result.model_dump_json().encode())


def _residents(path: Path) -> dict[str, str]:
    if not path.is_file():
        raise InvalidInput("There is no file {path}.", field="path", path=path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        if not {"building_id", "residents"} <= set(rows.fieldnames or ()):
            raise InvalidInput(
                either(
                    f"{path}: the first line must name building_id and residents.",
                    f"{path}：首行须有 building_id 和 residents 两列。",
                ),
                field="residents",
            )
        return {row["building_id"]: row["residents"] for row in rows}
