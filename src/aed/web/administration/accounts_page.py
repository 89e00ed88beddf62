"""The pages of people, roles and tokens."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from aed.accounts import tokens as token_queries
from aed.accounts.masking import mask_phone
from aed.accounts.people import queries as people_queries
from aed.accounts.people.models import Account, Person
from aed.accounts.people.rules import Language, e164
from aed.accounts.permissions import Role, TokenRole, TokenScope, Viewer
from aed.accounts.regions.queries import codes_of_regions, regions
from aed.accounts.role_grants import RoleGrant
from aed.accounts.roles import queries as role_queries
from aed.accounts.tokens import Token
from aed.errors import InvalidInput
from aed.settings import Settings
from aed.web.administration import queries
from aed.web.administration.rules import Asked, Button, Cell, Content, Form, Input, Listing, Row, Words
from aed.web.words import noop

SHOWN: Final = 50
MAX_HELD: Final = 500
ROLE_NAMES: Final[Mapping[Role, str]] = {
    Role.RESIDENT: noop("Resident"),
    Role.RESPONDER: noop("Volunteer"),
    Role.KEEPER: noop("Keeper of AEDs"),
    Role.LEAD: noop("Neighbourhood lead"),
    Role.ESTATE_MANAGER: noop("Estate manager"),
    Role.TRAINING_OFFICER: noop("Training officer"),
    Role.DISPATCHER: noop("Dispatcher"),
    Role.ADMINISTRATOR: noop("Administrator"),
}
TOKEN_ROLE_NAMES: Final[Mapping[TokenRole, str]] = {
    TokenRole.MEMBER: noop("Program of an estate"),
    TokenRole.DISPATCHER: noop("Dispatch centre"),
    TokenRole.ADMINISTRATOR: noop("Administrator"),
}
NAME: Final = noop("Name")
PERSON_ID: Final = noop("Number of the person")
ESTATE_ID: Final = noop("Number of the estate")
REGION_CODE: Final = noop("Code of the region")


# --- People ---------------------------------------------------------------------------------------------


def people_content(session: Session, viewer: Viewer, asked: Asked, settings: Settings) -> Content:
    """People with their accounts; with `q` those of that phone number, or the person of that number."""
    found = list(
        _people_named(session, viewer, asked.q.strip(), settings)
        if asked.q.strip()
        else people_queries.people(session, viewer, limit=SHOWN + 1, after_id=asked.after)
    )
    rows = [_person_row(person, account) for person, account in found[:SHOWN]]
    more = f"after={found[SHOWN - 1][0].id}" if len(found) > SHOWN else ""
    columns = (noop("Number"), NAME, noop("Phone number"), noop("Signs in with"))
    q = Input("q", noop("Name, phone number, or number of the person"), value=asked.q)
    chosen = found[0] if len(found) == 1 and asked.q == str(found[0][0].id) else None
    return Content(
        filters=[Form("", noop("Find a person"), [q], noop("Find"))],
        listings=[Listing(noop("People and accounts"), columns, rows, noop("Nobody was found."), more)],
        forms=[
            *([_edit_form(*chosen)] if chosen is not None else []),
            Form(
                "add",
                noop("Add a person"),
                [
                    Input("name", NAME, is_required=True),
                    Input("phone", noop("Phone number"), "tel", is_required=True),
                ],
                noop("Add"),
            ),
        ],
    )


def _edit_form(person: Person, account: Account | None) -> Form:
    """The form that changes a person; a number that is left empty stays as it is."""
    phone = account.phone if account is not None else person.phone or ""
    return Form(
        "edit",
        noop("Change this person"),
        [
            Input("id", PERSON_ID, "hidden", str(person.id)),
            Input("version", PERSON_ID, "hidden", str(person.version)),
            Input("name", NAME, value=person.name, is_required=True),
            Input(
                "language",
                noop("Language of messages"),
                "select",
                person.language,
                [(Language.ZH.value, noop("Chinese")), (Language.EN.value, noop("English"))],
            ),
            Input(
                "phone",
                noop("New phone number"),
                "tel",
                hint=noop("Leave it empty to keep the number. A new one ends all sessions of the person.")
                if phone
                else noop("With a number, the person gets an account."),
            ),
        ],
        noop("Save"),
    )


def _person_row(person: Person, account: Account | None) -> Row:
    sign_out = Button(
        "sign-out",
        noop("Sign out everywhere"),
        str(person.id),
        noop("All sessions of this person end at once. They can sign in again."),
    )
    if account is None:
        way, phone = noop("no account"), person.phone or ""
    else:
        way, phone = noop("password") if account.password_hash else noop("codes"), account.phone
    return Row(
        (person.id, person.name, mask_phone(phone), Words(way)),
        href=f"/administration/roles?person={person.id}",
        links=[(noop("Change"), f"/administration/people?q={person.id}")],
        buttons=[sign_out] if account is not None else (),
    )


def _people_named(
    session: Session, viewer: Viewer, q: str, settings: Settings
) -> list[tuple[Person, Account | None]]:
    """Return the person of that id (up to nine digits), or those with that phone number or name."""
    if q.isascii() and q.isdecimal() and len(q) <= 9:
        return [
            each
            for each in people_queries.people(session, viewer, limit=1, after_id=int(q) - 1)
            if each[0].id == int(q)
        ]
    try:
        phone = e164(q, country=settings.phone_country)
    except InvalidInput:
        return list(people_queries.people(session, viewer, limit=SHOWN, name=q))
    held = people_queries.account_by_phone(session, phone)
    found = {
        each.id for each in people_queries.people_by_phone(session, phone, country=settings.phone_country)
    }
    if held is not None:
        found.add(held[1].id)
    return [people_queries.person(session, viewer, each) for each in sorted(found)]


# --- Roles ----------------------------------------------------------------------------------------------


def roles_content(session: Session, viewer: Viewer, asked: Asked) -> Content:
    """Roles held now; with `person` all roles of that person, also former ones."""
    found = role_queries.role_grants(
        session,
        viewer,
        limit=SHOWN + 1,
        after_id=asked.after,
        person_id=asked.person or None,
        also_revoked=bool(asked.person),
    )
    names = people_queries.names_of(session, {each.person_id for each in found})
    codes = codes_of_regions(session, (each.region_id for each in found if each.region_id))
    rows = [_grant_row(each, names, codes) for each in found[:SHOWN]]
    columns = (NAME, noop("Role"), noop("Where"), noop("Since"), noop("Given by"), noop("Until"))
    more = f"after={found[SHOWN - 1].id}" if len(found) > SHOWN else ""
    if more and asked.person:
        more += f"&person={asked.person}"
    return Content(
        filters=[
            Form(
                "",
                noop("Roles of one person"),
                [Input("person", PERSON_ID, value=str(asked.person or ""))],
                noop("Show"),
            )
        ],
        listings=[Listing(noop("Roles"), columns, rows, noop("Nobody holds a role."), more)],
        forms=[_grant_form(session, asked)],
    )


def _grant_row(grant: RoleGrant, names: Mapping[int, str], codes: Mapping[int, str]) -> Row:
    revoke = Button(
        "revoke",
        noop("End this role"),
        str(grant.id),
        noop("The person loses the role at once. You can give it again."),
    )
    return Row(
        (
            names.get(grant.person_id, ""),
            Words(ROLE_NAMES[grant.role]),
            _place(grant, codes),
            grant.granted_at,
            grant.granted_by,
            grant.revoked_at,
        ),
        href=f"/administration/audit?person={grant.person_id}",
        buttons=[revoke] if grant.revoked_at is None else (),
    )


def _grant_form(session: Session, asked: Asked) -> Form:
    role_choices = [(role.value, name) for role, name in ROLE_NAMES.items()]
    region_choices = [("", noop("no region")), *((each.code, each.code) for each in regions(session))]
    everywhere = noop("For a role on a region. An administrator of neither runs the whole network.")
    return Form(
        "grant",
        noop("Give a role to a person"),
        [
            Input("person", PERSON_ID, value=str(asked.person or ""), is_required=True),
            Input("role", noop("Role"), "select", choices=role_choices),
            Input("estate_id", ESTATE_ID, hint=noop("For a role on an estate.")),
            Input("region", REGION_CODE, "select", choices=region_choices, hint=everywhere),
        ],
        noop("Give the role"),
    )


def _place(grant: RoleGrant, codes: Mapping[int, str]) -> Cell:
    if grant.estate_id is not None:
        return Words(noop("estate %(number)s"), {"number": grant.estate_id})
    return codes[grant.region_id] if grant.region_id is not None else Words(noop("whole network"))


# --- Tokens ---------------------------------------------------------------------------------------------


def tokens_content(session: Session, settings: Settings, at: datetime) -> Content:
    """Tokens, without their keys, and the form that makes one."""
    rows = [
        Row(
            (
                each.name,
                Words(TOKEN_ROLE_NAMES[each.role]),
                ", ".join(each.scopes),
                each.created_at,
                each.expires_at or Words(noop("never")),
                _token_state(each, at),
            ),
            buttons=[
                Button(
                    "revoke",
                    noop("Revoke"),
                    each.name,
                    noop("Programs that use this token are refused at once. It cannot be taken back."),
                )
            ]
            if each.revoked_at is None
            else (),
            is_wrong=each.revoked_at is None
            and each.expires_at is not None
            and each.expires_at < at + queries.SOON,
        )
        for each in token_queries.tokens(session)
    ]
    columns = (NAME, noop("Role"), noop("May"), noop("Made"), noop("Expires"), noop("State"))
    return Content(
        listings=[Listing(noop("Tokens"), columns, rows, noop("There is no token yet."))],
        forms=[_token_form(settings)],
    )


def _token_form(settings: Settings) -> Form:
    role_choices = [(role.value, name) for role, name in TOKEN_ROLE_NAMES.items()]
    scope_choices = [
        (TokenScope.READ.value, noop("only read")),
        (TokenScope.WRITE.value, noop("read and write")),
    ]
    return Form(
        "create",
        noop("Make a token"),
        [
            Input("name", noop("Purpose of the token"), is_required=True),
            Input("role", noop("Role"), "select", choices=role_choices),
            Input("estate_id", ESTATE_ID, hint=noop("For a program of an estate.")),
            Input("region", REGION_CODE, hint=noop("For a dispatch centre.")),
            Input("scope", noop("May"), "select", choices=scope_choices),
            Input("days", noop("Valid for days"), value=str(settings.token_days), is_required=True),
        ],
        noop("Make the token"),
    )


def _token_state(token: Token, at: datetime) -> Words:
    if token.revoked_at is not None:
        return Words(noop("revoked"))
    if token.expires_at is not None and token.expires_at <= at:
        return Words(noop("expired"))
    if token.expires_at is not None and token.expires_at < at + queries.SOON:
        return Words(noop("expires soon: make a new one"))
    return Words(noop("valid"))
