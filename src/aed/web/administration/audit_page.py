"""The pages of keys and of the audit log."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from sqlalchemy.orm import Session

from aed.accounts.audit_log import AuditEntry, audit_entries
from aed.accounts.people import queries as people_queries
from aed.accounts.permissions import Viewer
from aed.accounts.security_log import security_events
from aed.database.encryption.columns import keyring_of
from aed.registry.changes import RegistryChange, registry_changes
from aed.web.administration import queries
from aed.web.administration.rules import Asked, Content, Form, Input, Listing, Row, Words
from aed.web.language import SOURCE, languages
from aed.web.words import noop, translator

SHOWN: Final = 50
AT: Final = noop("When")
WHO: Final = noop("Who did it")
WHAT: Final = noop("Change")
PERSON_ID: Final = noop("Number of the person")
THING: Final = noop("Thing")
NUMBER: Final = noop("Number")


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
    thing = thing_in(asked.thing)
    people = _people_in(session, viewer, asked)
    entries = audit_entries(
        session,
        viewer,
        person_ids=people,
        subject=thing.subject,
        subject_id=thing.subject_id,
        action=thing.action,
        since=since,
        until=until,
        limit=SHOWN,
    )
    names = people_queries.names_by_actor(session, {each.who for each in entries})
    listings = [_signed_log(entries, names)]
    if not thing.action:
        changes = registry_changes(
            session,
            viewer,
            person_ids=people,
            subject=thing.subject,
            subject_id=thing.subject_id,
            since=since,
            until=until,
            limit=SHOWN,
        )
        names = people_queries.names_by_actor(session, {each.who for each in changes})
        listings.append(_register(changes, names))
    if not asked.thing and (people is None or len(people) == 1):
        listings.append(_sign_ins(session, viewer, next(iter(people or ()), None), since, until))
    return Content(
        notices=[Words(noop("aed audit verify checks on the machine that no entry was altered."))],
        filters=[_search_form(asked)],
        listings=listings,
    )


THINGS: Final = {
    "role": noop("Role"),
    "person": noop("Person"),
    "token": noop("Token"),
    "agreement": noop("Agreement"),
    "signal_source": noop("Source of signals"),
    "log": noop("Audit log"),
    "devices": noop("AED"),
    "consumables": noop("Pads or battery"),
    "estates": noop("Estate"),
    "gates": noop("Gate"),
    "responders": noop("Volunteer"),
    "certificates": noop("Certificate"),
    "courses": noop("Course"),
    "training_sessions": noop("Training session"),
    "enrolments": noop("Enrolment"),
    "issuers": noop("Issuer"),
    "policies": noop("Rules of checks"),
    "recalls": noop("Recall"),
    "loans": noop("Loan of a spare AED"),
    "spare_stocks": noop("Spare pads and batteries"),
    "inspection_rounds": noop("Inspection round"),
}
"""Names of what the log and the register are about, in English; translate them."""
ACTIONS: Final = {
    "granted": noop("granted"),
    "revoked": noop("revoked"),
    "moved": noop("moved to another person"),
    "added": noop("added"),
    "amended": noop("changed"),
    "joined": noop("merged into another person"),
    "erased": noop("data erased"),
    "accounts opened": noop("accounts opened"),
    "password set": noop("password set"),
    "identity linked": noop("identity linked"),
    "identities unlinked": noop("identities unlinked"),
    "linked to home cell": noop("linked to a home account in another province"),
    "link to cell ended": noop("link to another province ended"),
    "second factor added": noop("second factor added"),
    "second factor removed": noop("second factor removed"),
    "second factors removed": noop("second factors removed"),
    "made": noop("made"),
    "drafted": noop("drafted"),
    "representative": noop("representative set"),
    "proposed": noop("proposed"),
    "consent": noop("agreed to"),
    "refusal": noop("refused"),
    "confirmed": noop("confirmed"),
    "suspended": noop("suspended"),
    "resumed": noop("resumed"),
    "lowered": noop("shared less widely"),
    "withdrawn": noop("withdrawn"),
    "anchored": noop("records of incidents sealed"),
}
"""Names of the actions of the log, in English; translate them."""


@dataclass(frozen=True, slots=True)
class Thing:
    """What is searched: a subject, perhaps with its number, or an action."""

    subject: str = ""
    subject_id: str = ""
    action: str = ""


def thing_in(text: str) -> Thing:
    """Return what a text such as `AED 12`, `角色 3` or `授予` means, in any language of the pages.

    Words that mean nothing are returned as a subject, which has no entries.
    """
    words, number = text.strip(), ""
    first, _, last = words.rpartition(" ")
    if first and last:
        words, number = first, last
    for language in (SOURCE, *languages()):
        translate = translator(language)
        for known, found in ((THINGS, "subject"), (ACTIONS, "action")):
            for value, name in known.items():
                for text_of in (value, translate(name)):
                    if words.casefold() == text_of.casefold() and (found == "subject" or not number):
                        return Thing(value, number) if found == "subject" else Thing(action=value)
                    if number and found == "action" and text.strip().casefold() == text_of.casefold():
                        return Thing(action=value)
    return Thing(words, number)


def _people_in(session: Session, viewer: Viewer, asked: Asked) -> list[int] | None:
    """Return the ids of the people who are searched, at most SHOWN; None without a search."""
    if not asked.who:
        return None
    if asked.person:
        return [asked.person]
    found = people_queries.people(session, viewer, limit=SHOWN, name=asked.who)
    return [person.id for person, _ in found]


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _words_for(value: str, names: Mapping[str, str]) -> Words | str:
    return Words(names[value]) if value in names else value


def _signed_log(entries: Sequence[AuditEntry], names: Mapping[str, str]) -> Listing:
    rows = [
        Row(
            (
                each.at,
                names.get(each.who, each.who),
                _words_for(each.subject, THINGS),
                each.subject_id,
                _words_for(each.action, ACTIONS),
                _details(each.details),
            )
        )
        for each in entries
    ]
    caption = noop("Roles, people, tokens, agreements, sources of signals (signed)")
    columns = (AT, WHO, THING, NUMBER, WHAT, noop("Details"))
    return Listing(caption, columns, rows, noop("No entry matches."))


def _register(changes: Sequence[RegistryChange], names: Mapping[str, str]) -> Listing:
    rows = [
        Row(
            (
                each.at,
                names.get(each.who, each.who),
                _words_for(each.subject, THINGS),
                each.subject_id,
                ", ".join(each.fields),
            )
        )
        for each in changes
    ]
    caption = noop("AEDs, estates and other entries of the register")
    return Listing(caption, (AT, WHO, THING, NUMBER, noop("Fields")), rows, noop("No entry matches."))


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
    example = noop("Such as: AED 12, estate, role 3, person, granted")
    return Form(
        "",
        noop("Search"),
        [
            Input("person", noop("Name or number of the person"), value=asked.who),
            Input(
                "thing",
                noop("Thing, with its number if you like, or action"),
                value=asked.thing,
                hint=example,
            ),
            Input("since", noop("From"), "date", asked.since.isoformat() if asked.since else ""),
            Input("until", noop("Until"), "date", asked.until.isoformat() if asked.until else ""),
        ],
        noop("Search"),
    )


def _details(text: str) -> str:
    found = json.loads(text)
    return "; ".join(
        f"{name}: {', '.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in found.items()
        if name != "key_hash" and value is not None
    )
