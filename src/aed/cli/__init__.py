"""The `aed` commands. `aed --help` lists them.

The module of a command is imported only when the command runs or prints its own help. `aed --help` thus
starts without the database, and each command without the rest of the program.
"""

from __future__ import annotations

import atexit
import gc
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from functools import cache
from importlib import import_module
from io import TextIOWrapper
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from aed import __version__
from aed.cli.failures import exit_on_failure

COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "serve": ("server.serve", "Start the API and, with AED_RUN_JOBS, the scheduled jobs."),
    "work": ("jobs.work", "Run scheduled jobs and send messages until SIGTERM; one worker acts at a time."),
    "nearest": (
        "nearest.nearest_command",
        "Find the devices that can be brought to a patient soonest.",
    ),
    "export": ("export.export_command", "Write the register to a file, with the rights of --as."),
    "lint": (
        "lint.lint",
        "Check a list of devices before importing it.",
    ),
    "demo": (
        "demo.demo",
        "Build a demo database and street network, and look up one patient.",
    ),
    "backup": ("backup.backup", "Back up the database into one file; the API may keep running."),
    "restore": ("backup.restore", "Restore a backup into an empty database, and upgrade its schema."),
    "gaps": (
        "gaps.gaps",
        "Show where and when too few first-aiders can come in the coming week.",
    ),
    "coverage": (
        "coverage.coverage",
        "Preview what a proposed step of an estate gives and gets, and keep the preview.",
    ),
    "coverage-region": (
        "coverage.coverage_region",
        "Preview the same step for every estate of a region.",
    ),
    "placement": (
        "placement.placement",
        "Rank what to open, buy and move in a region, within a budget.",
    ),
    "simulate": ("simulate.simulate", "Compare ways to alert responders, on simulated incidents."),
    "enrol": ("enrolments.enrolling_group", "Enrol a person in a session."),
    "due": ("upkeep.due", "List the work that is due on devices, longest overdue first."),
    "replacements": ("upkeep.replacements", "List the pads and batteries to order, by month and model."),
    "labels": ("trust.labels", "Print QR-code labels for devices, ten to a sheet of A4."),
    "db": ("server.db", "Create, upgrade or downgrade the database schema."),
    "jobs": ("jobs.jobs", "List the scheduled jobs and their runs; run one now."),
    "outbox": ("outbox.outbox", "List, cancel and resend messages of the outbox."),
    "endpoints": ("outbox.endpoints", "Manage the chat bots, programs and mailboxes that receive messages."),
    "walking": ("nearest.walking", "Build and inspect the street network."),
    "map": ("basemap.map_group", "Build the base map of the web pages."),
    "import": ("imports.imports", "Import devices, estates, buildings and responders from files."),
    "issuers": ("issuers.issuers", "Manage the issuers of certificates, and verify certificates with them."),
    "template": ("templates.templates", "Write empty templates of lists to fill in."),
    "feeds": ("feeds.feeds", "Manage device lists that are fetched on a schedule."),
    "mappings": ("mappings.mappings", "Save, list, rename and remove mappings of lists."),
    "reviews": ("reviews.reviews", "List and decide the open questions about imported lists."),
    "sources": ("reviews.sources", "Rank the sources of devices."),
    "tokens": ("tokens.tokens", "Manage the keys of API clients."),
    "keys": ("keys.keys", "Manage the keys that encrypt personal data."),
    "security": (
        "security.security",
        "List security events; end sessions; remove second factors.",
    ),
    "responders": ("responders.responders", "Manage responders: places, hours, consents, pauses."),
    "people": ("people.people", "Manage people and their accounts; export and erase personal data."),
    "roles": ("people.roles", "Grant, revoke and list roles."),
    "regions": ("regions.regions", "Manage provinces and cities."),
    "cells": ("cells.cells", "Check and sign the table of cells; move an estate to another cell."),
    "estates": ("estates.estates_group", "Manage estates."),
    "gates": ("estates.gates_group", "Manage the gates of estates."),
    "devices": ("devices.devices_group", "Manage devices."),
    "consumables": ("devices.consumables_group", "Manage the pads and batteries in devices."),
    "holidays": ("holidays.holidays_group", "Manage holiday calendars."),
    "courses": ("courses.courses", "Manage courses."),
    "sessions": ("sessions.sessions", "Manage sessions of courses, their rosters and results."),
    "trainers": ("trainers.trainers", "Manage the grades that issuers gave trainers."),
    "enrolments": ("enrolments.enrolments", "Manage enrolments and waiting lists."),
    "certificates": (
        "certificates.certificates",
        "Verify, print and revoke certificates; list those about to expire.",
    ),
    "calendars": (
        "calendars.calendars",
        "Manage private URLs for calendar programs.",
    ),
    "policies": (
        "policies.policies",
        "Manage how often devices are checked, and what a check asks.",
    ),
    "sharing-rules": (
        "sharing_rules.sharing_rules",
        "Manage the rules of regions for agreements.",
    ),
    "rounds": ("rounds.rounds", "Plan, assign and list inspection rounds."),
    "recalls": ("policies.recalls", "Manage makers' recalls."),
    "checks": ("upkeep.checks", "Record and list checks of devices."),
    "spares": (
        "spares.spares",
        "Keep the spare pads and batteries of an estate, with their reorder point.",
    ),
    "quarantines": ("upkeep.quarantines", "List devices in quarantine, and why."),
    "reports": ("upkeep.reports", "List, confirm and dismiss fault reports by passers-by."),
    "reminders": ("reminders.reminders", "List reminders and their answers; set reminder preferences."),
    "trust": ("trust.trust", "Show and confirm the position, hours and readiness of devices."),
    "retrievals": ("trust.retrievals", "Follow up on devices that a person was sent to fetch."),
    "drills": ("drills.drills", "Record timed fetches of devices, and show the pace of an estate."),
    "incidents": ("incidents.incidents", "Open, steer, answer and close incidents."),
    "audit": ("audit.audit", "Verify that the audit log and the records of incidents are unchanged."),
    "statistics": (
        "statistics.statistics",
        "Summarise a year of incidents (Utstein 2014).",
    ),
    "centres": ("centres.centres", "Connect dispatch centres."),
    "service": ("service.service", "List, confirm and void records of service; report on a region."),
    "points": ("service.points", "Show balances, statements and the catalogue of the time bank."),
    "apps": ("apps.apps", "Register apps that show people their time bank."),
    "signals": ("signals.signals", "Receive signals of devices through vendors."),
    "webhooks": ("webhooks.webhooks", "Notify programs of the time bank."),
}
"""Each command or group: `module.attribute` within this package, and its line in `aed --help`."""
_CONTEXT_SETTINGS: Final[Mapping[str, Mapping[str, Any]]] = {
    "nearest": {"ignore_unknown_options": True}  # so that a negative longitude is not read as an option
}
_SINGLE: Final = frozenset({"enrol"})
"""Names whose Typer app holds a single command instead of a group."""

type Command = TyperCommand | TyperGroup


class _LazyCommands(MutableMapping[str, Command]):
    """A mapping of commands by name; each is imported when it is first accessed."""

    def __init__(self) -> None:
        self._loaded: dict[str, Command | None] = dict.fromkeys(COMMANDS)

    def __getitem__(self, name: str) -> Command:
        found = self._loaded[name]
        if found is None:
            found = self._loaded[name] = _load(name)
        return found

    def __setitem__(self, name: str, command: Command) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._loaded)

    def __len__(self) -> int:
        return len(self._loaded)


@cache
def _load(name: str) -> Command:
    path, line = COMMANDS[name]
    module, _, attribute = path.rpartition(".")
    gc.disable()  # what is imported stays: searching it for cycles meanwhile takes a tenth of the time
    try:
        found = getattr(import_module(f"aed.cli.{module}"), attribute)
    finally:
        gc.enable()
    if name in _SINGLE:
        command = get_command(found)
        assert isinstance(command, TyperCommand)
        command.name = name
        return command
    if isinstance(found, typer.Typer):
        group = get_group(found)
        group.name, group.help = name, line
        return group
    single = typer.Typer(add_completion=False)
    single.command(name, context_settings=dict(_CONTEXT_SETTINGS.get(name, {})))(found)
    command = get_command(single)
    assert isinstance(command, TyperCommand)
    return command


class _RootGroup(TyperGroup):
    def __init__(self, **given: Any) -> None:  # Any: Typer's own, passed on
        super().__init__(**given)
        self.commands = _LazyCommands()  # type: ignore[assignment] # Typer's are all of these two kinds

    def format_help(self, ctx: Any, formatter: Any) -> None:  # Any: Typer keeps these types to itself
        lazy, self.commands = (
            self.commands,
            {name: TyperCommand(name, help=line) for name, (_, line) in COMMANDS.items()},
        )
        try:
            super().format_help(ctx, formatter)
        finally:
            self.commands = lazy


app = typer.Typer(
    cls=_RootGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Registry, lookup and upkeep of a network of defibrillators and first-aiders.",
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"aed {__version__}")
        raise typer.Exit


@app.callback()
def _common_options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Define the options that stand before a command."""


def main() -> None:
    """Run `aed`: print an expected failure as a sentence and exit with status 1, without a traceback."""
    # Otherwise Python searches every module for cycles as it ends, which takes a third of the CPU of a list.
    atexit.register(gc.freeze)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # on a terminal that cannot display Chinese, print escapes
            stream.reconfigure(errors="backslashreplace")
    with exit_on_failure():
        app(prog_name="aed")
    sys.exit(0)
