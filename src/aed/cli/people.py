"""Commands: `aed people` and `aed roles`."""

from __future__ import annotations

import getpass
import os
import re
import sys
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.people import actions as people_actions
from aed.accounts.people import queries as people_queries
from aed.accounts.people.rules import Language, PhoneChannel, e164
from aed.accounts.people.schemas import PersonAmend, PersonIn
from aed.accounts.permissions import Role
from aed.accounts.regions.queries import codes_of_regions, region_by_code
from aed.accounts.role_grants import RoleGrant
from aed.accounts.roles import actions as role_actions
from aed.accounts.roles import queries as role_queries
from aed.accounts.roles.schemas import RoleIn
from aed.accounts.sessions import end_sessions
from aed.accounts.sign_in import passwords
from aed.cli.context import cli_read_session, cli_transaction, long_cli_transaction, operator
from aed.cli.fields import Fields, fields_in, taking
from aed.cli.language import either
from aed.cli.person_duplicates import duplicates
from aed.cli.rows import SHOWN, After, Id, Version
from aed.cli.screen import say, table
from aed.errors import InvalidInput, NotFound
from aed.personal_data import actions as personal_data_actions
from aed.personal_data.schemas import OwnDataOut
from aed.settings import load_settings

people = typer.Typer(no_args_is_help=True)
roles = typer.Typer(no_args_is_help=True)

PersonArgument = Annotated[
    str,
    typer.Argument(
        metavar="PERSON",
        help="A person's id, or the phone number with which they sign in",
        show_default=False,
    ),
]
Estate = Annotated[int | None, typer.Option(help="On this estate, by id", min=1)]
Region = Annotated[str | None, typer.Option(help="On this region and all below it, by code")]


def person_id_of(session: Session, person: str) -> int:
    """Return the id of a person who is named by id or by the number they sign in with.

    Up to nine digits are an id. Raises NotFound if nobody signs in with that number.
    """
    if re.fullmatch("[0-9]{1,9}", person):
        return int(person)
    found = people_queries.account_by_phone(session, e164(person, country=load_settings().phone_country))
    if found is None:
        raise NotFound(either("Nobody signs in with this phone number.", "没有使用此手机号登录的人员。"))
    return found[0].person_id


@people.command("add")
def add(
    name: Annotated[str, typer.Argument(help="The name")],
    phone: Annotated[str, typer.Argument(help="The phone number, as people write it")],
    region: Annotated[
        str | None, typer.Option(help="The region whose country code applies to numbers without one")
    ] = None,
    language: Annotated[Language, typer.Option(help="Language of messages to the person")] = Language.ZH,
    channel: Annotated[
        PhoneChannel, typer.Option(help="Channel of messages to the person")
    ] = PhoneChannel.SMS,
    email: Annotated[
        str | None, typer.Option(help="The name under which an identity provider knows the person")
    ] = None,
) -> None:
    """Add a person, who can sign in with codes from then on, and print the id."""
    given = [f"name={name}", f"phone={phone}", f"language={language}", f"channel={channel}"]
    further = {"region": region, "email": email}
    given += [f"{field}={value}" for field, value in further.items() if value is not None]
    new = fields_in(PersonIn, given)
    with cli_transaction() as session:
        person = people_actions.add_person(
            session, operator(), new, country=load_settings().phone_country, at=clock.now()
        )
        message = f"Person {person.id} is {person.name}."
    say(message)


@people.command("list")
def show_all(after: After = 0) -> None:
    """List the people in order of id."""
    with cli_read_session() as session:
        rows = [
            (
                person.id,
                person.name,
                account.phone if account is not None else person.phone,
                person.language,
                person.channel,
                "password" if account and account.password_hash else "codes" if account else "no account",
            )
            for person, account in people_queries.people(session, operator(), limit=SHOWN, after_id=after)
        ]
    table(None, ["id", "name", "phone", "language", "channel", "signs in with"], rows)
    if len(rows) == SHOWN:
        say(f"There may be more: --after {rows[-1][0]}")


@people.command("show")
def show(person: PersonArgument) -> None:
    """Show a person, with roles and history."""
    with cli_read_session() as session:
        person_id = person_id_of(session, person)
        found, account = people_queries.person(session, operator(), person_id)
        held = role_queries.role_grants(
            session, operator(), limit=SHOWN, person_id=person_id, also_revoked=True
        )
        codes = codes_of_regions(session, (each.region_id for each in held if each.region_id))
        changes = people_queries.person_history(session, person_id)
        linked = people_queries.identities_of(session, operator(), person_id)
        signs_in = "no account"
        if account is not None:
            signs_in = "by password or code" if account.password_hash is not None else "by code"
        table(
            None,
            ["field", "value"],
            [
                ("id", found.id),
                ("name", found.name),
                ("phone", account.phone if account is not None else found.phone),
                ("email", account.email if account is not None else None),
                ("language", found.language),
                ("channel", found.channel),
                ("signs in with", signs_in),
                ("version", found.version),
            ],
        )
        if linked:
            table(
                "Identity providers",
                ["provider", "since", "matched by"],
                [(each.provider, f"{each.linked_at:%Y-%m-%d %H:%M}", each.linked_by) for each in linked],
            )
        if held:
            table("Roles", ["id", "role", "on", "since", "until"], [_grant_row(each, codes) for each in held])
        if changes:
            table(
                "History",
                ["at", "who", "what"],
                [(f"{each.at:%Y-%m-%d %H:%M}", each.who, _change_text(each.fields)) for each in changes],
            )


def _change_text(fields: dict[str, list[str | None]]) -> str:
    return "; ".join(f"{name}: {before or '-'} → {now}" for name, (before, now) in fields.items())


@people.command("amend", cls=taking(PersonAmend))
def amend(person_id: Id, fields: Fields, version: Version = None) -> None:
    """Correct name, phone, email, language or channel. A new phone creates an account if there was none."""
    change = fields_in(PersonAmend, fields)
    with cli_transaction() as session:
        present, _account = people_queries.person(session, operator(), person_id)
        person, _account = people_actions.amend_person(
            session,
            operator(),
            person_id,
            change,
            version=version if version is not None else present.version,
            country=load_settings().phone_country,
            at=clock.now(),
        )
        message = f"Person {person.id} is at version {person.version}."
    say(message)


@people.command("open-accounts")
def open_accounts(
    region: Annotated[
        str | None, typer.Option(help="The region whose country code applies to numbers without one")
    ] = None,
) -> None:
    """Open accounts for all people from imported lists whose phone number is unique, so that they can sign
    in."""
    with long_cli_transaction() as session:
        country = load_settings().phone_country
        if region is not None:
            country = region_by_code(session, region).country
        done = people_actions.open_accounts(session, operator(), country=country, at=clock.now())
    say(
        f"Accounts opened: {done.opened}. Phone numbers shared by several people: "
        f"{done.shared}. No usable phone number: {done.unusable}."
    )


@people.command("set-password")
def set_password(person: PersonArgument) -> None:
    """Set a person's password, typed twice or read as a line from standard input. Ends all their sessions."""
    if sys.stdin.isatty():
        given = getpass.getpass("Password: ")
        if getpass.getpass("Again: ") != given:
            raise InvalidInput(either("The two passwords differ.", "两次输入的密码不同。"), field="password")
    else:
        given = sys.stdin.readline().rstrip("\r\n")
    with cli_transaction() as session:
        person_id = person_id_of(session, person)
        passwords.set_password(session, operator(), person_id, given, at=clock.now())
    say(f"The password of person {person_id} is set.")


@people.command("sign-out")
def sign_out(person: PersonArgument) -> None:
    """End all sessions of a person."""
    with cli_transaction() as session:
        person_id = person_id_of(session, person)
        people_queries.person(session, operator(), person_id)
        ended = end_sessions(session, person_id, at=clock.now())
    say(f"Sessions ended: {ended}.")


@people.command("unlink-identity")
def unlink(person_id: Id) -> None:
    """Unlink a person from all identity providers, until linked again. Ends all their sessions."""
    with cli_transaction() as session:
        # imported here: it loads an HTTP client and OpenID Connect
        from aed.accounts.identity_provider import actions as identity_provider

        ended = identity_provider.unlink(session, operator(), person_id, at=clock.now())
    say(f"Linked identities removed: {ended}.")


# --- Personal data ---------------------------------------------------------------------------------------


@people.command("export")
def export(
    person_id: Id,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="The file to write, which must not exist; default: standard output"
        ),
    ] = None,
) -> None:
    """Export all data about a person as JSON. A file is readable by its owner only."""
    with cli_read_session() as session:
        person = people_queries.require_self_or_administrator(session, operator(), person_id)
        exported = OwnDataOut.of(session, person, at=clock.now()).model_dump_json(indent=2)
    if output is None:
        say(exported)
        return
    opened = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(opened, "w", encoding="utf-8") as file:
        file.write(exported + "\n")
    say(f"{output} contains all data held about person {person_id}.")


@people.command("erase")
def erase(
    person_id: Id,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation")] = False,
) -> None:
    """Erase the data about a person for good. What the history requires stays, without the name."""
    if not yes:
        with cli_read_session() as session:
            person = people_queries.require_self_or_administrator(session, operator(), person_id)
            question = f"Erase all data held about person {person_id}, {person.name}? This cannot be undone."
        if not typer.confirm(question):
            raise InvalidInput(either("Nothing was erased.", "未删除任何内容。"), field="yes")
    with cli_transaction() as session:
        is_done = personal_data_actions.erase(session, operator(), person_id, at=clock.now())
    say(f"Person {person_id} is erased." if is_done else f"Person {person_id} had been erased already.")
    if is_done:
        say("Backups made before now still contain the person: erase again after restoring one.")


# --- Roles ----------------------------------------------------------------------------------------------


def _grant_row(grant: RoleGrant, codes: dict[int, str]) -> tuple[object, ...]:
    place = "the network"
    if grant.estate_id is not None:
        place = f"estate {grant.estate_id}"
    elif grant.region_id is not None:
        place = codes[grant.region_id]
    until = f"{grant.revoked_at:%Y-%m-%d %H:%M}" if grant.revoked_at is not None else ""
    return grant.id, grant.role, place, f"{grant.granted_at:%Y-%m-%d %H:%M}", until


@roles.command("grant")
def grant(
    person: PersonArgument,
    role: Annotated[Role, typer.Argument(help="The role to grant")],
    estate: Estate = None,
    region: Region = None,
) -> None:
    """Grant a role on an estate or a region; an administrator's without either covers the whole network."""
    place = {"estate_id": estate, "region": region}
    new = fields_in(
        RoleIn, [f"role={role}", *(f"{name}={value}" for name, value in place.items() if value is not None)]
    )
    with cli_transaction() as session:
        found, _account = people_queries.person(session, operator(), person_id_of(session, person))
        made = role_actions.grant_role(session, operator(), found.id, new, at=clock.now())
        message = f"Role {made.id}: {found.name} is {role}."
    say(message)


@roles.command("revoke")
def revoke(
    grant_id: Annotated[int, typer.Argument(help="The role's id, from `aed roles list`", min=1)],
) -> None:
    """Revoke a role; the record of it stays."""
    with cli_transaction() as session:
        taken = role_actions.revoke_role(session, operator(), grant_id, at=clock.now())
        message = f"Person {taken.person_id} is no longer {taken.role}."
    say(message)


@roles.command("list")
def list_roles(
    estate: Estate = None,
    region: Region = None,
    person: Annotated[int | None, typer.Option(help="Only of this person, by id", min=1)] = None,
    revoked: Annotated[bool, typer.Option(help="Include revoked roles")] = False,
    after: After = 0,
) -> None:
    """List the roles: who holds which, and where."""
    with cli_read_session() as session:
        found = role_queries.role_grants(
            session,
            operator(),
            limit=SHOWN,
            after_id=after,
            person_id=person,
            estate_id=estate,
            region_id=region_by_code(session, region).id if region is not None else None,
            also_revoked=revoked,
        )
        codes = codes_of_regions(session, (each.region_id for each in found if each.region_id))
        rows = [(*(shown := _grant_row(each, codes))[:1], each.person_id, *shown[1:]) for each in found]
    table(None, ["id", "person", "role", "on", "since", "until"], rows)
    if len(rows) == SHOWN:
        say(f"There may be more: --after {rows[-1][0]}")


people.add_typer(duplicates, name="duplicates")
