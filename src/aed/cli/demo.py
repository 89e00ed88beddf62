"""Command: `aed demo`, which finds the nearest device in the fictional district of `demo_district/`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.demo_people import DemoPerson, DemoRole, demo_people, is_demo
from aed.accounts.people.actions import find_or_add_person, open_proved_account
from aed.accounts.people.models import Person
from aed.accounts.permissions import Audience, Role
from aed.accounts.regions.models import Region
from aed.accounts.roles.actions import grant_role
from aed.accounts.roles.schemas import RoleIn
from aed.cli.context import cli_database, operator, viewer_as
from aed.cli.demo_desks import add_desk_work, add_spares, has_desk_work
from aed.cli.demo_history import add_history, has_history
from aed.cli.demo_operations import add_operations
from aed.cli.demo_training import add_demo_training
from aed.cli.language import either
from aed.cli.nearest import print_answer
from aed.cli.screen import say
from aed.cli.server import bring_up_to_date
from aed.database.session import Database, read_session, transaction
from aed.errors import InvalidInput, NetworkFileUnusable
from aed.geo import Position
from aed.imports.devices.actions import import_devices
from aed.imports.estates import import_buildings, import_estates
from aed.imports.feeds.fetching import fetch_limits_in
from aed.imports.responders import import_responders
from aed.lookup.answer import answer_lookup
from aed.lookup.question import LookupQuestion
from aed.planning.regional_coverage.jobs import compute_region_coverages
from aed.registry.devices.models import Device
from aed.registry.estates.models import Estate
from aed.settings import Settings, is_checkout, load_settings
from aed.sharing.agreements.actions import confirm_agreement, draft_agreement, propose_agreement
from aed.sharing.agreements.schemas import AgreementDraft
from aed.sharing.decisions.actions import decide, link_actor
from aed.sharing.decisions.schemas import PartyDecisionIn
from aed.sharing.models import Agreement
from aed.sharing.rules import DecisionKind, PartyRole
from aed.sharing.shares.queries import time_zone_of
from aed.walking.build import build_network
from aed.walking.file import load_network, save_network
from aed.walking.network import WalkingNetwork

DISTRICT = Path(__file__).parent / "demo_district"


def demo(
    folder: Annotated[
        Path, typer.Option(help="The district's folder", show_default="the one included in the program")
    ] = DISTRICT,
    history: Annotated[
        bool, typer.Option("--history", help="Add a year of invented checks, drills, training and incidents")
    ] = False,
    ask_all: Annotated[bool, typer.Option("--all", help="Ask all the questions of the district")] = False,
) -> None:
    """Build a demo database and street network, and look up one patient."""
    if not (folder / "devices.csv").is_file():
        raise InvalidInput(
            either(
                f"{folder} contains no demo district: devices.csv is missing.",
                f"{folder} 中没有演示数据：缺少 devices.csv。",
            ),
            field="folder",
        )
    settings = load_settings()
    with cli_database(settings) as database:
        bring_up_to_date(database)
        _load(database, folder)
        if history:
            _add_history(database)
        network = _network(folder / "streets.osm.pbf", settings.walking_network)
        _add_desk_work(database, network, settings)
        compute_region_coverages(database, clock.now, network_of=lambda: network, settings=settings)
        _copy_basemap(folder / "basemap.pmtiles", settings.basemap)
        questions = json.loads((folder / "questions.json").read_text(encoding="utf-8"))
        if ask_all:
            for asked in questions:
                _print_lookup(database, asked, _WHO.get(asked["as"], asked["as"]), network, settings)
                say(f"→ {asked['note']}")
            return
        asked = questions[0]
        _print_lookup(database, asked, _WHO["dispatcher"], network, settings)
    say()
    here = f"{asked['lat']} {asked['lon']}"
    aed = ".venv/bin/aed" if is_checkout() else "aed"
    say("Next:")
    say(f"  {aed} nearest {here} --at 2026-09-22T02:00:00+08:00      the public view, at night")
    say(f"  {aed} nearest 30.284038 120.098707 --as estate:demo-district/inkstone      a resident's view")
    say(f"  {aed} demo --all      every question of the district, with what it shows")
    say(f"  {aed} demo --history      a year of invented history, for the dashboard of the region")
    say(f"  {aed} serve      then http://127.0.0.1:8000/demo to walk through it, /docs for the API, or")
    say(f"  curl 'http://127.0.0.1:8000/v1/nearest?lat={asked['lat']}&lon={asked['lon']}'")


_WHO = {"dispatcher": "dispatcher:CN-33", "estate:inkstone": "estate:demo-district/inkstone"}
"""The district's names of viewers, and their names in `aed nearest --as`."""


def _print_lookup(
    database: Database, asked: Mapping[str, Any], who: str, network: WalkingNetwork, settings: Settings
) -> None:
    question = LookupQuestion(
        here=Position(asked["lat"], asked["lon"]),
        at=datetime.fromisoformat(asked["at"]),
        floor=asked["floor"],
        limit=5,
    )
    say()
    say(f"{asked['name_zh']} {asked['name_en']}")
    say(f"{asked['lat']}, {asked['lon']} at {question.at:%Y-%m-%d %H:%M %z}, asked as {who}:")
    say()
    with read_session(database) as session:
        viewer = viewer_as(session, who)
        answer = answer_lookup(session.connection(), viewer, question, network=network, settings=settings)
    print_answer(answer, settings, viewer)


def _load(database: Database, folder: Path) -> None:
    """Import the district; idempotent. visibility: for the operator."""
    now = clock.now()
    with transaction(database) as session:
        is_new = session.scalar(select(Person.id).limit(1)) is None
        estates = import_estates(session, operator(), folder / "estates.geojson", at=now)
        devices = import_devices(session, operator(), folder / "devices.csv", at=now)
        houses = import_buildings(session, operator(), folder / "streets.osm.pbf")
        people = import_responders(session, operator(), folder / "responders.csv", at=now)
        if is_new:  # never in a database with people of its own: everyone may sign in as these
            _add_demo_people(session, at=now)
    for what, report in (
        ("estates and gates", estates),
        ("buildings", houses),
        ("devices", devices),
        ("responders", people),
    ):
        say(f"{what}: {report.new} new, {report.changed} changed, {report.unchanged} unchanged")
        for row in report.bad:
            say(f"  {row.where} set aside: {row.reason}")


def _copy_basemap(source: Path, target: Path) -> None:
    """Copy the district's base map, unless there is a base map already."""
    if source.is_file() and not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        say(f"base map: {target.stat().st_size:,} bytes")


def _add_demo_people(session: Session, *, at: datetime) -> None:
    """Add the people as whom everyone may sign in on the page `/demo`, with their roles.

    visibility: for the operator.
    """
    estate = session.scalars(
        select(Estate).where(Estate.source == "demo-district", Estate.source_id == "paper-crane")
    ).one_or_none()
    if estate is None:  # another district
        return
    for number, (part, (name, role, place)) in enumerate(_PARTS.items(), start=1):
        phone = _VOLUNTEER_PHONE if part is DemoRole.VOLUNTEER else f"+861000000900{number}"
        person = find_or_add_person(session, name=name, phone=phone)
        open_proved_account(session, person, phone, at=at)
        places: dict[str, dict[str, Any]] = {
            "estate": {"estate_id": estate.id},
            "region": {"region": "CN-3399"},
            "network": {},
        }
        grant_role(
            session, operator(), person.id, RoleIn.model_validate({"role": role, **places[place]}), at=at
        )
        session.add(DemoPerson(role=part, person_id=person.id))
    session.flush()
    _add_agreements(session, estate, at=at)
    add_operations(session, operator(), by=fetch_limits_in(load_settings()), at=at)
    add_demo_training(session, estate, trainer=_PARTS[DemoRole.TRAINER][0], at=at)


def _add_desk_work(database: Database, network: WalkingNetwork | None, settings: Settings) -> None:
    """Add something to do at each desk, once, and never to a database with people of its own.

    visibility: for the operator.
    """
    with transaction(database) as session:
        if not is_demo(session) or has_desk_work(session):
            return
        estate = session.scalars(select(Estate).where(Estate.source_id == "paper-crane")).one()
        add_desk_work(
            session,
            estate,
            demo_people(session),
            trainer=_PARTS[DemoRole.TRAINER][0],
            network=network,
            settings=settings,
            at=clock.now(),
        )


def _add_history(database: Database) -> None:
    """Add the history of the demo's region, once, and never to a database with people of its own.

    visibility: for the operator.
    """
    with transaction(database) as session:
        if not is_demo(session) or has_history(session):
            return
        estate = session.scalars(select(Estate).where(Estate.source_id == "paper-crane")).one()
        add_history(session, session.get_one(Region, estate.region_id), at=clock.now())
        add_spares(session, estate, at=clock.now())
    say("history: a year of checks, drills, training sessions and incidents")


def _add_agreements(session: Session, estate: Estate, *, at: datetime) -> None:
    """Add an agreement in force, and one that waits for the owners' committee.

    The first shares a device with those who see it already, so that lookups answer as they did before.
    visibility: for the operator.
    """
    numbers = {
        row.source_id: row.id
        for row in session.execute(select(Device.source_id, Device.id).where(Device.estate_id == estate.id))
    }
    in_force, waiting = (
        _propose(session, estate, numbers[device], share, at=at) for device, share in _SHARES.items()
    )
    for agreement in (in_force, waiting):
        for party in agreement.parties:
            if agreement is in_force or party.role is not PartyRole.OWNERS_COMMITTEE:
                given = PartyDecisionIn(kind=DecisionKind.CONSENT, text_hash=agreement.text_hash)
                decide(session, party, given, by=link_actor(party), at=at)
    confirm_agreement(session, operator(), in_force.id, text_hash=in_force.text_hash, at=at)


def _propose(
    session: Session, estate: Estate, device_id: int, share: Mapping[str, Any], *, at: datetime
) -> Agreement:
    today = at.astimezone(ZoneInfo(time_zone_of(session, estate.id))).date()
    draft = AgreementDraft.model_validate(
        {
            "estate_id": estate.id,
            "owner": "owners_in_common",
            "legal_basis": "minutes",
            "starts_on": today,
            "ends_on": today + timedelta(days=730),
            "parties": [
                {"role": role, "legal_name": estate.name_zh + suffix, "representative": representative}
                for role, (suffix, representative) in _PARTIES.items()
            ],
            "shares": [{"device_id": device_id, "step": Audience.NEIGHBOURS, **share}],
        }
    )
    made = draft_agreement(session, operator(), draft, at=at)
    return propose_agreement(session, operator(), made.id, at=at)


_SHARES: dict[str, dict[str, Any]] = {
    "aed-03": {"allows_override": False},
    "aed-02": {"hours": "20:00-08:00", "gates": ["南门，门岗开门 South Gate, the guard opens"]},
}
"""Devices of Paper Crane Gardens with what their agreements say: one in force, one that waits."""
_PARTIES: dict[PartyRole, tuple[str, dict[str, str] | None]] = {
    PartyRole.PARTY_COMMITTEE: ("所在社区党委", None),
    PartyRole.OWNERS_COMMITTEE: (
        "业主委员会",
        {"name": "安晓禾 An Xiaohe", "phone": "+8610000009001"},
    ),
    PartyRole.SERVICE_CENTRE: ("园区服务中心", {"name": "齐守园 Qi Shouyuan", "phone": "+8610000009006"}),
}
"""What follows the estate's name in a party's name, and who decides for it: people of the demo."""
_VOLUNTEER_PHONE = "+8610000001024"
_PARTS: dict[DemoRole, tuple[str, Role, Literal["estate", "region", "network"]]] = {
    DemoRole.RESIDENT: ("安晓禾 An Xiaohe", Role.RESIDENT, "estate"),
    DemoRole.VOLUNTEER: ("阚望舟 Kan Wangzhou", Role.RESPONDER, "estate"),
    DemoRole.KEEPER: ("甄拾月 Zhen Shiyue", Role.KEEPER, "estate"),
    DemoRole.TRAINER: ("蒲知行 Pu Zhixing", Role.TRAINING_OFFICER, "region"),
    DemoRole.DISPATCHER: ("陆听澜 Lu Tinglan", Role.DISPATCHER, "region"),
    DemoRole.MANAGER: ("齐守园 Qi Shouyuan", Role.ESTATE_MANAGER, "estate"),
    DemoRole.ADMINISTRATOR: ("司明宇 Si Mingyu", Role.ADMINISTRATOR, "network"),
    DemoRole.REGION: ("岑望川 Cen Wangchuan", Role.ADMINISTRATOR, "region"),
}
"""Invented name, role, and where it is held."""


def _network(streets: Path, target: Path) -> WalkingNetwork:
    """Return the saved network; rebuild it if the streets are newer or the file is from an earlier
    release."""
    if target.exists() and target.stat().st_mtime >= streets.stat().st_mtime:
        try:
            return load_network(target)
        except NetworkFileUnusable as error:
            say(f"walking network: {error.detail}")
    network = build_network(streets)
    target.parent.mkdir(parents=True, exist_ok=True)
    save_network(network, target)
    say(f"walking network: {network.node_count} nodes, {network.edge_count} edges")
    return network
