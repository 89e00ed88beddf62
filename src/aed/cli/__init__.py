"""The commands. `aed --help` lists them.

context.py   the settings, the database, who is acting
screen.py    tables and sentences for people
files.py     files that a command writes
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
register/    aed devices, estates, gates, consumables, holidays, regions
gaps.py      aed gaps
training.py  aed courses, sessions, enrol, enrolments
certificates.py  aed certificates
calendars.py     aed calendars
policies.py  aed policies, recalls
upkeep.py    aed checks, quarantines, reports, due, replacements
trust.py     aed trust, call-outs, labels
drills.py    aed drills
tokens.py    aed tokens
people.py    aed people, roles
duplicates.py aed people duplicates, same, different
keys.py      aed keys
responders.py aed responders
demo.py      aed demo
"""

from __future__ import annotations

import sys
from io import TextIOWrapper

import typer

from aed.cli import (
    backups,
    calendars,
    certificates,
    demo,
    drills,
    duplicates,
    exports,
    feeds,
    gaps,
    imports,
    issuers,
    jobs,
    keys,
    linting,
    lookup,
    outbox,
    people,
    policies,
    register,
    reminders,
    responders,
    reviews,
    server,
    templates,
    tokens,
    training,
    trust,
    upkeep,
)
from aed.cli.context import answering_errors

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Registry, lookup and upkeep of a network of defibrillators and first-aiders.",
)
app.command("serve")(server.serve)
app.command("work")(jobs.work)
app.command("nearest", context_settings={"ignore_unknown_options": True})(lookup.nearest_command)
app.command("export")(exports.export_command)
app.command("lint")(linting.lint)
app.command("demo")(demo.demo)
app.command("backup")(backups.backup)
app.command("restore")(backups.restore)
app.add_typer(server.db, name="db")
app.add_typer(jobs.jobs, name="jobs")
app.add_typer(outbox.outbox, name="outbox")
app.add_typer(outbox.endpoints, name="endpoints")
app.add_typer(lookup.walking, name="walking")
app.add_typer(imports.imports, name="import")
app.add_typer(issuers.issuers, name="issuers")
app.add_typer(templates.templates, name="template")
app.add_typer(feeds.feeds, name="feeds")
app.add_typer(reviews.reviews, name="reviews")
app.add_typer(reviews.sources, name="sources")
app.add_typer(drills.drills, name="drills")
app.add_typer(tokens.tokens, name="tokens")
app.add_typer(keys.keys, name="keys")
app.add_typer(responders.responders, name="responders")
duplicates.add_commands(people.people)
app.add_typer(people.people, name="people")
app.add_typer(people.roles, name="roles")
app.command("gaps")(gaps.gaps)
app.command("enrol")(training.enrol)
app.command("due")(upkeep.due)
app.command("replacements")(upkeep.replacements)
app.command("labels")(trust.labels)
for groups in (
    register.GROUPS,
    training.GROUPS,
    certificates.GROUPS,
    calendars.GROUPS,
    policies.GROUPS,
    upkeep.GROUPS,
    reminders.GROUPS,
    trust.GROUPS,
):
    for name, group in groups.items():
        app.add_typer(group, name=name)


def main() -> None:
    """The `aed` command: an expected failure is a sentence and exit status 1, never a stack trace."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal that has no Chinese still gets its answer
            stream.reconfigure(errors="backslashreplace")
    with answering_errors():
        app(prog_name="aed")
    sys.exit(0)
