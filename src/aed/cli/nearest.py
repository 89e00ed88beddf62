"""Commands: `aed nearest` and `aed walking`."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from aed import clock
from aed.accounts.permissions import ANYONE, Viewer, is_insider
from aed.cells.table import CellTable, cell_table
from aed.cli.context import cli_database, viewer_as
from aed.cli.screen import Entry, entries, heading, paragraph, say, warn
from aed.database.session import read_session
from aed.errors import NetworkFileUnusable
from aed.geo import Datum, position_from
from aed.lookup.answer import LookupAnswer, answer_lookup
from aed.lookup.arrival import Basis
from aed.lookup.candidates import NearbyDevice, QuarantinedDevice
from aed.lookup.places import counts_ground_as_one_at
from aed.lookup.question import LookupQuestion, parse_moment
from aed.lookup.reasons import (
    access_reason,
    bringing_words,
    first_aid_words,
    floor_reason,
    gate_reason,
    missing_cell_words,
    out_of_service_reason,
    readiness_reason,
)
from aed.lookup.walks import GatePassed
from aed.registry.devices.rules import Access, short_number
from aed.registry.storeys import floor_from_storey
from aed.responders.rules import Availability, CertificateKind
from aed.settings import Settings, load_settings
from aed.walking.file import load_network, save_network
from aed.walking.network import WalkingNetwork

walking = typer.Typer(no_args_is_help=True)


def nearest_command(
    lat: Annotated[float, typer.Argument(help="Latitude in degrees")],
    lon: Annotated[float, typer.Argument(help="Longitude in degrees")],
    datum: Annotated[Datum, typer.Option(help="Datum of the coordinates")] = Datum.WGS84,
    at: Annotated[
        str | None, typer.Option(help="Date and time, such as 2026-10-01T10:00:00+08:00; default: now")
    ] = None,
    as_: Annotated[
        str,
        typer.Option(
            "--as", help="anonymous, administrator, estate:ID, estate:SOURCE/ID or dispatcher:REGION"
        ),
    ] = "anonymous",
    limit: Annotated[int, typer.Option(min=1, max=50, help="Maximum number of devices")] = 5,
    floor: Annotated[
        int | None, typer.Option(min=-20, max=200, help="The patient's floor, 0 is the ground floor")
    ] = None,
    storey: Annotated[
        str | None, typer.Option(help="The patient's storey in words, instead of --floor: 3楼, B1")
    ] = None,
    room: Annotated[
        str | None, typer.Option(help="The patient's room, instead of --floor: room 301 is on storey 3")
    ] = None,
    route: Annotated[bool, typer.Option(help="Include the routes in the JSON")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, as the API answers")] = False,
) -> None:
    """Find the devices that can be brought to a patient soonest.

    Also lists the responders who may be called, for a viewer who may see them. Near a border of the table of
    cells it asks the neighbouring cells too.
    """
    settings = load_settings()
    cells = cell_table(settings)
    question = LookupQuestion(
        here=position_from(lat, lon, datum),
        at=parse_moment(at) if at is not None else clock.now(),
        limit=limit,
        floor=floor or 0,
        with_routes=route,
        is_for_merge=cells is not None,
    )
    with cli_database(settings) as database, read_session(database) as session:
        viewer = viewer_as(session, as_)
        if storey is not None or room is not None:
            counts = counts_ground_as_one_at(session, viewer, question.here)
            meant = floor_from_storey(floor=floor, storey=storey, room=room, counts_ground_as_one=counts)
            question = replace(question, floor=meant or 0, counts_ground_as_one=counts)
        network, missing_reason = network_if_any(settings)
        answer = answer_lookup(session.connection(), viewer, question, network=network, settings=settings)
        if cells is not None:
            answer = _with_neighbours(cells, answer, settings)
        if missing_reason is not None:
            warn(f"{missing_reason} Distances are estimated from straight lines.")
        if as_json:
            import orjson

            from aed.lookup.schemas import answer_out  # imported here: only --json needs it

            shown = answer_out(answer, viewer, settings=settings)
            say(json.dumps(json.loads(orjson.dumps(shown)), ensure_ascii=False, indent=2))
        else:
            print_answer(answer, settings, viewer)


def _with_neighbours(cells: CellTable, answer: LookupAnswer, settings: Settings) -> LookupAnswer:
    """Return the answer with the devices of neighbouring cells."""
    import anyio  # imported here, like the client: only a network of several cells needs them

    from aed.cells.neighbours import NeighbourClient
    from aed.lookup.neighbours import with_neighbours

    async def ask() -> LookupAnswer:
        client = NeighbourClient(cells, settings.cells.neighbour_seconds)
        try:
            return await with_neighbours(client, answer)
        finally:
            await client.close()

    return anyio.run(ask)


def network_if_any(settings: Settings) -> tuple[WalkingNetwork | None, str | None]:
    """Return the saved network, or None and the reason; lookups are then estimates."""
    try:
        return load_network(settings.walking_network), None
    except NetworkFileUnusable as error:
        return None, error.detail


def print_answer(answer: LookupAnswer, settings: Settings, viewer: Viewer = ANYONE) -> None:
    """Print the result of a lookup for a dispatcher."""
    question = answer.question
    first_aid = first_aid_words(answer.emergency_number)
    paragraph(f"☎  {first_aid['zh']}")
    paragraph(first_aid["en"])
    heading("Devices, best first: how soon one is here, and how likely it works 可用设备（综合最优在前）")
    if answer.in_time:
        numbered = enumerate(answer.in_time, start=1)
        entries(_COLUMNS, [_entry(str(number), near, question.at, viewer) for number, near in numbered])
    else:
        say(
            "No device can be here in time. 没有能及时取到的设备。"
            if answer.too_far
            else "No device can be used now. 目前没有可用设备。"
        )
    for cell in answer.missing_cells:
        words = missing_cell_words(cell.name_en, cell.name_zh)
        say(f"{words['zh']} {words['en']}")
    if not answer.is_complete:
        say("There may be more devices: the search stopped after too many that cannot be used.")
    unusable = [near for near in answer.unusable if not near.is_last_resort]
    for title, devices in (
        ("Too far to fetch in time: do not leave the patient for these 距离过远，来不及取", answer.too_far),
        (
            "Pads expired: use only if there is no other AED 电极片过期，仅在无其他 AED 时使用",
            answer.last_resort,
        ),
        ("Nearby, but not usable now 附近但现在不可用", unusable),
    ):
        if devices:
            heading(title)
            entries(_COLUMNS, [_entry("–", near, question.at, viewer) for near in devices])
    _print_quarantined(answer.quarantined)
    if answer.responders is not None:
        heading("Responders who may be called 可呼叫的急救志愿者")
        step = settings.responder_seconds_step
        if answer.responders:
            entries(
                ["id", "arrives in"],
                [
                    Entry(
                        (str(person.responder_id), minutes(math.ceil(person.shown_seconds / step) * step)),
                        f"{_CERTIFICATES[person.certificate_kind]} · {_AVAILABILITIES[person.availability]}"
                        + ("" if person.basis is Basis.WALKING_NETWORK else " · estimated 估算"),
                    )
                    for person in answer.responders
                ],
            )
        else:
            say("No responder is within reach. 附近没有。")
    if answer.basis is Basis.STRAIGHT_LINE:
        say()
        say("Estimated from straight lines: there is no walking network here. 按直线估算，此处无步行路网。")


def _print_quarantined(quarantined: Sequence[QuarantinedDevice]) -> None:
    if not quarantined:
        return
    heading("Nearby, but out of service: do not go there 附近已停用的设备")
    entries(
        ["", "straight"],
        [
            Entry(
                ("–", f"{near.straight_metres:.0f} m"),
                " · ".join(_without_repeats(reason["en"], reason["zh"])),
                _without_repeats(near.row.place_zh, near.row.place_en),
            )
            for near, reason in ((near, out_of_service_reason(near.row.reason)) for near in quarantined)
        ],
    )


_COLUMNS = ("", "back in", "walk")
_CERTIFICATES: Mapping[str, str] = {
    CertificateKind.FIRST_AID: "first aid 救护员证",
    CertificateKind.CPR_AED: "CPR and AED 心肺复苏",
    CertificateKind.PROFESSIONAL: "professional 专业人员",
}
_AVAILABILITIES: Mapping[Availability, str] = {
    Availability.AVAILABLE: "available 可呼叫",
    Availability.UNKNOWN: "availability unknown 是否可呼叫未知",
}


def _entry(number: str, near: NearbyDevice, at: datetime, viewer: Viewer) -> Entry:
    """Return the lines about a device: time and certainty; below, the place, the access and whom to ring."""
    row = near.row
    whether = [
        access_reason(near.access, at, row.time_zone)["en"],
        readiness_reason(near.readiness)["en"],
    ]
    if not near.readiness.is_usable:  # state the reason first
        whether.reverse()
    estimated = "" if near.basis is Basis.WALKING_NETWORK else "~"
    return Entry(
        (number, minutes(near.fetch.fetch_seconds), f"{estimated}{near.walk_metres:.0f} m"),
        " · ".join(whether),
        [
            *_brought(near),
            *_cell(near),
            *_place(near),
            *_without_repeats(row.access_instructions_zh, row.access_instructions_en),
            *(_through(gate) for gate in near.gates),
            *_contacts(near, viewer),
        ],
    )


def _brought(near: NearbyDevice) -> list[str]:
    if near.bringing is None:
        return []
    words = bringing_words(near.bringing.phone, near.bringing.seconds)
    return [f"☎  {words['zh']} {words['en']}"]


def _cell(near: NearbyDevice) -> list[str]:
    """Return the cell of a device of another cell, and its number there."""
    cell = near.cell
    if cell is None:
        return []
    return [f"{cell.name_zh} {cell.name_en} {cell.code}:{short_number(near.row.id)}"]


def _place(near: NearbyDevice) -> list[str]:
    row = near.row
    words = _without_repeats(row.place_zh, row.place_en) or _without_repeats(row.estate_zh, row.estate_en)
    if not words:
        words = [f"{row.lat:.6f}, {row.lon:.6f}"]
    if row.floor != 0:
        floor = floor_reason(
            row.floor, near.fetch.floor_seconds, counts_ground_as_one=bool(row.counts_ground_as_one)
        )
        words.append(f"{floor['en']} {floor['zh']}")
    return words


def _through(gate: GatePassed) -> str:
    words = gate_reason(
        gate.name_en,
        gate.name_zh,
        gate.wait_seconds,
        hours_known=gate.hours_known,
        is_closed=gate.is_closed,
    )
    return f"{words['zh']} {words['en']}"


def _contacts(near: NearbyDevice, viewer: Viewer) -> list[str]:
    row = near.row
    inside = viewer.is_signed_in and is_insider(viewer, row.estate_id, row.region_id)
    needs_guard = near.access.access is Access.ASSISTED or near.by_closed_gate
    contacts = []
    if row.guard_phone and (inside or needs_guard):
        contacts.append(f"guard 门岗 {row.guard_phone}")
    if inside and row.keeper_phone:
        contacts.append(f"keeper AED管理员 {row.keeper_name} {row.keeper_phone}")
    return [f"☎  {' · '.join(contacts)}"] if contacts else []


def _without_repeats(*texts: str | None) -> list[str]:
    return list(dict.fromkeys(text for text in texts if text))


def minutes(seconds: float) -> str:
    """Format seconds as m:ss."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


@walking.command("build")
def build(
    source: Annotated[Path, typer.Argument(help="An OpenStreetMap extract, .osm.pbf")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The file to write; default: AED_WALKING_NETWORK")
    ] = None,
) -> None:
    """Build the walking network from an OpenStreetMap extract."""
    from aed.walking.build import build_network  # imported here: only this command reads OpenStreetMap

    target = output or load_settings().walking_network
    network = build_network(source, progress=say)
    target.parent.mkdir(parents=True, exist_ok=True)
    save_network(network, target)
    say(f"{target}: {network.node_count} nodes, {network.edge_count} edges.")


@walking.command("show")
def show(
    file: Annotated[
        Path | None, typer.Argument(help="The file to inspect; default: AED_WALKING_NETWORK")
    ] = None,
) -> None:
    """Show the contents of a network file."""
    path = file or load_settings().walking_network
    network = load_network(path)
    say(f"{path}: {network.node_count} nodes, {network.edge_count} edges, {len(network.barriers)} gates.")
