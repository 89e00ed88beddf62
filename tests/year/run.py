"""Run the year day by day: scheduled jobs in the morning, lookups at noon, people in the afternoon."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from threading import Lock
from typing import Final

from sqlalchemy import select

from aed import schedule
from aed.accounts.people.models import Person
from aed.accounts.permissions import ANYONE
from aed.database.session import Database, read_session, transaction
from aed.lookup.answer import answer_lookup
from aed.lookup.question import LookupQuestion
from aed.notifications.jobs import send_waiting
from aed.notifications.rules import Channel, Delivery
from aed.settings import Settings
from aed.upkeep.reminders.actions import lines_behind_link
from tests.year.ledger import DAY
from tests.year.people import People
from tests.year.world import DEVICES_AN_ESTATE, Size, World, build, moment

JOBS: Final = ("upkeep", "expiry-reminders", "check-reminders", "reminder-messages")
PUBLIC_URL: Final = "https://aed.example"
_LINK: Final = re.compile(rf"{re.escape(PUBLIC_URL)}/l/(\w{{12}})")


@dataclass(frozen=True)
class Received:
    """A message delivered from the outbox."""

    on: date
    recipient: str
    text: str

    @property
    def key(self) -> str | None:
        """The key in its link, if it is a reminder."""
        found = _LINK.search(self.text)
        return found[1] if found else None


@dataclass
class Year:
    """The results of the year."""

    world: World
    counts: Counter[str]
    received: list[Received] = field(default_factory=list)
    offered_wrongly: list[tuple[date, int]] = field(default_factory=list)
    """(day, device) of devices offered although expired or out of service."""
    not_offered: list[tuple[date, int]] = field(default_factory=list)
    """(day, device) of usable devices not offered to a person right next to them."""
    days_out: Counter[str] = field(default_factory=Counter)
    """Device-days out of service by reason; each was checked with a lookup."""


def run(
    database: Database, settings: Settings, size: Size, *, say: Callable[[str], None] = lambda _: None
) -> Year:
    """Run a year with a moved clock: every job and action receives the simulated time."""
    settings = settings.model_copy(update={"public_url": PUBLIC_URL})
    with transaction(database) as session:
        world = build(session, size)
    people = People(world)
    year = Year(world, people.counts)
    person_by_number = _numbers(database)
    today = size.first_day
    while today <= size.last_day:
        _morning(database, settings, today)
        received = _delivered(database, today)
        year.received += received
        with transaction(database) as session:
            for each in received:
                if each.key is not None:
                    lines = lines_behind_link(session, each.key, at=moment(today, 9))
                    people.read(session, person_by_number[each.recipient], each.key, lines, today)
        _noon(database, settings, year, today)
        with transaction(database) as session:
            people.act(session, today)
        if today.day == 1:
            say(f"{today:%Y-%m}: {people.counts['checks']:,} checks, {len(year.received):,} messages")
        today += DAY
    return year


def _morning(database: Database, settings: Settings, today: date) -> None:
    for name in JOBS:
        schedule.job_called(name).run(database, settings, lambda: moment(today, 8.5))


def _delivered(database: Database, today: date) -> list[Received]:
    """Deliver all waiting messages through the real outbox to a recording channel; return them."""
    received: list[Received] = []
    lock = Lock()

    def deliver(letter: Delivery, *, at: datetime) -> None:
        with lock:
            received.append(Received(today, letter.recipient, letter.text))

    send_waiting(database, lambda: moment(today, 8.6), channels=dict.fromkeys(Channel, deliver))
    return sorted(received, key=lambda each: (each.recipient, each.text))


def _noon(database: Database, settings: Settings, year: Year, today: date) -> None:
    """Look up devices in each estate with one that must not be offered, and in some others."""
    world, ledger = year.world, year.world.ledger
    with read_session(database) as session:
        for number, house in enumerate(world.houses):
            usable = {id_ for id_ in house.device_ids if ledger.is_usable(id_, today)}
            if len(usable) == DEVICES_AN_ESTATE and (number + today.toordinal()) % 50:
                continue
            for id_ in house.device_ids:
                if id_ not in usable:
                    year.days_out["out" if ledger.reasons(id_) else "expired"] += 1
            question = LookupQuestion(
                here=house.here, at=moment(today, 12), limit=DEVICES_AN_ESTATE, responders=0
            )
            found = answer_lookup(session.connection(), ANYONE, question, network=None, settings=settings)
            offered = {near.row.id for near in found.devices} & set(house.device_ids)
            year.offered_wrongly += [(today, id_) for id_ in sorted(offered - usable)]
            year.not_offered += [(today, id_) for id_ in sorted(usable - offered)]
            year.counts["lookups"] += 1


def _numbers(database: Database) -> dict[str, int]:
    with read_session(database) as session:
        return {phone: id_ for id_, phone in session.execute(select(Person.id, Person.phone)) if phone}
