"""Command: `aed gaps`, where and when too few first-aiders can come, and which session would help most."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Final

import typer
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.regions.queries import region_by_code, regions_below
from aed.cli.context import cli_read_session, operator
from aed.cli.files import whole, write_whole
from aed.cli.language import either
from aed.cli.nearest import network_if_any
from aed.cli.screen import counting, heading, plural, say, table, warn
from aed.errors import InvalidInput, NotFound
from aed.settings import load_settings
from aed.training.gaps import queries
from aed.training.gaps.export import GapFormat, csv_of, geojson_of, json_of, xlsx_of
from aed.training.gaps.rules import EstateGaps
from aed.training.gaps.table import gap_table
from aed.training.gaps.week import DAYS_EN, DAYS_ZH, HOURS, name_en

SHOWN: Final = 20
PATIENT_MS: Final = 600_000


def gaps(
    estate: Annotated[int | None, typer.Option(help="Only this estate, by id", min=1)] = None,
    region: Annotated[str | None, typer.Option(help="Only in this region and those below it")] = None,
    hour: Annotated[str | None, typer.Option(help="Only this hour of the week, such as 'Mo 03'")] = None,
    target: Annotated[
        int | None,
        typer.Option(
            min=1, max=50, help="Number of first-aiders that should be able to come; default: the setting"
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="Write every building and hour to a .csv, .xlsx, .geojson or .json"
        ),
    ] = None,
) -> None:
    """Show where and when too few first-aiders can come in the coming week.

    Counts, for each building and hour, the first-aiders within three minutes' walk.
    """
    settings = load_settings()
    wanted = _hour_in(hour) if hour is not None else None
    form = _form_of(output) if output is not None else None
    goal = target if target is not None else settings.gap_target
    network, reason = network_if_any(settings)
    if network is None:
        warn(f"Walks are estimated from straight lines: {reason}")
    with (
        cli_read_session(settings.model_copy(update={"statement_timeout_ms": PATIENT_MS})) as session,
        counting("buildings") as progress,
    ):
        asked = _chosen_estates(session, estate, region)
        found = gap_table(
            session, asked, at=clock.now(), network=network, settings=settings, target=goal, progress=progress
        )
        if output is not None and form is not None:
            seen = _Seen()
            _write(seen.counting(found), form, goal, output)
            warn(f"{output}: {plural(seen.estates, 'estate')}, {plural(seen.buildings, 'building')}.")
            return
        tables = list(found)
    if wanted is not None:
        _show_hour(tables, wanted, goal)
    elif estate is not None:
        _show_estate(tables[0], goal)
    else:
        _show_all(tables, goal)


def _chosen_estates(session: Session, estate: int | None, region: str | None) -> list[queries.GapEstate]:
    region_ids = None
    if region is not None:
        region_ids = regions_below(session, region_by_code(session, region).id)
    asked = queries.estates_run_by(session, operator(), estate_id=estate, region_ids=region_ids)
    if not asked:
        raise NotFound(
            either(
                "There is no such estate. `aed estates list` shows the estates.",
                "没有这个园区。可用 aed estates list 查看。",
            ),
            field="estate",
        )
    return asked


def _hour_in(text: str) -> int:
    day, _, hour = text.strip().partition(" ")
    names = {name.casefold(): number for names in (DAYS_EN, DAYS_ZH) for number, name in enumerate(names)}
    if day.casefold() not in names or not hour.strip().isdecimal() or int(hour) > 23:
        raise InvalidInput(
            either(
                "Give a day and an hour, such as 'Mo 03' or '周一 3', from Mo 00 to Su 23.",
                "请写星期和小时，如“周一 3”或“Mo 03”，范围为周一 0 点至周日 23 点。",
            ),
            field="hour",
        )
    return names[day.casefold()] * 24 + int(hour)


# --- Screen ---------------------------------------------------------------------------------------------


def _show_all(found: Sequence[EstateGaps], target: int) -> None:
    """Print one line per estate, the worst first."""
    worst = sorted(found, key=lambda each: (-each.hours_below_after(target), each.estate_id))
    table(
        f"Building-hours in the week from {found[0].week.monday} in which fewer than {target} can come",
        ["id", "estate", "园区", "buildings", "now", "after", "of", "lapsing"],
        [
            (
                each.estate_id,
                each.name_en,
                each.name_zh,
                len(each.buildings),
                each.hours_below(target),
                each.hours_below_after(target),
                len(each.buildings) * HOURS,
                each.lapsing,
            )
            for each in worst[:SHOWN]
        ],
        right=["id", "buildings", "now", "after", "of", "lapsing"],
    )
    if len(worst) > SHOWN:
        say(f"… and {len(worst) - SHOWN} more. `--output FILE.csv` writes all of them.")
    suggested = [each for each in found if each.suggestion is not None]
    if suggested:
        _suggest(max(suggested, key=lambda each: each.suggestion.hours_lifted if each.suggestion else 0.0))


def _show_estate(found: EstateGaps, target: int) -> None:
    """Print an estate: its buildings, the week of its worst building, lapsing certificates, and what would
    help."""
    rows = [
        (
            each.building_id,
            each.name_en,
            each.name_zh,
            each.hours_below(target),
            each.hours_below_after(target),
            int(each.now[each.worst_hour]),
            name_en(each.worst_hour),
            each.basis,
        )
        for each in found.buildings
    ]
    table(
        f"{found.name_zh} {found.name_en}: hours with fewer than {target} in the week of {found.week.monday}",
        ["id", "building", "楼栋", "now", "after", "fewest", "at", "measured on"],
        rows,
        right=["id", "now", "after", "fewest"],
    )
    heading("First-aiders that can come to the least covered building 最少楼栋可到人数")
    say("   " + " ".join(f"{hour:2}" for hour in range(24)))
    fewest = found.fewest.tolist()
    for day, name in enumerate(DAYS_EN):
        say(f"{name} " + " ".join(f"{min(99, count):2}" for count in fewest[day * 24 : day * 24 + 24]))
    if found.lapses:
        heading("Certificates that expire within 90 days 90天内到期的证书")
        table(
            None,
            ["until", "certificate", "number"],
            [(each.valid_until, each.kind, each.count) for each in found.lapses],
            right=["number"],
        )
    say(
        f"{found.sessions_planned} sessions are planned within 90 days. They are expected "
        f"to add {found.responders_expected:.1f} responders."
    )
    _suggest(found)


def _show_hour(found: Sequence[EstateGaps], hour: int, target: int) -> None:
    """Print each building in one hour, the fewest first-aiders first."""
    day = date.fromordinal(found[0].week.monday.toordinal() + hour // 24)
    rows = sorted(
        (
            int(building.now[hour]),
            estate.estate_id,
            building.building_id or 0,
            (
                estate.name_en,
                building.name_en,
                building.name_zh,
                int(building.now[hour]),
                int(building.unknown[hour]),
                f"{building.after[hour]:.1f}",
                building.basis,
            ),
        )
        for estate in found
        for building in estate.buildings
    )
    table(
        f"{name_en(hour)}:00 on {day}: who can come ({target} wanted)",
        ["estate", "building", "楼栋", "now", "maybe", "after", "measured on"],
        [each[-1] for each in rows[:SHOWN]],
        right=["now", "maybe", "after"],
    )
    if len(rows) > SHOWN:
        say(f"… and {len(rows) - SHOWN} more with as many or more.")


def _suggest(found: EstateGaps) -> None:
    if found.suggestion is None:
        say("Every building is covered: no further session is suggested. 没有缺口。")
        return
    suggestion = found.suggestion
    near = next(each for each in found.buildings if each.building_id == suggestion.building_id)
    heading(
        f"Suggested session: {found.name_en}, near {near.name_en} "
        f"建议下一场：{found.name_zh}，{near.name_zh}附近"
    )
    say(f"{name_en(suggestion.hour)}:00, on or after {suggestion.starts_on}, {suggestion.places} places.")
    for sentence in (*suggestion.reasons_en, *suggestion.reasons_zh):
        say(f"  {sentence}")


# --- Files ----------------------------------------------------------------------------------------------


class _Seen:
    """Counts the estates and buildings that pass through."""

    def __init__(self) -> None:
        self.estates = self.buildings = 0

    def counting(self, found: Iterable[EstateGaps]) -> Iterator[EstateGaps]:
        for each in found:
            self.estates += 1
            self.buildings += len(each.buildings)
            yield each


def _form_of(output: Path) -> GapFormat:
    try:
        return GapFormat(output.suffix.removeprefix(".").lower())
    except ValueError:
        raise InvalidInput(
            either(
                f"{output.name}: the file name must end in .csv, .xlsx, .geojson or .json.",
                f"{output.name}：文件扩展名须为 .csv、.xlsx、.geojson 或 .json。",
            ),
            field="to",
        ) from None


def _write(found: Iterable[EstateGaps], form: GapFormat, target: int, output: Path) -> None:
    streamed: dict[GapFormat, Callable[[Iterable[EstateGaps], int], Iterator[bytes]]] = {
        GapFormat.CSV: csv_of,
        GapFormat.GEOJSON: geojson_of,
        GapFormat.JSON: json_of,
    }
    if form is GapFormat.XLSX:
        with whole(output) as unfinished:
            xlsx_of(found, target, unfinished)
    else:
        write_whole(output, streamed[form](found, target))
