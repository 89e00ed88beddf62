"""The subjects of the administrator's pages, and what every such page is made of: tables, buttons, forms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from aed.web.words import noop


class Subject(StrEnum):
    """A page of its own; the value is the end of its address."""

    PEOPLE = "people"
    ROLES = "roles"
    TOKENS = "tokens"
    ENDPOINTS = "endpoints"
    OUTBOX = "outbox"
    JOBS = "jobs"
    FEEDS = "feeds"
    ISSUERS = "issuers"
    HOLIDAYS = "holidays"
    KEYS = "keys"
    AUDIT = "audit"
    HEALTH = "health"


TITLES: Final[Mapping[Subject, str]] = {
    Subject.PEOPLE: noop("People and accounts"),
    Subject.ROLES: noop("Roles"),
    Subject.TOKENS: noop("Tokens of programs"),
    Subject.ENDPOINTS: noop("Endpoints: bots, webhooks, mailboxes"),
    Subject.OUTBOX: noop("Outgoing messages"),
    Subject.JOBS: noop("Scheduled jobs"),
    Subject.FEEDS: noop("Feeds: lists that are fetched"),
    Subject.ISSUERS: noop("Issuers of certificates"),
    Subject.HOLIDAYS: noop("Holidays by year"),
    Subject.KEYS: noop("Encryption keys"),
    Subject.AUDIT: noop("Audit log"),
    Subject.HEALTH: noop("Health"),
}


@dataclass(frozen=True, slots=True)
class Words:
    """A text in English, to be translated, with the values of its placeholders such as %(count)s."""

    text: str
    values: Mapping[str, object] = field(default_factory=dict)


type Cell = Words | str | int | datetime | date | None
"""What a table shows: words are translated, all else is shown as it is."""


@dataclass(frozen=True, slots=True)
class SubjectLine:
    """A subject on the front page: its state, and whether it needs attention."""

    subject: Subject
    words: Words
    is_wrong: bool = False


@dataclass(frozen=True, slots=True)
class Button:
    """A button of a row: posts `do` with the row's `id`, after a sentence on what happens."""

    do: str
    label: str
    id: str
    explains: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    cells: Sequence[Cell]
    buttons: Sequence[Button] = ()
    href: str = ""
    """The page that the first cell leads to."""
    links: Sequence[tuple[str, str]] = ()
    """Further pages: the label, in English, and the address."""
    is_wrong: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """A table with a caption; `empty` is said where it has no rows."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Row]
    empty: str
    next: str = ""
    """The query string of the next page."""


@dataclass(frozen=True, slots=True)
class Input:
    """A field of a form: a line, a choice (value and label), a text of several lines, or hidden."""

    name: str
    label: str
    kind: str = "text"
    value: str = ""
    choices: Sequence[tuple[str, str]] = ()
    hint: str = ""
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """A form that posts `do`; without `do`, one that filters the page."""

    do: str
    heading: str
    inputs: Sequence[Input]
    button: str


@dataclass(frozen=True, slots=True)
class Content:
    """What the page of a subject shows, in this order: notices, tables, forms."""

    notices: Sequence[Words] = ()
    """What is wrong, and commands for what no page does."""
    filters: Sequence[Form] = ()
    listings: Sequence[Listing] = ()
    forms: Sequence[Form] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """The query of the page of a subject."""

    q: str = ""
    """A search text, or the name or number of one row."""
    state: str = ""
    person: int = 0
    who: str = ""
    """A person by number or by a part of their name."""
    thing: str = ""
    since: date | None = None
    until: date | None = None
    after: int = 0
    """The id after which the page begins; in the newest-first lists, before which."""
