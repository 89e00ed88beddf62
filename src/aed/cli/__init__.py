"""The commands. `aed --help` lists them.

context.py   the settings, the database, who is acting
screen.py    tables and sentences for people
files.py     files that a command writes
process.py   what a process that stays is told about its memory
server.py    aed serve, aed db
jobs.py      aed work, aed jobs
outbox.py    aed outbox, aed endpoints
backups.py   aed backup, aed restore
lookup.py    aed nearest, aed walking
imports.py   aed import
issuers.py   aed issuers
exports.py   aed export
templates.py aed template
linting.py   aed lint
feeds.py     aed feeds
reviews.py   aed reviews, sources
reminders.py aed reminders
register/    aed devices, estates, gates, consumables, holidays, regions
gaps.py      aed gaps
training.py  aed courses, sessions, enrol, enrolments
certificates.py  aed certificates
calendars.py     aed calendars
policies.py  aed policies, recalls
upkeep.py    aed checks, quarantines, reports, due, replacements
trust.py     aed trust, call-outs, labels
drills.py    aed drills
incidents.py aed incidents, audit
afterwards.py aed incidents report, outcome; aed statistics
centres.py   aed centres
tokens.py    aed tokens
people.py    aed people, roles
duplicates.py aed people duplicates, same, different
keys.py      aed keys
responders.py aed responders
demo.py      aed demo
simulate.py  aed simulate
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module
from io import TextIOWrapper
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from aed.cli.context import answering_errors

COMMANDS: Final[Mapping[str, str]] = {
    "serve": "server.serve",
    "work": "jobs.work",
    "nearest": "lookup.nearest_command",
    "export": "exports.export_command",
    "lint": "linting.lint",
    "demo": "demo.demo",
    "backup": "backups.backup",
    "restore": "backups.restore",
    "gaps": "gaps.gaps",
    "simulate": "simulate.simulate",
    "enrol": "training.enrol",
    "due": "upkeep.due",
    "replacements": "upkeep.replacements",
    "labels": "trust.labels",
    "db": "server.db",
    "jobs": "jobs.jobs",
    "outbox": "outbox.outbox",
    "endpoints": "outbox.endpoints",
    "walking": "lookup.walking",
    "import": "imports.imports",
    "issuers": "issuers.issuers",
    "template": "templates.templates",
    "feeds": "feeds.feeds",
    "reviews": "reviews.reviews",
    "sources": "reviews.sources",
    "tokens": "tokens.tokens",
    "keys": "keys.keys",
    "security": "security.security",
    "responders": "responders.responders",
    "people": "people.people",
    "roles": "people.roles",
    "regions": "register.regions",
    "estates": "register.estates_group",
    "gates": "register.gates_group",
    "devices": "register.devices_group",
    "consumables": "register.consumables_group",
    "holidays": "register.holidays_group",
    "courses": "training.courses",
    "sessions": "training.sessions",
    "enrolments": "training.enrolments",
    "certificates": "certificates.certificates",
    "calendars": "calendars.calendars",
    "policies": "policies.policies",
    "recalls": "policies.recalls",
    "checks": "upkeep.checks",
    "quarantines": "upkeep.quarantines",
    "reports": "upkeep.reports",
    "reminders": "reminders.reminders",
    "trust": "trust.trust",
    "call-outs": "trust.call_outs",
    "drills": "drills.drills",
    "incidents": "incidents.incidents",
    "audit": "audit.audit",
    "statistics": "afterwards.statistics",
    "centres": "centres.centres",
}
"""Where each command, or group of commands, is: a file of this folder, and its name in that. It is imported
when it is asked for: one command is a part of the program, and starts in half the time and memory of all."""
_READ_LIKE: Final[Mapping[str, Mapping[str, Any]]] = {"nearest": {"ignore_unknown_options": True}}

type Command = TyperCommand | TyperGroup


class _OnDemand(MutableMapping[str, Command]):
    """The commands by name; each is there from when it is first asked for."""

    def __init__(self) -> None:
        self._known: dict[str, Command | None] = dict.fromkeys(COMMANDS)

    def __getitem__(self, name: str) -> Command:
        found = self._known[name]
        if found is None:
            found = self._known[name] = _imported(name)
        return found

    def __setitem__(self, name: str, command: Command) -> None:
        self._known[name] = command

    def __delitem__(self, name: str) -> None:
        del self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def _imported(name: str) -> Command:
    file, _, attribute = COMMANDS[name].partition(".")
    found = getattr(import_module(f"aed.cli.{file}"), attribute)
    if isinstance(found, typer.Typer):
        group = get_group(found)
        group.name = name
        return group
    alone = typer.Typer(add_completion=False)
    alone.command(name, context_settings=dict(_READ_LIKE.get(name, {})))(found)
    command = get_command(alone)
    assert isinstance(command, TyperCommand)
    return command


class _Commands(TyperGroup):
    def __init__(self, **given: Any) -> None:  # Any: Typer's own, passed on
        super().__init__(**given)
        self.commands = _OnDemand()  # type: ignore[assignment] # Typer's are all of these two kinds


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Registry, lookup and upkeep of a network of defibrillators and first-aiders.",
)


@app.callback()
def _whatever_follows() -> None:
    """There is nothing that all commands share."""


def main() -> None:
    """The `aed` command: an expected failure is a sentence and exit status 1, never a stack trace."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal that has no Chinese still gets its answer
            stream.reconfigure(errors="backslashreplace")
    with answering_errors():
        app(prog_name="aed")
    sys.exit(0)
