"""The pages of keys and of the audit log."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from sqlalchemy.orm import Session

from aed.accounts.audit_log import AuditEntry, audit_entries
from aed.accounts.permissions import Viewer
from aed.accounts.security_log import security_events
from aed.database.encryption.columns import keyring_of
from aed.registry.changes import RegistryChange, registry_changes
from aed.web.administration import queries
from aed.web.administration.rules import Asked, Content, Form, Input, Listing, Row, Words
from aed.web.words import noop

SHOWN: Final = 50
AT: Final = noop("When")
WHO: Final = noop("Who did it")
WHAT: Final = noop("Change")
PERSON_ID: Final = noop("Number of the person")


def keys_content(session: Session, viewer: Viewer, counts: Mapping[str, Mapping[str, int]]) -> Content:
    """Keys: which encrypts, how much each has encrypted, since when it signs; and the commands that rotate.

    `counts` is `personal_data.key_rotation.count_by_key`.
    """
    ring = keyring_of(session.get_bind().dialect)
    since = queries.signing_key_ages(session, viewer)
    ids = list(dict.fromkeys([*ring.ids, *(key for each in counts.values() for key in each), *since]))
    rows = []
    for key in ids:
        values = sum(each.get(key, 0) for each in counts.values())
        if key == "none":
            role, is_wrong = noop("not encrypted: rotate the keys"), True
        elif key not in ring.ids and values:
            role, is_wrong = noop("missing: what it encrypted cannot be read"), True
        elif key not in ring.ids:
            role, is_wrong = noop("removed; its signatures stay verifiable"), False
        elif key == ring.ids[0]:
            role, is_wrong = noop("encrypts and decrypts, signs"), False
        else:
            role, is_wrong = noop("decrypts only"), bool(values)
        rows.append(Row((key, Words(role), values, since.get(key)), is_wrong=is_wrong))
    return Content(
        notices=[
            Words(
                noop("The keys are in %(place)s. They are changed on the machine, not on a page:"),
                {"place": ring.source},
            ),
            Words(noop("aed keys new makes a key; put it in front of the others, then run aed keys rotate.")),
        ],
        listings=[
            Listing(
                noop("Encryption keys"),
                (
                    noop("Key"),
                    noop("Use"),
                    noop("Values encrypted with it"),
                    noop("Signs the audit log since"),
                ),
                rows,
                noop("There is no key."),
            )
        ],
    )


def audit_content(session: Session, viewer: Viewer, asked: Asked) -> Content:
    """Who changed what, by person, thing and time: the signed log, the register, and sign-ins."""
    since = _midnight(asked.since) if asked.since is not None else None
    until = _midnight(asked.until + timedelta(days=1)) if asked.until is not None else None
    thing, _, thing_id = asked.thing.strip().partition(" ")
    person = asked.person or None
    entries = audit_entries(
        session,
        viewer,
        person_id=person,
        subject=thing,
        subject_id=thing_id,
        since=since,
        until=until,
        limit=SHOWN,
    )
    changes = registry_changes(
        session,
        viewer,
        person_id=person,
        subject=thing,
        subject_id=thing_id,
        since=since,
        until=until,
        limit=SHOWN,
    )
    listings = [_signed_log(entries), _register(changes)]
    if not thing:
        listings.append(_sign_ins(session, viewer, person, since, until))
    return Content(
        notices=[Words(noop("aed audit verify checks on the machine that no entry was altered."))],
        filters=[_search_form(asked)],
        listings=listings,
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _signed_log(entries: Sequence[AuditEntry]) -> Listing:
    rows = [
        Row((each.at, each.who, f"{each.subject} {each.subject_id}: {each.action}", _details(each.details)))
        for each in entries
    ]
    caption = noop("Roles, people, tokens, agreements (signed)")
    return Listing(caption, (AT, WHO, WHAT, noop("Details")), rows, noop("No entry matches."))


def _register(changes: Sequence[RegistryChange]) -> Listing:
    rows = [
        Row((each.at, each.who, f"{each.subject} {each.subject_id}", ", ".join(each.fields)))
        for each in changes
    ]
    caption = noop("AEDs, estates and other entries of the register")
    return Listing(caption, (AT, WHO, WHAT, noop("Fields")), rows, noop("No entry matches."))


def _sign_ins(
    session: Session, viewer: Viewer, person: int | None, since: datetime | None, until: datetime | None
) -> Listing:
    events = [
        each
        for each in security_events(session, viewer, limit=SHOWN, person_id=person)
        if (since is None or each.at >= since) and (until is None or each.at < until)
    ]
    rows = [Row((each.at, each.person_id, each.kind.value, each.address)) for each in events]
    columns = (AT, PERSON_ID, WHAT, noop("Address"))
    return Listing(noop("Sign-ins"), columns, rows, noop("No entry matches."))


def _search_form(asked: Asked) -> Form:
    example = noop("Such as: devices 12, estates, role 3, person, token")
    return Form(
        "",
        noop("Search"),
        [
            Input("person", PERSON_ID, value=str(asked.person or "")),
            Input("thing", noop("Thing, with its number if you like"), value=asked.thing, hint=example),
            Input("since", noop("From"), "date", asked.since.isoformat() if asked.since else ""),
            Input("until", noop("Until"), "date", asked.until.isoformat() if asked.until else ""),
        ],
        noop("Search"),
    )


def _details(text: str) -> str:
    found = json.loads(text)
    return ", ".join(
        f"{name}: {value}" for name, value in found.items() if name != "key_hash" and value is not None
    )
