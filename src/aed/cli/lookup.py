"""aed nearest, aed walking."""

from __future__ import annotations

import json
import math
from datetime import datetime
from pathlib import Path
from typing import Annotated

import orjson
import typer

from aed import clock
from aed.cli.context import opened, viewer_as
from aed.cli.screen import say, table
from aed.db import reads
from aed.errors import NetworkFileUnusable
from aed.geo import Datum, position_from
from aed.incidents.queries.nearest import Answer, NearbyDevice, Question, nearest
from aed.incidents.rules.moment import parse_moment
from aed.incidents.rules.reasons import access_words
from aed.incidents.schemas import answer_out
from aed.settings import Settings, load_settings
from aed.walking.build import build_network
from aed.walking.file import load_network, save_network
from aed.walking.network import WalkingNetwork

walking = typer.Typer(no_args_is_help=True, help="The street network.")


def nearest_command(
    lat: Annotated[float, typer.Argument(help="Latitude in degrees")],
    lon: Annotated[float, typer.Argument(help="Longitude in degrees")],
    datum: Annotated[Datum, typer.Option(help="What they are in")] = Datum.WGS84,
    at: Annotated[
        str | None, typer.Option(help="A moment, as 2026-10-01T10:00:00+08:00; now if left out")
    ] = None,
    as_: Annotated[
        str,
        typer.Option("--as", help="anonymous, administrator, estate:ID, estate:SOURCE/ID, dispatcher:REGION"),
    ] = "anonymous",
    limit: Annotated[int, typer.Option(min=1, max=50, help="Devices at most")] = 5,
    floor: Annotated[int, typer.Option(min=-20, max=200, help="The patient's floor, 0 the ground")] = 0,
    route: Annotated[bool, typer.Option(help="With the ways, in JSON")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As the API answers")] = False,
) -> None:
    """What device can be at this patient soonest, and who can come?"""
    settings = load_settings()
    question = Question(
        here=position_from(lat, lon, datum),
        at=parse_moment(at) if at is not None else clock.now(),
        limit=limit,
        floor=floor,
        with_routes=route,
    )
    with opened(settings) as database, reads(database) as session:
        viewer = viewer_as(session, as_)
        network = network_or_none(settings)
        answer = nearest(session.connection(), viewer, question, network=network, settings=settings)
        if as_json:
            shown = answer_out(answer, viewer, settings=settings)
            say(json.dumps(json.loads(orjson.dumps(shown)), ensure_ascii=False, indent=2))
        else:
            print_answer(answer, settings)


def network_or_none(settings: Settings) -> WalkingNetwork | None:
    """The saved network; without one the answer is estimated, and a line says so."""
    try:
        return load_network(settings.walking_network)
    except NetworkFileUnusable as error:
        say(f"No walking network ({error.detail}) Distances are estimated from straight lines.")
        return None


def print_answer(answer: Answer, settings: Settings) -> None:
    """The answer as a dispatcher reads it."""
    asked = answer.question
    say(f"☎  {answer.emergency_number}: call first 请先拨打 {answer.emergency_number}")
    say()
    rows = [_row(number, near, asked.at) for number, near in enumerate(answer.devices, start=1)]
    table(
        "Devices, soonest at the patient first 可用设备（最快在前）",
        ["", "back in", "walk", "straight", "access", "ready", "where", "how to get in", "ring"],
        rows,
        right=["", "back in", "walk", "straight"],
    )
    if not rows:
        say("None that can be used now.")
    if answer.unusable:
        table(
            "Near, but not to be used now 附近但现在不可用",
            ["", "back in", "walk", "straight", "why, until", "ready", "where", "how to get in", "ring"],
            [_row("–", near, asked.at) for near in answer.unusable],
            right=["back in", "walk", "straight"],
        )
    if answer.responders is not None:
        table(
            "Responders who may be called 可呼叫的急救员",
            ["id", "there in", "certificate", "availability", "basis"],
            [
                (
                    person.responder_id,
                    minutes(math.ceil(person.walk_seconds / 30) * 30),
                    person.certificate_kind,
                    person.availability,
                    person.basis,
                )
                for person in answer.responders
            ],
            right=["id", "there in"],
        )
    if answer.basis == "straight_line":
        say("Estimated from straight lines: no walking network is known here.")


def _row(number: object, near: NearbyDevice, at: datetime) -> tuple[object, ...]:
    row = near.row
    where = "\n".join(dict.fromkeys(text for text in (row.place_zh, row.place_en) if text)) or row.estate_en
    level = "" if row.floor == 0 else f" ({row.floor:+d})"
    ways_in = "\n".join(dict.fromkeys(text for text in (row.how_to_get_in_zh, row.how_to_get_in_en) if text))
    gates = "; ".join(gate.name_en for gate in near.gates if gate.is_closed)
    return (
        number,
        minutes(near.fetch.fetch_seconds),
        f"{near.walk_metres:.0f} m" + ("" if near.basis == "walking_network" else " est."),
        f"{near.straight_metres:.0f} m",
        access_words(near.access.access, near.access.until, at, row.time_zone)["en"]
        + (f"; {gates} must be opened" if gates else ""),
        near.readiness,
        f"{where or ''}{level}",
        ways_in,
        row.guard_phone if near.access.access == "assisted" or near.by_closed_gate else None,
    )


def minutes(seconds: float) -> str:
    """m:ss"""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


@walking.command("build")
def build(
    source: Annotated[Path, typer.Argument(help="An OpenStreetMap extract, .osm.pbf")],
    to: Annotated[Path | None, typer.Option(help="Where to; AED_WALKING_NETWORK if left out")] = None,
) -> None:
    """Make the walking network of an extract."""
    target = to or load_settings().walking_network
    network = build_network(source, progress=say)
    target.parent.mkdir(parents=True, exist_ok=True)
    save_network(network, target)
    say(f"{target}: {network.node_count} nodes, {network.edge_count} edges.")


@walking.command("show")
def show(
    file: Annotated[Path | None, typer.Argument(help="AED_WALKING_NETWORK if left out")] = None,
) -> None:
    """What is in a network file."""
    path = file or load_settings().walking_network
    network = load_network(path)
    say(f"{path}: {network.node_count} nodes, {network.edge_count} edges, {len(network.barriers)} gates.")
