"""`make cluster-soak`: load the cluster while faults happen at random, and check each request."""

from __future__ import annotations

import http.client
import json
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from deploy.cluster.certificates import FOLDER
from deploy.cluster.render import Inventory
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.sessions import CSRF_HEADER, SESSION_COOKIE, SignIn, csrf_token
from aed.accounts.tokens import hash_key
from aed.database.bulk import insert_many
from aed.database.session import open_database, transaction
from aed.geo import Position
from aed.responders.models import Consent, Responder
from aed.responders.rules import ConsentKind, current_wording
from aed.settings import Settings
from tests import make
from tests.cluster import history
from tests.cluster.faults import FAULTS, Fault, deliveries, is_whole, row_of, table
from tests.cluster.history import NO_ANSWER, Exchange, Work
from tests.cluster.hosts import CLIENT, STATE, enter, eventually, inventory
from tests.cluster.up import REGION, TOKENS, say, tls_of, web
from tests.cluster.workload import HERE, PER_SECOND, Load

PING_SECONDS: Final = 300.0
"""Time between two locations of a phone."""
LINES: Final = 8
"""Connections over which the phones send, since as many as phones would measure this machine."""
PAUSE_SECONDS: Final = (5.0, 25.0)
"""Shortest and longest time between the end of a fault and the next one."""
FAR_DEGREES: Final = 0.02


def soak() -> None:
    """Load the cluster for MINUTES with PEOPLE on duty, LOOKUPS and INCIDENTS a second, and break it."""
    minutes = float(os.environ.get("MINUTES", "30"))
    people = int(os.environ.get("PEOPLE", "3000"))
    rates = {
        **PER_SECOND,
        Work.LOOKUP: float(os.environ.get("LOOKUPS", "10")),
        Work.INCIDENT: float(os.environ.get("INCIDENTS", "0.5")),
    }
    seed = int(os.environ.get("SEED", "1"))
    hosts = inventory()
    enter(CLIENT)
    eventually("a whole cluster", lambda: is_whole(hosts))
    keys = _people_on_duty(hosts, people)
    say(f"{people} people, each sends a location every {PING_SECONDS:.0f} s; seed {seed}")
    load = Load(web(hosts), json.loads(TOKENS.read_text("ascii")), tls_of(hosts.hosts[0]), per_second=rates)
    phones = Phones(hosts, keys)
    started, before = datetime.now(UTC), deliveries(hosts)
    with load.running(), phones.sending():
        began = time.monotonic()
        cut = _break_at_random(hosts, load, random.Random(seed), until=began + minutes * 60)
        ended = time.monotonic()
    eventually("a whole cluster", lambda: is_whole(hosts))
    time.sleep(3)  # the worker sends the last messages
    row = row_of(f"soak, {minutes:.0f} minutes", hosts, load.history, began, ended, started, before, cut)
    say(table([row]))
    say(phones.summary())


def _break_at_random(
    hosts: Inventory, load: Load, random_numbers: random.Random, *, until: float
) -> list[Exchange]:
    """Begin and mend faults until the time is over; return the requests that were cut off by lost hosts."""
    began, cut = time.monotonic(), []
    faults = [each for each in FAULTS if each.name != "none"]
    while time.monotonic() < until:
        fault: Fault = random_numbers.choice(faults)
        at = time.monotonic()
        mend = fault.begin(hosts)
        broken_at = time.monotonic()
        time.sleep(max(0.0, at + fault.seconds - broken_at))  # the load goes on in threads
        mend()
        seconds = eventually("a whole cluster again", lambda: is_whole(hosts))
        if fault.loses_connections:
            cut += history.cut_off(load.history, at=broken_at)
        say(f"{at - began:5.0f} s  {fault.name}; whole {seconds:.0f} s after it was mended")
        time.sleep(random_numbers.uniform(*PAUSE_SECONDS))  # a healthy cluster under load
    return cut


# --- people on duty -----------------------------------------------------------------------------------------


def _key(person_id: int) -> str:
    return f"soak-phone-{person_id}"


def _people_on_duty(hosts: Inventory, count: int) -> list[str]:
    """Register responders around the district who share their location; return the keys of their phones."""
    passwords = json.loads((STATE / "secrets.json").read_text("ascii"))
    authority = Path(hosts.hosts[0].root, FOLDER, "ca.crt")
    url = (
        f"postgresql+psycopg://aed:{passwords['application']}@{web(hosts)}:5000/aed"
        f"?sslmode=verify-full&sslrootcert={authority}"
    )
    numbers = random.Random(3)
    people = []
    with closing(
        open_database(Settings(database_url=url, encryption_keys=passwords["encryption_key"]))
    ) as database:
        for first in range(0, count, 200):
            with transaction(database) as session:
                for _ in range(first, min(first + 200, count)):
                    lat, lon = (each + numbers.uniform(-FAR_DEGREES, FAR_DEGREES) for each in HERE)
                    responder = make.responder(session, at=Position(lat, lon), in_region=REGION)
                    people.append(session.get_one(Responder, responder).person_id)
                _agree_and_sign_in(session, people[first:])
    return [_key(each) for each in people]


def _agree_and_sign_in(session: Session, people: list[int]) -> None:
    kind, now = ConsentKind.LIVE_PLACE, datetime.now(UTC)
    known = set(session.scalars(select(SignIn.person_id).where(SignIn.person_id.in_(people))))
    new = [each for each in people if each not in known]  # an earlier soak has left them
    agreed = {"kind": kind, "wording": current_wording(kind).version, "given_at": now, "given_by": "soak"}
    insert_many(session, Consent, [{"person_id": each, **agreed} for each in new])
    lasts = {"created_at": now, "expires_at": now + timedelta(days=1)}
    insert_many(
        session, SignIn, [{"person_id": each, "key_hash": hash_key(_key(each)), **lasts} for each in new]
    )


@dataclass
class Phones:
    """Phones that send their location in turn, at a constant rate, over a few connections that are kept."""

    hosts: Inventory
    keys: list[str]
    statuses: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    _stopped: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def sending(self) -> Iterator[None]:
        lines = [threading.Thread(target=self._send, args=(number,), daemon=True) for number in range(LINES)]
        for each in lines:
            each.start()
        try:
            yield
        finally:
            self._stopped.set()
            for each in lines:
                each.join()

    def summary(self) -> str:
        """Say how many locations were sent, how many were refused with what, and how long answers took."""
        took = sorted(self.seconds)
        others = Counter(each for each in self.statuses if not 200 <= each < 300)
        return (
            f"{len(took)} locations, refused: {dict(others) or 'none'}; "
            f"answered in p50 {took[len(took) // 2]:.2f} s, p99 {took[int(len(took) * 0.99)]:.2f} s"
        )

    def _send(self, line: int) -> None:
        numbers, keys = random.Random(line), self.keys[line::LINES]
        connection = http.client.HTTPSConnection(
            web(self.hosts), timeout=15, context=tls_of(self.hosts.hosts[0])
        )
        next_at, number = time.monotonic(), 0
        while not self._stopped.wait(max(0.0, next_at - time.monotonic())):
            next_at = max(next_at + PING_SECONDS / len(keys), time.monotonic() - 1)
            key, number = keys[number % len(keys)], number + 1
            lat, lon = (each + numbers.uniform(-FAR_DEGREES, FAR_DEGREES) for each in HERE)
            headers = {
                "Cookie": f"{SESSION_COOKIE}={key}",
                CSRF_HEADER: csrf_token(key),
                "Content-Type": "application/json",
            }
            began = time.monotonic()
            try:
                connection.request(
                    "PUT",
                    "/v1/location",
                    json.dumps({"lat": lat, "lon": lon, "accuracy_metres": 15}),
                    headers,
                )
                answer = connection.getresponse()
                answer.read()
                status = answer.status
            except (OSError, http.client.HTTPException):
                connection.close()
                status = NO_ANSWER
            self.statuses.append(status)
            self.seconds.append(time.monotonic() - began)
